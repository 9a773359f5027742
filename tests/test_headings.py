"""Headings: each chunk stands under the right one, and a line that only mentions a heading is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunk import split
from ingest.document import Document, Heading, Page
from ingest.text.headings import PATH_CHARS, headings
from tests.support.fakes import HashingEmbedder

PROSE = "This is a sentence of a page that is as long as a line of prose usually is."


def document(*texts: str, outline: tuple[Heading, ...] = ()) -> Document:
    return Document("d" * 64, "a.pdf", "A title", tuple(Page(n, str(n), t) for n, t in enumerate(texts, 1)), outline)


def paths(*texts: str) -> list[str]:
    return [path for _, path in headings(document(*texts))][1:]


def test_a_filing_has_its_parts_items_and_notes() -> None:
    found = paths(
        f"PART I\nItem 1. Business\n{PROSE}\nItem 1A. Risk Factors\n{PROSE}",
        f"PART I\n{PROSE}\nPART II\nITEM 8 - Financial Statements\n{PROSE}\nNOTE 3\nINVESTMENTS\n{PROSE}",
    )
    assert found == [
        "PART I",
        "PART I › Item 1. Business",
        "PART I › Item 1A. Risk Factors",
        "PART II",
        "PART II › ITEM 8 - Financial Statements",
        "PART II › ITEM 8 - Financial Statements › NOTE 3 INVESTMENTS",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "as is said in another place of this report, for which see Part I,\nItem 1A. Risk Factors of it",
        "See\nNote 9 for information on gains.",
        "Item 1. Business 4\nItem 2. Properties 12",
        "Item 7. Results ........ 28",
        "Item 1,\nand more",
        "12.5 million was paid\n3.1 Oranges",
        "一、营业总收入 1,581,905 1,126,782\n二、营业总成本 1,142,129 843,148",
        "Chapters are long",
        "Book value per share 98.11 86.38",
        "\n".join(f"Item {n}. A title without its page" for n in range(1, 12)),
    ],
)
def test_what_only_mentions_a_heading_is_none(text: str) -> None:
    assert paths(text) == []


def test_chapters_and_decimals_and_chinese_sections() -> None:
    assert paths(f"Chapter 1\n{PROSE}", f"{PROSE}\nChapter 2\n{PROSE}") == ["Chapter 1", "Chapter 2"]
    assert paths(f"1.1 Scope\n{PROSE}\n1.2 Terms\n{PROSE}\n1.2.1 Of words\n{PROSE}\n2.1 Uses") == [
        "1.1 Scope",
        "1.2 Terms",
        "1.2 Terms › 1.2.1 Of words",
        "2.1 Uses",
    ]
    assert paths("第二节 公司简介\n一、 公司信息\n公司在北京。\n二、联系方式\n第三节 业务\n一、业务") == [
        "第二节 公司简介",
        "第二节 公司简介 › 一、 公司信息",
        "第二节 公司简介 › 二、联系方式",
        "第三节 业务",
        "第三节 业务 › 一、业务",
    ]


def test_an_entry_of_the_outline_stands_at_its_line() -> None:
    text = f"{PROSE}\nOf apples and\nthe rest\n{PROSE}\n2. Pears\n{PROSE}"
    outline = (Heading("Fruit", 1, 1), Heading("Of Apples and the Rest", 2, 2), Heading("2 Pears", 2, 2))
    found = headings(document(PROSE, text, outline=outline))
    start = len(PROSE) + 1
    assert found[1:] == [
        (0, "Fruit"),
        (start + text.index("Of apples"), "Fruit › Of Apples and the Rest"),
        (start + text.index("2. Pears"), "Fruit › 2 Pears"),
    ]


def test_a_chunk_begins_with_the_heading_and_not_ends_with_it() -> None:
    text = "\n".join([f"Chapter 1\n{PROSE} {PROSE}", f"Chapter 2\n{PROSE} {PROSE}", f"Chapter 3\n{PROSE} {PROSE}"])
    chunks = split(document(text), HashingEmbedder().count, 60)
    assert len(chunks) > 2
    for chunk in chunks:
        assert not chunk.text.split("\n")[-1].startswith("Chapter")
        named = [line for line in chunk.text.split("\n") if line.startswith("Chapter")]
        assert chunk.heading in named or not chunk.text.startswith("Chapter")


@given(
    st.lists(
        st.lists(st.sampled_from([PROSE, "PART I", "Item 1. A", "Note 2 - B", "1.1 C", "第一节 一", "一、二", ""]))
    )
)
def test_headings_are_in_order_and_short(pages: list[list[str]]) -> None:
    found = headings(document(*("\n".join(lines) for lines in pages)))
    assert [at for at, _ in found] == sorted(at for at, _ in found)
    assert all(len(path) <= PATH_CHARS + 20 for _, path in found)
