"""A page's text is what stands on it, in order, or it says why it has none; titles and labels are the PDF's own."""

import unicodedata
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas

from ingest.document import NAME_CHARS, Document, Heading, display_name
from ingest.errors import NotAPdf
from ingest.pdf.cleanup import BROKEN, clean, line, mend, title_of
from ingest.pdf.extract import read
from ingest.pdf.extract_worker import Limits
from ingest.pdf.sandbox import in_worker
from tests.support import pdfs

LIMITS = Limits(ocr=False)


def reread(path: Path, name: str = "a.pdf") -> Document:
    return read(path, name, LIMITS)


def texts(path: Path) -> list[str]:
    return [page.text for page in reread(path).pages]


def test_keeps_lines_and_scripts(tmp_path: Path) -> None:
    written = ["Café “quoted” – 12 %.\nSecond line.", "公司2020年的营业收入是100万元。\n第二行。"]
    assert texts(pdfs.make_pdf(tmp_path / "a.pdf", written)) == written


def test_labels_headings_and_title_are_the_files_own(tmp_path: Path) -> None:
    path = pdfs.make_pdf(
        tmp_path / "a.pdf",
        ["one", "two", "three", "four"],
        title="年度报告 2020",
        outline=[("Part One", 1, 1), ("Chapter 二", 2, 3), ("End", 1, 4)],
        labels=[(1, "r", 1), (3, "A-D", 7)],
    )
    document = reread(path)
    assert [page.label for page in document.pages] == ["i", "ii", "A-7", "A-8"]
    assert document.outline == (Heading("Part One", 1, 1), Heading("Chapter 二", 2, 3), Heading("End", 1, 4))
    assert document.title == "年度报告 2020"


def test_without_labels_a_page_is_called_by_its_number(tmp_path: Path) -> None:
    assert [page.label for page in reread(pdfs.make_pdf(tmp_path / "a.pdf", ["a", "b"])).pages] == ["1", "2"]


def test_a_page_without_text_says_why(tmp_path: Path) -> None:
    document = reread(pdfs.make_pdf(tmp_path / "a.pdf", ["Text.", "", pdfs.PICTURE]))
    assert [page.problem for page in document.pages] == ["", "blank", "picture only"]
    assert document.pages_without_text == (2, 3)


def test_a_drawing_is_a_picture_and_white_space_is_not(tmp_path: Path) -> None:
    drawn = pdfs.content_pdf(tmp_path / "a.pdf", b"0 0 m 300 500 l S 1 0 0 rg 100 100 200 200 re f")
    spaces = pdfs.content_pdf(tmp_path / "b.pdf", b"BT /F1 12 Tf 72 700 Td (   ) Tj ET 1 g 100 100 200 200 re f")
    assert reread(drawn).pages[0].problem == "picture only"
    assert reread(spaces).pages[0].problem == "blank"


def test_letters_that_mean_nothing_are_said_to_mean_nothing(tmp_path: Path) -> None:
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1 1] /FontMatrix [1 0 0 1 0 0] /FirstChar 1 /LastChar 1 "
        b"/Widths [1] /CharProcs << /g1 6 0 R >> /Encoding << /Differences [1 /g1] >> /Resources << >> >>"
    )
    shape = b"1 0 d0 0 0 1 1 re f"
    content = b"BT /F1 20 Tf 72 700 Td (\\001\\001\\001) Tj ET"
    path = pdfs.raw_pdf(
        tmp_path / "a.pdf",
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [5 0 R] /Count 1 >>",
            3: font,
            4: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            5: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>",
            6: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(shape), shape),
        },
    )
    assert reread(path).pages[0].problem == "unreadable: its fonts do not say which letters they draw"


def test_what_is_filled_into_a_form_is_text_of_the_page(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.drawString(72, 720, "Name of the applicant:")
    canvas.acroForm.textfield(name="who", value="Elizabeth Bennet", x=220, y=710, width=200, height=20)
    canvas.save()
    text = texts(tmp_path / "a.pdf")[0]
    assert "Name of the applicant:" in text and "Elizabeth Bennet" in text


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_a_turned_page_is_read_from_its_first_line(rotate: int, tmp_path: Path) -> None:
    written = "The first line of it.\nThe second line follows.\nThe last line."
    assert texts(pdfs.make_pdf(tmp_path / "a.pdf", [written], rotate=rotate)) == [written]


@pytest.mark.parametrize("angle", [90, 270])
def test_a_landscape_table_on_an_upright_page_is_read_from_its_first_line(angle: int, tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(600, 800))
    canvas.translate(300, 400)
    canvas.rotate(angle)
    for row, words in enumerate(("Heading of the table", "first row 1", "second row 2")):
        canvas.drawString(-250, 100 - 20 * row, words)
    canvas.save()
    assert texts(tmp_path / "a.pdf") == ["Heading of the table\nfirst row 1\nsecond row 2"]


def test_the_second_reader_opens_what_the_first_refuses(tmp_path: Path) -> None:
    whole = pdfs.make_pdf(tmp_path / "a.pdf", ["Read all the same."], outline=[("Top", 1, 1)], labels=[(1, "r", 4)])
    late = tmp_path / "late.pdf"
    late.write_bytes(b"\n" * 2000 + whole.read_bytes())  # pdfium wants the header in the first 1,024 bytes
    document = reread(late)
    assert document.text == "Read all the same."
    assert document.outline == (Heading("Top", 1, 1),)
    assert document.pages[0].label == "iv"


@pytest.mark.parametrize("how", [{"alone": True, "avoid": []}, {"alone": False, "avoid": [1, 2]}])
def test_the_second_reader_reads_the_same(how: dict[str, object], tmp_path: Path) -> None:
    pages = ["Plain text.\nIts second line.", "", "公司2020年的营业收入。"]
    path = pdfs.make_pdf(tmp_path / "a.pdf", pages, labels=[(1, "r", 1)])
    job = {"path": str(path), "name": "a.pdf", "limits": asdict(LIMITS), "password": "", "start": 1}
    head, *read_again = in_worker("ingest.pdf.extract_worker:serve", job | how, LIMITS)
    assert head["labels"] == ["i", "ii", "iii"]
    assert [page["text"] for page in read_again] == pages
    assert read_again[1]["problem"]


def test_a_large_file_that_is_no_pdf_is_not_searched_for_one(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"PK\x03\x04" + b"\0" * 6_000_000)
    with pytest.raises(NotAPdf):
        reread(tmp_path / "a.pdf")


def test_a_word_that_a_lines_end_broke_is_whole(tmp_path: Path) -> None:
    pages = [
        "The com-\npany grew its long-\nterm debt, on Form 10-\nK, by 5 -\n6 percent.",
        "The company has long-term debt.",
    ]
    assert texts(pdfs.make_pdf(tmp_path / "a.pdf", pages)) == [
        "The company grew its long-term debt, on Form 10-K, by 5 -\n6 percent.",
        "The company has long-term debt.",
    ]


@pytest.mark.parametrize(
    ("page", "elsewhere", "whole"),
    [
        (f"Vic{BROKEN}tor", "", "Victor"),
        (f"stock{BROKEN}based", "stock was based on", "stock-based"),
        (f"year-over{BROKEN}year", "a year over", "year-over-year"),
        (f"invest{BROKEN}ment", "to invest an investment", "investment"),
        (f"C{BROKEN}Band and COVID{BROKEN}19", "", "C-Band and COVID-19"),
        (f"XML{BROKEN}based", "", "XML-based"),
        (f"post-Bre{BROKEN}xit", "", "post-Brexit"),
        (f"CONTIN{BROKEN}UED", "", "CONTINUED"),
        (f"Long{BROKEN}term", "long-term", "Long-term"),
        (f"a {BROKEN} b{BROKEN}", "", "a  b-"),
    ],
)
def test_the_document_decides_whether_a_hyphen_stays(page: str, elsewhere: str, whole: str) -> None:
    assert mend([page, elsewhere]) == [whole, elsewhere]


@given(st.lists(st.text()))
@example([BROKEN, f"{BROKEN}{BROKEN}x"])
def test_no_mark_survives_mending_and_nothing_else_is_lost(pages: list[str]) -> None:
    mended = mend(pages)
    assert not any(BROKEN in page for page in mended)
    for before, after in zip(pages, mended, strict=True):
        assert after.replace("-", "") == before.replace("-", "").replace(BROKEN, "")


@given(st.text(st.characters()))
@example("a\r\nb\nc\rd\x00\x02\ud800\uf8ee\uf0b7 \u00a0\r\n10\u00adK in-\u00ad\r\nto")
def test_clean_text_holds_nothing_unseen(raw: str) -> None:
    text = clean(raw)
    text.encode()
    assert not any(unicodedata.category(c) == "Cc" and c != "\n" for c in text)
    assert not any(row.endswith((" ", "\u00a0", "\u3000")) for row in text.split("\n"))
    assert text == text.strip("\n")
    # Whoever can be seen stays.
    kept = [c for c in raw if c.isalnum()]
    assert [c for c in text if c.isalnum()] == kept


def test_a_lone_line_feed_is_a_blank_where_lines_end_in_two() -> None:
    assert clean("NOTE\n2\n-\nFAIR\r\nvalue") == "NOTE 2 - FAIR\nvalue"
    assert clean("one\ntwo") == "one\ntwo"


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "untitled",
        "Untitled Document",
        "Untitled-1",
        "Microsoft Word - report final.doc",
        "Microsoft Word",
        "C:\\Users\\me\\draft",
        "/home/me/x",
        "https://example.org/a",
        "letter.docx",
        "0001410636-22-000048",
        "d123456d10k",
        "Document1",
        "PowerPoint Presentation",
        "无标题",
        "ÎÞ±êÌâÎÄµµ",
        "FÃ©vrier",
        "\x00\x01",
        "-- // --",
        "x",
        "12345",
        "word " * 60,
        "股份有限公司",
        "UNITED STATES SECURITIES AND EXCHANGE COMMISSION",
        "Form 10-K",
    ],
)
def test_a_title_that_says_nothing_gives_way_to_the_name(stated: str) -> None:
    assert title_of(stated, "3M 年报.PDF") == "3M 年报"


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        ("Pride and Prejudice, by Jane Austen", "Pride and Prejudice, by Jane Austen"),
        ("三国", "三国"),
        ("Microsoft Word - Annual Report", "Annual Report"),
        ("Q1 2023 8-K - Exhibit 99.1", "Q1 2023 8-K - Exhibit 99.1"),
        (" Une  thèse\nélégante ", "Une thèse élégante"),
        ("Emma", "Emma"),
        ("The Document Object Model", "The Document Object Model"),
        ("\u202eGood title", "Good title"),
    ],
)
def test_a_title_that_says_something_is_kept(stated: str, title: str) -> None:
    assert title_of(stated, "x.pdf") == title


@given(st.text(st.characters()), st.integers(1, 50))
def test_a_line_is_one_line(text: str, limit: int) -> None:
    short = line(text, limit)
    assert len(short) <= limit and len(short.splitlines()) <= 1
    short.encode()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("../../etc/passwd.pdf", "passwd.pdf"),
        ("..\\x.pdf", "x.pdf"),
        ("a\0b.pdf", "ab.pdf"),
        ("\u202efdp.exe", "fdp.exe"),
        ("CON", "CON"),
        ("中文 报告.PDF", "中文 报告.PDF"),
        ("<img src=x>.pdf", "<img src=x>.pdf"),
        ("e\u0301.pdf", "é.pdf"),
        ("two\nlines.pdf", "two lines.pdf"),
        ("", "unnamed.pdf"),
        ("..", "unnamed.pdf"),
        ("folder/", "folder"),
    ],
)
def test_a_name_is_shown_without_what_could_harm(raw: str, shown: str) -> None:
    assert display_name(raw) == shown


def test_a_long_name_keeps_its_ending() -> None:
    shown = display_name("x" * 300 + ".pdf")
    assert len(shown) == NAME_CHARS and shown.endswith("….pdf")


@given(st.text(st.characters()))
@example("a/" * 200)
@example("\u0344" * 300 + ".pdf")
def test_any_name_can_be_shown(raw: str) -> None:
    shown = display_name(raw)
    assert 0 < len(shown) <= NAME_CHARS and shown.strip()
    assert "/" not in shown and "\\" not in shown and len(shown.splitlines()) == 1
    shown.encode()
    assert display_name(shown) == shown
