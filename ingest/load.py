"""A PDF file → its pages. Runs inside the worker (see sandbox.py): a file may crash, hang or fill whatever reads it.

pdfium reads: it is about twenty times as fast as pypdf, and knows where letters stand. pypdf is the second opinion:
for a file that pdfium cannot open, for a page that it cannot load, and for a page on which it finds no text.
"""

import math
import re
import signal
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.clean import clean, line, title_of
from ingest.document import Heading, Page
from ingest.errors import Broken, Encrypted, NoPages, NotAPdf, TooManyPages, TooMuchText
from ingest.worker import Limits as Limits

OUTLINE_ENTRIES, OUTLINE_DEPTH, HEADING_CHARS, LABEL_CHARS = 5000, 15, 300, 40
HEADER_WITHIN = 1024  # bytes; as PDF viewers do
HEADLESS_BYTES = 5_000_000  # a larger file without a PDF's header is not searched for the rest of one
ASIDE_SECONDS = 20.0  # what second opinions on pages without text may take, all together
PICTURE_ONLY, BLANK = "picture only", "blank"
NO_LETTERS = "unreadable: its fonts do not say which letters they draw"
SLOW = "unreadable: reading it took too long"


@dataclass(frozen=True)
class Head:
    """What is known before the pages are read. `labels`: one a page."""

    title: str
    labels: tuple[str, ...]
    outline: tuple[Heading, ...]


class Reader(Protocol):
    """One PDF, opened. Pages count from 0 here."""

    count: int

    def title(self) -> str: ...
    def label(self, index: int) -> str: ...
    def outline(self) -> Iterator[tuple[str, int, int | None]]: ...  # title, level from 1, page from 0
    def page(
        self, index: int, limit: int
    ) -> tuple[str, str]: ...  # its text, or why it has none; may be cut at `limit`
    def close(self) -> None: ...


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
    """The head, then the pages from number `start` on. BROKEN marks (see clean.py) are still in their text.

    `avoid`: numbers of pages to keep from pdfium, because it crashed or hung on them. `alone`: pypdf reads everything.
    Raises ReadError. Uses SIGALRM, so call it in a main thread.
    """
    with ExitStack() as stack:
        reader = open_pdf(path, password, limits, alone)
        stack.callback(reader.close)

        @cache
        def second() -> Reader | None:
            try:
                opened: Reader = Pypdf(path, password, limits)
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
            text, problem, asked = _page(reader, second, number, limits, aside, number in avoid)
            aside -= monotonic() - before if asked else 0
            if len(text) > limits.page_chars:
                text = text[: limits.page_chars]
                problem = f"cut: only its first {limits.page_chars} characters were kept"
            total += len(text)
            if total > limits.text_mb * 1_000_000:
                raise TooMuchText(limit=limits.text_mb)
            yield Page(number, labels[number - 1], text, problem)


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
) -> tuple[str, str, bool]:
    """A page's text, else why it has none; and whether the second opinion was asked."""
    fast = isinstance(reader, Pdfium)
    text, problem = "", SLOW
    if fast and not avoid:
        text, problem = reader.page(number - 1, limits.page_chars + 1)
        # Where there are pictures and nothing else, there is nothing to find.
        if text or problem == PICTURE_ONLY or aside <= 0:
            return text, "" if text else problem, False
    seconds = min(aside, limits.page_seconds / 3) if fast and not avoid else limits.page_seconds * 0.8
    found, why = "", ""
    with _within(seconds):
        other = second() if fast else reader
        if other is not None and number <= other.count:
            found, why = other.page(number - 1, limits.page_chars + 1)
    if found:
        return found, "", True
    return "", problem if fast and not avoid else why or problem, True


def open_pdf(path: Path, password: str, limits: Limits, alone: bool = False) -> Reader:
    """pdfium's view of the file, or pypdf's where pdfium cannot. Raises NotAPdf, Encrypted, NoPages or Broken."""
    locked, refused = False, ""
    if not alone:
        try:
            return Pdfium(path, password)
        except pypdfium2.PdfiumError as error:
            # Where pdfium wants a password, pypdf may not: each knows ciphers that the other does not.
            locked, refused = error.err_code == pdfium.FPDF_ERR_PASSWORD, _reason(error)
    headed = _has_header(path)
    if not headed and path.stat().st_size > HEADLESS_BYTES:
        raise NotAPdf()
    try:
        return Pypdf(path, password, limits)
    except (Encrypted, NoPages, MemoryError):
        raise
    except Exception as error:
        if not headed:
            raise NotAPdf() from error
        if locked:
            raise Encrypted() from error
        raise Broken(detail=refused or _reason(error)) from error


def _has_header(path: Path) -> bool:
    with path.open("rb") as file:
        return b"%PDF" in file.read(HEADER_WITHIN)


class Pdfium:
    def __init__(self, path: Path, password: str) -> None:
        """Raises PdfiumError."""
        self.document = pypdfium2.PdfDocument(path, password=password or None)
        self.count = len(self.document)

    def close(self) -> None:
        self.document.close()

    def title(self) -> str:
        return str(self.document.get_metadata_value("Title"))

    def label(self, index: int) -> str:
        return str(self.document.get_page_label(index))

    def outline(self) -> Iterator[tuple[str, int, int | None]]:
        for entry in self.document.get_toc(max_depth=OUTLINE_DEPTH):
            target = entry.get_dest()
            yield entry.get_title(), entry.level + 1, target.get_index() if target else None

    def page(self, index: int, limit: int) -> tuple[str, str]:
        try:
            with open_page(self.document, index) as page:
                return self._text(page, limit)
        except pypdfium2.PdfiumError as error:
            return "", f"unreadable: {_reason(error)}"

    def _text(self, page: pypdfium2.PdfPage, limit: int) -> tuple[str, str]:
        with open_letters(page) as letters:
            count = letters.count_chars()
            text = clean(letters.get_text_range(0, min(count, limit))) if count else ""
        return (text, "") if text.strip() else ("", _why_no_text(page))


@contextmanager
def open_page(document: pypdfium2.PdfDocument, index: int) -> Iterator[pypdfium2.PdfPage]:
    """The page, with what is filled into its form fields drawn on it. Raises PdfiumError."""
    page = document[index]
    try:
        if _has_fields(page) and pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) == pdfium.FLATTEN_SUCCESS:
            page.close()
            page = document[index]
        yield page
    finally:
        page.close()


@contextmanager
def open_letters(page: pypdfium2.PdfPage) -> Iterator[pypdfium2.PdfTextPage]:
    """The page's letters in reading order. While it is open the page may be turned. Raises PdfiumError.

    pdfium puts lines that run down the page in the wrong order, last line first; so such a page is turned upright.
    """
    letters, rotation = page.get_textpage(), page.get_rotation()
    try:
        angle = _usual_angle(letters)
        if (angle - rotation) % 360 == 270:
            letters.close()
            page.set_rotation(angle)
            letters = page.get_textpage()
        yield letters
    finally:
        letters.close()
        if page.get_rotation() != rotation:
            page.set_rotation(rotation)


def _usual_angle(letters: pypdfium2.PdfTextPage) -> int:
    """Degrees against the clock that most letters are turned by, of a few looked at: 0, 90, 180 or 270."""
    count = letters.count_chars()
    angles = (pdfium.FPDFText_GetCharAngle(letters, index) for index in range(0, count, count // 15 + 1))
    turned = Counter(round(-math.degrees(angle) / 90) * 90 % 360 for angle in angles if angle >= 0)
    return turned.most_common(1)[0][0] if turned else 0


def _has_fields(page: pypdfium2.PdfPage) -> bool:
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), 1000)):
        note = pdfium.FPDFPage_GetAnnot(page, index)
        if note:
            kind = pdfium.FPDFAnnot_GetSubtype(note)
            pdfium.FPDFPage_CloseAnnot(note)
            if kind in (pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_STAMP):
                return True
    return False


def _why_no_text(page: pypdfium2.PdfPage) -> str:
    kinds = list(_kinds(pdfium.FPDFPage_CountObjects(page), lambda index: pdfium.FPDFPage_GetObject(page, index), 0))
    if pdfium.FPDF_PAGEOBJ_TEXT in kinds:
        return NO_LETTERS
    drawn = kinds.count(pdfium.FPDF_PAGEOBJ_PATH) + kinds.count(pdfium.FPDF_PAGEOBJ_SHADING)
    # A few lines or a coloured sheet are no picture.
    return PICTURE_ONLY if pdfium.FPDF_PAGEOBJ_IMAGE in kinds or drawn > 10 else BLANK


def _kinds(count: int, get: Callable[[int], Any], depth: int) -> Iterator[int]:
    for index in range(min(count, 1000)):
        thing = get(index)
        kind = pdfium.FPDFPageObj_GetType(thing)
        if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < 4:
            inner = pdfium.FPDFFormObj_CountObjects(thing)
            yield from _kinds(inner, lambda i, form=thing: pdfium.FPDFFormObj_GetObject(form, i), depth + 1)  # type: ignore[misc]
        else:
            yield kind


class Pypdf:
    def __init__(self, path: Path, password: str, limits: Limits) -> None:
        """Raises Encrypted, NoPages, and whatever pypdf raises, which is not PyPdfError alone."""
        import logging

        import pypdf  # takes as long as reading fifty pages; most files never need it

        logging.getLogger("pypdf").setLevel(logging.CRITICAL)
        pypdf.overwrite_configuration(
            disable_legacy_handling=True,
            jbig2dec_binary=None,  # starts no program
            outline_maximum_entries=OUTLINE_ENTRIES,
            page_tree_maximum_entries=2 * limits.pages,
        )
        self._document = pypdf.PdfReader(path, strict=False)
        if self._document.is_encrypted and not self._document.decrypt(password):
            raise Encrypted()
        self.count = len(self._document.pages)
        if self.count == 0:
            raise NoPages()
        self._labels: list[str] | None = None

    def close(self) -> None:
        self._document.close()

    def title(self) -> str:
        metadata = self._document.metadata
        return str(metadata.title or "") if metadata else ""

    def label(self, index: int) -> str:
        if self._labels is None:
            self._labels = list(self._document.page_labels)
        return self._labels[index]

    def outline(self) -> Iterator[tuple[str, int, int | None]]:
        yield from self._entries(self._document.outline, 1)

    def _entries(self, entries: list[Any], level: int) -> Iterator[tuple[str, int, int | None]]:
        for entry in entries:
            if isinstance(entry, list):
                yield from self._entries(entry, level + 1)
            else:
                yield str(entry.title), level, self._document.get_destination_page_number(entry)

    def page(self, index: int, limit: int) -> tuple[str, str]:
        try:
            text = clean(self._document.pages[index].extract_text())
        except MemoryError:
            raise
        except Exception as error:
            return "", f"unreadable: {_reason(error)}"
        return (text[:limit], "") if text.strip() else ("", BLANK)


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


def _reason(error: BaseException) -> str:
    """What a reader said, in a few words; "damaged" where it said nothing for people."""
    said = line(str(error), 120).rstrip(".")
    if isinstance(error, pypdfium2.PdfiumError):
        found = re.search(r"PDFium: (.*?)( error)?\)", said)
        said = found[1].lower() if found else said
    elif not type(error).__module__.startswith("pypdf.") or type(error).__name__ == "DeprecationError":
        said = ""
    return said if len(said) > 3 and said != "success" else "damaged"


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
