"""Reading order: columns one after the other, nothing before what stands above it, and tables as they are."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas

from ingest.pdf.backends import Pdfium
from ingest.pdf.extract import read
from ingest.pdf.extract_worker import Limits
from ingest.pdf.page_image import picture
from tests.support.pdfs import HEIGHT, WIDTH

LEFT = [
    "The harbour was built long ago by",
    "people who came from the northern",
    "islands and who had seen in other",
    "places how a wall of stones keeps",
    "the water still. They had neither",
    "money nor tools, and so the first",
    "wall was gone after three winters.",
    "The second one has stood till now.",
]
RIGHT = [
    "Today it is a place for pleasure,",
    "where boats of every size lie all",
    "through the summer. In the winter",
    "the quays are empty, and whoever",
    "walks there meets nobody at all",
    "but the keeper, who has lived by",
    "the harbour for forty-two years",
    "and does not want to leave it.",
]
Place = tuple[float, float, str]  # points from the left and from the top, and what stands there


def drawn(path: Path, *places: Place) -> Path:
    """A page on which these are drawn, in this order."""
    canvas = Canvas(str(path), pagesize=(WIDTH, HEIGHT), invariant=1)
    canvas.setFont("Helvetica", 11)
    for x, y, text in places:
        canvas.drawString(x, HEIGHT - y, text)
    canvas.save()
    return path


def lines(path: Path) -> list[str]:
    return read(path, "a.pdf", Limits()).pages[0].text.split("\n")


def columns(order: Sequence[int], offset: float = 0) -> list[Place]:
    """Both columns, lines drawn from left and right by turns where `order` says (0 left, 1 right)."""
    at = [0, 0]
    places: list[Place] = []
    for side in order:
        y = 120 + 14 * at[side] + offset * side
        places.append((72 + 230 * side, y, (LEFT, RIGHT)[side][at[side]]))
        at[side] += 1
    return places


@pytest.mark.parametrize("offset", [0, 3])
@pytest.mark.parametrize("order", [[0] * 8 + [1] * 8, [0, 1] * 8])
def test_a_column_is_read_to_its_end(order: list[int], offset: float, tmp_path: Path) -> None:
    title, below = (72.0, 90.0, "A title over both of the columns, from the left of one"), (300.0, 300.0, "7")
    path = drawn(tmp_path / "a.pdf", title, *columns(order, offset), below)
    assert lines(path) == [title[2], *LEFT, *RIGHT, below[2]]


def test_a_quote_over_two_lines_of_a_column_is_marked_there(tmp_path: Path) -> None:
    path = drawn(tmp_path / "a.pdf", *columns([0, 1] * 8))
    marks = picture(path, 1, ["by people who came from the northern islands"]).marks
    assert len(marks) == 3
    assert all(left > 0.1 and right < 0.5 for left, _, right, _ in marks)


def test_what_stands_above_is_read_before_what_stands_below(tmp_path: Path) -> None:
    rows = [(72.0, 200.0 + 14 * n, f"A row of the table with the number {n}") for n in range(6)]
    head, foot = (72.0, 180.0, "The head of the table, drawn last"), (72.0, 800.0, "A footer, drawn first")
    path = drawn(tmp_path / "a.pdf", foot, *rows, head)
    assert lines(path) == [head[2], *(text for _, _, text in rows), foot[2]]


def test_only_what_is_out_of_place_is_moved(tmp_path: Path) -> None:
    items = [
        (x, 120.0 + 20 * n, text) for n in range(6) for x, text in ((72.0, str(n)), (110.0, f"The thing number {n}"))
    ]
    apart = [(x, y + 4 * (x > 100), text) for x, y, text in items]  # a number is no neighbour of its line
    path = drawn(tmp_path / "a.pdf", (72.0, 800.0, "A footer, drawn first"), *apart)
    assert "".join(lines(path)).replace(" ", "") == "".join(
        t for *_, t in [*apart, (0, 0, "A footer, drawn first")]
    ).replace(" ", "")


def test_the_rows_of_a_table_stay_whole(tmp_path: Path) -> None:
    cells = [
        (72.0 + 240 * column, 120.0 + 14 * row, text)
        for row in range(12)
        for column, text in enumerate(("Income of the harbour and of its boats", f"{row},100", f"({row},200)"))
    ]
    found = lines(drawn(tmp_path / "a.pdf", *cells))
    assert found == [f"Income of the harbour and of its boats {row},100 ({row},200)" for row in range(12)]


def test_rows_of_words_are_no_columns(tmp_path: Path) -> None:
    people = [
        "Anna Berta Archer",
        "Ben Baker the Elder of Holm",
        "Carl Dyer",
        "Dora Dunn Edwards",
        "Emil Frost",
        "Fay Hale",
    ]
    posts = [
        "Chair",
        "Keeper of the western wall",
        "Treasurer until the summer",
        "Clerk",
        "Pilot of large boats",
        "Cook",
    ]
    cells = [(72.0 + 230 * c, 120.0 + 14 * r, t) for r in range(6) for c, t in enumerate((people[r], posts[r]))]
    assert lines(drawn(tmp_path / "a.pdf", *cells)) == [f"{a} {b}" for a, b in zip(people, posts, strict=True)]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([72.0, 190.0, 302.0]), st.integers(4, 55), st.sampled_from(LEFT + RIGHT)), max_size=25
    )
)
def test_no_word_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[float, int, str]]
) -> None:
    path = drawn(tmp_path_factory.mktemp("order") / "a.pdf", *((x, 14.0 * y, text) for x, y, text in places))
    found = Pdfium(path, "").page(0, 100_000)
    apart = {(x, y) for x, y, _ in places}
    if len({y for _, y in apart}) == len(places):  # none over another
        assert sorted("".join(found.text.split())) == sorted("".join("".join(text.split()) for *_, text in places))
