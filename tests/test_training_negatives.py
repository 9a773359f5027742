"""What a passage does not answer, made of what it does: each kind keeps its promise."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.reader.contradiction import OPPOSITES
from tests.support.tiny_bert import alike
from training.curriculum import Unit, plan
from training.features import Row
from training.negatives import (
    altered,
    changed,
    changed_places,
    crossed,
    exchanged,
    excluded,
    mixed,
    negated,
    swapped,
    without_answer,
)
from training.squad import Pair, Pairs, Passage


@given(st.lists(st.sampled_from(["Ada came in 1884.", "The mill was old!", "Who knows?", "It cost 3.5."]), min_size=1))
def test_a_passage_without_its_answer_does_not_hold_it(sentences: list[str]) -> None:
    passage = " ".join(sentences)
    at = passage.find("1884")
    left = without_answer(passage, max(at, 0), max(at, 0) + 4, ["1884"])
    if left is not None:
        assert "1884" not in left and left
        assert set(left.split()) <= set(passage.split())


@given(st.integers(0, 10_000))
def test_a_swapped_question_is_another_one_of_the_same_kind(seed: int) -> None:
    question = "When did Ada Brun open 12 mills in 1884?"
    other = swapped(question, "In 1901 Emil saw 30 mills, and so did Dora of Ulm.", [], alike, random.Random(seed))
    assert other is not None and other != question
    assert "1901" in other or "30" in other or "Dora of Ulm" in other


def test_nothing_to_swap_gives_nothing() -> None:
    assert swapped("who came?", "Ada came in 1884.", [], alike, random.Random(1)) is None
    assert altered("Who came?", "Ada came in 1884.", random.Random(1)) is None
    assert mixed("Did Ada come?", "In 1884 Ada Brun came.", alike, random.Random(1)) is None
    assert crossed("Who came?", "Ada", ["Ada came."], alike, random.Random(1)) is None
    assert excluded("Who came?", random.Random(1)) is None


@given(st.sampled_from(["1884", "3,792,621", "20.8", "7"]), st.integers(0, 10_000))
def test_an_altered_number_stands_nowhere(number: str, seed: int) -> None:
    passage = f"There were {number} mills, and 12 more in 1901."
    other = altered(f"Where were {number} mills?", passage, random.Random(seed))
    assert other is not None
    (changed,) = re.findall(r"Where were (\S+) mills\?", other)
    assert changed not in passage and len(changed) == len(number)
    assert re.sub(r"\d", "0", changed) == re.sub(r"\d", "0", number)


@given(st.integers(0, 10_000))
def test_a_mixed_name_is_of_two_people(seed: int) -> None:
    passage = "There the chemist John Mayow met with Robert Boyle in Oxford."
    other = mixed("When was the chemist John Mayow born?", passage, alike, random.Random(seed))
    assert other is not None and "John Mayow" not in other
    name = re.findall(r"chemist (\w+ \w+) born", other)[0]
    assert name not in passage and ("John" in name or "Mayow" in name)


@given(st.integers(0, 10_000))
def test_a_crossed_question_asks_with_another_word_of_the_passage(seed: int) -> None:
    passage = "The desert lies at the border of Arizona, the valley at the border of Nevada. Its name is Mojave."
    question = "What is the name of the desert at the border of Arizona?"
    other = crossed(question, "Mojave", [passage], alike, random.Random(seed))
    assert other is not None and other != question and "Mojave" not in other
    before, after = question.rstrip("?").split(), other.rstrip("?").split()
    (changed,) = [b for a, b in zip(before, after, strict=True) if a != b]
    assert changed in passage and changed not in before


@given(st.integers(0, 10_000))
def test_an_excluded_question_names_what_cannot_be_true_as_well(seed: int) -> None:
    other = excluded("Who was born in March?", random.Random(seed))
    assert other is not None and other != "Who was born in March?"
    assert re.fullmatch(r"Who was (born|buried) in [A-Z][a-z]+\?", other)


@given(st.sampled_from(sorted(OPPOSITES)), st.integers(0, 100))
def test_a_negated_question_differs_in_one_word(word: str, seed: int) -> None:
    asked = f"Which mill has the {word} roof?"
    turned = negated(asked, random.Random(seed))
    assert turned in {
        *(f"Which mill has the {other} roof?" for other in OPPOSITES[word]),
        f"Which mill has not the {word} roof?",
        f"Which mill hasn't the {word} roof?",
    }
    denied = negated("Where did Ada live?", random.Random(seed))
    assert denied in {"Where did Ada not live?", "Where didn't Ada live?", "Where did Ada die?"}


WORDS = st.lists(st.sampled_from(["the", "mill", "Mill", "old", "bridge", "of", "Ulm", "1884."]), max_size=12)


@given(WORDS, WORDS)
def test_changing_places_twice_gives_the_passage_back_and_keeps_the_answer(before: list[str], after: list[str]) -> None:
    passage = " ".join([*before, "Ada Brun", *after])
    at = passage.index("Ada Brun")
    row = Row("Who opened the mill?", passage, at, at + 8)
    other = changed_places(row, "mill", "bridge")
    assert (other is None) == ("mill" not in passage.lower())
    if other is not None:
        assert other.passage[other.start : other.end] == "Ada Brun"
        words = {"mill": "bridge", "Mill": "Bridge", "bridge": "mill"}
        assert other.passage.split() == [words.get(word, word) for word in passage.split()]
        back = changed_places(other, "bridge", "mill")
        assert back is not None and back == row
    assert changed_places(row, "Brun", "mill") is None


def test_what_two_questions_have_in_each_others_place() -> None:
    assert exchanged("Who opened the old mill?", "Who opened the new mill?") == ("old", "new")
    assert exchanged("When did Ada Brun come?", "When did Emil Sorel of Ulm come?") == ("Ada Brun", "Emil Sorel of Ulm")
    assert exchanged("Where did Ada live?", "Where did Ada not live?") is None


@pytest.mark.parametrize(
    ("question", "other", "words"),
    [
        ("Who opened the old mill?", "Who opened the new mill?", "new"),
        ("When did Ada come?", "When did Emil Sorel come?", "Emil Sorel"),
        ("When did Ada come?", "When did Ada not come?", "not"),
        ("When did Ada not come?", "When did Ada come?", ""),
        ("Who came?", "Who came?", ""),
        ("Who came in 1850?", "Who came in 1870?", "1870?"),
    ],
)
def test_the_words_of_a_made_question_that_the_passage_was_not_asked_with(
    question: str, other: str, words: str
) -> None:
    start, end = changed(question, other)
    assert other[start:end] == words


def settled_units(pairs: Pairs, parts: dict[str, float]) -> list[Unit]:
    nothing: list[tuple[int, ...]] = [()] * len(pairs.pairs)
    steps = plan(
        pairs, nothing, nothing, seed=1, epochs=1, size=1, like=alike, shares={}, short=0, parts=parts
    )
    return [unit for step in steps for unit in step.units]


def test_a_pair_is_read_with_the_passage_changed_as_the_question_was() -> None:
    """So that what looks odd is not what has no answer."""
    text = "Ada opened the old mill, and Emil a bridge."
    one = Pair("1", "Who opened the old mill?", 0, 0, 3, ("Ada",))
    units = settled_units(Pairs((Passage("mills", text),), (one,) * 40), {"whole": 1.0})
    turned = [unit for unit in units if len(unit.rows) == 2 and not unit.ranked]
    assert turned
    for unit in turned:
        row, other = unit.rows
        assert other.passage[other.start : other.end] == "Ada"
        assert other.question != row.question and other.passage != row.passage
        crossed = {(choice.question, choice.passage) for choice in unit.choices}
        assert {(other.question, row.passage), (row.question, other.passage)} <= crossed
        assert row.changed == other.changed == (0, 0)
        for choice in unit.choices:  # the words that have no place in their passage
            assert choice.changed is not None
            start, end = choice.changed
            assert choice.question[start:end] not in ("", row.question)


def test_a_pair_is_read_beside_the_parts_of_its_passage_that_the_program_looks_at() -> None:
    cut = ["Snow fell.", "Ada opened the old mill.", "Emil built a bridge in Ulm.", "It rained."]
    mill = Pair("1", "Who opened the old mill?", 0, 11, 14, ("Ada",))
    bridge = Pair("2", "Where was the bridge built?", 0, 59, 62, ("Ulm",))
    none = Pair("3", "Who closed the old mill?", 0, 0, 0, (), seeming=11)
    text = " ".join(cut)
    assert text[11:14] == "Ada" and text[59:62] == "Ulm"
    pairs = Pairs((Passage("mills", text),), (mill, bridge, none) * 40)
    for part, wanted in (
        ("whole", {text}),
        ("near", {cut[1]}),
        ("wide", {cut[1], " ".join(cut[:2]), " ".join(cut[1:3]), " ".join(cut[:3])}),
    ):
        units = settled_units(pairs, {part: 1.0})
        of = [unit for unit in units if unit.rows[0].question == mill.question]
        assert {unit.rows[0].passage for unit in of} == wanted
        assert all(unit.rows[0].passage[unit.rows[0].start : unit.rows[0].end] == "Ada" for unit in of)
        lacking = [unit.rows[0] for unit in units if unit.rows[0].question == none.question]
        assert {row.passage for row in lacking} == wanted and not any(row.end for row in lacking)
        for row in (row for unit in of for row in (*unit.choices, *(unit.rows[1:] if unit.ranked else ()))):
            if row.question == mill.question and row.passage in text:
                assert "Ada" not in row.passage
            if row.question == bridge.question:
                assert "Ulm" not in row.passage
    # A part of a passage does not answer what another part is asked.
    near = [row for unit in settled_units(pairs, {"near": 1.0}) for row in unit.choices]
    assert any(row.question == bridge.question and row.passage == cut[1] for row in near)
