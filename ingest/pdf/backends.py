"""The two PDF readers, pdfium and pypdf, behind one interface.

Runs inside the worker; only page_image_worker.py knows them too.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.document import NO_LETTERS, NOTHING_FOUND, PICTURE_ONLY
from ingest.errors import Encrypted, NoPages
from ingest.pdf.cleanup import clean, line
from ingest.pdf.reading_order import in_order
from ingest.safe_open import open_document

OUTLINE_ENTRIES, OUTLINE_DEPTH = 5000, 15  # more is no table of contents
STAMP_PIXELS = 64
_GLYPH_NAME = re.compile(r"/[A-Za-z]+\d+")  # what pypdf writes for a letter that it cannot name: "/g1/g2"
BLANK = "blank"
NO_REASON = "no reason was given"


@dataclass(frozen=True)
class Found:
    """What a reader found on a page."""

    text: str = ""
    problem: str = ""  # why there is no text
    certain: bool = True  # that there is none
    cut: bool = False  # at the limit: there is more


class Reader(Protocol):
    """One PDF, opened. Pages count from 0 here."""

    count: int

    def title(self) -> str: ...
    def label(self, index: int) -> str: ...
    def outline(self) -> Iterator[tuple[str, int, int | None]]: ...  # title, level from 1, page from 0
    def page(self, index: int, limit: int) -> Found: ...
    def close(self) -> None: ...


class Refused(Exception):
    """pdfium cannot open the file; `locked`: for want of a password."""

    def __init__(self, detail: str, locked: bool) -> None:
        super().__init__(detail)
        self.locked = locked


def open_pdfium(path: Path, password: str | None) -> pypdfium2.PdfDocument:
    """pdfium's document, which closes its file with itself. Raises PdfiumError, FileUnreadable, EmptyFile."""
    file = open_document(path)
    try:
        return pypdfium2.PdfDocument(file, password=password or None, autoclose=True)
    except BaseException:
        file.close()
        raise


class Pdfium:
    def __init__(self, path: Path, password: str) -> None:
        """Raises Refused, FileUnreadable, EmptyFile."""
        try:
            self.document = open_pdfium(path, password)
        except pypdfium2.PdfiumError as error:
            raise Refused(reason(error), error.err_code == pdfium.FPDF_ERR_PASSWORD) from error
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

    def page(self, index: int, limit: int) -> Found:
        try:
            with open_page(self.document, index) as page, open_letters(page) as letters:
                count = letters.count_chars()
                raw = text_of(letters, min(count, limit)) if count else ""
                text = clean(raw)
                if not text.strip():
                    return _why_no_text(page, count > 0 and not raw.isspace())
                return Found(text, cut=count > limit)
        except pypdfium2.PdfiumError as error:
            return Found(problem=f"unreadable: {reason(error)}", certain=False)


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


def text_of(letters: pypdfium2.PdfTextPage, count: int) -> str:
    """The first `count` characters of a page, as they are read."""
    text: str = letters.get_text_range(0, count)
    return "\r\n".join(text[line.start : line.end] for line in in_order(letters, text)) or text


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


def _why_no_text(page: pypdfium2.PdfPage, letters: bool) -> Found:
    """`letters`: there are some, but none that can be read."""
    kinds = set(_kinds(pdfium.FPDFPage_CountObjects(page), lambda index: pdfium.FPDFPage_GetObject(page, index), 0))
    image = pdfium.FPDF_PAGEOBJ_IMAGE in kinds
    if not image and not _shows_anything(page):
        return Found(problem=BLANK, certain=bool(kinds))  # without any object, pdfium may have failed to read them
    certain = not letters and kinds != {pdfium.FPDF_PAGEOBJ_TEXT}
    return Found(problem=PICTURE_ONLY if image or certain else NO_LETTERS, certain=certain)


def _shows_anything(page: pypdfium2.PdfPage) -> bool:
    """Whether the page, drawn as small as a stamp, is of more than one colour."""
    across, down = page.get_size()
    if not (across > 0 and down > 0) or max(across, down) > 100 * min(across, down):
        return False
    drawn = page.render(scale=STAMP_PIXELS / max(across, down), grayscale=True)
    try:
        pixels = bytes(drawn.buffer)
        rows = (pixels[row * drawn.stride : row * drawn.stride + drawn.width] for row in range(drawn.height))
        return len({shade for row in rows for shade in row}) > 1
    finally:
        drawn.close()


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
    def __init__(self, path: Path, password: str, most_pages: int) -> None:
        """Raises Encrypted, NoPages, FileUnreadable, and whatever pypdf raises, which is not PyPdfError alone."""
        import logging

        import pypdf  # takes as long as reading fifty pages; most files never need it

        logging.getLogger("pypdf").setLevel(logging.CRITICAL)
        pypdf.overwrite_configuration(
            disable_legacy_handling=True,
            jbig2dec_binary=None,  # starts no program
            outline_maximum_entries=OUTLINE_ENTRIES,
            page_tree_maximum_entries=2 * most_pages,
        )
        with ExitStack() as stack:
            file = stack.enter_context(open_document(path))
            self._document = pypdf.PdfReader(file, strict=False)
            if self._document.is_encrypted and not self._document.decrypt(password):
                raise Encrypted()
            self.count = len(self._document.pages)
            if self.count == 0:
                raise NoPages()
            self._file = stack.pop_all()  # stays open while the document is read
        self._labels: list[str] | None = None

    def close(self) -> None:
        self._document.close()
        self._file.close()

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

    def page(self, index: int, limit: int) -> Found:
        try:
            text = clean(self._document.pages[index].extract_text())
        except MemoryError:
            raise
        except Exception as error:
            return Found(problem=f"unreadable: {reason(error)}")
        if len(_GLYPH_NAME.sub("", text)) < len(text) / 2:
            return Found(problem=NO_LETTERS)
        return Found(text[:limit], cut=len(text) > limit) if text.strip() else Found(problem=NOTHING_FOUND)


def reason(error: BaseException) -> str:
    """What a reader said, in a few words; NO_REASON where it said nothing for people."""
    said = line(str(error), 120).rstrip(".")
    if isinstance(error, pypdfium2.PdfiumError):
        found = re.search(r"PDFium: (.*?)( error)?\)", said)
        said = found[1].lower() if found else said
    elif not type(error).__module__.startswith("pypdf.") or type(error).__name__ == "DeprecationError":
        said = ""
    return said if len(said) > 3 and said != "success" else NO_REASON
