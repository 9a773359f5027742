"""From a question on the screen to an entry in the conversation, beside the screen. Knows nothing of Streamlit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from app.background_jobs import Job, Jobs
from app.conversations import Conversations, Entry, Problem
from chains import compare
from chains.compare import Compared, Comparison, Of
from chains.events import Answer, Event, Step
from chains.grounding.citations import plain
from chains.partial_answer import cut_short
from chains.prompt import Turn
from ingest.errors import PagewiseError

Told = Event | Compared  # what a job tells: of one chain, or of all

HISTORY = 6  # earlier questions that a follow-up may lean on


def start(
    jobs: Jobs, store: Conversations, conversation: str, entry: Entry, run: Callable[[], Iterator[Told]]
) -> Job[Told]:
    """Put the question into the conversation and begin to answer it. What comes of it is kept, whoever looks."""
    store.put(conversation, entry)

    def done(events: Sequence[Told], seconds: float, stopped: bool, error: PagewiseError | None) -> None:
        outcome = compared if entry.kind == "compare" else finished
        store.finish(conversation, outcome(entry, events, seconds, error))

    return jobs.put(conversation, Job(run, done))


def finished(entry: Entry, events: Sequence[Told], seconds: float, error: PagewiseError | None) -> Entry:
    """The entry with what came of it: the answer, or what had come before it was stopped or broke."""
    steps = tuple(event for event in events if isinstance(event, Step))
    last = events[-1] if events else None
    if isinstance(last, Answer):
        answer: Answer | None = last
        error = last.error or error
    elif error is not None and not events:
        answer = None
    else:
        came = [event for event in events if isinstance(event, Event)]
        answer = cut_short(came, entry.asked, entry.chain, entry.model, seconds)
        answer = replace(answer, stopped=error is None)
    if answer is not None and entry.kind == "summary":  # it was given the whole document
        cited = {citation.n for citation in answer.citations}
        answer = replace(answer, sources=tuple(source for source in answer.sources if source.n in cited))
    return replace(entry, steps=steps, answer=answer, problem=Problem.of(error) if error else None)


def compared(entry: Entry, events: Sequence[Told], seconds: float, error: PagewiseError | None) -> Entry:
    """The comparison with a part for each chain: its answer, or what had come of it."""
    problem = Problem.of(error) if error else None
    last = events[-1] if events else None
    if isinstance(last, Comparison):
        whole = last
    elif error is not None and not any(isinstance(event, Of) for event in events):
        return replace(entry, problem=problem)
    else:
        came = [event for event in events if isinstance(event, Compared)]
        whole = compare.cut_short(came, entry.asked, entry.model, seconds)
    parts = tuple(
        replace(
            entry,
            id=f"{entry.id}-{answer.chain}",
            kind="question",
            chain=answer.chain,
            steps=_steps(events, answer.chain),
            answer=answer,
            problem=Problem.of(answer.error) if answer.error else None,
        )
        for answer in whole.answers
    )
    steps = tuple(event for event in events if isinstance(event, Step))
    return replace(entry, steps=steps, problem=problem, parts=parts)


def _steps(events: Sequence[Told], chain: str) -> tuple[Step, ...]:
    of = [event.event for event in events if isinstance(event, Of) and event.chain == chain]
    return tuple(event for event in of if isinstance(event, Step))


def history(entries: Sequence[Entry]) -> tuple[Turn, ...]:
    """The conversation so far, for a follow-up: questions that were answered, the marks taken out."""
    return tuple(
        Turn(entry.asked, plain(entry.answer.text))
        for entry in entries
        if entry.kind == "question" and entry.answer and entry.answer.text and not entry.answer.refused
    )[-HISTORY:]
