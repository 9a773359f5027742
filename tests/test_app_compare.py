"""All chains side by side on the screen, without a browser."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import cached_resources
from app.conversations import Conversations
from app.i18n import TEXTS, Words
from chains.compare import NAMES as CHAINS
from chains.errors import ModelTimeout
from chains.grounding.refusal import NOT_FOUND
from ingest.store.library import Library
from settings import load_settings
from tests.support.fakes import ScriptedModel
from tests.support.pages import (
    MAIN,
    any_role,
    ask,
    conversation,
    filled,
    keys,
    pictures,
    press,
    small,
    speaking,
    start,
    texts,
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from small(monkeypatch)


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedModel]:
    return speaking(monkeypatch)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """The app's own, with one document in it."""
    return filled(tmp_path, ["bridge.pdf"])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_question_is_compared_by_all_chains_and_kept_over_a_reload(
    lang: str, library: Library, says: Callable[..., ScriptedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEWISE_RERANK", "answer")  # so that one chain says something else
    says(any_role, parallel=4)
    words = TEXTS[lang]  # type: ignore[index]
    at = ask(start(lang=lang), "When was the bridge opened?")
    press(at, keys(at, "compare-")[0])
    for shown in (at, start(lang=lang, c=conversation(at))):
        for chain in CHAINS:
            assert words[f"chain.{chain}"].replace("_", "\\_") in texts(shown)
            (mark,) = [key for key in keys(shown, "cite-") if f"-{chain}-" in key]
            assert f"(#{mark})" in texts(shown)
        verified = f":material/check_circle: {words['answer.quotes.one'].format(done=1, n=1)}"
        assert texts(shown).count(verified) == 5  # the answer, and four beside it
        assert words["compare.agree"] in texts(shown)
        assert words["compare.figures.all"].partition("{")[0] not in texts(shown)
        only = words["compare.figures.one"].format(chain=words["chain.map_rerank"].replace("_", "\\_"), figures="1885")
        assert only in texts(shown)
        (page,) = keys(shown, "agreed-")
        assert words["compare.cited"].format(n=4, total=4) in shown.button(key=page).label
    store = Conversations(load_settings().data)
    asked, compared = store.entries(conversation(at))
    assert (compared.kind, compared.asked, asked.kind) == ("compare", asked.asked, "question")
    assert [part.chain for part in compared.parts] == list(CHAINS)
    assert len({part.answer.sources for part in compared.parts if part.answer}) == 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_where_all_chains_refuse_the_closest_passages_stand_below_them_once(
    lang: str, library: Library, says: Callable[..., ScriptedModel]
) -> None:
    says(lambda prompt: "Score: 0" if prompt.role == "score" else NOT_FOUND["en"])
    words = Words(lang)  # type: ignore[arg-type]
    at = ask(start(lang=lang), "Who lives on the moon?")
    press(at, keys(at, "compare-")[0])
    assert texts(at).count(words("refused.closest")) == 2  # of the answer, and of the comparison
    assert words("compare.words", share="0%") not in texts(at)
    press(at, keys(at, "close-")[-1])
    assert pictures(at) == 1


def test_the_marks_of_a_comparison_open_their_page(library: Library, says: Callable[..., ScriptedModel]) -> None:
    says(any_role)
    at = ask(start(), "When was the bridge opened?")
    press(at, keys(at, "compare-")[0])
    (mark,) = [key for key in keys(at, "cite-") if "-refine-" in key]
    press(at, mark)
    assert "page 1 of 2" in texts(at) and pictures(at) == 1
    press(at, "source-close")
    assert not pictures(at)
    press(at, keys(at, "agreed-")[0])
    assert pictures(at) == 1
    press(at, [key for key in keys(at, "again-")][-1])
    kinds = [entry.kind for entry in Conversations(load_settings().data).entries(conversation(at))]
    assert kinds == ["question", "compare", "compare"]


def test_a_chain_that_fails_leaves_the_others_on_the_screen(
    library: Library, says: Callable[..., ScriptedModel]
) -> None:
    says(any_role, fails={2: ModelTimeout(url="http://h", seconds=3)})  # the first call is the question's own answer
    at = ask(start(), "When was the bridge opened?")
    press(at, keys(at, "compare-")[0])
    for shown in (at, start(c=conversation(at))):
        (error,) = shown.error
        assert "http" in str(error.value) and "3 seconds" in str(error.value)
        assert len([key for key in keys(shown, "cite-") if re.search("-(map_reduce|refine|map_rerank)-", key)]) == 3
        assert "cited by 3 of 3" in shown.button(key=keys(shown, "agreed-")[0]).label


def test_a_stopped_comparison_keeps_what_is_whole_and_what_came(
    library: Library, says: Callable[..., ScriptedModel]
) -> None:
    model = says(any_role)
    at = ask(start(), "When was the bridge opened?")
    gate = model._gate = threading.Event()
    late = AppTest.from_file(str(MAIN), default_timeout=4)
    late.query_params["c"] = conversation(at)
    late.run(timeout=60)
    with pytest.raises(RuntimeError, match="timed out"):  # the screen follows an answer that does not end
        late.button(key=keys(late, "compare-")[0]).click().run()
    job = cached_resources.jobs().get(conversation(at))
    assert job is not None and job.running
    job.stop()
    gate.set()
    job.join(10)
    again = start(c=conversation(at))
    assert texts(again).count(TEXTS["en"]["ask.stopped"]) == 4 and "It" in texts(again)
    assert TEXTS["en"]["compare.few"] in texts(again)
