"""A page's picture is of that page, and its marks lie on the words, whichever way the page is turned or cropped."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from ingest.errors import Encrypted, FileUnreadable, NotDrawn, TooSlow
from ingest.pdf.extract import read
from ingest.pdf.extract_worker import Limits
from ingest.pdf.page_image import Picture, picture
from tests.support import pdfs

PAGE = "Not these words on the first line.\nHere the wanted words begin and then go\non to a second line, and stop."
QUOTE = "wanted words begin and then go on to a second line"
Box = tuple[float, float, float, float]


def image_of(drawn: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(drawn.png))
    assert image.format == "PNG" and image.size == (drawn.width, drawn.height)
    return image.convert("RGB")


def seen(box: Box, rotate: int = 0, crop: Box = (0, 0, pdfs.WIDTH, pdfs.HEIGHT)) -> Box:
    """A box in points → where it is seen, in fractions from the left and the top."""
    left, bottom, right, top = crop
    x1, x2 = ((x - left) / (right - left) for x in (box[0], box[2]))
    y1, y2 = ((top - y) / (top - bottom) for y in (box[3], box[1]))
    turned = {
        0: (x1, y1, x2, y2),
        90: (1 - y2, x1, 1 - y1, x2),
        180: (1 - x2, 1 - y2, 1 - x1, 1 - y1),
        270: (y1, 1 - x2, y2, 1 - x1),
    }
    return turned[rotate]


def covers(mark: Box, words: Box, slack: float = 0.012) -> bool:
    """Whether the mark lies on the words: all of them, and not much besides."""
    return all(abs(a - b) < slack for a, b in zip(mark, words, strict=True))


@pytest.mark.parametrize("crop", [None, (50.0, 600.0, 450.0, 800.0)])
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_marks_lie_on_the_words(rotate: int, crop: Box | None, tmp_path: Path) -> None:
    path = pdfs.make_pdf(tmp_path / "a.pdf", ["Another page.", PAGE], rotate=rotate, crop=crop)
    drawn = picture(path, 2, [QUOTE], width=900)
    frame = crop or (0, 0, pdfs.WIDTH, pdfs.HEIGHT)
    first = pdfs.line_box(PAGE, 1, "wanted words begin and then go")
    second = pdfs.line_box(PAGE, 2, "on to a second line")
    slack = 4 / min(
        frame[2] - frame[0], frame[3] - frame[1]
    )  # four points: the height of a box is the font's, not the word's
    assert len(drawn.marks) == 2
    assert covers(drawn.marks[0], seen(first, rotate, frame), slack)
    assert covers(drawn.marks[1], seen(second, rotate, frame), slack)
    across, down = frame[2] - frame[0], frame[3] - frame[1]
    if rotate in (90, 270):
        across, down = down, across
    assert drawn.width in (900, 901)
    assert abs(drawn.height / drawn.width - down / across) < 0.01


def test_marked_words_stay_black_on_yellow(tmp_path: Path) -> None:
    path = pdfs.make_pdf(tmp_path / "a.pdf", [PAGE])
    plain, drawn = image_of(picture(path, 1)), picture(path, 1, [QUOTE])
    marked = image_of(drawn)
    for left, top, right, bottom in drawn.marks:
        box = (
            int(left * drawn.width) + 3,
            int(top * drawn.height) + 3,
            int(right * drawn.width) - 3,
            int(bottom * drawn.height) - 3,
        )
        part = marked.crop(box)
        assert max(part.getcolors(100_000) or [])[1] == (255, 233, 105)
        assert min(part.convert("L").tobytes()) < 40  # the letters
        assert plain.crop(box).tobytes() != part.tobytes()
    # Nothing else is touched.
    corner = (0, drawn.height // 2, drawn.width, drawn.height)
    assert plain.crop(corner).tobytes() == marked.crop(corner).tobytes()


@pytest.mark.parametrize("rotate", [0, 90])
def test_the_words_that_answer_are_marked_deeper_within_their_quote(rotate: int, tmp_path: Path) -> None:
    page = "In the end it was sold.\nIt was sold by the mayor, it was sold in the end."
    path = pdfs.make_pdf(tmp_path / "a.pdf", [page], rotate=rotate)
    quote, span = "It was sold by the mayor, it was sold in the end.", "in the end"
    drawn = picture(path, 1, [quote, "not there"], spans=[span])
    (mark,), (strong,) = drawn.marks, drawn.strong
    assert covers(strong, seen(pdfs.line_box(page, 1, span), rotate), 0.02)  # not where the page says so first
    sizes = (drawn.width, drawn.height) * 2
    left, top, right, bottom = (int(part * size) for part, size in zip(strong, sizes, strict=True))
    inside = image_of(drawn).crop((left + 3, top + 3, right - 3, bottom - 3))
    assert max(inside.getcolors(100_000) or [])[1] not in ((255, 233, 105), (255, 255, 255))
    assert covers(mark, seen(pdfs.line_box(page, 1, page.split("\n")[1]), rotate), 0.02)
    assert picture(path, 1, [quote], spans=["not in it"]).strong == ()


def test_chinese_is_marked(tmp_path: Path) -> None:
    page = "第一行不是。\n公司2020年的营业收入是一百万元，\n比上年增长。"
    drawn = picture(pdfs.make_pdf(tmp_path / "a.pdf", [page]), 1, ["营业收入是一百万元，比上年"])
    assert len(drawn.marks) == 2
    assert covers(drawn.marks[0], seen(pdfs.line_box(page, 1, "营业收入是一百万元，")), 0.02)
    assert covers(drawn.marks[1], seen(pdfs.line_box(page, 2, "比上年")), 0.02)


@pytest.mark.parametrize(
    ("page", "quote", "marks"),
    [
        ("Its long-\nterm debt grew.", "long-term debt grew", 2),
        ("Its invest-\nment grew.", "Its investment grew", 2),
        ("The ﬁrst “quoted” words", 'first "quoted" words', 1),
        ("Sales were 1,312 units.", "12 units", 0),
        ("Sales were 1,312 units.", "words of elsewhere", 0),
        ("Sales were 1,312 units.", "", 0),
    ],
)
def test_words_are_found_as_a_reader_would(page: str, quote: str, marks: int, tmp_path: Path) -> None:
    page = page.replace("ﬁ", "fi")  # Helvetica has no ligature; the quote may
    assert len(picture(pdfs.make_pdf(tmp_path / "a.pdf", [page]), 1, [quote]).marks) == marks


def test_every_sentence_that_was_read_can_be_marked(tmp_path: Path) -> None:
    path = pdfs.make_pdf(
        tmp_path / "a.pdf", [PAGE, "The stock-\nbased plan, 10-\nK and so on - as\nwe said of stock-based."]
    )
    for page in read(path, "a.pdf", Limits()).pages:
        assert picture(path, page.number, [page.text]).marks


def test_several_quotes_have_several_marks(tmp_path: Path) -> None:
    drawn = picture(pdfs.make_pdf(tmp_path / "a.pdf", [PAGE]), 1, ["Not these words", "and stop"])
    assert len(drawn.marks) == 2


@pytest.mark.parametrize("points", [144_000, 14_400])
def test_a_huge_page_is_a_small_picture(points: int, tmp_path: Path) -> None:
    drawn = picture(pdfs.huge_page_pdf(tmp_path / "a.pdf", points=points), 1, width=1200)
    assert (drawn.width, drawn.height) == (1200, 1200)


@pytest.mark.parametrize("box", [(10, 144_000), (144_000, 10), (1, 1), (600, 20_000)])
def test_a_page_of_any_shape_is_a_small_picture_or_none(box: tuple[int, int], tmp_path: Path) -> None:
    path = pdfs.content_pdf(tmp_path / "a.pdf", b"", box=box)
    try:
        drawn = picture(path, 1, width=100_000)
    except NotDrawn:
        return
    assert drawn.width * drawn.height <= 20_000_000


def test_pages_that_are_not_there(tmp_path: Path) -> None:
    path = pdfs.make_pdf(tmp_path / "a.pdf", ["one", "two"])
    for page in (0, 3, -1):
        with pytest.raises(NotDrawn, match="has 2"):
            picture(path, page)


def test_what_pdfium_cannot_open_cannot_be_drawn(tmp_path: Path) -> None:
    late = tmp_path / "late.pdf"
    late.write_bytes(b"\n" * 2000 + pdfs.make_pdf(tmp_path / "a.pdf", ["one"]).read_bytes())
    for path in (late, pdfs.garbage_pdf(tmp_path / "b.pdf")):
        with pytest.raises(NotDrawn, match="Page 1 cannot be drawn"):
            picture(path, 1)
    with pytest.raises(FileUnreadable):
        picture(tmp_path / "missing.pdf", 1)


def test_an_encrypted_page_wants_its_password(tmp_path: Path) -> None:
    path = pdfs.encrypted_pdf(tmp_path / "a.pdf", password="open sesame")
    with pytest.raises(Encrypted):
        picture(path, 1)
    assert picture(path, 1, ["A secret."], password="open sesame").marks
    assert picture(pdfs.unlocked_pdf(tmp_path / "b.pdf"), 1, ["Nothing to hide."]).marks


def test_a_page_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    # A great many large, see-through circles.
    shape = b"/G gs 300 400 m 600 400 600 800 300 800 c 0 800 0 400 300 400 c f\n"
    path = pdfs.content_pdf(tmp_path / "a.pdf", shape * 300_000)
    with pytest.raises(TooSlow):
        picture(path, 1, width=4000, limits=replace(Limits(), page_seconds=1))
