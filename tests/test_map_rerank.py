"""The best source answers alone, weighed in either way; a reply that cannot be read costs one vote."""

from dataclasses import replace

import pytest

from app.cli.terminal_output import step_text
from app.i18n import Words
from app.views.answer import step_line
from chains.answer import CHAINS, Asked, answer_from
from chains.errors import ContextTooSmall, StreamCut
from chains.events import Answer, Token
from chains.execution import context_budget
from chains.grounding.refusal import NOT_FOUND, is_refusal
from chains.partial_answer import cut_short
from chains.prompt import Prompt, Rerank, Task
from tests.support.fakes import ScriptedModel
from tests.support.sources import CUT, QUESTION, by_role, run, sources, steps, text, told, words

WAYS: tuple[Rerank, ...] = ("answer", "score")
ANSWER, SCORE = (replace(QUESTION, rerank=way) for way in WAYS)


def voting(*votes: tuple[str, str]) -> ScriptedModel:
    """(answer, score) of each source, in whichever way they are asked for."""

    def reply(prompt: Prompt) -> str:
        answer, score = votes[prompt.sources[0].n - 1]
        return {"rerank": f"{answer}\n{score}", "score": score, "answer": answer}[prompt.role]

    return ScriptedModel(reply, parallel=3)


@pytest.mark.parametrize("task", [ANSWER, SCORE])
def test_the_best_source_answers_and_is_cited_alone(task: Task) -> None:
    model = voting(("Red [1].", "Score: 20"), ("Blue [2].\nDeep, too.", "**Score: 90**"), ("Green [3].", "得分：50"))
    events = run("map_rerank", task, sources("a", "b", "c"), model)
    assert text(events) == "Blue [2].\nDeep, too."
    assert model.calls == CHAINS["map_rerank"].calls(task, sources("a", "b", "c"), model) == 3 + (task is SCORE)
    assert sorted(s.text for s in steps(events, "scored")) == ["20", "50", "90"]


@pytest.mark.parametrize("task", [ANSWER, SCORE])
@pytest.mark.parametrize("tie", [("70", "7/10", "70%"), ("得分：70", "70分", "Score: 70"), ("0.7", "7/10", "７０％")])
def test_equals_go_to_the_source_that_retrieval_ranked_first(task: Task, tie: tuple[str, str, str]) -> None:
    model = voting(*zip(("Red [1].", "Blue [2].", "Green [3]."), tie, strict=True))
    assert text(run("map_rerank", task, sources("a", "b", "c"), model)) == "Red [1]."


def test_the_winner_cannot_cite_a_source_it_did_not_read() -> None:
    model = voting(("Red [2] [3].", "Score: 70"), ("Blue.", "Score: 60"))
    assert text(run("map_rerank", ANSWER, sources("a", "b"), model)) == "Red. [1]"


@pytest.mark.parametrize("task", [ANSWER, SCORE])
def test_of_all_sources_only_the_best_can_be_cited(task: Task) -> None:
    """Also where every other source was scored, by calls that wrote nothing else."""
    model = voting(("Red [2] [3].", "Score: 70"), ("Blue.", "Score: 60"))
    *events, last = answer_from(Asked(task.question, task, tuple(sources("a", "b"))), model, "map_rerank")
    assert isinstance(last, Answer) and last.text.startswith("Red.") and {c.n for c in last.citations} <= {1}
    assert task is ANSWER or last.dropped == 2
    best = [step.text for step in steps(events, "best")]
    assert best == (["1"] if task is SCORE else [])
    stopped = cut_short(events, task.question, "map_rerank", "scripted", 1.0)
    assert stopped.calls == last.calls == model.calls


BAD = ["Score: N/A", "Score: 999999", "no score at all", "", "Score: eleven", "{", '{"score_of_100": "?"}']


@pytest.mark.parametrize("task", [ANSWER, SCORE])
@pytest.mark.parametrize("bad", BAD)
def test_one_bad_reply_costs_one_vote(task: Task, bad: str) -> None:
    model = voting(("Red [1].", bad), ("Blue [2].", "Score: 60"), ("Green [3].", "Score: 40"))
    events = run("map_rerank", task, sources("a", "b", "c"), model)
    assert text(events) == "Blue [2]." and len(steps(events, "lost")) == 1


@pytest.mark.parametrize("task", [ANSWER, SCORE])
def test_one_failed_call_costs_one_vote(task: Task) -> None:
    model = ScriptedModel(told, fails={1: CUT})
    assert "source 2 is blue" in text(run("map_rerank", task, sources("a", "b"), model)) or task is SCORE
    with pytest.raises(StreamCut):
        run("map_rerank", task, sources("a"), ScriptedModel(told, fails={1: CUT}))


@pytest.mark.parametrize("task", [ANSWER, SCORE])
def test_all_low_is_a_refusal_and_nothing_more_is_asked(task: Task) -> None:
    low = voting(("Red [1].", "Score: 5/100"), ("Blue [2].", "Score: 10/100"))
    assert is_refusal(text(run("map_rerank", task, sources("a", "b"), low))) and low.calls == 2


def test_refusals_cannot_win() -> None:
    refused = voting((NOT_FOUND["en"], "Score: 100"), ("I don't know.", "Score: 90"))
    assert is_refusal(text(run("map_rerank", ANSWER, sources("a", "b"), refused)))
    instead = voting(("Red [1].", NOT_FOUND["en"]), ("Blue [2].", "The source does not mention it."))
    assert is_refusal(text(run("map_rerank", SCORE, sources("a", "b"), instead))) and instead.calls == 2


def test_a_model_that_cannot_score_still_answers() -> None:
    model = voting((NOT_FOUND["en"], ""), ("Blue [2].", ""), ("Green [3].", ""))
    assert text(run("map_rerank", ANSWER, sources("a", "b", "c"), model)) == "Blue [2]."
    model = voting(("Red [1].", "good"), ("Blue [2].", "good"))
    assert text(run("map_rerank", SCORE, sources("a", "b"), model)) == "Red [1]."


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("85", 85),
        ("**8**/10", 80),
        ("I would say 85.", 85),
        ("８５", 85),
        ("得分 85", 85),
        ('{"score_of_100": 8}', 8),
        ('{"score": 8}', 8),
        ("between 20 and 60", None),
    ],
)
def test_a_score_that_was_asked_for_alone_may_be_a_bare_number(reply: str, score: float | None) -> None:
    model = voting(("Red [1].", reply))
    events = run("map_rerank", SCORE, sources("a"), model)
    told_scores = [s.text for s in steps(events, "scored")]
    assert told_scores == ([] if score is None else [str(score)])


@pytest.mark.parametrize("task", [ANSWER, SCORE])
@pytest.mark.parametrize("parallel", [1, 3])
def test_what_is_told_of_each_source_is_its_own_number_and_the_score_that_rules(task: Task, parallel: int) -> None:
    model = voting(("Red [1].", "Score: 9"), ("Blue [2].", "Score: 8/10"), ("Green [3].", "Score: 85"))
    model.parallel = parallel
    events = run("map_rerank", task, sources("a", "b", "c"), model)
    told_of = steps(events, "scored")
    assert {step.n: step.text for step in told_of} == {1: "9", 2: "80", 3: "85"}
    assert [step.done for step in told_of] == [1, 2, 3] and text(events) == "Green [3]."
    lines = {step_text(step) for step in told_of}
    assert parallel > 1 or lines == {"[1] scored 9 (1 of 3)", "[2] scored 80 (2 of 3)", "[3] scored 85 (3 of 3)"}
    if parallel == 1:
        assert {step_line(Words("en"), step).replace("\\", "") for step in told_of} == lines
        assert "[3] 得分 85（3 / 3）" in [step_line(Words("zh"), step).replace("\\", "") for step in told_of]


@pytest.mark.parametrize("task", [ANSWER, SCORE])
@pytest.mark.parametrize("low", ["Score: 5", "得分：5", "5", '{"answer": "Red [1].", "score_of_100": 5}'])
def test_five_of_the_hundred_that_were_asked_for_is_low(task: Task, low: str) -> None:
    model = voting(*[("Red.", low)] * 3)
    assert is_refusal(text(run("map_rerank", task, sources("a", "b", "c"), model))) and model.calls == 3
    high = voting(*[("Red.", "Score: 5/10")] * 3)
    assert text(run("map_rerank", task, sources("a", "b", "c"), high)).startswith("Red.")


@pytest.mark.parametrize("task", [ANSWER, SCORE])
def test_a_model_that_counts_to_ten_in_all_that_it_scores_is_understood(task: Task) -> None:
    ten = voting(("Red [1].", "Score: 3"), ("Blue [2].", "**Score: 8**"), ("Grey [3].", "得分：２"))
    assert text(run("map_rerank", task, sources("a", "b", "c"), ten)).startswith("Blue")
    hundred = voting(("Red [1].", "Score: 3/100"), ("Blue [2].", "Score: 8"), ("Grey [3].", "Score: 2"))
    assert is_refusal(text(run("map_rerank", task, sources("a", "b", "c"), hundred)))


def test_scored_first_the_answer_is_streamed_and_written_once() -> None:
    """What the ways cost: eight answers are written, or eight lines and one answer."""
    long = "The lake is blue [{n}]. " + words(60)
    reply = by_role(
        rerank=lambda p: long.format(n=p.sources[0].n) + "\nScore: 80",
        score="Score: 80",
        answer=lambda p: long.format(n=p.sources[0].n),
    )
    written, read, calls = {}, {}, {}
    for task in (ANSWER, SCORE):
        model = ScriptedModel(reply, parallel=8)
        events = run("map_rerank", task, sources(*[words(150)] * 8), model)
        read[task.rerank] = sum(model._size(prompt) for prompt in model.prompts)
        written[task.rerank] = sum(len(reply(prompt).split()) for prompt in model.prompts)
        calls[task.rerank] = model.calls
        assert (sum(isinstance(event, Token) for event in events) > 20) == (task is SCORE)
    assert calls == {"answer": 8, "score": 9}
    assert written["score"] < written["answer"] / 4 and read["score"] < read["answer"]


def test_a_source_that_was_scored_fits_the_call_that_answers_from_it() -> None:
    """The scripted model raises for a prompt above its window; a source is shortened for both calls alike."""
    for context in range(420, 900, 30):
        model = ScriptedModel(lambda p: "Score: 90" if p.role == "score" else "Blue [1].", context)
        try:
            events = run("map_rerank", SCORE, sources(words(400)), model)
        except ContextTooSmall:
            assert model.calls == 0
            continue
        scored, answered = model.prompts
        assert scored.sources == answered.sources and text(events) == "Blue [1]."
        assert len(steps(events, "cut")) == (scored.sources[0].text != words(400))
        assert answered.max_tokens == context_budget.reply_tokens(SCORE.max_tokens, model)


def test_rerank_is_for_questions_only() -> None:
    assert CHAINS["map_rerank"].tasks == {"question"}
