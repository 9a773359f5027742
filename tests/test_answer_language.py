"""In which language an answer and a summary are asked for, and what is said of one that comes in another."""

from collections.abc import Iterator

import pytest

from app.cli.json_output import how_json
from app.cli.terminal_output import notes_lines
from chains.answer import ask, summarize
from chains.compare import NAMES as CHAINS
from chains.events import Answer
from chains.prompt import Language
from chains.prompting.render import render
from ingest.store.library import Library
from tests.support.fakes import ScriptedModel
from tests.support.sources import NOVEL, filled, told


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with filled(tmp_path_factory.mktemp("library")) as library:
        yield library


def test_the_reply_is_in_the_questions_language_unless_asked_otherwise(library: Library) -> None:
    model = ScriptedModel(told)
    list(ask("达西先生写了什么？", library, model))
    list(ask("达西先生写了什么？", library, model, language="en"))
    list(ask("What did he write?", library, model))
    assert [p.language for p in model.prompts] == ["zh", "en", "en"]


def test_a_summary_can_be_in_another_language(library: Library) -> None:
    model = ScriptedModel(told)
    list(summarize(NOVEL.id, library, model, chain="stuff", language="en"))
    assert model.prompts[0].language == "en" and model.prompts[0].task == "summary"


@pytest.mark.parametrize(
    ("wanted", "reply", "foreign"),
    [
        ("zh", "The second lake is green and very deep [1].", "en"),
        ("en", "第二个湖是绿色的，而且很深 [1]。", "zh"),
        ("zh", "第二个湖叫 Beta，是绿色的 [1]。", None),
        ("en", "The lake Beta (贝塔湖) is the green one [1].", None),
        ("zh", "Beta [1]", None),
        ("en", "1189 [1]", None),
    ],
)
def test_an_answer_in_another_language_is_said_to_be_in_it(
    library: Library, wanted: Language, reply: str, foreign: Language | None
) -> None:
    """In one line, without another call."""
    model = ScriptedModel(lambda prompt: reply)
    answer = list(ask("Which lake is green?", library, model, language=wanted))[-1]
    assert isinstance(answer, Answer) and answer.foreign == foreign and model.calls == 1
    assert len(list(notes_lines(answer))) == (foreign is not None)
    assert how_json(answer).get("language") == foreign


@pytest.mark.parametrize("chain", CHAINS)
def test_a_question_in_a_third_language_is_answered_in_its_own(library: Library, chain: str) -> None:
    """Whatever the model then writes in is not judged, unless it is Chinese."""
    asked = "Quel lac est vert ?"
    for foreign, reply in {None: "Le second lac est vert [1].", "zh": "第二个湖是绿色的，而且很深 [1]。"}.items():
        model = ScriptedModel(lambda prompt, reply=reply: "90" if prompt.role == "score" else reply)  # type: ignore[misc]
        answer = list(ask(asked, library, model, chain=chain))[-1]
        assert isinstance(answer, Answer) and answer.foreign == foreign and not answer.refused
        told = [render(prompt).system for prompt in model.prompts if prompt.role != "score"]
        assert told and all("the language that the question is in" in system for system in told)
    english = ScriptedModel(lambda prompt: "The second lake is green [1].")
    list(ask(asked, library, english, language="en"))
    assert "Write in English" in render(english.prompts[-1]).system
