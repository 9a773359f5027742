"""What a model's reply says as a whole: no answer, nothing of use, no change; and what only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.grounding.refusal import is_nothing, is_refusal, is_unchanged

REFUSALS = [
    "Not in these documents.",
    "I do not know.",
    "I cannot say.",
    "The provided documents do not mention who wrote it.",
    "Based on the provided sources, I cannot answer the question.",
    "Sorry, there is no information about the rent in the documents.",
    "I’m sorry, but I couldn’t find an answer in these documents.",
    "Unfortunately, the text does not specify this.",
    "The author isn't mentioned in the passages.",
    "None of the sources mention a captain.",
    "The answer is not in the text.",
    "There is not enough information to answer this question.",
    "The question cannot be answered from the documents.",
    "No information is available.",
    "N/A",
    "我不知道。",
    "无法回答。",
    "这些文档中没有。",
    "这些文档中没有答案。",
    "资料未说明其原因。",
    "根据提供的资料，无法确定答案。",
    "很抱歉，文档中没有找到相关信息。",
]
ANSWERS = [
    "Mr. Darcy did not answer the letter that Miss Bingley wrote.",
    "No information was given to Mr. Bennet; Lydia had told her friends first.",
    "He did not give her a reason.",
    "Not every pump failed.",
    "Nothing in the pumps was changed.",
    "No answer came from the king.",
    "公司没有给出解释的原因是成本。",
    "公司无法按期交货的原因是缺料。",
]


@given(st.sampled_from(REFUSALS), st.sampled_from(["", " [1]", " [4] [5]", ' [2: "the"]']))
def test_a_refusal_is_one_with_marks_and_without(said: str, marks: str) -> None:
    assert is_refusal(said + marks) and is_nothing(said + marks)


@given(st.sampled_from(ANSWERS), st.sampled_from(["", " [1]", " [4] [5]"]))
def test_somebody_in_the_documents_who_does_not_answer_is_an_answer(said: str, marks: str) -> None:
    assert not is_refusal(said + marks)


@given(st.sampled_from(REFUSALS), st.sampled_from(ANSWERS))
def test_a_reply_that_cites_and_goes_on_answers(refused: str, answer: str) -> None:
    assert not is_refusal(f"{refused} {answer} [3]")
    assert not is_refusal(f"{answer} [3] {refused}")


@pytest.mark.parametrize(
    "said",
    [
        "It does not cover flood damage. [1]",
        'It does not cover flood damage. [1: "The Delmont policy does not cover flood damage"]',
        "No, it does not include tax. [1]",
        "None. [1]",
        'The source does not contain arsenic. [1: "It contains no arsenic"]',
        'The document does not contain a signature. [2: "No signature was found on it"]',
        "说明书不包含安装图。[1]",
        "说明书不包含安装图。",
        "如果文档里没有答案，它会直接说明没有找到。[1]",
        "If the documents do not mention it, the program says so. [1]",
        "If the documents do not mention it, the program says so.",
    ],
)
def test_a_no_that_its_page_says_is_an_answer(said: str) -> None:
    assert not is_refusal(said) and not is_nothing(said)


@pytest.mark.parametrize(
    "said",
    [
        "It does not mention the year. [1]",
        "It does not include the price.",
        "None.",
        "The source does not contain the answer. [1]",
        'The source does not mention arsenic. [1: "It is a spring"]',
        "书中没有提到这一点。[1]",
    ],
)
def test_a_no_about_what_was_read_is_a_refusal(said: str) -> None:
    assert is_refusal(said)


def test_a_sentence_that_goes_on_answers_where_it_cites() -> None:
    assert not is_refusal("The report does not mention 2017, but gives 5.0 for 2018 [2].")
    assert not is_refusal("They do not contain lead but zinc [1].")
    assert is_refusal("The sources do not say when it opened. The passages are about the weather.")


@pytest.mark.parametrize(
    "said",
    ["NO CHANGE", "No change.", "NO CHANGE because nothing is new", "**No change**", "NO CHANGE [1]", "Unchanged",
     "No changes are needed.", "The draft remains unchanged.", "无需修改。", "草稿无需修改，因为没有新内容"],
)  # fmt: skip
def test_a_draft_is_left_as_it_is(said: str) -> None:
    assert is_unchanged(said)


@pytest.mark.parametrize(
    "said",
    ["No change in the rent was made; it stayed at fifty pounds a year [4].", "Unchanged prices ruled the market [1].",
     "不变的是租金为五十镑 [4]。"],
)  # fmt: skip
def test_a_draft_that_begins_like_it_is_a_draft(said: str) -> None:
    assert not is_unchanged(said)
