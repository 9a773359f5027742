"""Pages → chunks. A chunk is a run of whole sentences that begin on one page and fit the embedder's window.

A sentence that runs over a page's end stays whole, and its chunk then ends on the next page; nothing else crosses
a page, so a chunk's page is nearly always one page. Lines that run along the top or bottom of many pages are left
out: they would make every page answer to the report's own name and year. Beside them no character is lost or doubled.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ingest.document import Chunk, Document, Heading, context_line, layout, spans
from ingest.sentences import sentences

# all-MiniLM-L6-v2 reads 256 tokens; recall on wrapped encyclopaedia pages and on filings falls on either side.
TARGET_TOKENS = 220
_RUNNING_LINES = 2  # at either end of a page
_RUNNING_PAGES, _RUNNING_SHARE = 4, 0.3  # a line runs where it stands on so many pages, and on such a share of them
_GOES_ON_BEFORE = re.compile(r"[^\W\d_][,;\-–—，、；]?\s*$")
_GOES_ON_AFTER = re.compile(r"\s*[a-z\u4e00-\u9fff]")


def split(document: Document, count: Callable[[str], int], window: int) -> list[Chunk]:
    """The chunks of a document, in order.

    `count`: tokens of a text by the embedder's tokenizer. `window`: the embedder's, in tokens; a chunk and its
    context line together stay inside it (unless the context line alone is longer than half of it: then it is cut off
    by the embedder, not the text).
    """
    places = layout(document.pages)
    chunks: list[Chunk] = []
    for start, end in _runs(document, count, window):
        page_spans = spans(start, end, places)
        heading = _heading(document, page_spans[0].page)
        chunks.append(
            Chunk(
                id=hashlib.sha256(f"{document.id}-{start}-{end}".encode()).hexdigest()[:32],
                document=document.id,
                index=len(chunks),
                start=start,
                end=end,
                text=document.text[start:end],
                heading=heading,
                spans=page_spans,
            )
        )
    return chunks


def _runs(document: Document, count: Callable[[str], int], window: int) -> Iterator[tuple[int, int]]:
    text = document.text
    for start, end in _sections(document):
        page = document.pages[_page_index(document, start)].number
        context = min(count(context_line(document.title, _heading(document, page))), window // 2)
        room = max(16, min(TARGET_TOKENS, window - context - 4))  # 4: the embedder's marks at both ends, the line break
        pieces = [
            piece
            for first, last in sentences(text[start:end])
            for piece in _pieces(text, start + first, start + last, count, room)
        ]
        yield from ((a, b) for a, b in (_trim(text, a, b) for a, b in _pack(text, pieces, count, room)) if b > a)


def _page_index(document: Document, offset: int) -> int:
    starts = document.page_starts
    return max(i for i, start in enumerate(starts) if start <= offset)


def _sections(document: Document) -> Iterator[tuple[int, int]]:
    """The pages' ranges without running lines, each to the end of the sentence that runs over its page's end."""
    text, begin = document.text, 0
    running = running_lines([page.text for page in document.pages])
    bodies = [_body(page.text, running) for page in document.pages]
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


def running_lines(pages: Sequence[str]) -> frozenset[str]:
    """The lines, by their shape, that stand first or last on many pages: headers, footers, page numbers."""
    shapes = Counter(
        shape for page in pages for shape in {_shape(page[a:b]) for ends in _edges(page) for a, b in ends} if shape
    )
    least = max(_RUNNING_PAGES, _RUNNING_SHARE * len(pages))
    return frozenset(shape for shape, count in shapes.items() if count >= least)


def _edges(page: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The ranges of a page's first and last lines that are not blank, from the edge inwards."""
    lines = [m.span() for m in re.finditer(r"[^\n]*\S[^\n]*", page)]
    return lines[:_RUNNING_LINES], lines[::-1][:_RUNNING_LINES]


def _shape(line: str) -> str:
    """A line with its numbers made alike; "" for one too long to run along a page."""
    line = re.sub(r"\d+|\b[ivxlc]+\b", "#", " ".join(line.split()).lower())
    return line if len(line) <= 120 else ""


def _body(page: str, running: frozenset[str]) -> tuple[int, int]:
    """The range of a page's text inside of its running lines; all of a page that has nothing else."""
    start, end = 0, len(page)
    above, below = _edges(page)
    for a, b in above:
        if _shape(page[a:b]) not in running:
            break
        start = b
    for a, b in below:
        if a < start or _shape(page[a:b]) not in running:
            break
        end = a
    return (start, end) if page[start : max(start, end)].strip() else (0, len(page))


def _pieces(text: str, start: int, end: int, count: Callable[[str], int], room: int) -> Iterator[tuple[int, int]]:
    """A sentence as it is, or, where it alone is too long, cut at clauses, words or characters, in this order."""
    if end - start <= room or count(text[start:end]) <= room:
        yield start, end
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


def _pack(
    text: str, pieces: list[tuple[int, int]], count: Callable[[str], int], room: int
) -> Iterator[tuple[int, int]]:
    """Neighbouring pieces together, as evenly as fills the fewest chunks: a page ends with no crumb."""
    sizes = [count(text[a:b]) for a, b in pieces]
    total = sum(sizes)
    if not pieces:
        return
    fair = total / max(1, -(-total // room))
    start, used = pieces[0][0], 0
    for (a, _), size in zip(pieces, sizes, strict=True):
        if used and (used + size > room or used + size / 2 > fair):
            yield start, a
            start, used = a, 0
        used += size
    yield start, pieces[-1][1]


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return end - len(piece.lstrip()), start + len(piece.rstrip())


def _heading(document: Document, page: int) -> str:
    """The path of outline entries that `page` stands under: the last one of each level that begins on or before it."""
    path: list[Heading] = []
    for entry in document.outline:
        if entry.page <= page:
            path = [*(above for above in path if above.level < entry.level), entry]
    return " › ".join(entry.title for entry in path)
