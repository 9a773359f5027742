"""A whole document as sources: neighbouring passages joined to parts of the size that is good to summarise."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from chains import budget
from chains.models.base import Model
from chains.prompts import Prompt, Source
from chains.tasks import Task
from ingest.document import PAGE_BREAK, Page, Passage, layout, spans

PART_TOKENS = 2000  # about four pages of a book; larger parts lose detail, smaller ones cost calls
SHARE = 4  # a part takes at most this fraction of the window, so that a chain can weigh several at once
LONGEST = 64  # passages in a part


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

    def build(chosen: Sequence[Passage]) -> Prompt:
        source = (Source(len(passages), joined(chosen)),) if chosen else ()
        return Prompt(
            "map", task.kind, task.question, task.language, budget.reply_tokens(task.max_tokens, model), source
        )

    def fitting(rest: Sequence[Passage]) -> int:
        return max(1, budget.most(len(rest), lambda k: build(rest[:k]), model, reserve))

    free = budget.room(build(()), model)
    reserve = max(free - PART_TOKENS, free - free // SHARE)
    sources: list[Source] = []
    at = 0
    while at < len(passages):
        rest = passages[at : at + LONGEST]
        size = fitting(rest)
        sources.append(Source(len(sources) + 1, joined(rest[:size])))
        at += size
    return tuple(sources)
