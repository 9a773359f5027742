"""Jobs beside the screen, and what of an answer is kept whoever looks."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app import question_job
from app.background_jobs import Job, Jobs
from app.conversations import Conversations, Problem, new_id
from chains.compare import NAMES, Comparison, Of
from chains.errors import ModelTimeout
from chains.events import Event, Step, Token
from chains.model import Usage
from ingest.document import Span
from ingest.errors import Encrypted
from tests.support.entries import answer, entry


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
    events: list[question_job.Told] = [
        Step("searched", 1, 1, sources=answer().sources),
        Token("It is so [1]."),
        answer(),
    ]
    question_job.start(room.jobs, room.store, room.id, asked, lambda: iter(events)).join(10)
    kept = room.store.entries(room.id)[0]
    assert kept.answer == answer() and kept.problem is None
    assert kept.steps == (Step("searched", 1, 1),)


def test_a_stopped_answer_keeps_what_came_and_says_so(room: Room) -> None:
    gate = threading.Event()
    (one,) = answer().sources
    chunk = replace(one.passage.chunk, text="The lake is blue.", end=17, spans=(Span(2, "ii", 0, 17),))
    given = (replace(one, passage=replace(one.passage, chunk=chunk)),)

    def run() -> Iterator[Event]:
        yield Step("searched", 1, 1, sources=given)
        yield Step("read", 1, 1, sources=given)
        yield Token("The lake is blue [1]. And")
        gate.wait(20)
        yield Token(" more")

    job = question_job.start(room.jobs, room.store, room.id, entry(), run)
    while len(job.events) < 3:
        job.wait(len(job.events), 10)
    job.stop()
    gate.set()
    job.join(10)
    kept = room.store.entries(room.id)[0].answer
    assert kept is not None and kept.stopped and kept.text == "The lake is blue [1]. And"
    assert [citation.match for citation in kept.citations] == ["exact"]


def test_an_error_in_the_middle_keeps_the_text_and_the_error(room: Room) -> None:
    error = ModelTimeout(url="http://h", seconds=3)
    broken = answer("It is", citations=(), error=error)
    question_job.start(room.jobs, room.store, room.id, entry(), lambda: iter([Token("It is"), broken])).join(10)
    kept = room.store.entries(room.id)[0]
    assert kept.answer is not None and kept.answer.text == "It is"
    assert kept.problem == Problem("ModelTimeout", str(error), {"url": "http://h", "seconds": 3})


def test_an_error_before_anything_came_is_all_that_is_kept(room: Room) -> None:
    def run() -> Iterator[Event]:
        raise Encrypted()

    question_job.start(room.jobs, room.store, room.id, entry(), run).join(10)
    kept = room.store.entries(room.id)[0]
    assert kept.answer is None and kept.problem is not None and kept.problem.key == "Encrypted"


def test_a_summary_keeps_the_passages_that_it_cites() -> None:
    other = replace(answer().sources[0], n=2)
    whole = answer(sources=(*answer().sources, other))
    kept = question_job.finished(entry(kind="summary"), [whole], 1.0, None)
    assert kept.answer is not None and [source.n for source in kept.answer.sources] == [1]


def test_a_comparison_keeps_each_chains_answer_its_steps_and_its_error(room: Room) -> None:
    error = ModelTimeout(url="http://h", seconds=3)
    answers = tuple(answer(chain=chain, error=error if chain == "refine" else None) for chain in NAMES)
    whole = Comparison("Is it?", "", answers, 4, Usage(), 1.0)
    asked = entry(kind="compare", chain="")
    events: list[question_job.Told] = [Step("searched", 1, 1), Of("stuff", Step("read", 1, 1), 0.1), whole]
    question_job.start(room.jobs, room.store, room.id, asked, lambda: iter(events)).join(10)
    kept = room.store.entries(room.id)[0]
    assert [part.chain for part in kept.parts] == list(NAMES) and kept.problem is None
    assert len({part.id for part in kept.parts} | {kept.id}) == 5
    assert [part.problem.key if part.problem else "" for part in kept.parts] == ["", "", "ModelTimeout", ""]
    assert kept.steps == (Step("searched", 1, 1),) and kept.parts[0].steps == (Step("read", 1, 1),)
    assert question_job.history([kept]) == ()


def test_a_comparison_that_finds_no_library_keeps_the_error(room: Room) -> None:
    def run() -> Iterator[question_job.Told]:
        raise Encrypted()

    question_job.start(room.jobs, room.store, room.id, entry(kind="compare", chain=""), run).join(10)
    kept = room.store.entries(room.id)[0]
    assert kept.parts == () and kept.problem is not None and kept.problem.key == "Encrypted"


def test_a_follow_up_leans_on_what_was_answered() -> None:
    refused = answer("Not in these documents.", refused=True)
    turns = question_job.history(
        [
            entry("a", answer=answer()),
            entry("b", answer=refused),
            entry("c"),
            entry("d", kind="summary", answer=answer()),
        ]
    )
    assert [(turn.question, turn.answer) for turn in turns] == [("a", "It is so.")]
