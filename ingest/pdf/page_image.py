"""A page of a PDF as a picture, with the quoted words marked."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ingest.document import Box
from ingest.errors import NotDrawn
from ingest.pdf.sandbox import Casualty, Limits, in_worker
from ingest.safe_open import open_document

MESSAGE_BYTES = 64_000_000  # a picture of noise in as many pixels as are allowed, in base64


@dataclass(frozen=True)
class Picture:
    """`width` and `height` in pixels. `marks`: one a line of quoted words, as fractions: left, top, right, bottom.

    `strong`: the same of the words in the quotes that answer.
    """

    png: bytes
    width: int
    height: int
    marks: tuple[Box, ...]
    strong: tuple[Box, ...] = ()


def picture(
    path: Path,
    page: int,
    quotes: Sequence[str] = (),
    width: int = 1200,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    password: str = "",
    marks: Sequence[Box] = (),
    spans: Sequence[str] = (),
    strong: Sequence[Box] = (),
) -> Picture:
    """Page number `page` as it is seen, about `width` pixels wide (less where the page is very large or very long).

    Quotes that do not stand on the page get no mark. `spans`: for each quote, as far as there are any, the words in it
    that answer. `marks` and `strong`: more of both, on a page that was recognised. Raises ReadError.
    """
    open_document(path, limits.file_mb).close()  # says what is wrong with the file before a worker starts
    arguments = {
        "path": str(path.absolute()),
        "page": page,
        "quotes": list(zip_longest(quotes, spans[: len(quotes)], fillvalue="")),
        "width": max(width, 1),
        "password": password,
        "marks": list(marks),
        "strong": list(strong),
    }
    try:
        with closing(
            in_worker("ingest.pdf.page_image_worker:serve", arguments, limits, message_bytes=MESSAGE_BYTES)
        ) as replies:
            for reply in replies:
                return _checked(reply, page)
    except Casualty as casualty:
        raise casualty.error from casualty
    raise NotDrawn(page=page, detail="no picture came")


def _checked(reply: Mapping[str, Any], page: int) -> Picture:
    try:
        png = base64.b64decode(reply["png"], validate=True)
        marks, strong = (
            tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in boxes)
            for boxes in (reply["marks"], reply["strong"])
        )
        width, height = int(reply["width"]), int(reply["height"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise NotDrawn(page=page, detail="the reply made no sense") from error
    if not png.startswith(b"\x89PNG") or not all(0 <= value <= 1 for mark in (*marks, *strong) for value in mark):
        raise NotDrawn(page=page, detail="the reply made no sense")
    return Picture(png, width, height, marks, strong)
