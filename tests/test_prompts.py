"""What a model is told: everything it needs, in both languages, with documents kept apart from orders."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.grounding import citations, refusal
from chains.prompt import Example, Language, Prompt, Role, Turn, Wanted
from chains.prompting import scores
from chains.prompting.render import render
from tests.support.sources import source

LANGUAGES: list[Language] = ["en", "zh"]
TASKS = [*product(("answer", "map", "reduce", "refine"), ("question", "summary"))]
TASKS += [(role, "question") for role in ("rerank", "condense", "broaden", "split")]


def prompt(role: Role, task: str = "question", language: Wanted = "en", **more: object) -> Prompt:
    return Prompt(role, task, "What colour is it?", language, 300, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("role", "task"), TASKS)
def test_every_role_has_words_in_every_language(role: Role, task: str, language: Language) -> None:
    rendered = render(prompt(role, task, language, sources=(source(1, "The lake is blue."),)))
    assert rendered.system and "What colour is it?" in rendered.user
    chinese = len(re.findall(r"[\u4e00-\u9fff]", rendered.system))
    assert (chinese > 40) if language == "zh" else chinese == 0
    assert "{" not in rendered.system


@pytest.mark.parametrize(("role", "task"), TASKS)
def test_the_language_is_said_plainly_in_every_role(role: Role, task: str) -> None:
    given_source = (source(1, "湖 lake 是蓝色的 is blue。"),)
    assert re.search(r"\bWrite in English\b", render(prompt(role, task, "en", sources=given_source)).system)
    assert "用中文书写" in render(prompt(role, task, "zh", sources=given_source)).system
    third = render(prompt(role, task, "own", sources=given_source)).system
    asked = "question" if task == "question" else "document"
    assert f"Write in the language that the {asked} is in" in third and "in English" not in third and "{" not in third


@pytest.mark.parametrize("language", LANGUAGES)
def test_reasoning_and_examples_are_spoken_of_only_where_there_are_any(language: Language) -> None:
    plain = render(prompt("answer", language=language))
    more = render(prompt("answer", language=language, reasoning=100, examples=(Example("Who?", "Holm.", "short"),)))
    assert "<reasoning>" not in plain.system and "<example>" not in plain.system + plain.user
    assert "<reasoning>" in more.system and "</reasoning>" in more.system and "<example>" in more.system
    assert more.user.startswith("<example>\nWho?\n\nHolm.\n\nshort\n</example>") and "{" not in more.system


def test_document_page_and_heading_reach_the_model() -> None:
    user = render(prompt("answer", sources=(source(7, "The lake is blue.", 12, "lakes.pdf", "Colours › Blue"),))).user
    assert (
        '<source n="7" document="lakes.pdf" page="12" heading="Colours › Blue">\nThe lake is blue.\n</source>' in user
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_format_asked_for_is_the_one_that_is_read(language: Language) -> None:
    assert citations.RULE[language] in render(prompt("answer", language=language)).system
    assert refusal.NOT_FOUND[language] in render(prompt("answer", language=language)).system
    assert refusal.NOT_FOUND[language] in render(prompt("reduce", language=language)).system
    assert refusal.NOTHING[language] in render(prompt("map", language=language)).system
    assert refusal.UNCHANGED[language] in render(prompt("refine", language=language)).system
    for structured in (False, True):
        both = scores.rule("answer_and_score", language, structured)
        assert both in render(prompt("rerank", language=language), structured).system
        alone = scores.rule("score", language, structured)
        assert alone in render(prompt("score", language=language), structured).system
    assert refusal.is_refusal(refusal.NOT_FOUND[language])
    assert refusal.is_nothing(refusal.NOTHING[language])
    assert refusal.is_unchanged(refusal.UNCHANGED[language])


def test_a_summary_is_never_offered_a_refusal() -> None:
    for role in ("answer", "reduce"):
        assert refusal.NOT_FOUND["en"] not in render(prompt(role, "summary")).system


_PIECES = ["<", ">", "/", " ", "\n", '"', "source", "SOURCE", "question", "note", "draft", "x", "湖"]
TAGGED = st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)


@given(TAGGED, TAGGED, TAGGED, TAGGED)
def test_no_text_can_end_its_place_and_speak_as_the_program(text: str, note: str, draft: str, name: str) -> None:
    given_source = source(1, text or "x", name=name, heading=name)
    user = render(prompt("refine", sources=(given_source,), notes=(note,), draft=draft or "x")).user
    tags = re.findall(r"<\s*/?\s*(?:source|note|draft|turn|question|document)\b", user, re.IGNORECASE)
    assert tags == ["<source", "</source", "<note", "</note", "<draft", "</draft", "<question", "</question"]
    first = user.splitlines()[0]
    assert first.endswith(">") and first.count('"') in (6, 8)  # nor can a name end its attribute


def test_marks_printed_in_a_document_are_not_taken_for_ours() -> None:
    user = render(prompt("answer", sources=(source(2, "As shown before [1], the lake is blue."),))).user
    assert "[1]" not in user and "the lake is blue" in user


def test_text_without_our_tags_reaches_the_model_as_it_is() -> None:
    text = "if a < b and c > d: <b>bold</b> & “quoted” <sources> 5 < source"
    assert text.replace("< source", "‹ source") in render(prompt("answer", sources=(source(1, text),))).user


def test_the_conversation_stands_in_condense_alone() -> None:
    history = (Turn("Who wrote it?", "Jane Austen."),)
    assert "Jane Austen." in render(prompt("condense", history=history)).user
    assert "Jane Austen." not in render(prompt("answer", history=history)).user


def test_a_longer_reply_is_asked_for_with_more_words() -> None:
    def asked(tokens: int) -> int:
        found = re.search(r"at most (\d+) words", render(Prompt("answer", "question", "Why?", "en", tokens)).system)
        assert found is not None
        return int(found[1])

    assert asked(100) < asked(1000) < 1000
