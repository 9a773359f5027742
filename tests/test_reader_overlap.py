"""The words of a Chinese passage that answer: where they stand, what is said of them, and that nothing breaks it."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chains.reader.chinese.characters import codes, folded, squeezed
from chains.reader.chinese.cloze import KINDS, asked
from chains.reader.chinese.span_features import FAMILIES, candidates, weight_count
from chains.reader.chinese.span_finder import SPANS, WEIGHTS, find

LIBRARY = (
    "云溪图书馆位于江宁市北区的梅园路，由建筑师林静设计，于1987年5月开放。馆藏图书约42万册，其中古籍3600册。"
    "第一任馆长是周明远。图书馆每周一闭馆，因为当天要整理书架。它的前身叫做梅园书屋。"
)
TRADITIONAL = (
    "雲溪圖書館位於江寧市北區的梅園路，由建築師林靜設計，於1987年5月開放。館藏圖書約42萬冊，其中古籍3600冊。"
    "第一任館長是周明遠。圖書館每週一閉館，因為當天要整理書架。它的前身叫做梅園書屋。"
)
ASKED = [
    ("第一任馆长是谁？", "周明远"),
    ("云溪图书馆是什么时候开放的？", "1987年5月"),
    ("云溪图书馆是由谁设计的？", "林静"),
    ("馆藏图书有多少册？", "42万"),
    ("云溪图书馆的前身叫什么？", "梅园书屋"),
    ("云溪图书馆位于哪里？", "梅园路"),
]
TRADITIONALLY = [
    ("第一任館長是誰？", "周明遠"),
    ("雲溪圖書館是什麼時候開放的？", "1987年5月"),
    ("館藏圖書有多少冊？", "42萬"),
    ("雲溪圖書館的前身叫什麼？", "梅園書屋"),
]
texts = st.text(st.characters(codec="utf-8") | st.sampled_from("的是谁什么哪年月日，。《》1９ \n"), max_size=120)


def best(question: str, text: str) -> str:
    span = find(question, text)[0]
    return text[span.start : span.end]


@pytest.mark.parametrize(("question", "answer"), ASKED)
def test_the_words_that_answer_are_found(question: str, answer: str) -> None:
    assert answer in best(question, LIBRARY)
    assert len(best(question, LIBRARY)) < 25


@pytest.mark.parametrize(("question", "answer"), TRADITIONALLY)
def test_traditional_characters_are_read_as_well(question: str, answer: str) -> None:
    assert answer in best(question, TRADITIONAL)


def test_a_line_that_breaks_inside_the_answer_does_not_part_it() -> None:
    broken = LIBRARY.replace("周明远", "周\n明远")
    assert "周\n明远" in best("第一任馆长是谁？", broken)


def test_a_passage_that_answers_scores_higher_than_one_that_does_not() -> None:
    other = "南山公园在每年三月举办花展，门票为二十元。公园里有一座石桥和两个湖。"
    assert find("第一任馆长是谁？", LIBRARY)[0].score > find("第一任馆长是谁？", other)[0].score


@given(texts, texts, texts)
@example("谁", "\ud800谁", "")
@example("İ", "İİİİ", "İ")
@example("", "。", "")
@example("什么？", "　\n", "")
@settings(deadline=None)
def test_spans_of_any_text_lie_in_it_and_apart(question: str, text: str, heading: str) -> None:
    found = find(question, text, heading)
    assert len(found) <= SPANS
    for span in found:
        assert 0 <= span.start < span.end <= len(text)
        assert 0.0 <= span.score <= 1.0
    assert [span.score for span in found] == sorted((span.score for span in found), reverse=True)
    taken = sorted((span.start, span.end) for span in found)
    assert all(end <= start for (_, end), (start, _) in pairwise(taken))


@given(texts, texts)
@settings(deadline=None)
def test_what_is_seen_of_a_span_has_a_weight(question: str, text: str) -> None:
    seen = candidates(asked(question), text).seen
    assert seen.shape[0] == len(FAMILIES)
    assert seen.size == 0 or (seen.min() >= 0 and seen.max() < weight_count())


@given(texts)
def test_folding_keeps_every_character_in_its_place(text: str) -> None:
    low, origin = squeezed(text)
    assert len(folded(text)) == len(text)
    assert len(low) == len(origin) == len(codes(low))
    assert all(folded(text[at]) == c or c == " " for c, at in zip(low, origin, strict=True))


@given(texts)
def test_a_question_has_a_kind_and_its_hole_lies_in_it(question: str) -> None:
    found = asked(question)
    assert found.kind in KINDS
    assert 0 <= found.lean <= found.start <= found.end <= len(found.text)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("它被称为什么？", "name"),
        ("它为什么闭馆？", "why"),
        ("它是什麼時候開放的？", "when"),
        ("开放的时间是？", "when"),
        ("有多少册？", "number"),
        ("它在哪里？", "where"),
        ("哪位建筑师？", "who"),
        ("有哪些特点？", "describe"),
        ("有哪些分馆？", "list"),
        ("是否开放？", "whether"),
        ("请介绍它", "other"),
    ],
)
def test_what_is_asked_for_is_told_by_its_words(question: str, kind: str) -> None:
    assert asked(question).kind == kind


def test_the_weights_are_those_of_the_families() -> None:
    stored = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    assert set(stored["weights"]) == set(FAMILIES)
    for name, (bins, by_kind) in FAMILIES.items():
        rows = stored["weights"][name]
        assert all(len(row) == bins for row in (rows.values() if by_kind else [rows]))
        assert not by_kind or list(rows) == list(KINDS)
