"""From a question on the screen to an entry in the conversation, beside the screen. Knows nothing of Streamlit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from app.conversations import Conversations, Entry, Problem
from app.jobs import Job, Jobs
from chains.answer import cut_short
from chains.citations import plain
from chains.events import Answer, Event, Step
from chains.prompts import Turn
from ingest.errors import PagewiseError

HISTORY = 6  # earlier questions that a follow-up may lean on


def start(
    jobs: Jobs, store: Conversations, conversation: str, entry: Entry, run: Callable[[], Iterator[Event]]
) -> Job[Event]:
    """Put the question into the conversation and begin to answer it. What comes of it is kept, whoever looks."""
    store.put(conversation, entry)

    def done(events: Sequence[Event], seconds: float, stopped: bool, error: PagewiseError | None) -> None:
        store.finish(conversation, finished(entry, events, seconds, error))

    return jobs.put(conversation, Job(run, done))


def finished(entry: Entry, events: Sequence[Event], seconds: float, error: PagewiseError | None) -> Entry:
    """The entry with what came of it: the answer, or what had come before it was stopped or broke."""
    steps = tuple(event for event in events if isinstance(event, Step))
    last = events[-1] if events else None
    if isinstance(last, Answer):
        answer: Answer | None = last
        error = last.error or error
    elif error is not None and not events:
        answer = None
    else:
        answer = cut_short(events, entry.asked, entry.chain, entry.model, seconds)
        answer = replace(answer, stopped=error is None)
    if answer is not None and entry.kind == "summary":  # it was given the whole document
        cited = {citation.n for citation in answer.citations}
        answer = replace(answer, sources=tuple(source for source in answer.sources if source.n in cited))
    return replace(entry, steps=steps, answer=answer, problem=Problem.of(error) if error else None)


def history(entries: Sequence[Entry]) -> tuple[Turn, ...]:
    """The conversation so far, for a follow-up: questions that were answered, the marks taken out."""
    return tuple(
        Turn(entry.asked, plain(entry.answer.text))
        for entry in entries
        if entry.kind == "question" and entry.answer and entry.answer.text and not entry.answer.refused
    )[-HISTORY:]
