"""Marks: read as they stream, led to given sources only, and each quote found on its page or said not to be."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.grounding.citations import MarkReader, cite, plain, read, shield
from chains.prompt import Source
from ingest.document import Chunk, Passage, Span
from ingest.text.normalize import fold

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
        ('The firm made 50 million [1: "firm made 50 million"].', "none", 3, ""),
        ('In all [1: "in 2018 the firm made 5.0 million"].', "near", 3, "The firm made 5.0 million in 2018.[12]"),
    ],
)
def test_each_quote_is_the_pages_own_words_or_said_not_to_be(written: str, match: str, page: int, quote: str) -> None:
    (citation,) = cite(read(written, {1}), [source()])
    assert (citation.match, citation.page, citation.verified) == (match, page, match == "exact")
    assert citation.page_label == {3: "iii", 4: "iv"}[page]
    assert citation.quote.startswith(quote) if quote else citation.quote == ""


@given(st.text('The firm made 5.0 million in 2018. 营业收入 rose sharply\n"“[]:1…', max_size=80))
def test_a_quote_stands_on_its_pages(words: str) -> None:
    for citation in cite(read(f'{words} [1: "{words}"] and {words} [1]', {1}), [source()]):
        assert len(citation.pages) <= 2
        for page, part in citation.parts:
            assert part in {3: PAGE_3, 4: PAGE_4}[page]
        assert fold(citation.quote).text in fold(f"{PAGE_3}\n{PAGE_4}").text


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
        ('Its profits sank steeply, sharply said. [1: "sharply"]', "", ""),
        ("Its costs rose sharply in the north. [1]", "Its costs rose sharply in the north.", ""),
        ('Whales sing. [1: "sing"]', "", ""),
    ],
)
def test_words_quoted_out_of_a_quoted_sentence_are_its_span(written: str, quote: str, span: str) -> None:
    (citation,) = cite(read(written, {1}), [source()])
    assert (citation.quote, citation.span) == (quote, span)


@pytest.mark.parametrize(
    ("written", "match", "quote"),
    [
        ('Whales are larger than the whole north. [1: "the"]', "none", ""),
        ('Whales are larger than the whole north. [1: "costs"]', "none", ""),
        ('Whales are larger than the whole north. [1: "in the north"]', "none", ""),
        ('In the north its costs rose. [1: "the"]', "near", "Its costs rose sharply in the north."),
        ('Whales are larger than in any year. [1: "in 2018"]', "none", ""),
        ('公司去年的研发投入增加了一倍。[1: "公司"]', "none", ""),
        ('公司去年的研发投入增加了一倍。[1: "营业收入"]', "none", ""),
        ("All [1]", "none", ""),
        ("The second [1]", "exact", "the second"),
        ("No [1]", "none", ""),
        ("It [1]", "none", ""),
        ("2018 [1]", "exact", "2018"),
        ('It was 2018. [1: "2018"]', "exact", "2018"),
        ("15.82亿元[1]", "exact", "15.82 亿元"),
        ('公司的收入是15.82亿元。[1: "为15.82亿元"]', "exact", "为 15.82 亿元"),
        ('Some of it. [1: "firm … north"]', "none", ""),
        ('Some of it. [1: "the … of … and"]', "none", ""),
    ],
)
def test_words_that_say_nothing_prove_nothing(written: str, match: str, quote: str) -> None:
    (citation,) = cite(read(written, {1}), [source()])
    assert (citation.match, citation.quote) == (match, quote)


SMALL = st.lists(
    st.sampled_from(["the", "of", "and", "in", "a", "its", "on", "is", "was", "all", "not", "it", "that"]),
    min_size=1,
    max_size=6,
)


@given(SMALL, st.sampled_from(["Whales sing in winter seas.", "鲸鱼在冬天的海里唱歌。", "All of them.", "No"]))
def test_small_words_alone_are_no_proof(words: list[str], said: str) -> None:
    page = f"Before it {' '.join(words)} and after it."
    (citation,) = cite(read(f'{said} [1: "{" ".join(words)}"]', {1}), [source(first=page)])
    assert citation.match == "none"


NAMES = [
    *("Elizabeth", "Collins", "parsonage", "garden", "carriage", "cousin"),
    *("marriage", "visit", "manners", "letter", "Hunsford", "Rosings"),
]


@given(st.permutations(NAMES), st.integers(0, 4), st.booleans())
def test_a_word_changed_is_near_and_another_sentence_is_not(names: list[str], at: int, dropped: bool) -> None:
    said, other = names[:6], names[6:]
    page = "Before it rained on the hills. The {} of {} saw {} and the {} with {} near {}. It was late.".format(*said)
    changed = [name if i != at else "" if dropped else "unicorn" for i, name in enumerate(said)]
    quote = "The {} of {} saw {} and the {} with {} near {}".format(*changed)
    (citation,) = cite(read(f'So it was. [1: "{quote}"]', {1}), [source(first=page)])
    assert (citation.match, citation.quote) == ("near", page.split(". ")[1] + ".")
    wrong = "The {} of {} saw {} and the {} with {} near {}".format(*other)
    (citation,) = cite(read(f'{page} [1: "{wrong}"]', {1}), [source(first=page.replace("saw", "met"))])
    assert citation.match == "none"


@given(st.integers(1000, 9_999_999), st.integers(1000, 9_999_999))
def test_a_near_quote_has_all_figures_of_the_page(there: int, said: int) -> None:
    page = f"国内生物制药销售收入占营业收入的比例为 {there:,} 万元，比上年大幅增长。"
    (citation,) = cite(
        read(f'如此。[1: "国内生物制药的销售收入占营业收入比例 {said:,} 万元，比上年增长"]', {1}), [source(first=page)]
    )
    assert citation.match == ("near" if said == there else "none")


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ('Mr. Collins sold the parsonage for a hundred pounds. [1: "Mr. Collins sold the parsonage"]', "none"),
        ('She saw it. [1: "She saw instantly that her cousin\'s manners were not altered"]', "none"),
        ("Elizabeth admired every article in the room, and the sideboard, and sat long. [1]", "near"),
        ('A walk. [1: "He invited them to walk in the garden, which was large and well laid out"]', "near"),
        ('A walk. [1: "invited them in the garden. He worked in it"]', "near"),
    ],
)
def test_near_is_a_paraphrase_not_the_same_people(said: str, match: str) -> None:
    page = (
        "Elizabeth, after sitting long enough to admire every article of furniture in the room, from the sideboard to "
        "the fender, gave an account of the journey. Mr. Collins invited them to take a stroll in the garden, which "
        "was large and well laid out. He worked in it himself. She saw the parsonage from there."
    )
    (citation,) = cite(read(said, {1}), [source(first=page)])
    assert citation.match == match


@given(st.lists(st.sampled_from(NAMES), min_size=6, max_size=14), st.data())
def test_words_over_a_page_break_are_exact_with_a_part_on_each_page(names: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(names) - 1))
    said = " ".join(names)
    first, second = f"It began. She saw {' '.join(names[:at])}", f"{' '.join(names[at:])} again. It ended."
    for quote in (f"She saw {said} again.", said):
        pages = source(first=first, second=second)
        (citation,) = cite(read(f'So it was, in other words. [1: "{quote}"]', {1}), [pages])
        if len(set(names)) >= 3:
            assert (citation.match, citation.pages) == ("exact", (3, 4))
            assert " ".join(citation.quote.split()) == quote
            (_, one), (_, other) = citation.parts
            assert first.endswith(one) and second.startswith(other) and f"{one} {other}" == quote
