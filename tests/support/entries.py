"""An answer and the entry of a conversation that it stands in, for tests."""

from dataclasses import replace

from app.conversations import Entry, new_entry_id
from chains.events import Answer, Citation
from chains.model import Usage
from chains.prompt import Source
from ingest.document import Chunk, Passage, Span


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
