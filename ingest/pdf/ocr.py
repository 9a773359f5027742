"""Text recognition (OCR) for the pages that are pictures, where the extra `ocr` is installed; and its marks.

The work is done in a worker of its own: a page that crashes it or takes too long costs only that page's text.
"""

import os
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ingest.document import GARBLED, NO_LETTERS, NOTHING_FOUND, PICTURE_ONLY, Box, Line, Page
from ingest.errors import ReadError
from ingest.pdf.sandbox import Casualty, Limits, in_worker
from ingest.text.normalize import find

_SEEN = (PICTURE_ONLY, GARBLED, NO_LETTERS, NOTHING_FOUND)
_ONE = threading.Lock()  # it keeps all cores busy, and takes about 1 GB: so one at a time, however many files are read
_CASUALTIES = 3  # of one document, before the rest of its pictures are left
_SEPARATORS = " \n\ufffe"


@cache
def installed() -> bool:
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


def available(limits: Limits) -> bool:
    return limits.ocr and installed()


def wanted(page: Page) -> bool:
    """Whether there may be words on it that only its picture shows."""
    return not page.text.strip() and page.problem.startswith(_SEEN)


def recognise(
    path: Path, pages: Sequence[Page], limits: Limits, password: str, on_page: Callable[[], None]
) -> list[Page]:
    """The pages, with the text of those that are `wanted` as far as it is recognised; `on_page` hears of each of these.

    Where none is found, the page says so. Raises nothing for a picture that cannot be recognised.
    """
    done = {page.number: page for page in pages}
    waiting = [page.number for page in pages if wanted(page)] if available(limits) else []
    lost, stopped = 0, ""
    while waiting:
        job = {"path": str(path.absolute()), "pages": waiting, "password": password}
        seconds = limits.ocr_seconds * len(waiting) * (os.cpu_count() or 1)  # of all cores together
        caps = replace(limits, page_seconds=limits.ocr_seconds, file_seconds=seconds)
        try:
            with _ONE, closing(in_worker("ingest.pdf.ocr_worker:serve", job, caps)) as replies:
                for reply in replies:
                    page = done[waiting[0]]
                    done[page.number] = _recognised(page, reply, limits)
                    del waiting[0]
                    on_page()
            stopped = "it ended early"
        except Casualty as casualty:
            lost += 1
            stopped = casualty.reason
        except ReadError as error:
            lost, stopped = _CASUALTIES, str(error)
        given_up = waiting if lost >= _CASUALTIES else waiting[:1]
        for number in given_up:
            done[number] = _failed(done[number], stopped)
            on_page()
        waiting = waiting[len(given_up) :]
    return list(done.values())


def settle(page: Page, text: str) -> Page:
    """The page with its text mended (cleanup.py), and its lines at their places in that."""
    lines, at = [], 0
    for line, piece in _runs(page):
        at = text.index(piece, at)
        lines.append(Line(at, line.box))
        at += len(piece)
    return replace(page, text=text, lines=tuple(lines))


def marks(page: Page, quotes: Sequence[str]) -> tuple[Box, ...]:
    """Where the quotes stand on a page that was recognised: a box a line, in fractions of the page as it is seen.

    Within a line the letters' places are reckoned from their usual widths.
    """
    return _boxes(page, [find(quote, page.text) or (0, 0) for quote in quotes])


def marks_within(page: Page, quotes: Sequence[str], spans: Sequence[str]) -> tuple[Box, ...]:
    """The same for the spans, each within its quote; "" is none."""
    places = []
    for quote, span in zip(quotes, spans, strict=False):
        start, end = find(quote, page.text) or (0, 0)
        first, last = find(span, page.text[start:end]) or (0, 0)
        places.append((start + first, start + last))
    return _boxes(page, places)


def _boxes(page: Page, places: Sequence[tuple[int, int]]) -> tuple[Box, ...]:
    boxes = []
    for start, end in places:
        for line, piece in _runs(page):
            first, last = max(start - line.start, 0), min(end - line.start, len(piece))
            if first < last:
                left, top, right, bottom = line.box
                scale = (right - left) / max(1, _width(piece))
                boxes.append((left + scale * _width(piece[:first]), top, left + scale * _width(piece[:last]), bottom))
    return tuple(boxes)


def _runs(page: Page) -> Iterator[tuple[Line, str]]:
    """The page's lines with their text."""
    for line, end in zip(page.lines, [*(line.start for line in page.lines[1:]), len(page.text)], strict=False):
        yield line, page.text[line.start : end].rstrip(_SEPARATORS)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _recognised(page: Page, reply: Mapping[str, Any], limits: Limits) -> Page:
    """Raises Casualty for a reply that makes no sense."""
    try:
        text = str(reply["text"])
        lines = tuple(
            Line(int(start), (float(a), float(b), float(c), float(d))) for start, a, b, c, d in reply["lines"]
        )
        starts = [line.start for line in lines]
        sound = starts == sorted(set(starts)) and (not starts or starts[-1] < len(text) <= limits.page_chars)
        if reply["number"] != page.number or not sound or any(not 0 <= v <= 1 for line in lines for v in line.box):
            raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise Casualty(ReadError(), "its reply made no sense") from error
    return replace(page, text=text, problem="", lines=lines) if lines else _failed(page, "no words were found")


def _failed(page: Page, why: str) -> Page:
    return replace(page, problem=f"{page.problem}; text recognition: {why}")
