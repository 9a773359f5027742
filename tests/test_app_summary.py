"""The app's side of a long summary without a browser: what is kept of it, how it goes on, and the table of prices."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import cached_resources, composition, cost_text
from app.conversations import Entry, Problem, from_json, new_id, to_json
from app.i18n import Words
from chains.answer import summarize
from chains.cost import Cost
from chains.errors import CallsSpent
from chains.events import Answer, Step
from chains.execution.limits import Caps
from chains.model import Usage
from chains.plan import Plan, Stage
from chains.prompt import Prompt
from ingest.document import Record
from ingest.pdf.extract_worker import Limits
from ingest.pipeline import Upload, ingest
from settings import load_settings
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.pdfs import make_pdf

MAIN = Path(__file__).parent.parent / "app" / "main.py"
PLAN = Plan((Stage(276, 400_000, 80_000), Stage(1, 2_000, 700)), 4000.0, Cost(1.5, "USD"), 12)


@pytest.fixture(autouse=True)
def _own_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(composition, "embedder", lambda settings: HashingEmbedder())
    yield
    for job in list(cached_resources.jobs()._jobs.values()):
        job.stop()
        job.join(10)
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def book(tmp_path: Path) -> Record:
    lines = [[f"On page {n} the traveller met person {n}x{i} near the river." for i in range(25)] for n in range(20)]
    file = make_pdf(tmp_path / "book.pdf", ["\n".join(page) for page in lines])
    library = cached_resources.library(load_settings())
    list(ingest([Upload("book.pdf", file)], library, Limits()))
    return library.records()[0]


def note(prompt: Prompt) -> str:
    return f"He goes on [{prompt.sources[0].n if prompt.sources else 1}]."


def entry(book: Record, **changes: object) -> Entry:
    begun = Entry("e1", "summary", book.name, "recursive", "openai:scripted", (book.id,))
    return replace(begun, **changes)  # type: ignore[arg-type]


def opened(conversation: str) -> AppTest:
    at = AppTest.from_file(str(MAIN), default_timeout=60)
    at.query_params["c"] = conversation
    at.run()
    assert not at.exception
    return at


def _plain(at: AppTest) -> str:
    """Without what keeps text from being read as markup."""
    return texts(at).replace("\u2060", "").replace("\\", "")


def texts(at: AppTest) -> str:
    return "\n".join(str(one.value) for one in (*at.markdown, *at.caption, *at.error))


def test_caps_plan_and_cost_come_back_as_they_were_and_older_entries_have_none() -> None:
    answer = Answer("A", "x", (), (), False, "recursive", "m", 3, 1.0, Usage(5, 6), cost=Cost(0.5, "USD"), kept=12)
    before = Entry(
        "e", "summary", "a.pdf", "recursive", "m", ("d",), steps=(Step("planned", total=277, plan=PLAN),), answer=answer
    )
    before = replace(before, caps=Caps(5, 6, 7.0, 8.0))
    after = from_json(to_json(before))
    assert after == before and after.steps[0].plan == PLAN and after.steps[0].plan.kept == 12
    old = json.loads(to_json(before))
    del old["caps"], old["answer"]["cost"], old["answer"]["kept"], old["steps"][0]["plan"]
    assert from_json(json.dumps(old)).caps == Caps()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_plan_is_said_in_both_languages(language: str) -> None:
    words = Words(language)  # type: ignore[arg-type]
    line = cost_text.plan_line(words, PLAN)
    for part in ("277", "402,000", "80,700", "67", "1.50 USD", "12"):
        assert part in line
    unknown = cost_text.plan_line(words, Plan(PLAN.stages))
    assert words("plan.cost.unknown") in unknown and "USD" not in unknown
    assert [cost_text.seconds_text(Words("en"), s) for s in (0.2, 7800)] == ["about 1 s", "about 2 h 10 min"]


def test_only_a_summary_that_ended_before_its_end_can_go_on(book: Record) -> None:
    whole = Answer("A", "x", (), (), False, "recursive", "m", 3, 1.0, Usage())
    capped = Problem.of(CallsSpent(limit=5, read=1, total=20))
    assert entry(book).resumable, "Pagewise was closed"
    assert entry(book, answer=replace(whole, stopped=True)).resumable
    assert entry(book, answer=whole, problem=capped).resumable
    assert not entry(book, answer=whole).resumable
    assert not entry(book, kind="question").resumable


def test_a_summary_goes_on_after_the_server_was_closed(book: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(note, 2000)
    model.name = "openai:scripted"
    monkeypatch.setattr(composition, "model", lambda settings, embedder: model)
    library, settings = cached_resources.library(load_settings()), load_settings()
    terms = composition.spending(settings, library, model.name, cached_resources.speeds(str(settings.data)))
    events = summarize(book.id, library, model, chain="recursive", spending=terms)
    for event in events:  # what a server did that was killed
        if isinstance(event, Step) and event.name == "read" and event.done == 10:
            break
    events.close()  # type: ignore[attr-defined]
    done = len(model.prompts)
    conversation = new_id()
    cached_resources.conversations(str(settings.data)).put(conversation, entry(book))
    at = opened(conversation)
    assert "closed before the answer came" in texts(at)
    at.button(key="resume-e1").click().run()
    assert not at.exception
    (kept,) = cached_resources.conversations(str(settings.data)).entries(conversation)
    assert kept.id == "e1" and kept.answer is not None and kept.problem is None and kept.answer.kept >= 10
    assert len(model.prompts) - done == kept.answer.calls
    assert "resume-e1" not in [button.key for button in at.button]
    assert "Already there: " in texts(at)
    at.button(key="again-e1").click().run()
    entries = cached_resources.conversations(str(settings.data)).entries(conversation)
    assert entries[-1].answer is not None and entries[-1].answer.kept == 0, "asked again, it is really asked"


def test_prices_are_written_and_taken_out_in_the_app(book: Record) -> None:
    file = load_settings().data / "prices.toml"

    def page() -> None:
        import streamlit as st

        from app import cached_resources
        from app.i18n import Words
        from app.session import Desk
        from app.views import prices
        from settings import load_settings

        settings = load_settings()
        library = cached_resources.library(settings)
        store = cached_resources.conversations(str(settings.data))
        st.session_state.setdefault("model", "openai:m")
        prices.draw(Desk(settings, Words("en"), library, store, cached_resources.jobs()))

    at = AppTest.from_function(page, default_timeout=60).run()
    assert not at.exception and str(file) in _plain(at)
    assert at.text_input(key="price-model").value == "openai:m"
    at.button(key="price-save").click().run()
    assert "both prices" in texts(at) and not file.exists()
    at.number_input(key="price-in").set_value(0.5)
    at.number_input(key="price-out").set_value(1.5)
    at.button(key="price-save").click().run()
    assert not at.exception and "0.5 read · 1.5 written · USD" in _plain(at)
    assert 'model = "openai:m"' in file.read_text()
    at.button(key="price-drop-0").click().run()
    assert not at.exception and "openai:m" not in file.read_text().split("[[price]]")[-1]
    file.write_text("= broken")
    at.run()
    assert not at.exception and "could not be read" in texts(at)


def test_a_reply_that_was_cut_or_is_in_another_language_is_said_to_be(book: Record) -> None:
    whole = Answer("A", "他走了 [1]。", (), (), False, "recursive", "m", 3, 1.0, Usage())
    told = entry(book, answer=replace(whole, cut=True, foreign="zh"))
    assert from_json(to_json(told)) == told
    shown = []
    for one in (told, entry(book, answer=whole)):
        conversation = new_id()
        cached_resources.conversations(str(load_settings().data)).put(conversation, one)
        shown.append(texts(opened(conversation)))
    assert "The reply was cut" in shown[0] and "The answer is in Chinese" in shown[0]
    assert "The reply was cut" not in shown[1] and "The answer is in Chinese" not in shown[1]
