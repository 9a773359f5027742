"""Marks: read as they stream, led to given sources only, and each quote found on its page or said not to be."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.citations import MarkReader, cite, plain, read, shield
from chains.prompts import Source
from ingest.document import Chunk, Passage, Span
from ingest.fold import fold

PAGE_3 = 'The firm made 5.0 million in 2018.[12] He said "no" twice. Its costs rose sharply in the north.'
PAGE_4 = "On the second page the firm sold its mill. 公司 2020 年的营业收入为 15.82 亿元。"


def source(n: int = 1, first: str = PAGE_3, second: str = PAGE_4) -> Source:
    text = f"{first}\n{second}"
    spans = (Span(3, "iii", 0, len(first)), Span(4, "iv", len(first) + 1, len(text)))
    return Source(n, Passage(Chunk("c", "d", 0, 0, len(text), text, "", spans), "a.pdf", "A", 1.0))


@given(
    st.lists(
        st.sampled_from(["[1]", '[2: "a b"]', "[9]", "[", "]", " ", "a", "é", "。", "[sic]", "【1】", '"', ":", "\n"])
    )
)
def test_a_stream_reads_as_its_whole(pieces: list[str]) -> None:
    text = "".join(pieces)
    whole = read(text, {1, 2})
    streamed = MarkReader({1, 2})
    shown = "".join(streamed.feed(character) for character in text) + streamed.close()
    assert shown == streamed.text == whole.text
    assert streamed.claims == whole.claims
    assert streamed.dropped == whole.dropped
    for claim in whole.claims:
        assert claim.n in (1, 2)
        assert whole.text[claim.at :].startswith(f"[{claim.n}]")


@pytest.mark.parametrize(
    ("written", "shown", "numbers"),
    [
        ("It rose [1].", "It rose [1].", [1]),
        ("It rose [1, 2].", "It rose [1][2].", [1, 2]),
        ("It rose [1][2].", "It rose [1][2].", [1, 2]),
        ("It rose [1-2].", "It rose [1][2].", [1, 2]),
        ("它增长了【1】。", "它增长了[1]。", [1]),
        ("It rose [Source 2].", "It rose [2].", [2]),
        ("它增长了[来源：1]。", "它增长了[1]。", [1]),
        ('It rose [2: "costs rose [sharply]"].', "It rose [2].", [2]),
        ("It rose [2: costs rose].", "It rose [2].", [2]),
        ("It rose [7].", "It rose.", []),
        ("It rose [1, 7] and fell.", "It rose [1] and fell.", [1]),
        ("As he [sic] said", "As he [sic] said", []),
        ('Cut in the middle [1: "costs ro', "Cut in the middle", []),
    ],
)
def test_marks_as_models_write_them(written: str, shown: str, numbers: list[int]) -> None:
    reader = read(written, {1, 2})
    assert reader.text == shown
    assert [claim.n for claim in reader.claims] == numbers


def test_marks_to_sources_never_given_are_dropped_and_counted() -> None:
    reader = read("A [3]. B [1]. C [4, 5].", {1})
    assert reader.text == "A. B [1]. C."
    assert reader.dropped == 3


@pytest.mark.parametrize(
    ("written", "match", "page", "quote"),
    [
        ("The firm made 5.0 million in 2018 [1].", "exact", 3, "The firm made 5.0 million in 2018"),
        ('Earnings were fine [1: "made 5.0 million in 2018"].', "exact", 3, "made 5.0 million in 2018"),
        ('A mill was sold [1: "the firm sold its mill"].', "exact", 4, "the firm sold its mill"),
        ('营业收入为15.82亿元[1: "2020年的营业收入为15.82亿元"]。', "exact", 4, "2020 年的营业收入为 15.82 亿元"),
        ('Both [1: "firm made … in 2018"].', "exact", 3, "firm made 5.0 million in 2018"),
        ("In the north the firm's costs rose [1].", "near", 3, "Its costs rose sharply in the north."),
        ('It rose [1: "costs rose very sharply in the north"].', "near", 3, "Its costs rose sharply in the north."),
        ("Whales sing in winter seas [1].", "none", 3, ""),
        ('The firm made 50 million [1: "firm made 50 million"].', "near", 3, "The firm made 5.0 million in 2018.[12]"),
    ],
)
def test_each_quote_is_the_pages_own_words_or_said_not_to_be(written: str, match: str, page: int, quote: str) -> None:
    (citation,) = cite(read(written, {1}), [source()])
    assert (citation.match, citation.page, citation.verified) == (match, page, match == "exact")
    assert citation.page_label == {3: "iii", 4: "iv"}[page]
    assert citation.quote.startswith(quote) if quote else citation.quote == ""


@given(st.text('The firm made 5.0 million in 2018. 营业收入 rose sharply\n"“[]:1…', max_size=80))
def test_a_verified_quote_stands_on_one_page(words: str) -> None:
    for citation in cite(read(f'{words} [1: "{words}"] and {words} [1]', {1}), [source()]):
        page = {3: PAGE_3, 4: PAGE_4}[citation.page]
        if citation.verified:
            assert fold(citation.quote).text in fold(page).text
        else:
            assert citation.quote in page


def test_a_mark_proves_the_sentence_before_it() -> None:
    text = "Its costs rose sharply in the north [1]. Then nothing. Whales sing [1]."
    first, second = cite(read(text, {1}), [source()])
    assert text[first.start : first.end].strip() == "Its costs rose sharply in the north"
    assert text[second.start : second.end].strip() == "Whales sing"
    assert (first.match, second.match) == ("exact", "none")


def test_a_pages_own_brackets_are_not_taken_for_marks() -> None:
    copied = shield(PAGE_3)
    reader = read(f"{copied} [1]", {1, 12})
    assert [claim.n for claim in reader.claims] == [1]
    assert cite(reader, [source()])[0].verified


@pytest.mark.parametrize("page", ["It fell in 2018.[citation needed] Then it rose.", "He won [his] case [12] at last."])
def test_a_copy_with_the_pages_own_brackets_is_exact(page: str) -> None:
    (citation,) = cite(read(f"{shield(page)} [1]", {1}), [source(first=page)])
    assert citation.verified


def test_plain_text_has_no_marks() -> None:
    assert plain('It rose [1]. It fell [2: "fell"].') == "It rose. It fell."


MARKS = [
    *("[1]", "[4]", "[99999] ", "[2023 was a year. ", '[2: "', '"]', "[3", "]", "[", "【5】", "【", "】", '[1 "'),
    *("\u202e", "\u200b", "\u00ad", "\ufeff", "４", "٤", "[1][4]", " ", "\n", ".", "words", "[6: x]", "[1-5]", ":"),
    "[Source 4]",
]


@given(st.lists(st.sampled_from(MARKS), max_size=14), st.randoms(use_true_random=False))
def test_no_number_in_brackets_is_left_that_is_not_a_mark_to_a_given_source(parts: list[str], dice: Random) -> None:
    """However the text is cut; nothing that looks like the beginning of a mark hides those behind it."""
    text, given_sources = "".join(parts), {1, 2, 3}
    reader = MarkReader(given_sources)
    at = 0
    while at < len(text):
        size = dice.randint(1, 6)
        reader.feed(text[at : at + size])
        at += size
    reader.close()
    seen = [(m.start(), int(m[1])) for m in re.finditer(r"\[(\d{1,4})\]", reader.text)]
    assert seen == [(claim.at, claim.n) for claim in reader.claims]
    assert {n for _, n in seen} <= given_sources


@pytest.mark.parametrize("beginning", ["[99999]", "[2023 was a year.", "[3 cases, of which", "[", "[4 [", '[1 "so'])
def test_a_mark_is_read_behind_what_only_looks_like_one(beginning: str) -> None:
    assert [claim.n for claim in read(f"{beginning} It is blue [1] [7].", {1, 2, 3}).claims] == [1]


@pytest.mark.parametrize(
    ("written", "quote", "span"),
    [
        ('Its costs rose sharply in the north. [1: "sharply"]', "Its costs rose sharply in the north.", "sharply"),
        ('The firm made 5.0 million in 2018. [1: "5.0 MILLION"]', "The firm made 5.0 million in 2018.", "5.0 million"),
        ('公司2020年的营业收入为15.82亿元。[1: "15.82亿元"]', "公司 2020 年的营业收入为 15.82 亿元。", "15.82 亿元"),
        ('Earnings were fine [1: "made 5.0 million in 2018"].', "made 5.0 million in 2018", ""),
        ('Its costs rose steeply, sharply said. [1: "sharply"]', "sharply", ""),
        ("Its costs rose sharply in the north. [1]", "Its costs rose sharply in the north.", ""),
        ('Whales sing. [1: "sing"]', "", ""),
    ],
)
def test_words_quoted_out_of_a_quoted_sentence_are_its_span(written: str, quote: str, span: str) -> None:
    (citation,) = cite(read(written, {1}), [source()])
    assert (citation.quote, citation.span) == (quote, span)
