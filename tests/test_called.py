"""The names in a question, and whether what is given has any of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.language.names import called, unheard

REPORT = ["Acme Holdings Annual Report", "Net sales rose to 1,250 in Germany. Jean Céloron signed it.", "acme_2018.pdf"]


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What was Boeing's revenue?", ["Boeing"]),
        ("Boeing's revenue in 2018?", ["Boeing"]),
        ("What did Ada Brun say to Mr. Darcy?", ["Ada", "Brun", "Darcy"]),
        ("What is the FY2018 capex of 3M?", ["3M"]),
        ("What does Chapter IV of the Report say in Table 3? Answer in English, please.", []),
        ("what was the Revenue, the Net Income and the EBITDA in March?", []),  # terms of reports, and when
        ("Explain the harbour. Describe it.", []),  # they begin sentences
        ("How large is the US?", []),  # a text may write that out
        ("What was AT&T's profit?", ["AT&T"]),
        ("Which Chinese-speaking towns?", ["Chinese-speaking"]),
        ("公司的营业收入是多少？", []),
        ("", []),
        ("I'm reading; how large is it? I've no idea.", []),
        ("How much did L'Oréal and Nestlé earn?", ["L'Oréal", "Nestlé"]),
    ],
)
def test_names_are_words_with_a_capital_that_do_not_only_begin_a_sentence(question: str, names: list[str]) -> None:
    assert called(question) == names


@pytest.mark.parametrize(
    ("question", "unknown"),
    [
        ("What was Boeing's revenue?", True),
        ("Where did Brun and Darcy meet?", True),
        ("What was Acme's revenue?", False),
        ("What were ACME's sales?", False),
        ("Where did Brun sign for Acme?", False),  # one of them is known
        ("What were German sales?", False),  # another form
        ("Who is Celeron?", False),  # another spelling
        ("What were the sales of Acmee?", False),  # a slip
        ("What were its sales?", False),
        ("Who signed for the AH?", False),  # too short to tell
        ("Who signed the AAR?", True),
        ("Who signed the AHAR?", False),  # its words' first letters
        ("Boeing的收入是多少？", False),  # another script may write it otherwise
    ],
)
def test_a_question_is_unheard_where_no_name_of_it_is_given(question: str, unknown: bool) -> None:
    assert unheard(called(question), REPORT) == unknown


@pytest.mark.parametrize("name", ["X-ray", "F-16", "T-cell", "L'Oréal", "Nestlé", "AT&T", "Ørsted", "K-12", "3M"])
def test_a_text_that_has_a_name_word_for_word_has_it(name: str) -> None:
    assert called(f"What is the {name} for?") == [name] and not unheard([name], [f"The {name} is."])


@pytest.mark.parametrize("given", [[], [""], ["波音公司2018年的收入为1010亿美元。"], ["Выручка Боинга составила 101."]])
def test_nothing_and_another_script_tell_nothing(given: list[str]) -> None:
    assert not unheard(["Boeing"], given)


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=3))
def test_what_repeats_the_question_has_its_names(question: str, given: list[str]) -> None:
    assert not unheard(called(question), [*given, question])
    assert all(name in question for name in called(question))
