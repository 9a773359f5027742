"""Where a question says other than a sentence: numbers, opposites, words that exclude one another, denials."""

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chains.reader.contradiction import EXCLUDES, MOST, OPPOSITES, PLAIN, Contrast, contrast

SENTENCE = "The northern mill was built by Ada Brun in 1884 for 1,200 thalers and employed 120 people."
NAMES = st.lists(st.from_regex(r"[A-Z][a-z]{5,9}", fullmatch=True), min_size=1, max_size=5)


@pytest.mark.parametrize(
    "question",
    [
        "Who built the northern mill in 1885?",
        "When did the mill have 12 people?",
        "Who built the southern mill?",  # an opposite
        "Who destroyed the northern mill?",
        "Who destroys the northern mill?",  # in another form
        "Who did not build the northern mill?",
        "Why wasn't the mill built by Ada Brun?",
        "Why wasnʼt the mill built by Ada Brun?",
        "Who was never employed by the mill?",
    ],
)
def test_what_the_sentence_does_not_say_differs(question: str) -> None:
    assert contrast(question, SENTENCE, SENTENCE).differs


@pytest.mark.parametrize(
    "question",
    [
        "Who built the northern mill in 1884?",
        "How many people did the mill employ?",
        "Which of the northern and southern mills was built by Ada Brun?",  # it names both
        "What did she build?",
        "Who builds northern mills?",
        "Who built a mill for 1200 thalers?",
        "Who built it in １８８４?",
        "Was the mill built or destroyed?",
        "Which southern mill was the northern one named for?",  # the kind of thing that is asked for
        "Was No. 120 the northern mill?",
        "谁在1884年建了磨坊？",
        "",
    ],
)
def test_what_it_may_say_does_not(question: str) -> None:
    assert not contrast(question, SENTENCE, SENTENCE).differs


APART = "Three large ships and two small boats of the Old Harbour Trust lay there; the public quay was sold in 1901."


@pytest.mark.parametrize(
    "question",
    [
        "Where did two large ships lie?",  # both numbers are in the sentence, of other things
        "Where did 3 boats lie?",
        "Where did the large boats lie?",
        "What did the small ships do?",
    ],
)
def test_a_word_that_the_sentence_says_of_another_thing_differs(question: str) -> None:
    assert contrast(question, APART, APART).differs


@pytest.mark.parametrize(
    "question",
    [
        "Where did three ships and two boats lie?",
        "Where did 3 large ships lie?",
        "Where did the small boats lie, and where the large ones?",
        "What did large and small ships do?",  # it names both
        "Why did the large quay close?",  # nothing else is said of it that a size excludes
        "Which small ships lay beside large ships?",
        "What did the two do?",
    ],
)
def test_a_word_that_may_be_said_of_it_does_not(question: str) -> None:
    assert not contrast(question, APART, APART).differs


def test_a_number_is_said_of_the_thing_and_not_of_what_it_does() -> None:
    sentence = "Of the 50 states, 38 states ratified the amendment."
    assert not contrast("How many of the 50 states ratified it?", sentence, sentence).differs
    assert contrast("When did the 40 states ratify it?", sentence, sentence).differs


def test_a_number_may_be_a_word() -> None:
    assert not contrast("What happens after 30 days?", "After thirty days it ends.", "").differs
    assert not contrast("What happens after thirty days?", "After 30 days it ends.", "").differs
    assert contrast("What happens after 30 days?", "After forty days it ends.", "").differs


@pytest.mark.parametrize(
    ("question", "passage", "apart"),
    [
        ("When did Ada Brun build it?", "Ada Lind built it. Later Jonas Brun came.", True),
        ("When did Ada Brun build it?", "Ada Maria Brun built it. Later Jonas Brun came.", False),
        ("When did Ada Brun build it?", "Brun, Ada: her mills.", False),
        ("When did the Harbour Department open?", "The Department of the Harbour opened.", False),
        ("When did Maria Curie die?", "Maria Skłodowska-Curie died.", False),
        ("When did Ada Brun build it?", "Ada built it.", False),  # one word of it says nothing
        ("Did Ada or Brun build it?", "Ada built it, as was said for long. Brun did not.", False),
        ("When was Baden Baden built?", "Baden was built.", False),
    ],
)
def test_a_name_whose_words_only_stand_apart_differs(question: str, passage: str, apart: bool) -> None:
    assert contrast(question, "It was built in 1884.", passage).differs == apart


def test_a_denial_in_both_is_none() -> None:
    denied = "The mill was not rebuilt after the fire."
    for sentence in (denied, "Ada refused to rebuild the mill.", "They failed to rebuild it.", "Mills were excluded."):
        assert not contrast("Why was the mill not rebuilt?", sentence, sentence).differs
    assert not contrast("Why was the mill rebuilt?", denied, denied).differs  # it may be said of something else


def test_numbers_are_looked_for_in_the_sentence_and_words_in_the_passage() -> None:
    passage = SENTENCE + " Steam came in 1901."
    assert contrast("Who built the mill in 1901?", SENTENCE, passage) == Contrast(True, 0)
    assert contrast("Who built the steam mill?", SENTENCE, passage) == Contrast(False, 0)
    assert contrast("Who built the steam mill?", SENTENCE, SENTENCE) == Contrast(False, 1)


def test_words_said_otherwise_are_counted_without_names_and_forms() -> None:
    assert contrast("Which persons did the mill of Ulm employ?", SENTENCE, SENTENCE) == Contrast(False, 1)
    assert contrast("Whose company erected this factory near Ulm?", SENTENCE, SENTENCE).reworded == MOST


@given(st.sampled_from(sorted(OPPOSITES)), st.integers(0, 100))
def test_opposites_and_what_excludes_are_of_each_other(word: str, seed: int) -> None:
    other = random.Random(seed).choice(OPPOSITES[word])
    assert word in OPPOSITES[other] and word != other
    assert contrast(f"What is {word}?", f"It was {other}.", "").differs
    assume({word, other}.isdisjoint(("never", "no", "none", "without")))  # a denial differs by itself
    assert not contrast(f"What is {word} or {other}?", f"It was {other}.", "").differs


@given(st.sampled_from(sorted(EXCLUDES)), st.integers(0, 100))
def test_words_of_one_set_exclude_one_another(word: str, seed: int) -> None:
    other = random.Random(seed).choice(EXCLUDES[word])
    assert word in EXCLUDES[other]
    assert contrast(f"What has a {word}?", f"It has a {other}.", "").differs


@given(st.sampled_from(["kind", "known", "stable", "profit", "fiction"]), st.sampled_from(["un", "non"]))
def test_a_prefix_turns_a_word_round(word: str, prefix: str) -> None:
    assert contrast(f"What is {prefix}{word}?", f"It was {word}.", "").differs
    assert contrast(f"What is {word}?", f"It was {prefix}{word}.", "").differs


@given(NAMES, st.text(max_size=80))
def test_a_sentence_never_differs_from_itself(names: list[str], text: str) -> None:
    for sentence in (" ".join(names), text):
        assert contrast(sentence, sentence, sentence) == Contrast(False, 0)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_any_text_will_do(question: str, sentence: str, passage: str) -> None:
    assert 0 <= contrast(question, sentence, passage).reworded <= MOST
    assert contrast(question, sentence, passage + " " + question).reworded == 0  # what it has is not said otherwise


def test_plain_words_are_lower_case() -> None:
    assert all(word == word.lower() for word in PLAIN)
