"""Draws a page and finds words on it. Runs inside the worker (see sandbox.py)."""

import base64
import ctypes
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image, ImageChops, ImageDraw

from ingest.document import Box
from ingest.errors import Encrypted, NotDrawn
from ingest.pdf.backends import open_letters, open_page, open_pdfium
from ingest.pdf.reading_order import in_order
from ingest.text.normalize import find

PIXELS = 8_000_000  # of a picture at most, whatever size a page declares
WIDEST = 4000  # pixels
HIGHLIGHT, EDGE = (255, 233, 105), (222, 158, 10)
STRONG = (255, 190, 60)  # of the words in a quote that answer
_GRID = 1_000_000  # pdfium gives places on the screen in whole pixels: of a screen so large that they are exact
_HYPHEN = re.compile("[-\u00ad\u2010-\u2015\u2212\ufe63\uff0d\ufffe\x02][ \u00a0]*[\r\n]*")


def serve(
    path: str,
    page: int,
    quotes: Sequence[Sequence[str]],
    width: int,
    password: str,
    marks: Sequence[Box] = (),
    strong: Sequence[Box] = (),
) -> Iterator[dict[str, Any]]:
    """One dict: the PNG in base64, its width and height in pixels, where the quotes and their spans stand.

    `quotes`: each with its span, "" for none. `marks`, `strong`: where they stand on a page whose letters are part of
    its picture. Raises ReadError.
    """
    try:
        document = open_pdfium(Path(path), password)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise Encrypted() from error
        raise NotDrawn(page=page, detail="pdfium cannot open the file") from error
    if not 1 <= page <= len(document):
        raise NotDrawn(page=page, detail=f"the file has {len(document)}")
    try:
        with open_page(document, page - 1) as sheet:
            found = [find_words(sheet, quote, span) for quote, span in quotes]
            image = render(sheet, width)
    except (pypdfium2.PdfiumError, ValueError) as error:
        raise NotDrawn(page=page, detail="pdfium cannot read it") from error
    marks = [*marks, *(mark for quote, _ in found for mark in quote)]
    strong = [*strong, *(mark for _, span in found for mark in span)]
    buffer = io.BytesIO()
    highlight(image, marks, strong).save(buffer, "PNG")
    yield {
        "png": base64.b64encode(buffer.getvalue()).decode("ascii"),
        "width": image.width,
        "height": image.height,
        "marks": marks,
        "strong": strong,
    }


def render(page: pypdfium2.PdfPage, width: int) -> Image.Image:
    """The page, `width` pixels wide, or less where that would be too many pixels. Raises PdfiumError or ValueError."""
    across, down = page.get_size()
    if not (across > 0 and down > 0 and math.isfinite(across * down)):
        raise ValueError("a page without a size")
    scale = min(min(width, WIDEST) / across, math.sqrt(PIXELS / (across * down)))
    # A sheet like a thread keeps one pixel of width.
    scale = min(max(scale, 1 / min(across, down)), PIXELS / max(across, down))
    if math.ceil(across * scale) * math.ceil(down * scale) > 2 * PIXELS:
        raise ValueError("a page of no sensible shape")
    image: Image.Image = page.render(scale=scale, limit_image_cache=True).to_pil()
    return image.convert("RGB")


def highlight(image: Image.Image, marks: Sequence[Box], strong: Sequence[Box] = ()) -> Image.Image:
    """The picture with the marks laid over it as a felt pen does: what is dark stays dark. `strong` ones are deeper."""
    layer = Image.new("RGB", image.size, (255, 255, 255))
    pen = ImageDraw.Draw(layer)
    for boxes, colour in ((marks, HIGHLIGHT), (strong, STRONG)):
        for left, top, right, bottom in boxes:
            box = (left * image.width - 1, top * image.height - 1, right * image.width + 1, bottom * image.height + 1)
            pen.rectangle(box, fill=colour, outline=EDGE)
    return ImageChops.multiply(image, layer)


def find_words(page: pypdfium2.PdfPage, quote: str, span: str = "") -> tuple[list[Box], list[Box]]:
    """Where the quote stands, and within it the span: a box a line, in fractions of the page as it is seen.

    Empty where they are not found.
    """
    with open_letters(page) as letters:
        text, places = _characters(letters)
        found = _find(quote, text)
        if found is None:
            return [], []
        start, end = found
        first, last = _find(span, text[start:end]) or (0, 0)
        boxes = {i: _box(letters, places[i]) for i in range(start, end) if not text[i].isspace()}
        within = [boxes[i] for i in range(start + first, start + last) if i in boxes]
    return _seen(page, boxes.values()), _seen(page, within)


def _find(words: str, text: str) -> tuple[int, int] | None:
    return find(words, text) or find(_unhyphened(words), _unhyphened(text))


def _seen(page: pypdfium2.PdfPage, boxes: Iterable[tuple[Box, bool] | None]) -> list[Box]:
    """Boxes of characters on the page → a box a line, in fractions of the page as it is seen."""
    seen = [_on_screen(page, line) for line in _lines([box for box in boxes if box is not None])]
    return [box for box in seen if box[2] > box[0] and box[3] > box[1]]


def _characters(letters: pypdfium2.PdfTextPage) -> tuple[str, list[int]]:
    """The page's text as it is read, and for each character its index for pdfium."""
    text: list[str] = []
    places: list[int] = []
    for index in range(letters.count_chars()):
        code = pdfium.FPDFText_GetUnicode(letters, index)
        if 0xDC00 <= code < 0xE000 and text and "\ud800" <= text[-1] < "\udc00":
            text[-1] = chr(0x10000 + (ord(text[-1]) - 0xD800) * 0x400 + code - 0xDC00)
        else:
            text.append(chr(code) if code <= 0x10FFFF else "\ufffd")
            places.append(index)
    lines = in_order(letters, letters.get_text_range())
    if not lines:
        return "".join(text), places
    # Where lines are read in another order, every character is one for pdfium and for Python.
    ranges = [(line.index, pdfium.FPDFText_GetCharIndexFromTextIndex(letters, line.end - 1) + 1) for line in lines]
    return "".join("".join(text[a:b]) + "\n" for a, b in ranges), [i for a, b in ranges for i in (*range(a, b), a)]


def _unhyphened(text: str) -> str:
    """With soft hyphens for all hyphens and the line ends after them: as long as before, but folded without them.

    Because whether a word that a line's end broke has a hyphen was decided over the whole document.
    """
    return _HYPHEN.sub(lambda match: "\u00ad" * len(match[0]), text)


def _box(letters: pypdfium2.PdfTextPage, index: int) -> tuple[Box, bool] | None:
    """A character's left, bottom, right, top on the page; and whether it stands on its side. None: it has no extent."""
    try:
        left, bottom, right, top = letters.get_charbox(index, loose=True)
    except pypdfium2.PdfiumError:
        return None
    angle = pdfium.FPDFText_GetCharAngle(letters, index)
    sideways = angle >= 0 and abs(math.sin(angle)) > 0.7
    return ((left, bottom, right, top), sideways) if right > left and top > bottom else None


def _lines(boxes: Sequence[tuple[Box, bool]]) -> list[Box]:
    """Boxes of characters, in reading order, merged while they stand on one line."""
    lines: list[tuple[Box, bool]] = []
    for box, sideways in boxes:
        if lines and lines[-1][1] == sideways:
            last = lines[-1][0]
            low, high = (0, 2) if sideways else (1, 3)
            shared = min(box[high], last[high]) - max(box[low], last[low])
            if shared > 0.5 * min(box[high] - box[low], last[high] - last[low]):
                whole = (min(box[0], last[0]), min(box[1], last[1]), max(box[2], last[2]), max(box[3], last[3]))
                lines[-1] = (whole, sideways)
                continue
        lines.append((box, sideways))
    return [box for box, _ in lines]


def _on_screen(page: pypdfium2.PdfPage, box: Box) -> Box:
    """Left, bottom, right, top in the PDF's points → left, top, right, bottom in fractions of the page that is seen."""
    corners = []
    for x, y in ((box[0], box[1]), (box[2], box[3])):
        across, down = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(page, 0, 0, _GRID, _GRID, 0, x, y, across, down)
        corners.append((min(max(across.value / _GRID, 0), 1), min(max(down.value / _GRID, 0), 1)))
    (x1, y1), (x2, y2) = corners
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
