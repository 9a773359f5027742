"""The first visit, the library and the settings, without a browser: what is drawn, and what a click does."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import cached_resources, composition
from app import uploads as uploads_module
from app.background_jobs import Job
from app.i18n import TEXTS
from ingest.document import Line, Page, with_duplicates
from ingest.pdf.extract_worker import Limits
from ingest.pipeline import Progress, Result, Upload
from ingest.store.library import Library
from settings import Settings, load_settings
from tests.support.books import make_book
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.pages import BRIDGE, ask, filled, keys, press, small, speaking, start, texts
from tests.support.pdfs import encrypted_pdf


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
def test_a_first_visitor_sees_what_it_is_what_to_do_and_where_text_goes(lang: str) -> None:
    at = start(lang=lang)
    words = TEXTS[lang]  # type: ignore[index]
    assert words["app.purpose"] in texts(at)
    assert words["privacy.machine"] in texts(at)
    assert at.button(key="sample").label == words["first.sample"]
    assert len(at.get("file_uploader")) == 1
    assert not at.chat_input


def test_the_sample_can_be_added_and_is_asked_about(says: Callable[..., ScriptedModel]) -> None:
    says("It looks up each quote on its page [1].")
    at = press(start(), "sample")
    assert keys(at, "sample-question-")
    press(at, "sample-question-1")
    assert "It looks up each quote on its page" in texts(at)


def test_a_locked_file_asks_for_its_password(tmp_path: Path) -> None:
    file = encrypted_pdf(tmp_path / "0.pdf", [BRIDGE], "sesame")
    place = tmp_path / "place"
    place.mkdir()
    copy = file.rename(place / f"0-{hashlib.sha256(file.read_bytes()).hexdigest()[:32]}.pdf")
    uploads, opened = [Upload("locked.pdf", copy)], cached_resources.library(load_settings())
    job: Job[Progress | Result] = Job(lambda: uploads_module.take_in(uploads, opened, Limits(), temporary=True))
    job.join(60)
    at = start()
    at.session_state["intake"] = (job, uploads)
    at.run()
    field = at.text_input(key=f"password-{copy.stem}")
    assert not at.exception and "protected with a password" in texts(at) and "locked" in field.label
    field.set_value("sesame")
    at.button[[button.label for button in at.button].index("Open")].click().run()
    at.session_state["intake"][0].join(60)
    at.run()
    assert not at.exception and "pdf: added" in texts(at)
    assert [record.name for record in opened.records()] == ["locked.pdf"] and not place.exists()


def test_a_setting_that_is_wrong_is_said_and_no_page_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEWISE_CHIAN", "stuff")
    at = start()
    assert "PAGEWISE\\_CHAIN" in texts(at)
    monkeypatch.delenv("PAGEWISE_CHIAN")
    press(at, "retry")
    assert keys(at, "sample") == ["sample"]


def test_a_library_that_cannot_be_shared_is_said_with_a_way_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.store.shared_vectors.POSSIBLE", False)  # a system without sockets in the file system
    with Library(load_settings().data, HashingEmbedder()) as other:
        at = start()
        assert "chroma run" in texts(at)
        assert keys(at, "retry") == ["retry"]
        other.close()
        press(at, "retry")
    assert keys(at, "sample") == ["sample"]


def page(at: AppTest, name: str) -> AppTest:
    at.switch_page(name).run()
    assert not at.exception
    return at


def draw_library(language: str) -> None:
    """The library's page alone, as a script of its own."""
    from app import cached_resources
    from app.i18n import Words
    from app.screens import library
    from app.session import Desk
    from settings import load_settings

    settings = load_settings()
    conversations = cached_resources.conversations(str(settings.data))
    desk = Desk(settings, Words(language), cached_resources.library(settings), conversations, cached_resources.jobs())  # type: ignore[arg-type]
    library.draw(desk, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("language", "state"),
    [
        ("en", "2 pages without text: 2–3 · 1 of them garbled"),
        ("en", "1 page read by text recognition · 1 page repeats another"),
        ("zh", "2 页没有文字：2–3 · 其中 1 页是乱码"),
        ("zh", "1 页由文字识别读出 · 1 页与另一页内容相同"),
    ],
)
def test_the_library_says_what_became_of_a_documents_pages(language: str, state: str, tmp_path: Path) -> None:
    opened = cached_resources.library(load_settings())
    book = make_book(tmp_path, "scan.pdf", ["Read from a picture.", "", "", "read from a picture."], opened.embedder)
    recognised, _, _, repeats = with_duplicates(book.document.pages)
    pages = (
        replace(recognised, lines=(Line(0, (0.1, 0.1, 0.5, 0.2)),)),
        Page(2, "2", "", "picture only"),
        Page(3, "3", "", "garbled: its fonts name the wrong letters"),
        repeats,
    )
    replace(book, document=replace(book.document, pages=pages)).put(opened)
    at = AppTest.from_function(draw_library, kwargs={"language": language}, default_timeout=60).run()
    assert not at.exception
    told = [element.value for element in at.markdown]
    assert any(state in line for line in told), told


def test_what_a_tab_enters_is_not_in_another_tab_nor_on_the_disk(
    library: Library, monkeypatch: pytest.MonkeyPatch, says: Callable[..., ScriptedModel]
) -> None:
    seen: list[Settings] = []
    model = says("In 1884 [1].")

    def opened(settings: Settings, embedder: object) -> ScriptedModel:
        seen.append(settings)
        return model

    monkeypatch.setattr(composition, "model", opened)
    at = start()
    at.session_state["own"] = resources_own("openai:mine", "http://127.0.0.1:9/v1", "planted-key-1234")
    at.session_state["chosen"] = "openai:mine"  # as the settings page leaves it
    at.run()
    ask(at, "When?")
    assert seen[-1].api_key.get_secret_value() == "planted-key-1234" and seen[-1].model == "openai:mine"
    other = start()
    assert "openai:mine" not in other.selectbox(key="model").options
    ask(other, "When?")
    assert seen[-1].api_key.get_secret_value() == "" and seen[-1].model == "extractive"
    for file in load_settings().data.rglob("*"):
        assert not file.is_file() or b"planted-key" not in file.read_bytes()
    assert all("planted-key" not in str(value) for value in at.query_params.values())


def resources_own(spec: str, base: str, key: str) -> object:
    from app.model_choice import Own

    return Own(spec, base, key)


def test_where_text_goes_is_said_before_it_goes(library: Library) -> None:
    at = start()
    at.session_state["own"] = resources_own("openai:mine", "https://models.example/v1", "k")
    at.session_state["chosen"] = "openai:mine"  # as the settings page leaves it
    at.run()
    assert "models\\.example" in texts(at)
    assert TEXTS["en"]["privacy.machine"] not in texts(at)


def test_the_language_changes_and_nothing_that_was_chosen_is_lost(library: Library) -> None:
    at = start()
    at.selectbox(key="chain").select("refine").run()
    at.session_state["language"] = "zh"
    at.run()
    assert TEXTS["zh"]["ask.start"] in texts(at)
    assert at.selectbox(key="chain").value == "refine"
    at.session_state["language"] = None  # what the widget gives while pages change
    at.run()
    assert not at.exception and TEXTS["en"]["ask.start"] in texts(at)
