"""The app's parts that need no screen: words, conversations, jobs, choices, uploads."""

import json
import re
import string
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.jobs
import app.resources
import chains.errors
import ingest.errors
import settings as settings_module
from app import asking, choices, intake
from app.conversations import Conversations, Entry, Problem, from_json, new_entry_id, new_id, to_json
from app.i18n import TEXTS, Words, preferred, zh
from app.jobs import Job, Jobs
from app.terminal import citation_lines
from app.views import upload
from app.views.answer import step_line
from app.webconfig import options
from chains.compare import NAMES, Comparison, Of
from chains.errors import ModelTimeout
from chains.events import Answer, Citation, Event, Figure, Step, Token
from chains.models.base import Usage
from chains.prompts import Example, Source
from chains.ways import PLAIN, Ways
from ingest.document import Chunk, Passage, Span
from ingest.errors import Encrypted, PagewiseError, StorageFailed
from ingest.pipeline import Progress, Result
from ingest.plural import filled
from settings import Settings

FOLDER = Path("nowhere")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


# --- words ------------------------------------------------------------------------------------------------------------


def test_both_languages_say_the_same_things() -> None:
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key, text in TEXTS["en"].items():
        assert fields(text) == fields(TEXTS["zh"][key]), key
        assert text.strip() and TEXTS["zh"][key].strip(), key


COUNTED = {
    *("n", "done", "total", "calls", "count", "limit", "seconds", "read", "megabytes", "page", "pages", "free"),
    "needed",
}


def test_one_of_a_thing_is_said_in_the_singular() -> None:
    """Every text with a number in it, for the number 1."""
    said = {key: text for key, text in TEXTS["en"].items() if not key.endswith((".other", ".facts.tokens"))}
    said |= {error.__name__: f"{error.text} {error.remedy}" for error in errors()}
    wrong = {}
    for key, text in said.items():
        one = filled(text, **{name: 1 if name in COUNTED else "X" for name in fields(text)})
        if many := re.findall(r"(?<![.\d])1 (?!(?:is|has|was|s)\b)[a-z]+s\b", one):
            wrong[key] = many
    assert not wrong


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_reasons_and_languages_are_said_in_the_reader_s_words(lang: str) -> None:
    words, reasons = Words(lang), ("unchanged", "refused", "empty", "sources lost")  # type: ignore[arg-type]
    lines = [step_line(words, Step("kept", 1, 2, reason)) for reason in reasons]
    assert len(set(lines)) == 4 and not {words("step.kept", text=reason) for reason in reasons} & set(lines)
    assert words("language.zh") in step_line(words, Step("quoted", text="zh"))
    assert step_line(words, Step("verified", 1, 2, "1")).endswith(words("answer.quotes.near", n="1"))


def errors(of: type[PagewiseError] = PagewiseError) -> Iterator[type[PagewiseError]]:
    for kind in of.__subclasses__():
        if kind.__module__.split(".")[0] in ("app", "chains", "ingest", "settings"):
            if kind.text != PagewiseError.text:
                yield kind
            yield from errors(kind)


def test_every_error_that_the_app_may_show_has_a_chinese_sentence_with_its_parameters() -> None:
    assert {chains.errors, ingest.errors, settings_module, app.jobs, app.resources}  # all that define any are imported
    at_the_door = {"PortTaken", "AddressRefused"}  # said before there is an app
    for kind in errors():
        if kind.__name__ in at_the_door or kind.__module__ in ("app.cli", "app.output", "ingest.__main__"):
            continue
        assert kind.__name__ in zh.ERRORS, kind
        assert fields(zh.ERRORS[kind.__name__]) <= fields(kind.text + kind.remedy), kind


def test_an_error_is_said_in_the_reader_s_language_and_never_fails_to_be_said() -> None:
    error = ModelTimeout(url="http://h", seconds=12.4)
    assert Words("en").error(error) == str(error)
    assert "12 秒" in Words("zh").error(error)
    assert Words("zh").problem("ModelTimeout", {}, "kept") == "kept"
    assert Words("zh").problem("NoSuchError", {}, "kept") == "kept"


@pytest.mark.parametrize(
    ("locale", "language"), [("zh-CN", "zh"), ("ZH", "zh"), ("en-GB", "en"), ("de", "en"), (None, "en")]
)
def test_the_browser_chooses_the_language(locale: str | None, language: str) -> None:
    assert preferred(locale) == language


# --- conversations ----------------------------------------------------------------------------------------------------


def answer(text: str = "It is so [1].", **changes: object) -> Answer:
    chunk = Chunk("c1", "d1", 0, 0, 9, "It is so.", "Part › One", (Span(2, "ii", 0, 9),))
    source = Source(1, Passage(chunk, "a.pdf", "A", 0.5))
    citation = Citation(1, "d1", "a.pdf", 2, "ii", "It is so.", "exact", 0, 9)
    made = Answer(
        "Is it?", text, (citation,), (source,), False, "stuff", "extractive", 1, 0.2, Usage(3, 4), searched="x"
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def entry(asked: str = "Is it?", **changes: object) -> Entry:
    return replace(Entry(new_entry_id(), "question", asked, "stuff", "extractive"), **changes)  # type: ignore[arg-type]


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_an_entry_comes_back_as_it_was(asked: str, text: str, documents: list[str]) -> None:
    before = entry(
        asked,
        documents=tuple(documents),
        steps=(Step("read", 1, 2, text),),
        answer=answer(text),
        problem=Problem("X", text, {"a": 1, "b": text}),
    )
    assert from_json(to_json(before)) == before


def test_the_words_that_answer_come_back_and_older_citations_have_none() -> None:
    citation = replace(answer().citations[0], span="so")
    before = entry(answer=answer(citations=(citation,)))
    assert from_json(to_json(before)) == before
    old = json.loads(to_json(before))
    del old["answer"]["citations"][0]["span"]  # as it was kept before words were told apart
    assert from_json(json.dumps(old)) == replace(before, answer=answer())


def test_an_answers_figures_come_back_and_older_answers_have_none() -> None:
    figures = (Figure("5", 0, 1, "found", 1, 2), Figure("6%", 4, 6, "computed", 1, 2, "3 ÷ 50"))
    before = entry(answer=answer(figures=figures))
    assert from_json(to_json(before)) == before
    old = json.loads(to_json(before))
    del old["answer"]["figures"]  # as it was kept before figures were looked up
    assert from_json(json.dumps(old)) == replace(before, answer=answer())


def test_an_answers_sentences_without_a_source_come_back_and_older_answers_have_none() -> None:
    before = entry(answer=answer(unsourced=((0, 9), (12, 20))))
    assert from_json(to_json(before)) == before
    old = json.loads(to_json(before))
    del old["answer"]["unsourced"]  # as it was kept before they were looked for
    assert from_json(json.dumps(old)) == replace(before, answer=answer())


def test_how_it_was_asked_and_what_was_reasoned_come_back_and_older_entries_have_none() -> None:
    ways = Ways(True, False, True, (Example("Who?", "Holm.", "short"),))
    before = entry(ways=ways, answer=answer(reasoning=("So it is.", "Or not.")))
    assert from_json(to_json(before)) == before
    old = json.loads(to_json(before))
    del old["ways"], old["answer"]["reasoning"]
    assert from_json(json.dumps(old)) == replace(before, ways=PLAIN, answer=answer())


def test_of_many_examples_those_that_suit_a_question_are_kept_with_it() -> None:
    many = tuple(Example(f"How deep is lake {n}?", "x") for n in range(100))
    kept = choices.suited(many, "How deep is lake 77?")
    assert len(kept) == 12 and kept[0].question == "How deep is lake 77?"


def test_a_comparison_comes_back_with_all_its_parts() -> None:
    parts = tuple(entry("Is it?", id=f"x-{n}", answer=answer(f"{n} [1].", chain=n)) for n in NAMES)
    broken = replace(parts[1], problem=Problem("StreamCut", "It broke off.", {"detail": "reset"}))
    before = entry(kind="compare", chain="", steps=(Step("searched", 1, 1),), parts=(parts[0], broken, *parts[2:]))
    assert from_json(to_json(before)) == before and before.over
    old = json.loads(to_json(entry()))
    del old["parts"]  # as it was kept before there were comparisons
    assert from_json(json.dumps(old)).parts == ()


def test_a_conversation_survives_and_is_deleted_whole(tmp_path: Path) -> None:
    one, other = new_id(), new_id()
    first, second = entry("first\nline"), entry("second")
    store = Conversations(tmp_path)
    store.put(one, first)
    store.put(one, second)
    store.put(other, entry("elsewhere"))
    store.finish(one, replace(first, answer=answer()))
    again = Conversations(tmp_path)
    assert again.entries(one) == [replace(first, answer=answer()), second]
    assert {listed.title for listed in again.listed()} == {"first line", "elsewhere"}
    assert again.listed()[0].changed <= datetime.now(UTC)
    again.delete(one)
    assert again.entries(one) == []
    again.finish(one, first)  # an answer that comes too late
    assert again.entries(one) == []
    assert [listed.title for listed in again.listed()] == ["elsewhere"]
    assert b"first" not in b"".join(file.read_bytes() for file in tmp_path.glob("*.db"))


def test_ids_cannot_be_guessed() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000 and min(map(len, ids)) >= 22


def test_a_store_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "conversations.db").write_bytes(b"not a database, not a database, not a database" * 50)
    with pytest.raises(StorageFailed):
        Conversations(tmp_path)


# --- jobs and asking --------------------------------------------------------------------------------------------------


def test_events_are_there_for_whoever_comes_later() -> None:
    job = Job(lambda: iter([1, 2, 3]))
    job.join(10)
    assert job.events == (1, 2, 3) and not job.running
    assert job.wait(1, 0) == (2, 3)
    assert job.wait(3, 5) == ()  # over: no waiting


def test_whoever_follows_gets_every_event_once_and_the_first_at_once() -> None:
    seen = threading.Event()

    def work() -> Iterator[int]:
        yield 1
        assert seen.wait(20), "the first is told before the second is there"
        yield from (2, 3)

    told: list[int] = []
    for batch in Job(work).follow(frame=0.01):
        told += batch
        if told:
            seen.set()
    assert told == [1, 2, 3]


def test_a_stop_counts_at_once_and_closes_the_work_when_it_speaks_again() -> None:
    gate, closed, ends = threading.Event(), threading.Event(), []

    def work() -> Iterator[int]:
        try:
            yield 1
            gate.wait(20)
            yield 2
            yield 3
        finally:
            closed.set()

    job = Job(work, lambda *end: ends.append(end))
    assert job.wait(0, 10) == (1,)
    job.stop()
    assert not job.running and not closed.is_set()
    gate.set()
    job.join(10)
    assert closed.is_set() and job.events == (1,)
    assert len(ends) == 1 and ends[0][0] == (1,) and ends[0][2] is True and ends[0][3] is None


def test_a_fault_of_ours_is_an_incident_whose_text_is_logged_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    def work() -> Iterator[int]:
        yield 1
        raise RuntimeError(" ".join(["the", "secret", "sentence"]))

    job = Job(work)
    job.join(10)
    assert job.error is not None and job.error.key == "Unexpected"
    assert str(job.error.params["incident"]) in caplog.text
    assert "secret sentence" not in caplog.text + str(job.error)


def test_the_second_job_of_a_name_stops_the_first() -> None:
    gate, jobs = threading.Event(), Jobs()

    def work() -> Iterator[int]:
        gate.wait(20)
        yield 1

    first = jobs.put("a", Job(work))
    second = jobs.put("a", Job(lambda: iter([2])))
    assert not first.running and jobs.get("a") is second
    gate.set()
    first.join(10)
    assert first.events == ()
    jobs.drop("a")
    assert jobs.get("a") is None


@dataclass
class Room:
    store: Conversations
    jobs: Jobs
    id: str


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(Conversations(tmp_path), Jobs(), new_id())


def test_an_answer_is_kept_when_nobody_looks(room: Room) -> None:
    asked = entry()
    events: list[asking.Told] = [Step("searched", 1, 1, sources=answer().sources), Token("It is so [1]."), answer()]
    asking.start(room.jobs, room.store, room.id, asked, lambda: iter(events)).join(10)
    kept = room.store.entries(room.id)[0]
    assert kept.answer == answer() and kept.problem is None
    assert kept.steps == (Step("searched", 1, 1),)


def test_a_stopped_answer_keeps_what_came_and_says_so(room: Room) -> None:
    gate = threading.Event()

    def run() -> Iterator[Event]:
        yield Step("searched", 1, 1, sources=answer().sources)
        yield Step("read", 1, 1, sources=answer().sources)
        yield Token("It is so [1]. And")
        gate.wait(20)
        yield Token(" more")

    job = asking.start(room.jobs, room.store, room.id, entry(), run)
    while len(job.events) < 3:
        job.wait(len(job.events), 10)
    job.stop()
    gate.set()
    job.join(10)
    kept = room.store.entries(room.id)[0].answer
    assert kept is not None and kept.stopped and kept.text == "It is so [1]. And"
    assert [citation.match for citation in kept.citations] == ["exact"]


def test_an_error_in_the_middle_keeps_the_text_and_the_error(room: Room) -> None:
    error = ModelTimeout(url="http://h", seconds=3)
    broken = answer("It is", citations=(), error=error)
    asking.start(room.jobs, room.store, room.id, entry(), lambda: iter([Token("It is"), broken])).join(10)
    kept = room.store.entries(room.id)[0]
    assert kept.answer is not None and kept.answer.text == "It is"
    assert kept.problem == Problem("ModelTimeout", str(error), {"url": "http://h", "seconds": 3})


def test_an_error_before_anything_came_is_all_that_is_kept(room: Room) -> None:
    def run() -> Iterator[Event]:
        raise Encrypted()

    asking.start(room.jobs, room.store, room.id, entry(), run).join(10)
    kept = room.store.entries(room.id)[0]
    assert kept.answer is None and kept.problem is not None and kept.problem.key == "Encrypted"


def test_a_summary_keeps_the_passages_that_it_cites() -> None:
    other = replace(answer().sources[0], n=2)
    whole = answer(sources=(*answer().sources, other))
    kept = asking.finished(entry(kind="summary"), [whole], 1.0, None)
    assert kept.answer is not None and [source.n for source in kept.answer.sources] == [1]


def test_a_comparison_keeps_each_chains_answer_its_steps_and_its_error(room: Room) -> None:
    error = ModelTimeout(url="http://h", seconds=3)
    answers = tuple(answer(chain=chain, error=error if chain == "refine" else None) for chain in NAMES)
    whole = Comparison("Is it?", "", answers, 4, Usage(), 1.0)
    asked = entry(kind="compare", chain="")
    events: list[asking.Told] = [Step("searched", 1, 1), Of("stuff", Step("read", 1, 1), 0.1), whole]
    asking.start(room.jobs, room.store, room.id, asked, lambda: iter(events)).join(10)
    kept = room.store.entries(room.id)[0]
    assert [part.chain for part in kept.parts] == list(NAMES) and kept.problem is None
    assert len({part.id for part in kept.parts} | {kept.id}) == 5
    assert [part.problem.key if part.problem else "" for part in kept.parts] == ["", "", "ModelTimeout", ""]
    assert kept.steps == (Step("searched", 1, 1),) and kept.parts[0].steps == (Step("read", 1, 1),)
    assert asking.history([kept]) == ()


def test_a_comparison_that_finds_no_library_keeps_the_error(room: Room) -> None:
    def run() -> Iterator[asking.Told]:
        raise Encrypted()

    asking.start(room.jobs, room.store, room.id, entry(kind="compare", chain=""), run).join(10)
    kept = room.store.entries(room.id)[0]
    assert kept.parts == () and kept.problem is not None and kept.problem.key == "Encrypted"


def test_a_follow_up_leans_on_what_was_answered() -> None:
    refused = answer("Not in these documents.", refused=True)
    turns = asking.history(
        [
            entry("a", answer=answer()),
            entry("b", answer=refused),
            entry("c"),
            entry("d", kind="summary", answer=answer()),
        ]
    )
    assert [(turn.question, turn.answer) for turn in turns] == [("a", "It is so.")]


# --- choices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "base", "host"),
    [
        ("extractive", "https://a.example", ""),
        ("local:/models/x", "https://a.example", ""),
        ("openai:gpt", "", "api.openai.com"),
        ("openai:gpt", "https://a.example/v1", "a.example"),
        ("openai:gpt", "http://10.1.2.3:8000/v1", "10.1.2.3:8000"),
        ("openai:gpt", "http://127.0.0.1:11434/v1", ""),
        ("openai:gpt", "http://[::1]:1/v1", ""),
        ("openai:gpt", "http://localhost:1/v1", ""),
        ("openai:gpt", "http://localhost.evil.example/v1", "localhost.evil.example"),
        ("openai:gpt", "http://127.0.0.1.evil.example/v1", "127.0.0.1.evil.example"),
        ("other:x", "", "other"),
    ],
)
def test_where_text_goes_is_said(spec: str, base: str, host: str) -> None:
    assert choices.destination(spec, base) == host


def test_the_settings_key_goes_to_the_settings_address_alone() -> None:
    settings = Settings.model_validate(
        {"data": FOLDER, "model": "openai:a", "api_base": "https://ours.example/v1", "api_key": "planted-key"}
    )
    own = choices.Own("openai:b", "https://theirs.example/v1")
    assert choices.connection("openai:a", settings, own).api_key == "planted-key"
    assert choices.connection("openai:b", settings, own).api_key == ""
    assert choices.connection("openai:b", settings, replace(own, api_key="mine")).api_key == "mine"
    assert choices.connection("openai:b", settings, replace(own, api_base=settings.api_base)).api_key == "planted-key"
    elsewhere = replace(own, spec="anthropic:b", api_base=settings.api_base)
    assert choices.connection("anthropic:b", settings, elsewhere).api_key == ""
    assert "planted-key" not in repr(choices.connection("openai:a", settings, own))


def test_every_model_is_offered_once() -> None:
    settings = Settings.model_validate({"data": FOLDER})
    assert choices.models(settings, None) == ["extractive"]
    assert choices.models(settings, choices.Own("openai:b")) == ["extractive", "openai:b"]


# --- uploads and the server's options ---------------------------------------------------------------------------------


@dataclass
class Sent:
    name: str
    content: bytes

    def getbuffer(self) -> memoryview:
        return memoryview(self.content)


@pytest.mark.parametrize(
    "name", ["../../x.pdf", "..\\x.pdf", "/etc/passwd", "a\x00b.pdf", "n" * 300 + ".pdf", "年报\u202e.pdf", "CON", ""]
)
def test_a_name_is_never_a_path(name: str, tmp_path: Path) -> None:
    uploads = intake.receive([Sent(name, b"%PDF-1"), Sent(name, b"%PDF-1")], tmp_path / "in")
    assert [upload.name for upload in uploads] == [name, name]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(written) == sorted(upload.path for upload in uploads)
    assert all(path.parent.parent == tmp_path / "in" for path in written)


def test_how_far_it_is_only_grows() -> None:
    done = Result("a", "1", "added", 2, (), 1)
    events: list[Progress | Result] = []
    shares = [0.0]
    told: list[Progress | Result] = [
        *(Progress("a", "reading", n, 2) for n in (0, 1, 2)),
        *(Progress("a", "embedding", n, 3) for n in (0, 3)),
        Progress("a", "storing", 0, 1),
        done,
        Progress("b", "reading", 0, 0),
        done,
    ]
    for event in told:
        events.append(event)
        shares.append(intake.state(events, 2).share)
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_pages_are_named_in_ranges() -> None:
    assert upload.ranges((1, 2, 3, 7, 9, 10)) == "1–3, 7, 9–10"
    assert upload.ranges(tuple(range(1, 99, 2)), 3) == "1, 3, 5…"


def test_the_server_is_started_closed() -> None:
    found = options(Settings.model_validate({"data": FOLDER, "max_file_mb": 7}))
    assert found["server.address"] == "127.0.0.1"
    assert found["server.maxUploadSize"] == "7"
    assert found["server.enableXsrfProtection"] == found["server.enableCORS"] == "true"
    assert found["browser.gatherUsageStats"] == "false"
    assert found["client.showErrorDetails"] == "none"
    assert found["server.fileWatcherType"] == "none"


def test_a_terminal_shows_the_words_that_answer_in_bold_and_a_file_does_not() -> None:
    cited = replace(answer().citations[0], quote="It was\nfounded in\n1189.", span="in\n1189")
    (plain,), (bold,) = (list(citation_lines(answer(citations=(cited,)), terminal)) for terminal in (False, True))
    assert plain == "[1] a.pdf, page 2 (ii): “It was founded in 1189.”"
    assert bold == plain.replace("in 1189", "\x1b[1min 1189\x1b[22m")
