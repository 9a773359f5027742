"""Refine improves its draft as it reads, and never lets a worse one take its place."""

from itertools import pairwise

import pytest

from chains import citations
from chains.answer import CHAINS, answer_from, asked
from chains.errors import StreamCut
from chains.events import Answer, Event, Token, Trial
from chains.refusal import NOT_FOUND, UNCHANGED
from tests.fakes import ScriptedModel
from tests.sources import CUT, QUESTION, by_role, run, seen, sources, steps, text, told, words


def test_the_draft_changes_as_it_reads() -> None:
    model = ScriptedModel(told, context=1400)
    events = run("refine", QUESTION, sources(*[words(200)] * 8), model)
    drafts = [s.text for s in steps(events, "drafted")]
    assert len(set(drafts)) == len(drafts) >= 2
    assert sorted(seen(model)) == list(range(1, 9))
    assert {c.n for c in citations.read(text(events), range(1, 9)).claims} == set(range(1, 9))


def test_the_draft_is_improved_in_a_large_window_too() -> None:
    model = ScriptedModel(told)
    events = run("refine", QUESTION, sources(*["Blue water."] * 8), model)
    assert [p.role for p in model.prompts] == ["answer", "refine", "refine"]
    assert seen(model) == list(range(1, 9)) and len(steps(events, "drafted")) == 2


WORSE = [
    "I don't know.",
    NOT_FOUND["en"],
    UNCHANGED["en"],
    "No change needed, the draft is good [1].",
    "",
    "It is red.",
]


@pytest.mark.parametrize("reply", WORSE)
@pytest.mark.parametrize("batches", [2, 3])
def test_a_worse_reply_never_takes_the_drafts_place(reply: str, batches: int) -> None:
    model = ScriptedModel(by_role(answer="It is blue [1].", refine=reply), context=1400)
    events = run("refine", QUESTION, sources(*[words(600)] * batches), model)
    assert text(events) == "It is blue [1]."
    assert model.calls == batches and steps(events, "kept")


def test_a_failed_call_keeps_the_draft() -> None:
    model = ScriptedModel(told, context=1400, fails={2: CUT, 3: CUT})
    events = run("refine", QUESTION, sources(*[words(600)] * 3), model)
    assert text(events) == "Source 1 says blue [1]." and len(steps(events, "lost")) == 2


def test_a_better_last_reply_is_streamed() -> None:
    model = ScriptedModel(
        by_role(answer="It is blue [1].", refine="It is blue [1] and deep [2]. " + words(40)), context=1400
    )
    events = run("refine", QUESTION, sources(*[words(600)] * 2), model)
    assert text(events).startswith("It is blue [1] and deep [2].")
    assert sum(isinstance(event, Token) for event in events) > 20


def test_a_last_call_that_breaks_off_is_followed_by_the_whole_draft() -> None:
    model = ScriptedModel(
        by_role(answer="It is blue [1].", refine="It is [2] " + words(40)), 1400, fails={2: CUT}, pieces=9
    )
    events = []
    with pytest.raises(StreamCut):
        for event in CHAINS["refine"].run(QUESTION, sources(*[words(600)] * 2), model):
            events.append(event)
    assert text(events).startswith("It is [2]") and text(events).endswith("\n\nIt is blue [1].")


def test_a_refused_beginning_is_no_draft() -> None:
    model = ScriptedModel(lambda p: told(p) if p.sources[0].n == 2 else NOT_FOUND["en"], context=1400)
    events = run("refine", QUESTION, sources(*[words(600)] * 3), model)
    assert [p.role for p in model.prompts] == ["answer", "answer", "refine"]
    assert text(events) == "Source 2 says blue [2]."


@pytest.mark.parametrize("beginning", ["It is blue and deep", "I"])
def test_the_last_reply_is_shown_from_its_first_word(beginning: str) -> None:
    reply = f"{beginning}, cold in winter, calm in summer and full of fish [2]. {words(20)}"
    model = ScriptedModel(by_role(answer="It is blue [1].", refine=reply), context=1400)
    shown = _shown(model)
    assert shown[0] == reply.split()[0]
    assert all(len(b.split()) - len(a.split()) == 1 for a, b in pairwise(shown))
    assert _answered(model).text.startswith(f"{beginning}, cold in winter")


@pytest.mark.parametrize("reply", [reply for reply in WORSE if reply])
def test_a_worse_last_reply_is_shown_and_gives_way_to_the_draft(reply: str) -> None:
    model = ScriptedModel(by_role(answer="It is blue [1].", refine=reply), context=1400)
    shown = _shown(model)
    assert shown[0] == reply.split()[0] and shown[-1] == _answered(model).text == "It is blue [1]."


def _events(model: ScriptedModel) -> list[Event]:
    passages = [source.passage for source in sources(*[words(600)] * 2)]
    return list(answer_from(asked(QUESTION.question, QUESTION.question, passages, "en"), model, "refine"))


def _answered(model: ScriptedModel) -> Answer:
    answer = _events(model)[-1]
    assert isinstance(answer, Answer)
    return answer


def _shown(model: ScriptedModel) -> list[str]:
    """What the screen has after each event that changes it, without white space at its end."""
    text = trial = ""
    shown: list[str] = []
    for event in _events(model):
        text += event.text if isinstance(event, Token) else ""
        trial += event.text if isinstance(event, Trial) else ""
        if (now := (text or trial).rstrip()) and (not shown or shown[-1] != now):
            shown.append(now)
    return shown
