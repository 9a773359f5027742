"""Tables: rows are told from prose, and a cut table's chunks still say what their columns are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunk import split
from ingest.document import Document, Page, context_line
from ingest.text.sentences import sentences
from ingest.text.tables import HEAD_CHARS, cells, is_bare, is_row, part_of, says_when, tables
from tests.support.fakes import HashingEmbedder

count = HashingEmbedder().count

STATEMENT = """Harbour Company and Subsidiaries
Consolidated Statement of Cash Flows
Years ended December 31
(Millions) 2018 2017 2016
Operating activities:
Net income $ 5,363 $ 4,869 $ 5,058
Depreciation 1,488 1,544 1,474
Other — net 120 — (76)
Net cash from operations 6,971 6,413 6,456
Investing activities:
Purchases of plant and equipment (1,577) (1,373) (1,420)
Proceeds from sale of businesses, net of cash sold
846 1,065 142
Purchases of investments (1,828) (2,152) (1,410)"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Net sales $ 32,765 $ 31,657 $ 30,109", 3),
        ("Gain on sale of businesses (547) (586) (111)", 3),
        ("Dividends — — 3,361", 3),
        ("Operating margin 24.3 % 22.0 %", 2),
        ("Contracts $6.2 $ - $6.2 $(4.2)$ - $2.0", 6),
        ("营业收入 1,581,905,632.48 1,126,782,253.35 40.39", 3),
        ("We sold it in the years 2018, 2017 and 2016", 1),
        ("Nothing here — —", 0),
        ("Fell 5 percent", 0),
        ("", 0),
    ],
)
def test_cells_are_counted_from_the_end_of_a_line(line: str, expected: int) -> None:
    assert cells(line) == expected


def test_prose_is_no_row() -> None:
    assert not is_row("Sales for the years ended December 31, 2018, 2017 and 2016")
    assert not is_row("rose by 5,000 in the year that ended on December 31,")
    assert is_row("内蒙古控股有限公司 0 122,304,000 10.86 18,000,000 境内非国")


def test_figures_without_a_label_belong_to_the_line_above() -> None:
    assert is_bare("846 1,065 142") and is_bare("1,065") and is_bare("$ — 5")
    assert not is_bare("56") and not is_bare("Total 5") and not is_bare("— —")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Years ended December 31 2018 2017 2016", True),
        ("(in millions, except ratios) 2021 2020 Change 2021 2020 Change", True),
        ("项目 附注 2020 年度 2019 年度", True),
        ("Balance at December 31, 2018 588 97 12", False),
        ("Total assets 12 13", False),
    ],
)
def test_a_head_is_told_by_its_years(line: str, expected: bool) -> None:
    assert says_when(line) is expected


def test_a_statement_has_its_title_and_years_for_a_head() -> None:
    (table,) = tables(f"Intro ends here, with a full stop, and is as long as prose is.\n{STATEMENT}\nSee notes.")
    assert table.head == (
        "Harbour Company and Subsidiaries Consolidated Statement of Cash Flows Years ended December 31 "
        "(Millions) 2018 2017 2016"
    )
    text = f"Intro ends here, with a full stop, and is as long as prose is.\n{STATEMENT}\nSee notes."
    assert text[table.first : table.end].startswith("Net income $ 5,363")
    assert text[table.first : table.end].endswith("(1,410)")
    assert part_of(text, table, text.index("Depreciation")) == "Operating activities"
    assert part_of(text, table, text.index("Investing")) == ""  # the sum has closed the part before
    assert part_of(text, table, text.index("Purchases of inv")) == "Investing activities"


def test_years_after_rows_begin_another_table() -> None:
    first, second = tables("2018 2017\nAssets 12 13\nDebts 5 6\n2016 2015\nAssets 14 15\nDebts 7 8")
    assert (first.head, second.head) == ("2018 2017", "2016 2015")


def test_a_head_whose_cells_are_wrapped_keeps_its_years() -> None:
    names = "\n".join(["Description of holdings", *["Gross", "unrealized", "gains"] * 10, "Fair", "value"])
    (table,) = tables(f"2022 2021\n{names}\nBonds 5 6 7 8\nShares 1 2 3 4")
    assert table.head.startswith("2022 2021 ") and table.head.endswith("Fair value")
    assert len(table.head) <= HEAD_CHARS + 10


def test_each_row_is_a_sentence_with_its_label() -> None:
    found = [" ".join(STATEMENT[a:b].split()) for a, b in sentences(STATEMENT)]
    assert "Purchases of plant and equipment (1,577) (1,373) (1,420)" in found
    assert "Proceeds from sale of businesses, net of cash sold 846 1,065 142" in found
    assert "Depreciation 1,488 1,544 1,474" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Anna B. Archer 56 President and Chairman\nBen C. Baker 52 Treasurer, who came\nfrom elsewhere\n"
            "Carl Dyer 61 Secretary",
            [
                "Anna B. Archer 56 President and Chairman",
                "Ben C. Baker 52 Treasurer, who came from elsewhere",
                "Carl Dyer 61 Secretary",
            ],
        ),
        ("1. Scope of the work\n2. Item of note", ["1. Scope of the work", "2. Item of note"]),
        ("Item 7. Results of the year", ["Item 7. Results of the year"]),
    ],
)
def test_rows_of_words_and_numbered_headings_stay_whole(text: str, expected: list[str]) -> None:
    assert [" ".join(text[a:b].split()) for a, b in sentences(text)] == expected


def document(*texts: str) -> Document:
    return Document("d" * 64, "a.pdf", "A title", tuple(Page(n, str(n), t) for n, t in enumerate(texts, 1)))


def test_every_chunk_of_a_cut_table_says_what_its_columns_are() -> None:
    rows = "\n".join(f"Receipts of harbour number {n} {n},100 {n},200" for n in range(1, 40))
    chunks = split(document(f"Receipts by harbour\n(Millions) 2018 2017\n{rows}"), count, 100)
    assert len(chunks) > 3
    assert "2018 2017" in chunks[0].text and not chunks[0].heading
    for chunk in chunks[1:]:
        assert chunk.heading == "Receipts by harbour (Millions) 2018 2017"
        assert all(is_row(line) for line in chunk.text.split("\n"))


def test_a_table_that_goes_on_over_the_page_keeps_its_head() -> None:
    rows = [f"Receipts of harbour number {n} {n},100 {n},200" for n in range(1, 9)]
    chunks = split(document("(Millions) 2018 2017\n" + "\n".join(rows[:4]), "\n".join(rows[4:])), count, 200)
    assert [chunk.heading for chunk in chunks] == ["", "(Millions) 2018 2017"]


@given(st.lists(st.sampled_from([*STATEMENT.split("\n"), "Prose. And more prose here.", "", "12"]), max_size=60))
def test_tables_follow_each_other_and_their_chunks_fit(lines: list[str]) -> None:
    text = "\n".join(lines)
    at = 0
    for table in tables(text):
        assert at <= table.start <= table.first < table.end <= len(text)
        assert is_row(text[table.first :].split("\n")[0])
        at = table.end
    for chunk in split(document(text), count, 60):
        assert count(context_line("A title", chunk.heading) + "\n" + chunk.text) <= 60
