"""Chunks in the order of their scores → passages to read: the same text once, neighbours as one, no document alone.

Pure, but for the text between two neighbours, which its caller looks up.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ingest.document import Chunk, Passage

_BETWEEN_WORDS = re.compile(r"[\W_]+")
_JOINED = 3  # chunks in a passage at most: about 660 tokens, of which an answer sees what stands around it
# Of the result, where all documents are searched and none is named; what is over comes last, not never.
_SHARE = 0.5


@dataclass(frozen=True)
class Arranged:
    """A passage, the ids of the chunks that it is made of, and how many others with the same text it stands for."""

    passage: Passage
    chunks: tuple[str, ...]
    folded: int = 0


Between = Callable[[Chunk, Chunk], Chunk | None]
"""Two neighbouring chunks as one, in their order; None where their text is not one run on one page."""


def arrange(ranked: Sequence[Passage], k: int, between: Between, spread: bool) -> list[Arranged]:
    """The first `k` passages of `ranked` chunks (best first). `spread`: no document takes more than its share."""
    kept: list[Arranged] = []
    place: dict[str, int] = {}  # a text's words → where it, or the passage that took it in, is kept
    later: list[Arranged] = []
    most = max(1, round(k * _SHARE))
    count: Counter[str] = Counter()
    for passage in ranked:
        if len(kept) == k:
            break
        words = _BETWEEN_WORDS.sub("", passage.text.casefold())
        if words in place:
            at = place[words]
            kept[at] = replace(kept[at], folded=kept[at].folded + 1)
            continue
        for at in range(len(kept)):
            if (wider := _joined(kept[at], passage, between)) is not None:
                kept[at], place[words] = wider, at
                break
        else:
            one = Arranged(passage, (passage.chunk.id,))
            if spread and count[passage.document] >= most:
                later.append(one)
                continue
            count[passage.document] += 1
            place[words] = len(kept)
            kept.append(one)
    return (kept + later)[:k]


def _joined(kept: Arranged, passage: Passage, between: Between) -> Arranged | None:
    """A kept passage with a chunk that stands directly before or after it; None where it does not."""
    there, chunk = kept.passage.chunk, passage.chunk
    before = chunk.index == there.index - 1
    after = chunk.index == there.index + len(kept.chunks)
    if there.document != chunk.document or not (before or after) or len(kept.chunks) == _JOINED:
        return None
    whole = between(chunk, there) if before else between(there, chunk)
    if whole is None:
        return None
    ids = (chunk.id, *kept.chunks) if before else (*kept.chunks, chunk.id)
    return replace(kept, passage=replace(kept.passage, chunk=whole), chunks=ids)


def joined(first: Chunk, second: Chunk, page: str) -> Chunk | None:
    """Two chunks of one page as one; None where the text between them is more than white space.

    `page`: the text of that page. The id is the first one's; the text is the document's from start to end.
    """
    if len(first.spans) != 1 or len(second.spans) != 1 or first.spans[0].page != second.spans[0].page:
        return None
    at = page.find(first.text)
    while at >= 0:
        begin = at + second.start - first.start
        if page.startswith(second.text, begin):
            if page[at + len(first.text) : begin].strip():
                return None
            text = page[at : begin + len(second.text)]
            span = replace(first.spans[0], start=0, end=len(text))
            return replace(first, end=second.end, text=text, spans=(span,))
        at = page.find(first.text, at + 1)
    return None
