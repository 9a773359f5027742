"""The models that are found on this machine, offered in the app: no page waits for them, a click chooses one."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import cached_resources, composition, model_choice, model_discovery
from app.conversations import Conversations
from app.model_choice import Own
from app.model_discovery import Offers
from chains.models.remote import discovery
from chains.models.remote.discovery import Offer
from ingest.pdf.extract_worker import Limits
from ingest.pipeline import Upload, ingest
from settings import Settings, load_settings
from tests.support.asking import KEY
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf
from tests.support.servers import Scripted, ollama, said, serving

MAIN = Path(__file__).parent.parent / "app" / "main.py"
QWEN = Offer("openai:qwen3:8b", "http://127.0.0.1:11434/v1", "Ollama", 4096)


@pytest.fixture(autouse=True)
def _own_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(composition, "embedder", lambda settings: HashingEmbedder())
    monkeypatch.setattr(cached_resources, "BESIDE", 60.0)  # what is found must not depend on how busy the machine is
    yield
    for job in list(cached_resources.jobs()._jobs.values()):
        job.stop()
        job.join(10)
    st.cache_resource.clear()


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    with serving([said("It was opened in 1884 [1].")], ollama({"qwen3:8b": 40960})) as server:
        monkeypatch.setattr(discovery, "USUAL", {urlsplit(server.root).port or 0: "Ollama"})
        yield server


def started(tmp_path: Path) -> AppTest:
    """The app with a document in its library, when the search has ended."""
    library = cached_resources.library(load_settings())
    make_pdf(tmp_path / "bridge.pdf", ["The bridge was opened in 1884. It crosses the river near the old mill."])
    list(ingest([Upload("bridge.pdf", tmp_path / "bridge.pdf")], library, Limits()))
    at = AppTest.from_file(str(MAIN), default_timeout=60)
    at.run()
    wait_for(lambda: not found().searching)
    at.run()
    assert not at.exception
    return at


def found() -> Offers:
    settings = load_settings()
    return cached_resources.offers(settings.api_base, settings)


def shown(at: AppTest) -> str:
    """The texts of the page, without what keeps a name from being read as markup."""
    return "\n".join(re.sub(r"\\|\u2060", "", str(one.value)) for one in [*at.markdown, *at.caption])


def wait_for(true: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_it_is_chosen_asked_and_said_to_stay_here(
    up: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)  # for OpenAI, and not for this one
    at = started(tmp_path)
    place = up.root.removeprefix("http://")
    box = at.selectbox(key="model")
    assert box.options == ["none: quotes sentences", f"qwen3:8b · {place}"]
    box.select_index(1).run()
    assert f"Stays on this machine: the server at {place} answers." in shown(at)
    at.chat_input(key="question").set_value("When was the bridge opened?").run()
    assert not at.exception and "1884" in shown(at)
    (asked,) = up.chats
    assert asked.body["model"] == "qwen3:8b" and KEY not in str(asked.headers)
    id = at.query_params["c"]
    (entry,) = Conversations(tmp_path / "library").entries(str(id if isinstance(id, str) else id[0]))
    assert entry.answer is not None and entry.answer.text.startswith("It was opened in 1884")
    assert entry.model == f"openai:qwen3:8b @ {up.url}"


def test_the_first_page_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(cached_resources, "search", lambda settings, seconds: [QWEN] if go.wait(60) else [])
    at = AppTest.from_file(str(MAIN), default_timeout=30)
    at.run()  # and comes, though the search has not ended
    assert not at.exception and found().searching
    go.set()
    wait_for(lambda: not found().searching)
    assert found().look() == (QWEN,)


def options() -> None:
    """The page with the settings alone, as a script of its own."""
    from app import cached_resources
    from app.i18n import Words
    from app.screens import settings as settings_screen
    from app.session import Desk
    from settings import load_settings

    settings = load_settings()
    store = cached_resources.conversations(str(settings.data))
    settings_screen.draw(
        Desk(settings, Words("en"), cached_resources.library(settings), store, cached_resources.jobs())
    )


def test_the_settings_page_lists_them_and_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    unnamed = replace(QWEN, model="openai:b", server="", context=0)
    there = [QWEN, unnamed, Offer("local:Q/Q", "", "", 40960, 8_000_000_000)]
    monkeypatch.setattr(cached_resources, "search", lambda settings, seconds: list(there))
    found().look()
    wait_for(lambda: not found().searching)
    at = AppTest.from_function(options, default_timeout=60).run()
    assert not at.exception
    drawn = shown(at)
    assert "**qwen3:8b** — Ollama, 127.0.0.1:11434: stays on this machine · 4,096 tokens" in drawn
    assert "**b** — a server, 127.0.0.1:11434: stays on this machine" in drawn
    assert "**Q/Q** — downloaded, 8.0 GB: runs in Pagewise itself · 40,960 tokens" in drawn
    at.button(key="offer-use-0").click().run()
    assert at.session_state["chosen"] == model_choice.choice(QWEN)
    there.clear()
    at.button(key="offers-again").click().run()
    wait_for(lambda: not found().searching)
    at.run()
    assert "No model server is running here" in shown(at)


def test_the_settings_page_shows_no_password_of_an_address_and_still_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    base = "http://ann:s3cret@127.0.0.1:9/v1"
    monkeypatch.setenv("PAGEWISE_API_BASE", base)
    monkeypatch.setenv("PAGEWISE_MODEL", "openai:m")
    monkeypatch.setattr(cached_resources, "search", lambda settings, seconds: [])
    found().look()
    wait_for(lambda: not found().searching)
    at = AppTest.from_function(options, default_timeout=60).run()
    assert not at.exception and at.text_input(key="own-base").value == "http://127.0.0.1:9/v1"
    assert "127.0.0.1:9" in shown(at) and "s3cret" not in shown(at)
    at.text_input(key="own-spec").set_value("openai:b")
    at.button(key="own-use").click().run()
    assert at.session_state["own"].api_base == base
    assert "s3cret" not in f"{at.text_input(key='own-base').value} {shown(at)}"


# ---- which address and key a choice means


def settings(**values: object) -> Settings:
    return Settings.model_validate({"data": "/nowhere", **values})


def test_a_choice_is_the_model_at_its_address_without_our_key() -> None:
    ours = settings(model="openai:a", api_base="https://ours.example/v1", api_key=KEY)
    where = model_choice.connection(model_choice.choice(QWEN), ours, None)
    assert (where.spec, where.api_base, where.api_key) == (QWEN.model, QWEN.api_base, "")
    assert model_choice.destination(where.spec, where.api_base) == ""


def test_the_key_of_the_settings_goes_to_a_choice_at_their_own_address() -> None:
    ours = settings(model="openai:a", api_base=f"{QWEN.api_base}/", api_key=KEY)
    assert model_choice.connection(model_choice.choice(QWEN), ours, None).api_key == KEY


def test_a_choice_stays_while_its_server_is_away_and_what_is_known_is_not_offered_twice() -> None:
    chosen = model_choice.choice(QWEN)
    assert model_choice.models(settings(), None, [QWEN], "extractive") == ["extractive", chosen]
    assert model_choice.models(settings(), None, [], chosen) == ["extractive", chosen]
    own = Own(QWEN.model, QWEN.api_base)
    assert model_choice.models(settings(), own, [QWEN], "") == ["extractive", QWEN.model]
    same = settings(model=QWEN.model, api_base=QWEN.api_base)
    assert model_choice.models(same, None, [QWEN], "") == [QWEN.model, "extractive"]


def test_two_servers_with_the_same_model_are_two_choices() -> None:
    other = replace(QWEN, api_base="http://127.0.0.1:8080/v1")
    assert len(model_choice.models(settings(), None, [QWEN, other], "")) == 3
    assert [model_choice.label(model_choice.choice(offer)) for offer in (QWEN, other)] == [
        "qwen3:8b · 127.0.0.1:11434",
        "qwen3:8b · 127.0.0.1:8080",
    ]


def test_a_search_that_breaks_is_tried_again_later() -> None:
    def broken() -> list[Offer]:
        raise OSError("no cache")

    looked = Offers(broken)
    looked.look()
    wait_for(lambda: not looked.searching)
    assert looked.look() == () and model_discovery.FRESH > 0
