"""Chunks in the order of their scores → passages to read: near-copies folded, neighbours as one, no document alone.

Pure, but for the text between two neighbours, which its caller looks up.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from chains.retrieval.near_copies import CopyGroup, CopyGroups, Fingerprint
from ingest.document import Chunk, Passage

_JOINED = 3  # chunks in a passage at most: about 660 tokens, of which an answer sees what stands around it
# Of the result, where all documents are searched and none is named; what is over comes last, not never.
_SHARE = 0.5


@dataclass(frozen=True)
class Arranged:
    """A passage, the ids of the chunks that it is made of, and how many near-copies it stands for."""

    passage: Passage
    chunks: tuple[str, ...]
    folded: int = 0


@dataclass(frozen=True)
class Arrangement:
    """`distinct`: how many of the passages are there for their own sake; near-copies that only fill places follow."""

    passages: list[Arranged]
    distinct: int


Between = Callable[[Chunk, Chunk], Chunk | None]
"""Two neighbouring chunks as one, in their order; None where their text is not one run on one page."""


def arrange(
    ranked: Sequence[Passage], k: int, between: Between, spread: bool, named: Collection[str] = ()
) -> Arrangement:
    """The first `k` passages of `ranked` chunks (best first).

    `spread`: no document takes more than its share; what is over comes after the others. `named`: the documents that
    the question names. Near-copies without a place come last; the same text is left out.
    """
    groups = CopyGroups(k, named)
    kept: list[Arranged] = []
    over_share: list[Arranged] = []
    copies: list[tuple[Arranged, CopyGroup]] = []
    group_of: list[CopyGroup] = []  # of each kept passage
    same: list[CopyGroup] = []  # of each chunk that was left out
    most = max(1, round(k * _SHARE))
    count: Counter[str] = Counter()
    for passage in ranked:
        if len(kept) == k:
            break
        text = Fingerprint(passage.text)
        group = groups.find(text)
        is_over = group is not None and not groups.has_room(group, passage, text)
        if group is not None and passage.document not in group.documents:
            # A copy of a document has its share by the original's places too, else copies multiply the share.
            group.documents.add(passage.document)
            count[passage.document] += is_over
        if group is not None and is_over and any(map(text.is_same, group.texts)):
            same.append(group)
            continue
        for at in range(len(kept)):
            if (wider := _joined(kept[at], passage, between)) is not None:
                kept[at] = wider
                groups.extend(group_of[at], passage, text)
                break
        else:
            one = Arranged(passage, (passage.chunk.id,))
            if group is not None and is_over:
                copies.append((one, group))
            elif spread and count[passage.document] >= most:
                over_share.append(one)
            else:
                count[passage.document] += 1
                kept.append(one)
                group_of.append(groups.add_place(group, passage, text))
    for one in over_share:
        text = Fingerprint(one.passage.text)
        group = groups.find(text)
        if group is not None and not groups.has_room(group, one.passage, text):
            copies.append((one, group))
        else:
            kept.append(one)
            group_of.append(groups.add_place(group, one.passage, text))
    distinct = min(k, len(kept))
    for group in [*same, *(group for _, group in copies[k - distinct :])]:
        at = next(at for at, other in enumerate(group_of) if other is group)
        kept[at] = replace(kept[at], folded=kept[at].folded + 1)
    return Arrangement([*kept, *(one for one, _ in copies)][:k], distinct)


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
