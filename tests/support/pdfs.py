"""Small PDFs made on the spot, for every test that needs a real file. Each writes one file and returns its path."""

import io
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pypdfium2
from PIL import Image, ImageDraw
from pypdf import PdfReader, PdfWriter
from pypdf.constants import PageLabelStyle
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = A4  # points
LEFT, TOP, LEADING, SIZE = 72.0, 760.0, 16.0, 11.0  # where the first base line starts, and how lines follow
PICTURE = "\f"  # a page of this text alone is a picture of words, with no text in it


def make_pdf(
    path: Path,
    pages: Sequence[str],
    *,
    title: str = "",
    outline: Sequence[tuple[str, int, int]] = (),
    labels: Sequence[tuple[int, str, int]] = (),
    password: str | None = None,
    owner_password: str = "",
    rotate: int = 0,
    crop: tuple[float, float, float, float] | None = None,
) -> Path:
    """A PDF with one page a text; lines as given, English in Helvetica, lines with Chinese in STSong-Light.

    `outline`: (title, level from 1, page from 1). `labels`: (page from 1, prefix and style, first number), where
    the style is the last character: "D" 1 2 3, "r" i ii iii, "A" A B C; e.g. (1, "r", 1), (5, "A-D", 1).
    `password`: of the user; "" with an `owner_password` makes a file that is encrypted (AES-256) and opens by itself.
    `rotate`: degrees clockwise, of every page. `crop`: left, bottom, right, top in points, of every page.
    A page "" is blank; a page PICTURE is a scan.
    """
    buffer = io.BytesIO()
    # The same input gives the same bytes, so the same id.
    canvas = Canvas(buffer, pagesize=A4, invariant=1)
    if title:
        canvas.setTitle(title)
    for number, text in enumerate(pages, 1):
        _draw(canvas, text)
        for index, (_, _, page) in enumerate(outline):
            if page == number:
                canvas.bookmarkPage(f"entry{index}")
        canvas.showPage()
    for index, (entry, level, _) in enumerate(outline):
        canvas.addOutlineEntry(entry, f"entry{index}", level - 1)
    canvas.save()
    _finish(buffer, path, labels, password, owner_password, rotate, crop)
    return path


def _draw(canvas: Canvas, text: str) -> None:
    if text == PICTURE:
        picture = Image.new("L", (600, 200), 255)
        ImageDraw.Draw(picture).text((30, 80), "These words are a picture.", fill=0)
        canvas.drawImage(ImageReader(picture), LEFT, TOP - 200, 450, 150)
        return
    for index, line in enumerate(text.split("\n")):
        canvas.setFont(_font(line), SIZE)
        canvas.drawString(LEFT, TOP - index * LEADING, line)


def _font(line: str) -> str:
    if all(ord(character) < 0x2000 for character in line):
        return "Helvetica"
    if "STSong-Light" not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    return "STSong-Light"


def line_box(text: str, line: int, words: str) -> tuple[float, float, float, float]:
    """Where `make_pdf` draws `words` in that line (from 0) of a page: left, bottom, right, top in points."""
    whole = text.split("\n")[line]
    font = _font(whole)
    before = pdfmetrics.stringWidth(whole[: whole.index(words)], font, SIZE)
    baseline = TOP - line * LEADING
    left = LEFT + before
    return left, baseline - 0.2 * SIZE, left + pdfmetrics.stringWidth(words, font, SIZE), baseline + 0.75 * SIZE


def _finish(
    buffer: io.BytesIO,
    path: Path,
    labels: Sequence[tuple[int, str, int]],
    password: str | None,
    owner_password: str,
    rotate: int,
    crop: tuple[float, float, float, float] | None,
) -> None:
    if not labels and password is None and not rotate and crop is None:
        path.write_bytes(buffer.getvalue())
        return
    writer = PdfWriter(clone_from=PdfReader(buffer))
    for position, (page, style, first) in enumerate(labels):
        last = labels[position + 1][0] - 2 if position + 1 < len(labels) else len(writer.pages) - 1
        writer.set_page_label(page - 1, last, style=PageLabelStyle(f"/{style[-1]}"), prefix=style[:-1], start=first)
    for sheet in writer.pages:
        if rotate:
            sheet.rotate(rotate)
        if crop is not None:
            sheet.cropbox.lower_left, sheet.cropbox.upper_right = crop[:2], crop[2:]
    if password is not None:
        writer.encrypt(password, owner_password or None, algorithm="AES-256")
    with path.open("wb") as file:
        writer.write(file)


def picture_pdf(path: Path, pages: int = 1) -> Path:
    """Pages that are pictures of words, as a scanner makes them: no text."""
    return make_pdf(path, [PICTURE] * pages)


def scan_pdf(path: Path, source: Path, dots: int = 150) -> Path:
    """The pages of `source` as a scanner makes them, `dots` an inch: pictures, without a letter of text."""
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    document = pypdfium2.PdfDocument(source)
    for page in document:
        across, down = page.get_size()
        canvas.setPageSize((across, down))
        picture = page.render(scale=dots / 72, grayscale=True).to_pil()
        canvas.drawImage(ImageReader(picture), 0, 0, across, down)
        canvas.showPage()
    document.close()
    canvas.save()
    return path


def blank_pdf(path: Path, pages: int = 1) -> Path:
    return make_pdf(path, [""] * pages)


def encrypted_pdf(path: Path, pages: Sequence[str] = ("A secret.",), password: str = "open sesame") -> Path:
    """Asks for a password."""
    return make_pdf(path, pages, password=password)


def unlocked_pdf(path: Path, pages: Sequence[str] = ("Nothing to hide.",)) -> Path:
    """Encrypted with an owner's password and an empty user's one: opens without asking, as many real filings do."""
    return make_pdf(path, pages, password="", owner_password="the owner's")


def empty_file(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def not_a_pdf(path: Path) -> Path:
    path.write_bytes(b"PK\x03\x04 this is something else " * 50)
    return path


def garbage_pdf(path: Path) -> Path:
    """Begins as a PDF; nothing else in it is one."""
    path.write_bytes(b"%PDF-1.7\n" + bytes(index * 7 % 251 for index in range(5000)))
    return path


def truncated_pdf(path: Path, pages: Sequence[str] = ("Only a part of this file arrived.",), keep: float = 0.5) -> Path:
    """The first part of a PDF, `keep` of its bytes."""
    whole = make_pdf(path, pages).read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    return path


def no_pages_pdf(path: Path) -> Path:
    return raw_pdf(path, {1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [] /Count 0 >>"})


def huge_page_pdf(path: Path, text: str = "A very large sheet.", points: int = 144_000) -> Path:
    """A page that declares `points` × `points` points (two kilometres at 1:1), with a line of text."""
    return content_pdf(path, f"BT /F1 11 Tf 72 720 Td ({text}) Tj ET".encode(), box=(points, points))


def bomb_pdf(path: Path, megabytes: int = 300, words: bool = False) -> Path:
    """A small file whose only page has a content stream that unpacks to `megabytes` MB: of spaces, or of text."""
    piece = b"BT /F1 1 Tf 0 0 Td (All work and no play makes Jack a dull boy. ) Tj ET\n" if words else b" "
    block = piece * (1_000_000 // len(piece))
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()
    return content_pdf(path, packed, filters=b"/Filter /FlateDecode ")


def content_pdf(
    path: Path, content: bytes, *, box: tuple[float, float] = (612, 792), filters: bytes = b"", pages: int = 1
) -> Path:
    """`pages` pages that share one content stream, in Helvetica /F1, the bytes of the stream as given."""
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 5 + pages))
    sheet = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
    ) % (int(box[0]), int(box[1]))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, pages),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        4: b"<< %s/Length %d >>\nstream\n%s\nendstream" % (filters, len(content), content),
    }
    return raw_pdf(path, objects | {5 + index: sheet for index in range(pages)})


def raw_pdf(path: Path, objects: Mapping[int, bytes]) -> Path:
    """A PDF of these numbered objects (1 is the catalogue), with a right cross-reference table."""
    out, places = bytearray(b"%PDF-1.7\n"), {}
    for number, body in sorted(objects.items()):
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (max(objects) + 1)
    for number in range(1, max(objects) + 1):
        out += b"%010d 00000 n \n" % places[number]
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (max(objects) + 1, table)
    path.write_bytes(bytes(out))
    return path
