"""Structured output from a server on loopback: used where it is, forgone for good where it is not, and no vote lost."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from chains.answer import CHAINS
from chains.errors import ContextTooSmall
from chains.events import Step
from chains.execution.metered_model import Meter
from chains.models.remote import chat
from chains.models.token_bound import bound
from chains.prompt import Language, Prompt, Rerank, Schema, Task
from chains.prompting import scores
from tests.support.asking import broken, opened
from tests.support.servers import Reply, Request, refused, said, serving
from tests.support.sources import sources, text


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_FIRST_WAIT", 0.01)


def asks_json(request: Request) -> bool:
    return "response_format" in request.body


def voter(without: Callable[[Request], Reply | None]) -> Callable[[Request], Reply]:
    """A model that finds the answer in the source about the lake; `without`: what it does to a structured request."""

    def reply(request: Request) -> Reply:
        if asks_json(request) and (other := without(request)) is not None:
            return other
        system, user = (message["content"] for message in request.body["messages"])
        good = "The lake is blue" in user
        if "JSON" in system and asks_json(request):
            wanted = request.body["response_format"]["json_schema"]["schema"]["properties"]
            value = {"answer": "The lake is blue [2].", "score_of_100": 90 if good else 3}
            return said(json.dumps({name: value[name] for name in wanted}))
        score = f"Score: {90 if good else 3}/100"
        if "Score:" in system:
            return said(score if "You do not answer" in system else f"The lake is blue [2].\n{score}")
        return said("The lake is blue [2].")

    return reply


REFUSALS = {
    "names it": refused(400, "'response_format' of type 'json_schema' is not supported with this model"),
    "in its own words": refused(422, "Unprocessable: extra inputs are not permitted"),
    "with a space": refused(400, "This model does not support response format json_schema"),
    "as a grammar": refused(500, "failed to parse grammar"),
}
WAYS: tuple[Rerank, ...] = ("answer", "score")


def votes(script: Callable[[Request], Reply], way: Rerank, parallel: int) -> tuple[list[Step], str, list[Request]]:
    task = Task("question", "What colour is the water?", "en", rerank=way)
    with serving(script) as server:
        model = opened(server, context=8000)
        model.parallel = parallel  # type: ignore[misc]
        meter = Meter(model)
        given = sources("Red stone.", "The lake is blue.", *["Grey stone."] * 6)
        meter.bound = CHAINS["map_rerank"].calls(task, given, meter)
        events = list(CHAINS["map_rerank"].run(task, given, meter))
        steps = [event for event in events if isinstance(event, Step)]
        return steps, text(events), server.chats


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_has_it_is_asked_for_json_and_is_read(way: Rerank) -> None:
    steps, answer, asked = votes(voter(lambda request: None), way, 4)
    weighed = [request for request in asked if asks_json(request)]
    assert len(weighed) == 8 and len(asked) == 8 + (way == "score")
    for request in weighed:
        wanted = request.body["response_format"]
        assert wanted["type"] == "json_schema" and wanted["json_schema"]["strict"] is True
        assert wanted["json_schema"]["schema"] in scores.SCHEMAS.values() and request.body["stream"] is True
    assert sorted(step.text for step in steps if step.name == "scored") == ["3"] * 7 + ["90"]
    assert answer == "The lake is blue [2]."


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("parallel", [1, 8])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_server_that_refuses_it_costs_no_vote_and_is_remembered(refusal: str, parallel: int, way: Rerank) -> None:
    steps, answer, asked = votes(voter(lambda request: REFUSALS[refusal]), way, parallel)
    assert [step.name for step in steps].count("scored") == 8 and not any(step.name == "lost" for step in steps)
    assert answer == "The lake is blue [2]."
    tried = [request for request in asked if asks_json(request)]
    assert 1 <= len(tried) <= parallel  # those that were on their way before the first refusal came
    assert all("JSON" not in request.body["messages"][0]["content"] for request in asked if not asks_json(request))


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_ignores_it_costs_no_vote_and_is_remembered(way: Rerank) -> None:
    def ignores(request: Request) -> Reply:
        good = "The lake is blue" in request.body["messages"][1]["content"]
        score = f"**Score: {9 if good else 1}/10**"
        return said(f"The lake is blue [2].\n{score}" if way == "answer" else score)

    steps, answer, asked = votes(voter(ignores), way, 1)
    assert [step.name for step in steps].count("scored") == 8 and answer == "The lake is blue [2]."
    assert [asks_json(request) for request in asked] == [True] + [False] * (len(asked) - 1)


def test_json_without_being_made_to_is_no_reason_to_stop_asking() -> None:
    fenced = said("```json\n", '{"score_of_100": 40}', "\n```")
    steps, _, asked = votes(voter(lambda request: fenced), "score", 1)
    assert [step.text for step in steps if step.name == "scored"] == ["40"] * 8
    assert sum(map(asks_json, asked)) == 8


def test_other_refusals_are_not_blamed_on_the_schema() -> None:
    prompt = Prompt("score", "question", "Why?", "en", 60, schema="score")
    with serving([refused(400, "This model's maximum context length is 512 tokens.")]) as server:
        assert isinstance(broken(opened(server), prompt)[1], ContextTooSmall) and len(server.chats) == 1


@pytest.mark.parametrize("parallel", [8])
def test_a_parameter_that_is_refused_to_many_at_once_costs_none_of_them(parallel: int) -> None:
    """Each learns it for itself, also those that were on their way when the first did."""

    def script(request: Request) -> Reply:
        if "temperature" in request.body:
            return replace(refused(400, "Unsupported parameter: 'temperature'"), before=0.05)
        return voter(lambda request: None)(request)

    steps, answer, _ = votes(script, "answer", parallel)
    assert not any(step.name == "lost" for step in steps) and answer == "The lake is blue [2]."


def test_the_words_without_a_schema_are_no_longer_than_what_was_counted_with_it() -> None:
    """A server may refuse it after the prompt was counted."""
    names: tuple[Schema, ...] = ("answer_and_score", "score")
    languages: tuple[Language, ...] = ("en", "zh")
    for name in names:
        more = len(json.dumps(scores.SCHEMAS[name]).split())
        for language in languages:
            with_it = bound(scores.rule(name, language, True)) + more
            assert with_it >= bound(scores.rule(name, language, False))
