"""Only what points back is rewritten, and only a sensible rewrite is used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.condense import checked, needs_history
from chains.prompts import Turn

HISTORY = (Turn("What colour is Lake Beta?", "Lake Beta is green [1]."),)


@pytest.mark.parametrize(
    ("question", "needs"),
    [
        ("How deep is it?", True),
        ("And the second one?", True),
        ("Why?", True),
        ("What about 2019?", True),
        ("Did he answer her letter?", True),
        ("它有多深？", True),
        ("那2019年呢？", True),
        ("为什么？", True),
        ("What is the total revenue of 3M in 2018?", False),
        ("Is there a book that describes Lake Beta?", False),
        ("公司2020年的营业收入是多少？", False),
    ],
)
def test_only_what_points_back_needs_the_conversation(question: str, needs: bool) -> None:
    assert needs_history(question, HISTORY) is needs
    assert not needs_history(question, ())


@given(st.text(max_size=500))
def test_any_rewrite_is_one_sensible_question_or_the_one_asked(rewrite: str) -> None:
    question = "And how deep is it?"
    kept = checked(rewrite, question, HISTORY)
    assert kept == question or ("\n" not in kept and 0 < len(kept) <= 400)
