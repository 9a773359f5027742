"""Recognises the text in pictures of pages. Runs inside the worker; the only file that knows the OCR library.

Its models lie inside the installed package (Chinese and English); nothing is downloaded.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ingest.document import Box, Line
from ingest.pdf.backends import open_page, open_pdfium
from ingest.pdf.cleanup import BROKEN
from ingest.pdf.page_image_worker import render

LONGEST = 2000  # pixels of a page's longer side: 170 dpi of A4, and what the library would shrink more to
FINEST = 300 / 72  # pixels a point: a small page is not blown up
DETECT = 1280  # pixels in which lines are looked for: half the time of 2000, and the same lines on A4
LEAST_SCORE = 0.5


@dataclass(frozen=True)
class Piece:
    """A line of letters that belong together; `box` in fractions of the page as it is seen."""

    text: str
    box: Box


def serve(path: str, pages: Sequence[int], password: str) -> Iterator[dict[str, Any]]:
    """One dict a page: its number, its text, and its lines as [start, left, top, right, bottom]."""
    recognise = _engine()
    document = open_pdfium(Path(path), password)
    for number in pages:
        with open_page(document, number - 1) as sheet:
            across, down = sheet.get_size()
            image = render(sheet, max(1, round(across * min(LONGEST / max(across, down), FINEST))))
        text, lines = written(arrange(_pieces(recognise, image)))
        yield {"number": number, "text": text, "lines": [(line.start, *line.box) for line in lines]}


def _engine() -> Any:
    import rapidocr

    models = Path(rapidocr.__file__).parent / "models"
    # The files are named, so that it never looks for others elsewhere.
    files = {f"{kind.capitalize()}.model_path": str(next(models.glob(f"*_{kind}_*.onnx"))) for kind in _KINDS}
    return rapidocr.RapidOCR(
        params={
            **files,
            "Global.log_level": "critical",
            "Global.text_score": LEAST_SCORE,
            "Global.use_cls": False,  # it turns a right line of a page upside down, on two of three pages tried
            "Det.limit_type": "max",
            "Det.limit_side_len": DETECT,
        }
    )


_KINDS = ("det", "rec")


def _pieces(recognise: Any, image: Image.Image) -> list[Piece]:
    found = recognise(np.ascontiguousarray(np.asarray(image)[:, :, ::-1]))  # blue first
    if found.boxes is None or found.txts is None:
        return []
    size = np.array([image.width, image.height])
    pieces = []
    for corners, text in zip(found.boxes, found.txts, strict=True):
        (left, top), (right, bottom) = (np.clip(edge(corners, 0) / size, 0, 1) for edge in (np.min, np.max))
        if words := " ".join(text.split()):
            pieces.append(Piece(words, (float(left), float(top), float(right), float(bottom))))
    return pieces


def arrange(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """The pieces in rows, in reading order: columns of prose one after the other, a table's cells row by row."""
    gutter = _gutter(pieces)
    if gutter is None:
        return _rows(pieces)
    rows: list[list[Piece]] = []
    # What runs over both columns, as a title does, parts what stands above it from what stands below.
    for across, band in groupby(sorted(pieces, key=lambda p: p.box[1]), lambda p: p.box[0] < gutter < p.box[2]):
        some = list(band)
        if across:
            rows += _rows(some)
        else:
            rows += arrange([p for p in some if p.box[2] <= gutter]) + arrange([p for p in some if p.box[0] >= gutter])
    return rows


def _gutter(pieces: Sequence[Piece]) -> float | None:
    """Where a page parts into two columns of prose, in fractions of its width; None: nowhere.

    A table parts too, but its cells are short or ragged: read by columns, its rows would fall apart.
    """
    if len(pieces) < 2 * _COLUMN:
        return None
    start, end = min(p.box[0] for p in pieces), max(p.box[2] for p in pieces)
    best: tuple[int, float] | None = None
    for at in sorted({p.box[2] + 0.001 for p in pieces}):
        if not start + 0.2 * (end - start) < at < end - 0.2 * (end - start):
            continue
        left, right = [p for p in pieces if p.box[2] <= at], [p for p in pieces if p.box[0] >= at]
        over = len(pieces) - len(left) - len(right)
        if over <= len(pieces) / 4 and _is_prose(left) and _is_prose(right) and (best is None or over < best[0]):
            best = over, at
    return best[1] if best else None


_COLUMN = 4  # lines


def _is_prose(column: Sequence[Piece]) -> bool:
    """Whether most lines fill the column and hold several words."""
    if len(column) < _COLUMN:
        return False
    width = max(p.box[2] for p in column) - min(p.box[0] for p in column)
    usual = statistics.median(p.box[2] - p.box[0] for p in column)
    return usual > 0.7 * width and statistics.median(len(p.text) for p in column) >= 12


def _rows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces side by side in one row, rows from the top, pieces from the left."""
    rows: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda p: p.box[1] + p.box[3]):
        top, bottom = piece.box[1], piece.box[3]
        if rows:
            last = rows[-1][-1].box
            shared = min(bottom, last[3]) - max(top, last[1])
            if shared > 0.5 * min(bottom - top, last[3] - last[1]):
                rows[-1].append(piece)
                continue
        rows.append([piece])
    return [sorted(row, key=lambda p: p.box[0]) for row in rows]


def written(rows: Sequence[Sequence[Piece]]) -> tuple[str, list[Line]]:
    """The rows as text, one a line, and where each piece of it stands. A hyphen at a line's end becomes BROKEN."""
    text, lines = "", list[Line]()
    for row in rows:
        for index, piece in enumerate(row):
            if text:
                if index:
                    text += " "
                elif text[-1] == "-" and text[-2:-1].isalpha() and piece.text[0].islower():
                    text = text[:-1] + BROKEN
                else:
                    text += "\n"
            lines.append(Line(len(text), piece.box))
            text += piece.text
    return text, lines
