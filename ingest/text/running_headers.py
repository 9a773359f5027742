"""The lines that run along the top and bottom of many pages: headers, footers, page numbers. Not searched, but kept."""

import re
from collections import Counter
from collections.abc import Sequence

_LINES = 2  # at either end of a page
_PAGES, _SHARE = 4, 0.3  # a line runs where it stands on so many pages, and on such a share of them


def running_lines(pages: Sequence[str]) -> frozenset[str]:
    """The lines, by their shape, that stand first or last on many pages."""
    shapes = Counter(
        shape for page in pages for shape in {_shape(page[a:b]) for ends in _edges(page) for a, b in ends} if shape
    )
    least = max(_PAGES, _SHARE * len(pages))
    return frozenset(shape for shape, count in shapes.items() if count >= least)


def body(page: str, running: frozenset[str]) -> tuple[int, int]:
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


def _edges(page: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The ranges of a page's first and last lines that are not blank, from the edge inwards."""
    lines = [m.span() for m in re.finditer(r"[^\n]*\S[^\n]*", page)]
    return lines[:_LINES], lines[::-1][:_LINES]


def _shape(line: str) -> str:
    """A line with its numbers made alike; "" for one too long to run along a page."""
    line = re.sub(r"\d+|\b[ivxlc]+\b", "#", " ".join(line.split()).lower())
    return line if len(line) <= 120 else ""
