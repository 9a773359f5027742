"""A question may ask for a language; what only speaks of one asks for none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.tongue import asked_for, of

REVENUE, HAN = "What is the revenue?", "公司的营业收入是多少？"


@pytest.mark.parametrize(
    ("asked", "rest", "language"),
    [
        ("What is the revenue? Answer in Chinese.", REVENUE, "zh"),
        ("What is the revenue? In Chinese.", REVENUE, "zh"),
        ("What is the revenue? 请用中文回答", REVENUE, "zh"),
        ("What is the revenue?\nPlease respond in Simplified Chinese", REVENUE, "zh"),
        ("Answer in Chinese: What is the revenue?", REVENUE, "zh"),
        ("请用中文回答：What is the revenue?", REVENUE, "zh"),
        ("用中文回答 What is the revenue?", REVENUE, "zh"),
        ("What is the revenue in Chinese please?", "What is the revenue", "zh"),
        ("What is the revenue, please answer in Chinese?", "What is the revenue", "zh"),
        ("What is the revenue (please reply in Chinese)", "What is the revenue", "zh"),
        ("Could you answer in Chinese what the revenue is?", "what the revenue is?", "zh"),
        ("Explain in Chinese how the chains differ", "Explain how the chains differ", "zh"),
        ("Please answer in English. 公司的营业收入是多少？", HAN, "en"),
        ("公司的营业收入是多少？用英文回答", HAN, "en"),
        ("公司的营业收入是多少？请用英文", HAN, "en"),
        ("公司的营业收入是多少？请用英语回答我。", HAN, "en"),
        ("公司的营业收入是多少？英文回答", HAN, "en"),
        ("公司的营业收入是多少？答案请用英文", HAN, "en"),
        ("公司的营业收入是多少？ in English please", HAN, "en"),
        ("请用中文概括第三章", "请概括第三章", "zh"),
        ("In English, please.", "", "en"),
        ("请用中文", "", "zh"),
        ("用中文", "", "zh"),
    ],
)
def test_a_wish_for_a_language_is_read_and_kept_out_of_the_question(asked: str, rest: str, language: str) -> None:
    assert asked_for(asked) == (rest, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        *[(text, "en") for text in (REVENUE, "How deep is it?", "Tell me about the lake", "2018?", "")],
        *[(text, "zh") for text in (HAN, "Darcy 是谁？", "请概括第三章")],
        *[(text, "own") for text in ("Quelle est la population de Paris ?", "Wie hoch ist der Turm?")],
        *[(text, "own") for text in ("¿Quién abrió la esclusa?", "Was war vorher da, und von wem?")],
        *[(text, "own") for text in ("Hoe diep is het meer?", "Какой глубины озеро?", "Qual è la profondità?")],
        *[(text, "own") for text in ("湖の水深は何メートルですか？", "호수는 얼마나 깊습니까?")],
    ],
)
def test_the_language_of_a_question(text: str, language: str) -> None:
    assert of(text) == language


@pytest.mark.parametrize(
    "asked",
    [
        *("Which documents are in Chinese?", "List documents in Chinese", "Is the manual in English, please?"),
        *("Who can read and write in English?", "Did he read the letter and reply in English?"),
        *("Did she, in the end, reply in English?", "Which letters did they write in English?"),
        *("How do you say lake in Chinese?", "In Chinese, what is the lake called?", "Is the answer in English?"),
        *("How does Pagewise answer in Chinese?", "Can you answer questions in Chinese?"),
        *("Answers in English or Chinese?", "Write in English was whose policy?"),
        *("他用英文回答了什么？", "谁用英文回答？", "用英文写的信有哪些？", "用英文回答的人是谁？"),
        *("达西先生用英文回答吗？", "哪些文档是中文的？", "中文回答质量如何？", "公司用中文还是英文？"),
        *("英文版在哪里？",),
    ],
)
def test_what_speaks_of_a_language_asks_for_none(asked: str) -> None:
    assert asked_for(asked) == (asked, None)


@given(st.text(max_size=300))
def test_any_text_is_read(asked: str) -> None:
    rest, language = asked_for(asked)
    assert (rest == asked) if language is None else (len(rest) < len(asked))
