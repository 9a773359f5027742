"""A page that is a picture is read from it where text recognition is installed, in order, with marks on its words."""

import io
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfWriter

from ingest.__main__ import run
from ingest.document import Box, Document, Line, Page
from ingest.pdf import ocr as pdf_ocr
from ingest.pdf.cleanup import BROKEN, mend
from ingest.pdf.extract import read
from ingest.pdf.ocr import marks, marks_within, settle
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Result, Upload, ingest
from ingest.store.catalogue import Catalogue
from ingest.store.library import Library
from tests.support import pdfs
from tests.support.fakes import HashingEmbedder

ocr = pytest.mark.skipif(not pdf_ocr.installed(), reason="TEXT RECOGNITION IS NOT INSTALLED: pip install -e '.[ocr]'")
if pdf_ocr.installed():
    from ingest.pdf.ocr_worker import Piece, arrange, written

LIMITS = Limits(ocr_seconds=200)
PAGE = "The harbour board met on Tuesday.\nIt agreed to mend the old lighthouse,\nbuilt in 1884 for 12,500 pounds."


def boxed(*cells: tuple[str, float, float, float]) -> "list[Piece]":
    """Pieces of a line's height: (text, left, top, right)."""
    return [Piece(text, (left, top, right, top + 0.012)) for text, left, top, right in cells]


def read_out(pieces: "list[Piece]") -> str:
    return written(arrange(pieces))[0]


@ocr
def test_a_tables_row_stays_whole() -> None:
    rows = [("Net sales of the group", 0.1, 0.4), ("32,765", 0.6, 0.68), ("31,657", 0.8, 0.88)]
    cells = [(f"{text} {n}", left, 0.1 + 0.02 * n, right) for n in range(8) for text, left, right in rows]
    assert read_out(boxed(*reversed(cells))).split("\n") == [
        f"Net sales of the group {n} 32,765 {n} 31,657 {n}" for n in range(8)
    ]


@ocr
def test_columns_of_prose_are_read_one_after_the_other_between_what_runs_over_both() -> None:
    prose = [
        (f"{side} column, line {n} of it", left, 0.1 + 0.02 * n, left + 0.38)
        for n in range(8)
        for side, left in (("Left", 0.1), ("Right", 0.53))
    ]
    title, foot = ("A title that runs over both columns", 0.1, 0.05, 0.9), ("A footer over both", 0.2, 0.5, 0.8)
    lines = read_out(boxed(title, *prose, foot)).split("\n")
    sides = [f"{side} column, line {n} of it" for side in ("Left", "Right") for n in range(8)]
    assert lines == [title[0], *sides, foot[0]]


spot = st.floats(0, 0.9).map(lambda at: round(at, 3))
words = st.text(st.sampled_from("abc-Z 中文1"), min_size=1, max_size=12).map(str.strip).filter(bool)


@ocr
@given(st.lists(st.tuples(words, spot, spot), max_size=20))
def test_every_piece_is_read_once_and_is_found_again_where_it_stands(found: list[tuple[str, float, float]]) -> None:
    pieces = boxed(*((text, left, top, left + 0.1) for text, left, top in found))
    text, lines = written(arrange(pieces))
    assert sorted(piece.box for piece in pieces) == sorted(line.box for line in lines)
    page = Page(1, "1", text, lines=tuple(lines))
    mended = settle(page, mend([text])[0])
    of_box = {line.box: mended.text[line.start :] for line in mended.lines}
    for piece in pieces:
        same = [other.text for other in pieces if other.box == piece.box]
        assert any(of_box[piece.box].startswith(text.removesuffix("-").rstrip()) for text in same)


def recognised(*rows: tuple[str, Box]) -> Page:
    text, lines = "", []
    for row, box in rows:
        text += "\n" if text else ""
        lines.append(Line(len(text), box))
        text += row
    return Page(1, "1", text, lines=tuple(lines))


def test_a_quote_is_marked_on_the_lines_that_hold_it() -> None:
    page = recognised(("The old lighthouse", (0.1, 0.1, 0.46, 0.12)), ("was mended. 旧灯塔", (0.1, 0.2, 0.46, 0.22)))
    first, second = marks(page, ["lighthouse was mended."])
    assert first == pytest.approx((0.26, 0.1, 0.46, 0.12)) and second == pytest.approx((0.1, 0.2, 0.32, 0.22), abs=0.01)
    assert marks(page, ["旧灯塔"])[0] == pytest.approx((0.34, 0.2, 0.46, 0.22), abs=0.01)
    assert marks(page, ["not there"]) == () and marks(replace(page, lines=()), ["lighthouse"]) == ()


def test_the_words_that_answer_are_marked_within_their_quote() -> None:
    page = recognised(("an old house, the", (0.1, 0.1, 0.44, 0.12)), ("very old house.", (0.1, 0.2, 0.4, 0.22)))
    (box,) = marks_within(page, ["the very old house"], ["old house"])
    assert box == pytest.approx((0.2, 0.2, 0.38, 0.22), abs=0.01)
    assert marks_within(page, ["the very old house"], [""]) == marks_within(page, ["not there"], ["old"]) == ()


def test_a_word_that_the_lines_end_parts_is_whole_in_the_text_and_marked_on_both() -> None:
    broken = f"the light{BROKEN}house stands"
    page = Page(1, "1", broken, lines=(Line(0, (0, 0, 1, 0.1)), Line(10, (0, 0.2, 1, 0.3))))
    page = settle(page, mend([broken])[0])
    assert page.text == "the lighthouse stands" and [line.start for line in page.lines] == [0, 9]
    assert [box[1] for box in marks(page, ["lighthouse"])] == [0, 0.2]


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scan")
    return pdfs.scan_pdf(folder / "scan.pdf", pdfs.make_pdf(folder / "a.pdf", [PAGE, ""]))


@pytest.fixture(scope="module")
def document(scan: Path) -> Document:
    told: list[tuple[int, int]] = []
    read_ = read(scan, "scan.pdf", LIMITS, on_page=lambda *how_far: told.append(how_far))
    assert told[-1] == (2, 2) and told == sorted(told)
    return read_


@ocr
def test_a_scan_is_read(document: Document) -> None:
    first, second = document.pages
    assert (first.text.split("\n"), first.health, first.problem) == (PAGE.split("\n"), "ocr", "")
    assert second.health == "no text"


@ocr
def test_a_scan_that_asks_for_a_password_is_read_with_it(scan: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked.pdf"
    writer = PdfWriter(clone_from=scan)
    writer.encrypt("open sesame", algorithm="AES-256")
    writer.write(locked)
    (tmp_path / "passwords").write_text("open sesame\n")
    out, err = io.StringIO(), io.StringIO()
    shelf = tmp_path / "library"
    code = run(
        [locked],
        lambda: Library(shelf, HashingEmbedder()),
        LIMITS,
        as_json=True,
        out=out,
        err=err,
        password_file=tmp_path / "passwords",
    )
    (told,) = json.loads(out.getvalue())["documents"]
    assert (code, told["status"], told["without_text"]) == (0, "partial", [2]), err.getvalue()
    with Library(shelf, HashingEmbedder()) as library:
        assert library.page(told["id"], 1).text.split("\n") == PAGE.split("\n")


@ocr
def test_marks_lie_on_the_words_of_a_scan(document: Document, tmp_path: Path) -> None:
    (mark,) = marks(document.pages[0], ["old lighthouse"])
    left, bottom, right, top = pdfs.line_box(PAGE, 1, "old lighthouse")
    words = (left / pdfs.WIDTH, 1 - top / pdfs.HEIGHT, right / pdfs.WIDTH, 1 - bottom / pdfs.HEIGHT)
    assert all(abs(a - b) < 0.02 for a, b in zip(mark, words, strict=True))
    catalogue = Catalogue(tmp_path / "catalogue.sqlite3")
    catalogue.announce(document)
    catalogue.complete(document, [], [], np.zeros((0, 4), np.float32))
    assert catalogue.records()[0].health == {"text": 0, "no text": 1, "garbled": 0, "ocr": 1, "duplicate": 0}
    stored = catalogue.page(document.id, 1)
    assert stored is not None and stored.text == document.pages[0].text
    assert marks(stored, ["old lighthouse"])[0] == pytest.approx(mark, abs=0.001)


@ocr
def test_a_page_that_takes_too_long_says_so_and_costs_nothing_else(scan: Path) -> None:
    pages = read(scan, "scan.pdf", replace(LIMITS, ocr_seconds=0.05)).pages
    assert pages[0].problem == "picture only; text recognition: reading it took too long"


def result_of(path: Path, folder: Path, limits: Limits) -> Result:
    with Library(folder, HashingEmbedder()) as library:
        *_, last = ingest([Upload("a.pdf", path)], library, limits)
    assert isinstance(last, Result)
    return last


def test_where_it_is_not_installed_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_ocr, "installed", lambda: False)
    path = pdfs.make_pdf(tmp_path / "a.pdf", ["Some text.", pdfs.PICTURE])
    partial = result_of(path, tmp_path / "one", LIMITS)
    assert partial.status == "partial" and "pip install 'pagewise[ocr]'" in partial.reason
    off = result_of(path, tmp_path / "two", replace(LIMITS, ocr=False))
    assert "PAGEWISE_OCR" in off.reason
    failed = result_of(pdfs.picture_pdf(tmp_path / "b.pdf"), tmp_path / "one", LIMITS)
    assert failed.status == "failed" and "pip install 'pagewise[ocr]'" in failed.reason


def has_chinese_font() -> bool:
    try:
        return bool(subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=False).stdout)
    except OSError:
        return False


@ocr
@pytest.mark.skipif(not has_chinese_font(), reason="no Chinese font to draw with (Debian: fonts-noto-cjk)")
def test_a_chinese_scan_is_read(tmp_path: Path) -> None:
    written_ = "公司2020年的营业收入是一亿元。"
    path = pdfs.scan_pdf(tmp_path / "scan.pdf", pdfs.make_pdf(tmp_path / "a.pdf", [written_]))
    assert read(path, "scan.pdf", LIMITS).pages[0].text == written_
