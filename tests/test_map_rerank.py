"""The best source answers alone; a reply that cannot be read costs one vote."""

import pytest

from chains.answer import CHAINS
from chains.errors import StreamCut
from chains.refusal import NOT_FOUND, is_refusal
from tests.fakes import ScriptedModel
from tests.sources import CUT, QUESTION, run, sources, steps, text, told


def voting(*votes: tuple[str, str]) -> ScriptedModel:
    return ScriptedModel(lambda p: "\n".join(votes[p.sources[0].n - 1]), parallel=3)


def test_the_best_source_answers_and_is_cited_alone() -> None:
    model = voting(("Red [1].", "Score: 20"), ("Blue [2].\nDeep, too.", "**Score: 90**"), ("Green [3].", "得分：50"))
    events = run("map_rerank", QUESTION, sources("a", "b", "c"), model)
    assert text(events) == "Blue [2].\nDeep, too." and model.calls == 3
    assert sorted(s.text for s in steps(events, "scored")) == ["20", "50", "90"]


def test_equals_go_to_the_source_that_retrieval_ranked_first() -> None:
    model = voting(("Red.", "Score: 70"), ("Blue.", "Score: 7/10"), ("Green.", "Score: 70%"))
    assert text(run("map_rerank", QUESTION, sources("a", "b", "c"), model)) == "Red. [1]"


def test_the_winner_cannot_cite_a_source_it_did_not_read() -> None:
    model = voting(("Red [2] [3].", "Score: 70"), ("Blue.", "Score: 60"))
    assert text(run("map_rerank", QUESTION, sources("a", "b"), model)) == "Red. [1]"


@pytest.mark.parametrize("bad", ["Score: N/A", "Score: 999999", "no score at all", "", "Score: eleven"])
def test_one_bad_reply_costs_one_vote(bad: str) -> None:
    model = voting(("Red [1].", bad), ("Blue [2].", "Score: 60"), ("Green [3].", "Score: 40"))
    events = run("map_rerank", QUESTION, sources("a", "b", "c"), model)
    assert text(events) == "Blue [2]." and len(steps(events, "lost")) == 1


def test_one_failed_call_costs_one_vote() -> None:
    model = ScriptedModel(told, fails={1: CUT})
    assert text(run("map_rerank", QUESTION, sources("a", "b"), model)).endswith('[2: "water"].')
    with pytest.raises(StreamCut):
        run("map_rerank", QUESTION, sources("a"), ScriptedModel(told, fails={1: CUT}))


def test_all_low_or_refused_is_a_refusal() -> None:
    low = voting(("Red [1].", "Score: 5/100"), ("Blue [2].", "Score: 10/100"))
    assert is_refusal(text(run("map_rerank", QUESTION, sources("a", "b"), low)))
    refused = voting((NOT_FOUND["en"], "Score: 100"), ("I don't know.", "Score: 90"))
    assert is_refusal(text(run("map_rerank", QUESTION, sources("a", "b"), refused)))


def test_a_model_that_cannot_score_still_answers() -> None:
    model = voting((NOT_FOUND["en"], ""), ("Blue [2].", ""), ("Green [3].", ""))
    assert text(run("map_rerank", QUESTION, sources("a", "b", "c"), model)) == "Blue [2]."


def test_rerank_is_for_questions_only() -> None:
    assert CHAINS["map_rerank"].tasks == {"question"}
