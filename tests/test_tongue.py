"""A question may ask for a language; what only speaks of one asks for none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.language.detect import alike, asked_for, of, written_in

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
        ("What is a quote? Give your answer in Chinese.", "What is a quote?", "zh"),
        ("What is a quote? Reply in traditional Chinese.", "What is a quote?", "zh"),
        ("What is a quote (in Chinese)?", "What is a quote", "zh"),
        ("Reply in English only. 什么是引文？", "什么是引文？", "en"),
        ("Please answer in Chinese and cite sources: what is a quote?", "what is a quote?", "zh"),
        ("What is a quote? Please use Chinese for your answer.", "What is a quote?", "zh"),
        ("可以用英文回答什么是引文吗？", "什么是引文", "en"),
        ("你能用英文回答吗？", "", "en"),
        ("用英文解释一下什么是引文", "解释一下什么是引文", "en"),
        # a third language: the words that say which stay
        ("What is a quote? Answer in French.", "What is a quote? Answer in French.", "own"),
        ("什么是引文？请用日语回答", "什么是引文？请用日语回答", "own"),
    ],
)
def test_a_wish_for_a_language_is_read_and_kept_out_of_the_question(asked: str, rest: str, language: str) -> None:
    assert asked_for(asked) == (rest, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        *[(text, "en") for text in (REVENUE, "How deep is it?", "Tell me about the lake", "What’s new?", "2018?", "")],
        *[(text, "zh") for text in (HAN, "Darcy 是谁？", "请概括第三章")],
        *[(text, "own") for text in ("Quelle est la population de Paris ?", "Wie hoch ist der Turm?")],
        *[(text, "own") for text in ("¿Quién abrió la esclusa?", "Was war vorher da, und von wem?")],
        *[(text, "own") for text in ("Hoe diep is het meer?", "Какой глубины озеро?", "Qual è la profondità?")],
        *[(text, "own") for text in ("湖の水深は何メートルですか？", "호수는 얼마나 깊습니까?")],
        # names and titles in another language
        *[(text, "own") for text in ('Qui a écrit "The Old Man and the Sea"?', "Wer schrieb Gone with the Wind?")],
        *[(text, "own") for text in ("Кто написал The Great Gatsby?", "¿Quién es el CEO de The Home Depot?")],
        ("Quand la société The Walt Disney Company a-t-elle été fondée ?", "own"),
        *[(text, "zh") for text in ("谁写了 The Old Man and the Sea？ Pagewise", "什么是The Great Gatsby？")],
        *[(text, "zh") for text in ("Pride and Prejudice 讲了什么？", "谁是Elizabeth Bennet？")],
        *[(text, "zh") for text in ("奈雪の茶2020年的营业收入是多少？", "史密斯・约翰是谁？")],
        *[(text, "en") for text in ("Who is 张翀宇?", "Who wrote Guerra e Pace?", "When did the Bundesbank act?")],
        *[(text, "en") for text in ("What does 白 mean?", 'Who said "Veni, vidi, vici"?')],
        # documents
        ("Der See ist tief und kalt. Das Ufer ist aus Stein. " * 9 + "Von Smith and Sons. To the Lighthouse.", "own"),
        ("The lake is deep and cold. " * 9 + "Quelle est la profondeur du lac ?", "en"),
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
    assert (rest == asked) if language in (None, "own") else (len(rest) < len(asked))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Revenue and profit in 2020?", "What was the revenue in 2020?", True),
        ("Darcy?", "Who is Darcy?", True),
        ("Is Pagewise free?", "What does Pagewise cost?", True),
        ("Was kostet Pagewise und wer hat es gemacht?", "Wer hat Pagewise gemacht?", True),
        ("Was kostet Pagewise und wer hat es gemacht?", "What does Pagewise cost?", False),
        ("Quelle est la population de Paris ?", "What is the population of Paris?", False),
        ("Какой глубины озеро?", "How deep is the lake?", False),
        ("公司的营业收入是多少？", "What is the revenue?", False),
        ("什么是The Great Gatsby？", "The Great Gatsby是什么？", True),
    ],
)
def test_two_questions_in_one_language(one: str, other: str, same: bool) -> None:
    assert alike(one, other) == alike(other, one) == same


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The second lake is green and very deep [1].", "en"),
        ("第二个湖是绿色的，而且很深 [1]。", "zh"),
        ("原文と完全一致した引用は検証済み扱いとなり、第一頁に記載されている。", None),
        ("Le second lac est vert, profond et froid [1].", None),
        ("Beta [1]", None),
    ],
)
def test_the_language_of_an_answer(text: str, language: str | None) -> None:
    assert written_in(text) == language
