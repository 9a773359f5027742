"""The order that a page is read in, where it is not the order that pdfium gives it in.

pdfium follows the file, which is right on nearly all pages. Wrong are columns of prose that are drawn line by line, so
that a line of one is followed by, or glued to, a line of the other; and what is drawn last though it stands above: a
table's head, a footer before the text. Only then are letters looked at one by one; tables stay as they are.
"""

import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

import pypdfium2
import pypdfium2.raw as pdfium

_SAMPLES = 8  # lines that are looked at for a gap between columns
_LEAST = 6  # so many lines on both sides make columns
_FULL = 0.7  # of the lines of a column of prose, and of its width that each of those fills
_LETTERS = 15  # of a line in a column, at least
_MOST = 300  # lines; a page with more is a drawing
_SMALL = 12  # letters and digits; what has fewer (a raised "(a)", a page number, a figure in a chart) stays where it is


_LINE = re.compile(r"[^\S\r\n]*(\S(?:[^\r\n]*\S)?)[^\S\r\n]*")
_LETTER = re.compile(r"[^\W\d_]")
# Where pdfium writes: made once, as it is asked so often.
_DOUBLES = tuple(ctypes.c_double() for _ in range(4))
_FLOATS = pdfium.FS_RECTF()


@dataclass(frozen=True)
class Line:
    """[start, end) of pdfium's text, its first character's index for pdfium, and where it stands, in points."""

    start: int
    end: int
    index: int
    left: float
    bottom: float
    right: float
    top: float

    @property
    def middle(self) -> float:
        return (self.bottom + self.top) / 2

    def beside(self, other: "Line") -> bool:
        """Whether both stand at one height, with nothing of the one over the other."""
        shared = min(self.top, other.top) - max(self.bottom, other.bottom)
        apart = self.right <= other.left + 1 or other.right <= self.left + 1
        return apart and shared > 0.5 * min(self.top - self.bottom, other.top - other.bottom)

    def over(self, other: "Line") -> bool:
        """Whether this stands above the other, at least for a third of the narrower one."""
        shared = min(self.right, other.right) - max(self.left, other.left)
        narrow = min(self.right - self.left, other.right - other.left)
        return shared > narrow / 3 and self.bottom > other.middle and self.middle > other.top


def in_order(letters: pypdfium2.PdfTextPage, text: str) -> list[Line]:
    """The lines of `text`, which pdfium gives for this page, as they are read; [] where that is its own order."""
    if not text or max(text) > "\uffff":  # pdfium may count those as two
        return []
    lines = list(_lines(letters, text))
    if not 2 <= len(lines) <= _MOST:
        return []
    gutter = _gutter(letters, text, lines)
    ordered = _by_columns(letters, lines, *gutter) if gutter else lines
    ordered = _downwards(text, ordered)
    return ordered if ordered != lines else []


def _lines(letters: pypdfium2.PdfTextPage, text: str) -> Iterator[Line]:
    for match in _LINE.finditer(text):
        first, last = (
            pdfium.FPDFText_GetCharIndexFromTextIndex(letters, at) for at in (match.start(1), match.end(1) - 1)
        )
        begin, end = _box(letters, first), _box(letters, last)
        if not begin or not end:
            continue
        if end[3] < begin[1]:  # a word that is broken at a line's end: pdfium makes one line of the two
            count = pdfium.FPDFText_CountRects(letters, first, last - first + 1)
            end = max((_rect(letters, number) for number in range(count)), key=lambda box: box[2], default=end)
            end = (begin[0], _box(letters, last)[1], end[2], begin[3])  # type: ignore[index]
        yield Line(
            match.start(),
            match.end(),
            pdfium.FPDFText_GetCharIndexFromTextIndex(letters, match.start()),
            min(begin[0], end[0]),
            min(begin[1], end[1]),
            max(begin[2], end[2]),
            max(begin[3], end[3]),
        )


def _box(letters: pypdfium2.PdfTextPage, index: int) -> tuple[float, float, float, float] | None:
    """Left, bottom, right, top of the room that a character's font gives it; None where it has none."""
    if index < 0 or not pdfium.FPDFText_GetLooseCharBox(letters, index, _FLOATS):
        return None
    return _FLOATS.left, _FLOATS.bottom, _FLOATS.right, _FLOATS.top


def _rect(letters: pypdfium2.PdfTextPage, number: int) -> tuple[float, float, float, float]:
    """Left, bottom, right, top of a rectangle that FPDFText_CountRects counted."""
    left, top, right, bottom = _DOUBLES
    pdfium.FPDFText_GetRect(letters, number, left, top, right, bottom)
    return left.value, bottom.value, right.value, top.value


def _gutter(letters: pypdfium2.PdfTextPage, text: str, lines: Sequence[Line]) -> tuple[float, float] | None:
    """Left and right of the gap between two columns of prose that are mixed up; None where there are none."""
    beside = [(a, b) for a, b in pairwise(lines) if b.left >= a.right and a.beside(b)]
    sides = [(a.left, a.right, b.left, b.right) for a, b in beside if _is_prose(text, a) and _is_prose(text, b)]
    if len(sides) < _LEAST:
        sides = list(_glued(letters, text, lines))
    if len(sides) < _LEAST:
        return None
    at = median((left + right) / 2 for _, left, right, _ in sides)
    sides = [side for side in sides if side[1] < at < side[2]]
    if len(sides) < _LEAST:
        return None
    left, right = max(side[1] for side in sides), min(side[2] for side in sides)
    begin, end = min(side[0] for side in sides), max(side[3] for side in sides)
    for width, filled in (
        (left - begin, [side[1] - side[0] for side in sides]),
        (end - right, [side[3] - side[2] for side in sides]),
    ):
        if width <= 0 or sum(fill > _FULL * width for fill in filled) < _FULL * len(filled):
            return None
    return left, right


def _is_prose(text: str, line: Line) -> bool:
    return len(_LETTER.findall(text, line.start, line.end)) >= _LETTERS


def _glued(
    letters: pypdfium2.PdfTextPage, text: str, lines: Sequence[Line]
) -> Iterator[tuple[float, float, float, float]]:
    """Of lines with a wide gap inside: left and right of what stands before and after it. A few are looked at first."""
    widest = max(line.right - line.left for line in lines)
    wide = [line for line in lines if line.right - line.left > 0.8 * widest]
    if len(wide) < _LEAST:
        return
    samples = wide[:: max(1, len(wide) // _SAMPLES)]
    gaps = 0
    for seen, line in enumerate(samples, 1):
        gap = _gap(letters, line)
        gaps += gap is not None and all(_is_prose(text, half) for half in _halves(letters, line, sum(gap) / 2))
        if gaps < seen / 2:
            return
    for line in wide:
        gap = _gap(letters, line)
        if gap is not None:
            yield line.left, *gap, line.right


def _gap(letters: pypdfium2.PdfTextPage, line: Line) -> tuple[float, float] | None:
    """Where a line's widest gap begins and ends, if it is wider than letters are high and in the middle half."""
    count = pdfium.FPDFText_CountRects(letters, line.index, line.end - line.start)
    edge, best = line.left, None
    for left, _, right, _ in sorted(_rect(letters, number) for number in range(count)):
        if left - edge > (best[1] - best[0] if best else 0.8 * (line.top - line.bottom)):
            best = edge, left
        edge = max(edge, right)
    quarter = (line.right - line.left) / 4
    return best if best and line.left + quarter < best[0] and best[1] < line.right - quarter else None


def _by_columns(letters: pypdfium2.PdfTextPage, lines: Sequence[Line], left: float, right: float) -> list[Line]:
    """Lines cut at the gap, and between lines that cross it what stands left of it first."""
    middle = (left + right) / 2
    halves = [half for line in lines for half in _halves(letters, line, middle)]
    found: list[Line] = []
    band: list[Line] = []
    for line in sorted(halves, key=lambda line: -line.middle):
        crosses = line.left < left - 1 and line.right > right + 1
        if crosses or (band and band[-1].bottom - line.top > 2 * (line.top - line.bottom)):
            found += _columns(band, middle)
            band = []
        band.append(line)
        if crosses:
            found.append(band.pop())
    return found + _columns(band, middle)


def _columns(band: Sequence[Line], middle: float) -> list[Line]:
    place = {line.start: i for i, line in enumerate(band)}
    return sorted(band, key=lambda line: ((line.left + line.right) / 2 > middle, place[line.start]))


def _halves(letters: pypdfium2.PdfTextPage, line: Line, middle: float) -> Iterator[Line]:
    """The line, or the two that were glued across `middle`."""
    gap = _gap(letters, line)
    if gap is None or not gap[0] < middle < gap[1]:
        yield line
        return
    left, right, bottom, top = _DOUBLES
    for index in range(line.index, line.index + line.end - line.start):
        if pdfium.FPDFText_GetCharBox(letters, index, left, right, bottom, top) and left.value > middle:
            cut = pdfium.FPDFText_GetTextIndexFromCharIndex(letters, index)
            if line.start < cut < line.end:
                yield replace(line, end=cut, right=gap[0])
                yield replace(line, start=cut, index=index, left=gap[1])
                return
    yield line


def _downwards(text: str, lines: Sequence[Line]) -> list[Line]:
    """Blocks of lines in their order, but none before one that stands above it."""
    if all(b.middle < a.top or b.left >= a.right for a, b in pairwise(lines)):
        return list(lines)
    blocks: list[list[Line]] = []
    frames: list[Line | None] = []  # around each block; None around what is too small to be moved
    for line in lines:
        small = sum(c.isalnum() for c in text[line.start : line.end]) < _SMALL
        frame = frames[-1] if frames else None
        if frame and not small and (_follows(blocks[-1][-1], line) or blocks[-1][-1].beside(line)):
            blocks[-1].append(line)
            frames[-1] = replace(
                frame,
                left=min(frame.left, line.left),
                bottom=min(frame.bottom, line.bottom),
                right=max(frame.right, line.right),
                top=max(frame.top, line.top),
            )
        else:
            blocks.append([line])
            frames.append(None if small else line)
    above = [
        {i for i, one in enumerate(frames) if one and one.over(frame)} if frame else {at - 1} - {-1}
        for at, frame in enumerate(frames)
    ]
    everything = set(range(len(blocks)))
    for at, block_lines in enumerate(blocks):  # a header stands above all, not only above what it is over
        rest = [line for line in lines if line not in block_lines]
        if rest and min(line.bottom for line in block_lines) >= max(line.middle for line in rest):
            for other in everything - {at}:
                above[other].add(at)
            above[at] = set()
    waiting, found = list(range(len(blocks))), list[Line]()
    while waiting:  # there is always one: what stands highest waits for nothing
        block = next((at for at in waiting if above[at].isdisjoint(waiting)), waiting[0])
        waiting.remove(block)
        found += blocks[block]
    return found


def _follows(line: Line, following: Line) -> bool:
    return line.over(following) and line.bottom - following.top < 2 * (following.top - following.bottom)
