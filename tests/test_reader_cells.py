"""The cell of a table that a question asks for: its row, its column, its place, and silence where one is in doubt."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chains.reader.tables.cells import Cell, find, shown
from chains.reader.tables.columns import columns
from ingest.text.tables import cell_spans, cells

INCOME = """Harbor Tools, Inc.
Consolidated Statements of Income
(in millions, except per share amounts)
Years ended December 31, 2018 2017 2016
Net sales $ 32,765 $ 31,657 $ 30,109
Cost of sales (16,682) (16,055) (15,118)
Gross profit 16,083 15,602 14,991
Interest expense, net (Note 13) (350) (322) —
Net income $ 5,349 $ 4,858 $ 5,050
Diluted earnings per share $ 8.89 $ 7.93 $ 8.16"""
QUARTERS = """($ in Millions) Second Quarter Six Months
2023 2022 % Change 2023 2022 % Change
Sales $25,530 $24,020 6.3 % $50,424 $47,446 6.3 %
Net earnings 5,144 4,814 6.9 5,076 9,963 (49.1)"""
SEGMENTS = """Three months ended March 31, Retail Banking Corporate Total
(in millions) 2021 2020 Change 2021 2020 Change 2021 2020 Change
Total net revenue $ 4,077 $ 3,389 20 % $ (473) $ 166 NM $ 3,604 $ 3,555 1 %
Net income 1,244 669 86 (580) (125) (364) 664 544 22"""
REGIONS = """(Millions) United States EMEA APAC Consolidated
2022
Total revenues $ 41,396 $ 4,871 $ 3,835 $ 50,102
Pretax income 10,383 550 376 11,309
2021
Total revenues $ 33,103 $ 3,643 $ 3,418 $ 40,164
Pretax income 10,325 460 420 11,205"""
WRAPPED = """Years Ended
December 2,
2016
November 27,
2015
Purchases of property and
equipment (203,805) (184,936)
Proceeds from sales of property and equipment 1,200 900
Net cash used for investing activities (960,000) (1,488,443)"""
ZH = """合并利润表
单位：万元
项目 2020年 2019年 同比增减(%)
营业总收入 128,450 112,300 14.4
营业成本 80,210 73,150 9.7
归属于母公司股东的净利润 21,560 — 12.8"""


def one(question: str, text: str, heading: str = "") -> Cell:
    found = find(question, text, heading)
    assert found, question
    return found[0]


def said(question: str, text: str, heading: str = "") -> str:
    cell = one(question, text, heading)
    return text[cell.start : cell.end]


@pytest.mark.parametrize(
    ("question", "text", "figure"),
    [
        ("What was net revenue in 2018?", INCOME, "$ 32,765"),
        ("What were net sales in FY2016?", INCOME, "$ 30,109"),
        ("What is the FY2017 COGS?", INCOME, "(16,055)"),
        ("What was the interest expense in 2017?", INCOME, "(322)"),
        ("What was net income?", INCOME, "$ 5,349"),
        ("What were diluted earnings per share in 2016?", INCOME, "$ 8.16"),
        ("What were sales in Q2 2022?", QUARTERS, "$24,020"),
        ("What were net earnings in the first six months of 2023?", QUARTERS, "5,076"),
        ("By how much did sales change in the second quarter?", QUARTERS, "6.3 %"),
        ("What was the total net revenue of Corporate in 2021?", SEGMENTS, "$ (473)"),
        ("What was Retail Banking's net income in 2020?", SEGMENTS, "669"),
        ("What were total revenues in the United States in 2021?", REGIONS, "$ 33,103"),
        ("What was pretax income in 2022?", REGIONS, "11,309"),
        ("How much was capex in FY2016?", WRAPPED, "(203,805)"),
        ("2020年的营业收入是多少？", ZH, "128,450"),
        ("2019年营业成本是多少？", ZH, "73,150"),
        ("营业总收入同比增长多少？", ZH, "14.4"),
    ],
)
def test_the_cell_of_the_row_and_column_that_are_asked_for(question: str, text: str, figure: str) -> None:
    assert said(question, text) == figure


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What was net revenue in 2012?", INCOME),  # no such column
        ("What was goodwill in 2018?", INCOME),  # no such row
        ("What was the net profit margin in 2018?", INCOME),  # to be computed
        ("Which segment had the lowest net revenue in 2021?", SEGMENTS),
        ("Why did net sales grow in 2018?", INCOME),
        ("What were sales in 2018?", "Sales 3,100 2,900\nCosts 1,200 1,100"),  # no head
        ("What were products in 2018?", INCOME.replace("Gross profit", "Net sales")),
        ("What were net sales in 2018?", INCOME.replace("Gross profit", "Net sales")),  # two rows of one name
        ("最高的收入是哪项？", ZH),
    ],
)
def test_silence_where_row_or_column_is_in_doubt(question: str, text: str) -> None:
    assert find(question, text) == []


def test_a_cell_tells_its_row_column_part_and_unit() -> None:
    cell = one("What was net revenue in 2018?", INCOME)
    assert (cell.row, cell.column, cell.unit) == ("Net sales", "2018", "(in millions, except per share amounts)")
    assert cell.column_at is not None
    assert INCOME[slice(*cell.column_at)] == "2018"
    assert one("2020年的营业收入是多少？", ZH).unit == "单位：万元"
    assert one("What were sales in Q2 2022?", QUARTERS).column.endswith("2022")


def test_what_is_shown_stands_on_the_page_word_for_word() -> None:
    cell = one("What was net revenue in 2018?", INCOME)
    lines = shown(cell, INCOME)
    assert lines == ["Years ended December 31, 2018 2017 2016", "Net sales $ 32,765 $ 31,657 $ 30,109"]
    assert all(line in INCOME for line in lines)
    wrapped = shown(one("How much was capex in FY2016?", WRAPPED), WRAPPED)
    assert wrapped[-1] == "Purchases of property and\nequipment (203,805) (184,936)"


def test_a_table_that_was_cut_has_its_head_in_the_heading() -> None:
    rows = "\n".join(INCOME.split("\n")[6:])
    heading = "Item 8 › Consolidated Statements of Income (in millions) Years ended December 31, 2018 2017 2016"
    cell = one("What was net income in 2017?", rows, heading)
    assert rows[cell.start : cell.end] == "$ 4,858"
    assert cell.column_at is None
    assert cell.unit == "(in millions)"
    assert shown(cell, rows) == ["Net income $ 5,349 $ 4,858 $ 5,050"]


def test_a_gap_counts_as_a_cell() -> None:
    assert said("What was the interest expense in 2016?", INCOME) == "—"
    assert said("2020年归属于母公司股东的净利润是多少？", ZH) == "21,560"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Net sales $ 32,765 $ (31,657)", ["$ 32,765", "$ (31,657)"]),
        ("Return 54 % 1 %", ["54 %", "1 %"]),
        ("Interest (Note 13) 350 —", ["350", "—"]),
        ("Total 12.5% 7", ["12.5%", "7"]),
        ("Nothing here", []),
    ],
)
def test_cells_have_the_signs_beside_them(line: str, found: list[str]) -> None:
    assert [line[a:b] for a, b in cell_spans(line)] == found


def test_a_head_is_believed_only_where_it_has_as_many_columns_as_the_row_has_cells() -> None:
    assert [column.text for column in columns("2022 2021 Change", 3)] == ["2022", "2021", "Change"]
    assert [column.text for column in columns("2022 2021 Change", 4)] == ["2022", "2021", "Change", "Change %"]
    assert columns("2022 2021", 3) == []
    assert columns("Fiscal years 2021, 2020 and 2019\n2021 2020 2019", 3)[0].start == 33


pieces = st.sampled_from(
    ["2018", " 2017", "\n", " ", "$ ", "1,234", "(56)", "—", "%", "Net sales", "收入", "年", "Q2 ", "Change", ":("]
)
table_like = st.lists(pieces, max_size=60).map("".join)


@given(table_like | st.text(max_size=80), table_like | st.text(max_size=80), table_like)
@example("What was total in 2018?", "2018 2017\nTotal 1 2", "")
@settings(deadline=None)
def test_cells_of_any_text_lie_in_it(question: str, text: str, heading: str) -> None:
    found = find(question, text, heading)
    for cell in found:
        assert 0 <= cell.row_start <= cell.start < cell.end <= cell.row_end <= len(text)
        assert 0.0 <= cell.score <= 1.0
        assert all(line in text for line in shown(cell, text))
        if cell.column_at is not None:
            assert 0 <= cell.column_at[0] < cell.column_at[1] <= len(text)
    assert [cell.score for cell in found] == sorted((cell.score for cell in found), reverse=True)


@given(table_like.map(lambda text: text.replace("\n", " ")))
def test_cells_are_counted_as_the_splitter_counts_them(line: str) -> None:
    spans = cell_spans(line)
    assert len(spans) <= cells(line)
    assert all(0 <= a < b <= len(line) for a, b in spans)
    assert all(b <= a for (_, b), (a, _) in pairwise(spans))
