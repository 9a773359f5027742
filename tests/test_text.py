"""Sentences, search tokens and folding: nothing lost, both languages, and the way back to the page."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.text.normalize import find, fold
from ingest.text.search_tokens import language, tokens
from ingest.text.sentences import sentences

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
PROSE = st.text("ab cdé.!?\n-“”\"',12 中文，。！年的\t", max_size=200)


@given(st.one_of(ANY, PROSE))
def test_sentences_joined_are_the_text(text: str) -> None:
    ranges = list(sentences(text))
    assert "".join(text[a:b] for a, b in ranges) == text
    assert all(a < b for a, b in ranges)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He met Mr. Darcy. She left.", ["He met Mr. Darcy.", "She left."]),
        ("In the U.S. it rose by 5.2 percent. Then it fell!", ["In the U.S. it rose by 5.2 percent.", "Then it fell!"]),
        ("他来了。“好的。”她说！真的？", ["他来了。", "“好的。”", "她说！", "真的？"]),
        ("wrapped\nprose goes on.\nAnd more", ["wrapped\nprose goes on.", "And more"]),
        ("Total assets 12 13\nGoodwill 5 6", ["Total assets 12 13", "Goodwill 5 6"]),
        (
            "It is right for most questions.\nmap_reduce\nreads each.",
            ["It is right for most questions.", "map_reduce\nreads each."],
        ),
        (
            "主要业务\n公司主营兽用疫苗的研发与销售，产品覆盖全国各地。",
            ["主要业务", "公司主营兽用疫苗的研发与销售，产品覆盖全国各地。"],
        ),
        ("A heading\n\nThen a paragraph.", ["A heading", "Then a paragraph."]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert [text[a:b].strip() for a, b in sentences(text)] == expected


def test_words_of_one_stem_are_one_token() -> None:
    assert tokens("Libraries' running") == tokens("library run")
    assert tokens("１２３") == tokens("123")  # full-width


def test_numbers_are_one_token_however_they_are_grouped() -> None:
    assert tokens("1,577.5") == ["1577.5"] == tokens("1577.5")
    assert tokens("10, 20") == ["10", "20"]


def test_chinese_becomes_pairs_and_a_lone_character_stays() -> None:
    assert tokens("营业收入") == ["营业", "业收", "收入"]
    assert tokens("第 3 页") == ["第", "3", "页"]


@given(ANY)
def test_a_chinese_word_is_found_wherever_it_stands(around: str) -> None:
    assert set(tokens("收入")) <= set(tokens(f"{around}营业收入{around}"))


def test_language_is_told_by_the_letters() -> None:
    assert language("公司2020年的营业收入是多少？") == "zh"
    assert language("GPT-4 和 Transformer 的区别是什么") == "zh"
    assert language("What does 中文 mean in English usage?") == "en"
    assert language("") == "en"


@given(ANY)
def test_folding_keeps_the_way_back(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.origin)
    assert list(folded.origin) == sorted(folded.origin)
    assert all(0 <= i < len(text) for i in folded.origin)


@given(ANY, ANY, ANY)
def test_what_stands_in_a_text_is_found_there(before: str, quote: str, after: str) -> None:
    text = f"{before} {quote} {after}"
    found = find(quote, text)
    wanted = fold(quote).text
    if wanted:
        assert found is not None
        assert fold(text[slice(*found)]).text == wanted
    else:
        assert found is None


@pytest.mark.parametrize(
    ("quote", "page"),
    [
        ("net sales of 32,765", "Net\r\nsales  of 32,765 million"),
        ("cooperation of states", "the co-\noperation of states"),
        ('she said "no"', "She said “no” twice"),
        ("efficient", "an eﬃcient way"),
        ("营业收入是", "公司 营 业\n收入是 5"),
        ("2020年", "于２０２０ 年度"),
        ("蚝鱼（雌），为鹦哥鱼", "蚝鱼（雌） ，为\n鹦哥鱼"),
        ("a-b", "a–b"),
        (unicodedata.normalize("NFD", "café"), "the café"),
    ],
)
def test_the_same_words_are_found_however_they_are_printed(quote: str, page: str) -> None:
    assert find(quote, page) is not None


@pytest.mark.parametrize(
    ("quote", "page"),
    [
        ("12", "1,312"),
        ("1,57", "1,577"),
        ("5", "1.5 million"),
        ("1020", "10-20"),
        ("art", "the party"),
        ("not found", "found not"),
        ("", "anything"),
    ],
)
def test_other_words_are_not_found(quote: str, page: str) -> None:
    assert find(quote, page) is None


def test_the_range_covers_the_words_on_the_page() -> None:
    page = "Then Net\nSales rose."
    found = find("net sales", page)
    assert found is not None
    assert page[slice(*found)] == "Net\nSales"
