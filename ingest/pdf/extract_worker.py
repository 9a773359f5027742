"""A PDF file → its pages. Runs inside the worker (see extract.py): a file may crash, hang or fill whatever reads it.

pdfium reads: it is about twenty times as fast as pypdf, and knows where letters stand. pypdf is the second opinion:
for a file that pdfium cannot open, for a page that it cannot load, and for one on which it finds no text or the wrong
letters.
"""

import signal
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

from ingest.document import Heading, Page
from ingest.errors import (
    Broken,
    EmptyFile,
    Encrypted,
    FileUnreadable,
    NoPages,
    NotAPdf,
    TooManyPages,
    TooMuchText,
)
from ingest.pdf.backends import OUTLINE_ENTRIES, Found, Pdfium, Pypdf, Reader, Refused, reason
from ingest.pdf.cleanup import line, title_of
from ingest.pdf.mojibake import garbled
from ingest.pdf.sandbox import Limits as Limits
from ingest.safe_open import open_document

HEADING_CHARS, LABEL_CHARS = 300, 40
HEADER_WITHIN = 1024  # bytes; as PDF viewers do
HEADLESS_BYTES = 5_000_000  # a larger file without a PDF's header is not searched for the rest of one
ASIDE_SECONDS = 20.0  # what second opinions on pages without text may take, all together
SLOW = "unreadable: reading it took too long"


@dataclass(frozen=True)
class Head:
    """What is known before the pages are read. `labels`: one a page."""

    title: str
    labels: tuple[str, ...]
    outline: tuple[Heading, ...]


def load(
    path: Path,
    name: str,
    limits: Limits,
    password: str = "",
    *,
    start: int = 1,
    avoid: Collection[int] = (),
    alone: bool = False,
) -> Iterator[Head | Page]:
    """The head, then the pages from number `start` on. BROKEN marks (see cleanup.py) are still in their text.

    `avoid`: numbers of pages to keep from pdfium, because it crashed or hung on them. `alone`: pypdf reads everything.
    Raises ReadError. Uses SIGALRM, so call it in a main thread.
    """
    with ExitStack() as stack:
        reader = open_pdf(path, password, limits, alone)
        stack.callback(reader.close)

        @cache
        def second() -> Reader | None:
            try:
                opened: Reader = Pypdf(path, password, limits.pages)
            except Exception:
                return None
            stack.callback(opened.close)
            return opened

        if reader.count > limits.pages:
            raise TooManyPages(pages=reader.count, limit=limits.pages)
        labels = tuple(_label(reader, index) for index in range(reader.count))
        yield Head(title_of(_or_else(reader.title, ""), name), labels, _headings(reader))
        aside, total = ASIDE_SECONDS, 0
        for number in range(start, reader.count + 1):
            before = monotonic()
            found, asked = _page(reader, second, number, limits, aside, number in avoid)
            aside -= monotonic() - before if asked else 0
            total += len(found.text)
            if total > limits.text_mb * 1_000_000:
                raise TooMuchText(limit=limits.text_mb)
            problem = (
                f"cut: only about its first {limits.page_chars} characters were kept" if found.cut else found.problem
            )
            yield Page(number, labels[number - 1], found.text, problem)


def serve(
    path: str,
    name: str,
    limits: Mapping[str, float],
    password: str,
    start: int,
    avoid: Collection[int],
    alone: bool,
) -> Iterator[dict[str, Any]]:
    """`load` for a worker: the head and the pages as dicts."""
    caps = Limits(**limits)  # type: ignore[arg-type]
    for item in load(Path(path), name, caps, password, start=start, avoid=avoid, alone=alone):
        if isinstance(item, Head):
            outline = [(heading.title, heading.level, heading.page) for heading in item.outline]
            yield {"title": item.title, "labels": item.labels, "outline": outline}
        else:
            yield {"number": item.number, "text": item.text, "problem": item.problem}


def _page(
    reader: Reader, second: Callable[[], Reader | None], number: int, limits: Limits, aside: float, avoid: bool
) -> tuple[Found, bool]:
    """What is found on a page; and whether the second opinion was asked, which may take `aside` seconds."""
    fast = isinstance(reader, Pdfium)
    first, seconds = Found(problem=SLOW), limits.page_seconds * 0.8
    if fast and not avoid:
        first, seconds = _legible(reader.page(number - 1, limits.page_chars)), min(aside, limits.page_seconds / 3)
        if first.text or first.certain or seconds <= 0:
            return first, False
    found = Found()
    with _within(seconds):
        other = second() if fast else reader
        if other is not None and number <= other.count:
            found = _legible(other.page(number - 1, limits.page_chars))
    # Where neither found text, the one that was meant to read the page says why.
    return (first if not found.text and (first.problem != SLOW or not found.problem) else found), True


def _legible(found: Found) -> Found:
    """What was found; or, where its letters are the wrong ones, why there is no text."""
    problem = garbled(found.text)
    return Found(problem=problem, certain=False) if problem else found


def open_pdf(path: Path, password: str, limits: Limits, alone: bool = False) -> Reader:
    """pdfium's view of the file, or pypdf's where pdfium cannot.

    Raises NotAPdf, Encrypted, NoPages, FileUnreadable, EmptyFile or Broken.
    """
    locked, refused = False, ""
    if not alone:
        try:
            return Pdfium(path, password)
        except Refused as error:
            # Where pdfium wants a password, pypdf may not: each knows ciphers that the other does not.
            locked, refused = error.locked, str(error)
    headed = _has_header(path)
    if not headed and path.stat().st_size > HEADLESS_BYTES:
        raise NotAPdf()
    try:
        return Pypdf(path, password, limits.pages)
    except (Encrypted, NoPages, FileUnreadable, EmptyFile, MemoryError):
        raise
    except Exception as error:
        if not headed:
            raise NotAPdf() from error
        if locked:
            raise Encrypted() from error
        raise Broken(detail=refused or reason(error)) from error


def _has_header(path: Path) -> bool:
    with open_document(path) as file:
        return b"%PDF" in file.read(HEADER_WITHIN)


def _label(reader: Reader, index: int) -> str:
    return line(_or_else(lambda: reader.label(index), ""), LABEL_CHARS) or str(index + 1)


def _headings(reader: Reader) -> tuple[Heading, ...]:
    """The outline as far as it can be read. An entry without a page of its own takes that of the entry below it."""
    entries: list[tuple[str, int, int | None]] = []
    with suppress(Exception):
        for entry in reader.outline():
            entries.append(entry)
            if len(entries) == OUTLINE_ENTRIES:
                break
    found: list[Heading] = []
    below, below_level = -1, 0
    for title, level, page in reversed(entries):
        if page is None and below_level > level:
            page = below
        text = line(title, HEADING_CHARS)
        if page is not None and 0 <= page < reader.count:
            below, below_level = page, level
            if text:
                found.append(Heading(text, level, page + 1))
    return tuple(reversed(found))


def _or_else(ask: Callable[[], str], default: str) -> str:
    try:
        return ask()
    except Exception:
        return default


class _Late(BaseException):
    """Not an Exception, because pypdf goes on after many of those."""


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Leaves the block, without an error, when it has taken longer."""

    def late(*_: object) -> None:
        raise _Late

    previous = signal.signal(signal.SIGALRM, late)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
        yield
    except _Late:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
