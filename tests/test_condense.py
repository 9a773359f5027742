"""Only what points back is rewritten, and only a rewrite that asks the same is used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.models.extractive.model import Extractive
from chains.prompt import Turn
from chains.prompting.render import render
from chains.question.condense import checked, condense, needs_history
from tests.support.fakes import ScriptedModel
from tests.support.sources import by_role

HISTORY = (Turn("What colour is Lake Beta?", "Lake Beta is green [1]."),)
CHIEF = (Turn("Who is the CEO of Foot Locker?", "Mary Dillon is the new CEO of Foot Locker. [1]"),)
STORES = (Turn("What was the revenue of Foot Locker in 2020?", "It was 7.5 billion [1]."),)
REVENUE = (Turn("生物股份2020年的营业收入是多少？", "2020年营业收入为15.82亿元。[1]"),)
CHINESE = (Turn("贝塔湖是什么颜色？", "贝塔湖是绿色的。"),)


@pytest.mark.parametrize(
    "question",
    [
        *("How deep is it?", "And the second one?", "Why?", "Why not?", "What about 2019?", "And in 2019?"),
        *("Lake Gamma?", "What about Lake Gamma?"),
        *("Did he answer her letter?", "Who wrote them?", "What did Darcy think of it?"),
        *("Tell me more.", "Can you elaborate?", "What else?", "Is that lake deep?", "What is the depth of it?"),
        *("Was this before 1900?", "How does that compare?", "What did the company say about its revenue?"),
        *("How many people work in these companies?", "Which is deeper, the former or the latter?"),
        *("它有多深？", "那2019年呢？", "贝塔湖呢？", "那它呢？", "为什么？", "继续", "详细说说", "还有哪些风险？"),
        *("这个数字是怎么来的？", "该公司的总部在哪里？", "其营业收入是多少？", "他为什么拒绝？", "前者有多深？"),
        *("The year before?", "And the following quarter?", "Who did Elizabeth say it was?"),
        *("为什么下降了？", "其中海外占多少？", "同比增长多少？"),
        *("Compare the two.", "How much did it earn the year before?", "上一年是多少？", "那里有什么？"),
        *("那公司的？", "在去年第三季度，它的收入是多少？"),
    ],
)
def test_what_points_back_needs_the_conversation(question: str) -> None:
    assert needs_history(question, HISTORY)
    assert not needs_history(question, ())


@pytest.mark.parametrize(
    "question",
    [
        *("What is the total revenue of 3M in 2018?", "Is there a book that describes Lake Beta?"),
        *("Is it true that revenue grew in 2019?", "How long does it take to drain the lake?"),
        *("Which two lakes have the same colour?", "Are temperatures above 30 degrees common in Beijing?"),
        *("What did 3M say about its revenue?", "How did Netflix finance its content?"),
        *("Why did Netflix raise prices?", "Netflix revenue 2015"),
        *("When was the bridge opened and who built it?", "What do whales eat when they migrate?"),
        *("Where did Darcy live when he met Elizabeth?", "What does this report say about fees?"),
        *("Who did Elizabeth say she would marry?", "What did Ada Brun think that he owed?"),
        *("Explain the revenue recognition policy of Adobe", "And what was Netflix's total revenue in 2015?"),
        *("Was Adobe's revenue larger than that of Netflix?", "Who was the former president of the company?"),
        *("公司2020年的营业收入是多少？", "营业收入是多少呢？", "为什么达西先生拒绝跳舞？", "其他湖是什么颜色？"),
        *("公司如何看待其竞争对手？", "员工应该如何申请年假？", "公司及其子公司的收入是多少？", "这本书的作者是谁？"),
        *("详细说明公司的收入确认政策", "因此公司采取了哪些措施？", "达西先生拒绝跳舞后，他说了什么？"),
        *("那么公司的总部在哪里？", "尤其重要的风险有哪些？"),
    ],
)
def test_what_names_its_own_subject_is_left_alone(question: str) -> None:
    model = ScriptedModel(by_role())
    assert condense(question, HISTORY, model) == question and model.calls == 0


@pytest.mark.parametrize(
    ("question", "reply", "history"),
    [
        ("How deep is it?", "How deep is Lake Beta?", HISTORY),
        ("How deep is it?", 'Rewritten question: "How deep is Lake Beta?"', HISTORY),
        ("How deep is it?", "**Standalone question:** What is the depth of Lake Beta?", HISTORY),
        ("And in 2019?", "What colour was Lake Beta in 2019?", HISTORY),
        ("What about Lake Gamma?", "What colour is Lake Gamma?", HISTORY),
        ("它有多深？", "改写后的问题：贝塔湖有多深？", CHINESE),
        ("那2019年呢？", "贝塔湖2019年是什么颜色？", CHINESE),
        ("伽马湖呢？", "伽马湖是什么颜色？", CHINESE),
        ("When was she appointed?", "When was Mary Dillon appointed CEO of Foot Locker?", CHIEF),
        ("When was she appointed?", "In what year was Mary Dillon appointed?", CHIEF),
        ("那2019年呢？", "生物股份2019年的营业收入是多少？", REVENUE),
        ("为什么下降了？", "生物股份2020年的营业收入为什么下降了？", REVENUE),
        ("Was it higher than in 2019?", "Was the revenue of Foot Locker higher than in 2019?", STORES),
    ],
)
def test_a_rewrite_that_asks_the_same_is_used(question: str, reply: str, history: tuple[Turn, ...]) -> None:
    used = checked(reply, question, history)
    assert used != question and reply.rstrip('"').endswith(used)


@pytest.mark.parametrize(
    ("question", "reply", "history"),
    [
        ("How deep is it?", "Lake Beta is green. How deep is it?", HISTORY),  # two sentences
        ("How deep is it?", "How deep is it?\nAnd where?", HISTORY),
        ("How deep is it?", "How deep is the Eiffel Tower in Paris?", HISTORY),  # a name nobody spoke of
        ("How deep is it?", "How deep was Lake Beta in 1990?", HISTORY),  # a number
        ("How deep is it?", "Lake Beta is deep.", HISTORY),  # an answer
        ("How deep is it?", "贝塔湖有多深？", HISTORY),  # another language
        ("And how deep is Lake Gamma then?", "What colour is Lake Beta?", HISTORY),  # the question before
        ("And in 2019?", "What colour is Lake Beta?", HISTORY),  # the year is lost
        ("Is it deep and cold in spring?", "What colour is Lake Beta?", HISTORY),  # what was asked is lost
        ("How deep is it?", "What maximum recorded depth and volume has the deepest part of Lake Beta?", HISTORY),
        ("When was she appointed?", "Was Mary Dillon appointed?", CHIEF),  # yes or no
        ("When was she appointed?", "Why was Mary Dillon appointed?", CHIEF),
        ("When was she appointed?", "When was Mary Dillon not appointed?", CHIEF),
        ("And in 2019?", "What was the profit of Foot Locker in 2019?", CHIEF),  # nobody spoke of a profit
        ("那2019年呢？", "生物股份2019年的净利润是多少？", REVENUE),
        ("为什么下降了？", "生物股份2020年的营业收入下降了吗？", REVENUE),
        ("为什么下降了？", "生物股份2020年的营业收入为什么没有下降？", REVENUE),
        ("Was it higher than in 2019?", "Was the revenue of Foot Locker lower than in 2019?", STORES),
        ("为什么下降了？", "生物股份2020年的营业收入为什么增长了？", REVENUE),
        ("它有多深？", "How deep is Lake Beta?", CHINESE),
        ("它有多深？", "贝塔湖是绿色的。", CHINESE),
        ("那2019年呢？", "贝塔湖是什么颜色？", CHINESE),
        ("它有多深？", "青海湖的平均水深和最大水深分别是多少米？", CHINESE),
    ],
)
def test_one_that_asks_something_else_is_not(question: str, reply: str, history: tuple[Turn, ...]) -> None:
    assert checked(reply, question, history) == question


def test_a_question_repeated_by_the_model_stays_as_it_was_typed() -> None:
    assert checked("how deep is it", "How deep is it?", HISTORY) == "How deep is it?"


@pytest.mark.parametrize(
    ("question", "history", "holds"),
    [("How deep is it?", HISTORY, "Lake Beta"), ("它有多深？", CHINESE, "贝塔湖"), ("那2019年呢？", CHINESE, "2019年")],
)
def test_without_a_language_model_the_subject_is_taken_along(
    question: str, history: tuple[Turn, ...], holds: str
) -> None:
    assert holds in condense(question, history, Extractive())
    assert condense(question, history, Extractive()) != question


@pytest.mark.parametrize(("question", "words"), [("How deep is it?", "Write in English"), ("它有多深？", "用中文书写")])
def test_the_rewrite_is_asked_for_in_the_questions_language(question: str, words: str) -> None:
    model = ScriptedModel(by_role(condense=""))
    condense(question, HISTORY, model)
    assert words in render(model.prompts[0]).system


@given(st.text(max_size=500))
def test_any_rewrite_is_one_sensible_question_or_the_one_asked(rewrite: str) -> None:
    question = "And how deep is it?"
    kept = checked(rewrite, question, HISTORY)
    assert kept == question or ("\n" not in kept and 0 < len(kept) <= 400)


@given(st.text(max_size=200))
def test_any_question_is_judged(question: str) -> None:
    assert needs_history(question, HISTORY) in (True, False)
