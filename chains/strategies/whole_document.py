"""A whole document as sources: neighbouring passages joined to parts of the size that is good to summarise.

A whole document as a task and its sources.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chains.errors import ContextTooSmall
from chains.execution import context_budget
from chains.language import detect
from chains.model import Model
from chains.prompt import Language, Prompt, Source, Task
from ingest.document import PAGE_BREAK, Page, Passage, Record, layout, spans
from ingest.errors import UnknownDocument
from ingest.store.library import Library

PART_TOKENS = 2000  # about four pages of a book; larger parts lose detail, smaller ones cost calls
SHARE = 4  # a part takes at most this fraction of the window, so that a chain can weigh several at once
LONGEST = 64  # passages in a part
BYTES_A_TOKEN = 3.0  # of UTF-8, to guess with before anything was counted; then the last part tells
OVER = 0.1  # what a part may be larger by, rather than be counted once more


def parts(passages: Sequence[Passage], pages: Sequence[Page], task: Task, model: Model) -> tuple[Source, ...]:
    """All passages of one document, in order, as numbered sources. Each stays the document's own text, word for word.

    `pages`: all pages of the document. Raises ContextTooSmall.
    """
    text, places = PAGE_BREAK.join(page.text for page in pages), layout(pages)

    def joined(chosen: Sequence[Passage]) -> Passage:
        if len(chosen) == 1:
            return chosen[0]
        first, start, end = chosen[0], chosen[0].chunk.start, chosen[-1].chunk.end
        id = hashlib.sha256(f"{first.document}-{start}-{end}".encode()).hexdigest()[:32]
        chunk = replace(first.chunk, id=id, end=end, text=text[start:end], spans=spans(start, end, places))
        return replace(first, chunk=chunk)

    reply = context_budget.reply_tokens(task.max_tokens, model)
    free = context_budget.room(Prompt("map", task.kind, task.question, task.language, reply), model)
    tokens = min(PART_TOKENS, free // SHARE)
    rate = BYTES_A_TOKEN
    sources: list[Source] = []
    at = 0
    while at < len(passages):
        k = _about(passages[at : at + LONGEST], tokens * rate)
        while True:
            # The very piece that a chain will put into its prompts, so that it need not be counted again.
            source = Source(len(sources) + 1, joined(passages[at : at + k]))
            size = context_budget.size(source, model)
            rate = len(source.text.encode()) / max(1, size)
            if size <= tokens * (1 + OVER) or k == 1:
                break
            k = min(k - 1, _about(passages[at : at + k], tokens * rate))
        sources.append(source)
        at += k
    return tuple(sources)


def _about(passages: Sequence[Passage], size: float) -> int:
    """How many of the passages, from the first on, have about so many bytes; at least 1."""
    k = 0
    for passage in passages:
        size -= len(passage.text.encode())
        if size < 0:
            break
        k += 1
    return max(1, k)


@dataclass(frozen=True)
class Whole:
    record: Record
    task: Task
    sources: tuple[Source, ...]


def whole(document: str, library: Library, model: Model, language: Language | None) -> Whole:
    """`document` is an id; `language` None is the document's. Raises UnknownDocument."""
    record = library.holds(document)
    if record is None:
        raise UnknownDocument(name=document)
    passages = library.all_passages(document)
    task = Task("summary", record.title, language or detect.of(" ".join(passage.text for passage in passages[:20])))
    try:
        pages = [library.page(document, number) for number in range(1, record.pages + 1)]
        sources = parts(passages, pages, task, model)
    except ContextTooSmall:  # for the chain as well, which says so in its Answer
        sources = tuple(Source(n, passage) for n, passage in enumerate(passages, 1))
    return Whole(record, task, sources)


def documents(sources: Sequence[Source]) -> list[str]:
    """The ids of the documents that the sources are from."""
    return sorted({source.passage.document for source in sources})
