"""A score is read however a model writes it, and the answer beside it is kept whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.prompting import scores

ANSWER = "The lake is blue [2].\nIt is deep as well [2]."


@pytest.mark.parametrize(
    ("line", "score"),
    [
        ("Score: 90", 90),
        ("Score:90", 90),
        ("score : 90", 90),
        ("**Score: 90**", 90),
        ("**Score:** 90", 90),
        ("### Score: 90", 90),
        ("- Score: 90", 90),
        ("Score = 90", 90),
        ("Score is 90.", 90),
        ("Score 90", 90),
        ("Relevance score: 90", 90),
        ("Score (0-100): 90", 90),
        ("Score: [90]", 90),
        ("Score: `90`", 90),
        ("Score: 90/100", 90),
        ("Score: 90 / 100", 90),
        ("Score: 90 out of 100", 90),
        ("Score: 9/10", 90),
        ("Score: 4 of 5", 80),
        ("Score: 90%", 90),
        ("Score: 90.5", 90.5),
        ("Score:90.5", 90.5),
        ("Score: 0.9", 90),
        ("Score: 8", 8),
        ("Score: 10", 10),
        ("Score (0-10): 8", 80),
        ("Score (out of 5): 4", 80),
        ("Score (3 sentences): 90", 90),
        ("得分（0－10）：8", 80),
        ("得分（满分10分）：8", 80),
        ("Score: 0", 0),
        ("Score: 100", 100),
        ("Score: 90 (the source says so itself)", 90),
        ("Score: 90 - it says so.", 90),
        ("Score: 90, fully supported by 3 sentences", 90),
        ("(Score: 90)", 90),
        ("得分：90", 90),
        ("得分: 90分", 90),
        ("**得分：90**", 90),
        ("得分：９０／１００", 90),
        ("得分：８５％", 85),
        ("评分：8/10", 80),
        ("得分为90", 90),
        ("8/10", 80),
        ("**8**/10", 80),
        ("Score: **4**/5", 80),
        ("85%", 85),
        ("90", 90),
        ("90分", 90),
        ("Score: N/A", None),
        ("N/A", None),
        ("Score: none", None),
        ("得分：无", None),
        ("Score: 999999", None),
        ("Score: 101", None),
        ("Score: 11/10", None),
        ("Score: -5", None),
        ("Score: high", None),
        ("Score:", None),
        ("", None),
    ],
)
def test_every_way_of_writing_a_score(line: str, score: float | None) -> None:
    vote = scores.read(f"{ANSWER}\n{line}")
    assert vote.score == (None if score is None else pytest.approx(score))
    if score is not None:
        assert vote.answer == ANSWER
        first = scores.read(f"{line}\n\n{ANSWER}")  # the score comes first
        assert first.answer == ANSWER
        assert first.score == pytest.approx(score)


@pytest.mark.parametrize(
    ("reply", "answer", "score"),
    [
        ("Score: 90 The lake is blue [1].", "The lake is blue [1].", 90),
        ("The lake is blue [1]. Score: 90", "The lake is blue [1].", 90),
        ("The lake is blue [1]. (Score: 90/100)", "The lake is blue [1].", 90),
        ("Answer: The lake is blue [1].\nScore: 90", "The lake is blue [1].", 90),
        ("**Answer:** The lake is blue [1].\n\n**Score:** 90", "The lake is blue [1].", 90),
        ("答案：湖水是蓝色的[1]。\n得分：９０", "湖水是蓝色的[1]。", 90),
        ("The score of the match was 3 [1].\nScore: 90", "The score of the match was 3 [1].", 90),
        ('{"answer": "The lake is blue [1].", "score": 90}', "The lake is blue [1].", 90),
        ('```json\n{"answer": "Blue [1].", "score": "8/10"}\n```', "Blue [1].", 80),
        ('{"answer": "Blue [1].", "relevance_score": 0.9}', "Blue [1].", 90),
        ('{"回答": "蓝色[1]。", "得分": 90}', "蓝色[1]。", 90),
        ('{"answer": "Blue [1].", "score": 999999}', "Blue [1].", None),
        ('{"answer": "Blue [1].", "score": null}', "Blue [1].", None),
        ('{"answer": "Blue [1].", "score_of_100": 8}', "Blue [1].", 8),
        ('{"answer": "Blue [1].", "score_of_100": 0.8}', "Blue [1].", 80),
        ('{"answer": "Blue [1].", "score_of_100": 101}', "Blue [1].", None),
        ('{"answer": "Blue [1: \\"water\\"].\nDeep.", "score_of_100": 80}', 'Blue [1: "water"].\nDeep.', 80),
        ('{"answer": "Blue [1: \\"wa', 'Blue [1: "wa', None),  # cut at its longest
        ('{"answer": "Blue \\u6', "Blue", None),
        ("It was built in 1998 [1].", "It was built in 1998 [1].", None),
        ("90", "90", None),  # an answer, or a score: nobody knows
    ],
)
def test_answer_and_score_are_told_apart(reply: str, answer: str, score: float | None) -> None:
    vote = scores.read(reply)
    assert (vote.answer, vote.score) == (answer, score)


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("The founder is Ada Marlow. [1]", None),
        ("The founder is Ada Marlow. [1] [2]", None),
        ("It answers [1]: 85", 85),
        ("[85]", 85),
        ("满分100分，得分85分", 85),
        ("满分10分，得分8分", 80),
        ("On a scale from 0 to 100: 85", 85),
        ("On a scale of 0 to 10, 8", 80),
        ("On a scale from 0 to 10: 85", None),
    ],
)
def test_a_mark_is_no_score_and_a_scale_may_come_first(reply: str, score: float | None) -> None:
    assert scores.read_score(reply).score == score


def test_a_number_means_the_same_whatever_the_others_are() -> None:
    """A hundred is what was asked for, in words and in JSON."""
    written = ["8", "8/10", "80", "80%", "0.8", '{"score_of_100": 8}', '{"score": 8}']
    assert [scores.read_score(text).score for text in written] == pytest.approx([8, 80, 80, 80, 80, 8, 8])


@given(st.lists(st.integers(0, 100), min_size=1), st.booleans())
def test_a_run_counts_to_ten_where_nothing_in_it_says_otherwise(numbers: list[int], told: bool) -> None:
    votes = [scores.read_score(f"Score: {n}/100" if told else f"Score: {n}") for n in numbers]
    assert scores.by_ten(votes) == (not told and 5 < max(numbers) <= 10)
    assert not scores.by_ten([]) and not scores.by_ten([scores.read_score("no score")])


@given(st.text())
def test_any_reply_is_read(reply: str) -> None:
    vote = scores.read(reply)
    score = vote.score
    assert score is None or 0 <= score <= 100


@given(
    st.lists(
        st.sampled_from(["Score", ":", "90", "/", "100", "{", "}", '"', "\n", "得分", "：", "%", "**", "["]),
        max_size=12,
    )
)
def test_any_mixture_of_its_own_signs_is_read(parts: list[str]) -> None:
    score = scores.read("".join(parts)).score
    assert score is None or 0 <= score <= 100


def test_the_example_in_the_rule_is_read() -> None:
    for language in ("en", "zh"):
        for structured in (False, True):
            both = scores.rule("answer_and_score", language, structured).splitlines()[-1]
            assert scores.read(both if structured else f"Blue [1].\n{both}").score == 85
            assert scores.read_score(scores.rule("score", language, structured).splitlines()[-1]).score == 85
