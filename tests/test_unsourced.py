"""Every sentence that states something carries a source, or is told to have none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.grounding.refusal import NOT_FOUND
from chains.grounding.uncited import unsourced
from tests.support.sources import sources

SOURCES = sources(
    "The lake is blue and deep. Trout live in its northern basin. It was dammed in 1884.",
    "Storms come from the west. The highest wave was 4.2 metres.",
    "湖水是蓝色的，北部水域有鳟鱼。大坝建于一八八四年。",
)


def found(text: str, whole: bool = True) -> list[str]:
    return [text[start:end] for start, end in unsourced(text, SOURCES, whole)]


SOURCED = [
    "The lake is blue [1].",
    "The lake is blue. [1]",
    "The lake is blue.[1] Storms come from the west.[2]",
    "The lake is blue. [1] Storms come from the west. [2]",
    "The lake is blue [1][2]. Storms come [2], and waves of 4.2 metres [2].",
    "[1] says that the lake is blue.",
    "The lake is blue [1]. [2] adds that storms come.",
    "湖水是蓝色的[3]。大坝建于一八八四年。[3]",
    "湖水是蓝色的。 [3]大坝建于一八八四年。 [3]",
    # one mark behind several sentences, whose words its source holds
    "The lake is blue and deep. Trout live in the northern basin [1].",
    "Trout live in the north. The lake is deep. It was dammed in 1884 [1].",
    "湖水是蓝色的。北部水域有鳟鱼。[3]",
    "- the lake is blue\n- trout live in it [1]",
    "According to the report [1]:\n\n- The lake is blue.\n- Trout live in the basin.",
    # what states nothing
    "# The lake\n\nIt is blue [1].",
    "**The lake**\nIt is blue [1].",
    "What of the lake? It is blue [1].",
    "湖是什么颜色？蓝色[3]。",
    "There are two things to say:\n- The lake is blue [1].\n- Storms come [2].",
    "In summary: the lake is blue [1].",
    "Here are the main points from the sources.\n\n1. The lake is blue [1].",
    "Based on the sources,\n\nthe lake is blue [1].",
    "总之：\n湖水是蓝色的[3]。",
    "The lake is blue [1]. The sources do not mention its depth.",
    *NOT_FOUND.values(),
    "",
    "---",
    "1.",
]
WITHOUT = [
    ("The moon is green.", ["The moon is green."]),
    ("The lake is blue [1]. The moon is green.", ["The moon is green."]),
    ("The moon is green. The lake is blue [1].", ["The moon is green."]),  # its words stand in no source
    ("The lake is blue [1].\n\nTrout live in its northern basin.", ["Trout live in its northern basin."]),
    ("Trout live in its basin.\n\nThe lake is blue [1].", ["Trout live in its basin."]),  # another paragraph
    ("- The lake is blue [1].\n- The moon is green\n- Storms come [2].", ["The moon is green"]),
    ("1. The moon is green.\n2. The lake is blue [1].", ["The moon is green."]),
    ("According to the report [1]:\n- The lake is blue.\n- The moon is green.", ["The moon is green."]),
    ("In summary, the moon is green.", ["In summary, the moon is green."]),
    ("The sources do not say so, but the moon is green.", ["The sources do not say so, but the moon is green."]),
    ("湖水是蓝色的[3]。月亮是绿色的。", ["月亮是绿色的。"]),
    ("月亮是绿色的，很圆。湖水是蓝色的[3]。", ["月亮是绿色的，很圆。"]),
    ("**The moon is green.** The lake is blue [1].", ["**The moon is green.**"]),
    ("The moon\nis green.\nThe lake is blue [1].", ["The moon\nis green."]),
    ("The moon is green! Is it? The sun is red.", ["The moon is green!", "The sun is red."]),
    ("The lake is blue [1]. [9] is a mark that leads nowhere and was left in.", []),
]


@pytest.mark.parametrize("text", SOURCED)
def test_what_carries_a_source_or_states_nothing(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(("text", "those"), WITHOUT)
def test_what_states_something_without_a_source(text: str, those: list[str]) -> None:
    assert found(text) == those


def test_a_last_sentence_that_was_broken_off_is_not_judged() -> None:
    assert found("The lake is blue [1]. The moon is", whole=False) == []
    assert found("The lake is blue [1]. The moon is") == ["The moon is"]
    assert found("The moon is green. The lake", whole=False) == ["The moon is green."]
    assert found("The lake is blue [1]. The moon is green.", whole=False) == ["The moon is green."]


PIECES = [
    *("The lake is blue", "The moon is green", "月亮是绿色的", "湖水是蓝色的", "4.2", "why"),
    *(".", "。", "?", ":", "：", " ", "\n", "\n\n", "- ", "1. ", "# ", "**", "[1]", "[3]", "[77]", ",", ")"),
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=25).map("".join)), st.booleans())
def test_of_any_text_the_places_are_in_order_and_hold_words_without_a_mark(text: str, whole: bool) -> None:
    places = unsourced(text, SOURCES, whole)
    assert list(places) == sorted(places)
    for (start, end), following in zip(places, [*[place[0] for place in places[1:]], len(text)], strict=False):
        assert 0 <= start < end <= following <= len(text)
        said = text[start:end]
        assert any(c.isalnum() for c in said) and said == said.strip() and not re.search(r"\[\d{1,4}\]", said)


@given(st.lists(st.sampled_from(["The moon is green", "Storms come", "月亮是绿色的"]), min_size=1, max_size=6))
def test_a_mark_on_every_sentence_leaves_none_and_no_mark_at_all_leaves_all(said: list[str]) -> None:
    assert found(" ".join(f"{one} [1]." for one in said)) == []
    assert found(" ".join(f"{one}. [2]" for one in said)) == []
    assert found(" ".join(f"{one}." for one in said)) == [f"{one}." for one in said]
