"""Pages → chunks. A chunk is a run of whole sentences that begin on one page and fit the embedder's window.

A sentence that runs over a page's end stays whole, and its chunk then ends on the next page; nothing else crosses
a page, so a chunk's page is nearly always one page. Lines that run along the top or bottom of many pages are left
out: they would make every page answer to the report's own name and year. Beside them no character is lost or doubled.

A table's row is a sentence. Where a table is cut, the chunks after the first have its head in their heading, so that
a figure is found, embedded and shown with its column's name; their text stays what stands on the page.
"""

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ingest.document import Chunk, Document, context_line, layout, spans
from ingest.text.headings import headings
from ingest.text.running_headers import body, running_lines
from ingest.text.sentences import sentences
from ingest.text.tables import Table, is_row, part_of, tables

# all-MiniLM-L6-v2 reads 256 tokens; recall on wrapped encyclopaedia pages and on filings falls on either side.
TARGET_TOKENS = 220
_MARKS = 4  # tokens: the embedder's at both ends, the line break after the context line, one to spare
_GOES_ON_BEFORE = re.compile(r"[^\W\d_][,;\-–—，、；]?\s*$")
_GOES_ON_AFTER = re.compile(r"\s*[a-z\u4e00-\u9fff]")


@dataclass(frozen=True)
class _Piece:
    """A sentence, or a part of one that is too long: [start, end) of the document's text. `tied`: to the one before."""

    start: int
    end: int
    size: int  # tokens
    tied: bool = False


def split(document: Document, count: Callable[[str], int], window: int) -> list[Chunk]:
    """The chunks of a document, in order.

    `count`: tokens of a text by the embedder's tokenizer. `window`: the embedder's, in tokens; a chunk and its
    context line together stay inside it (unless title and outline alone are longer than half of it: then the line is
    cut off by the embedder, not the text).
    """
    places = layout(document.pages)
    chunks: list[Chunk] = []
    for start, end, heading in _runs(document, count, window):
        first, last = (bisect_right(document.page_starts, at) for at in (start, end))
        chunks.append(
            Chunk(
                id=hashlib.sha256(f"{document.id}-{start}-{end}".encode()).hexdigest()[:32],
                document=document.id,
                index=len(chunks),
                start=start,
                end=end,
                text=document.text[start:end],
                heading=heading,
                spans=spans(start, end, places[first - 1 : last]),
            )
        )
    return chunks


def _runs(document: Document, count: Callable[[str], int], window: int) -> Iterator[tuple[int, int, str]]:
    """The chunks' ranges, each with its heading."""
    text, before = document.text, ""
    paths = headings(document)
    begins = [at for at, _ in paths]
    for start, end in _sections(document):
        found = [_moved(table, start) for table in tables(text[start:end])]
        if found and not found[0].dated and not text[start : found[0].start].strip() and before:
            found[0] = _under(found[0], before)  # it began on the page before

        def heading(at: int, found: list[Table] = found) -> str:
            path = paths[bisect_right(begins, at) - 1][1]
            table = next((table for table in found if table.first <= at < table.end), None)
            heads = (f"{table.head} › {part_of(text, table, at)}".strip(" ›"), table.head) if table else ()
            whole = (" › ".join(filter(None, (path, head))) for head in heads)
            return next((h for h in whole if count(context_line(document.title, h)) <= window // 2), path)

        inside = begins[bisect_right(begins, start) : bisect_left(begins, end)]
        tops = {heading(at) for at in (start, *inside, *(at for t in found for at in (t.first, t.end - 1)))}
        context = min(max(count(context_line(document.title, top)) for top in tops), window // 2)
        room = max(16, min(TARGET_TOKENS, window - context - _MARKS))
        pieces = [
            piece
            for first, last in sentences(text[start:end])
            for piece in _pieces(text, start + first, start + last, count, room)
        ]
        for a, b in _pack(_tied(text, pieces, found, set(inside)), room):
            a, b = _trim(text, a, b)
            if b > a:
                yield a, b, heading(a)
        before = found[-1].head if found and not text[found[-1].end : end].strip() else ""


def _moved(table: Table, by: int) -> Table:
    return Table(table.start + by, table.first + by, table.end + by, table.head, table.dated)


def _under(table: Table, head: str) -> Table:
    """The rest of a table under the head that it has on the page before."""
    return Table(table.start, table.start, table.end, head, True)


def _tied(text: str, pieces: Sequence[_Piece], found: Sequence[Table], begins: set[int]) -> Iterator[_Piece]:
    """A heading, a table's head and what names a part of a table are tied to what comes after them."""
    label = False
    for piece in pieces:
        table = next((table for table in found if table.start <= piece.start < table.end), None)
        tied = label or (table is not None and table.start < piece.start <= table.first)
        yield _Piece(piece.start, piece.end, piece.size, tied)
        label = piece.start in begins or (
            table is not None and not is_row(" ".join(text[piece.start : piece.end].split()))
        )


def _sections(document: Document) -> Iterator[tuple[int, int]]:
    """The pages' ranges without running lines, each to the end of the sentence that runs over its page's end."""
    text, begin = document.text, 0
    running = running_lines([page.text for page in document.pages])
    bodies = [body(page.text, running) for page in document.pages]
    for i, start in enumerate(document.page_starts):
        first, last = bodies[i]
        begin, end = max(begin, start + first), max(begin, start + last)
        if i + 1 < len(bodies):
            after, at = document.pages[i + 1].text, document.page_starts[i + 1]
            # Only where nothing stands between the sentence's halves: a quote with a page number in it is none.
            parted = last < len(document.pages[i].text.rstrip()) or bodies[i + 1][0] > 0
            if not parted and _GOES_ON_BEFORE.search(text[begin:end][-40:]) and _GOES_ON_AFTER.match(after):
                end = at + min(next(sentences(after))[1], bodies[i + 1][1])
        if end > begin:
            yield begin, end
        begin = max(begin, end)


def _pieces(text: str, start: int, end: int, count: Callable[[str], int], room: int) -> Iterator[_Piece]:
    """A sentence as it is, or, where it alone is too long, cut at clauses, words or characters, in this order."""
    size = count(text[start:end])
    if size <= room:
        yield _Piece(start, end, size)
        return
    half = (start + end) // 2
    cut = next(
        (
            min(cuts, key=lambda at: abs(at - half))
            for pattern in (r"\n", r"[,;:，；：、]\s*", r"\s+")
            if (cuts := [start + m.end() for m in re.finditer(pattern, text[start:end]) if 0 < m.end() < end - start])
        ),
        half,
    )
    yield from _pieces(text, start, cut, count, room)
    yield from _pieces(text, cut, end, count, room)


def _pack(pieces: Iterator[_Piece], room: int) -> Iterator[tuple[int, int]]:
    """Neighbouring pieces together, as evenly as fills the fewest chunks: a page ends with no crumb."""
    run = list(pieces)
    if not run:
        return
    first, used = 0, 0
    fair = _fair(run, room)
    for i, piece in enumerate(run):
        while used and (used + piece.size > room or used + piece.size / 2 > fair):
            cut = i
            while cut > first and run[cut].tied:
                cut -= 1
            if cut == first or (cut < i and 2 * sum(p.size for p in run[first:cut]) < used):
                cut = i  # tied to the chunk's beginning, or to so much that it would be cut in half
            yield run[first].start, run[cut].start
            first, used = cut, sum(p.size for p in run[cut:i])
            fair = _fair(run[first:], room)
        used += piece.size
    yield run[first].start, run[-1].end


def _fair(rest: Sequence[_Piece], room: int) -> float:
    """Tokens a chunk, where what is left is spread evenly over the fewest chunks."""
    total = sum(piece.size for piece in rest)
    return total / max(1, -(-total // room))


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return end - len(piece.lstrip()), start + len(piece.rstrip())
