"""Refine improves its draft as it reads, and never lets a worse one take its place."""

from itertools import pairwise

import pytest

from app.views.stream_view import CURSOR, Writing
from chains.answer import CHAINS, answer_from, asked
from chains.errors import StreamCut
from chains.events import Answer, Event, Step, Token
from chains.grounding import citations
from chains.grounding.refusal import NOT_FOUND, UNCHANGED
from chains.partial_answer import cut_short
from chains.strategies import refine
from tests.support.fakes import ScriptedModel
from tests.support.sources import CUT, QUESTION, SUMMARY, by_role, run, seen, sources, steps, text, told, words


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


def test_a_server_that_is_gone_is_not_asked_for_every_batch() -> None:
    model = ScriptedModel(told, context=1400, fails=dict.fromkeys(range(3, 99), CUT))
    events: list[Event] = []
    with pytest.raises(StreamCut):
        for event in CHAINS["refine"].run(SUMMARY, sources(*[words(600)] * 20), model):
            events.append(event)
    assert model.calls == 5 and len(steps(events, "lost")) == 2
    assert text(events) == [step.text for step in steps(events, "drafted")][-1]


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
    """What of the last reply is on the screen, after each event that changes it, without white space at its end."""
    writing = Writing()
    shown: list[str] = []
    events = _events(model)
    first = next(n for n, event in enumerate(events) if isinstance(event, Step) and event.name == "drafted")
    for event in events[first:]:
        writing.add(event)
        now = writing.shown.partition(CURSOR)[0].rstrip()
        if now and (not shown or shown[-1] != now):
            shown.append(now)
    return shown


def test_every_draft_is_shown_from_its_first_word_and_the_former_stands_until_then() -> None:
    replies = iter(["It is green [2].", UNCHANGED["en"], "It is green [2] and deep [3]."])
    model = ScriptedModel(by_role(answer="It is blue and cold [1].", refine=lambda p: next(replies)), context=1400)
    writing, shown = Writing(), list[str]()
    passages = [source.passage for source in sources(*[words(600)] * 4)]
    for event in answer_from(asked(QUESTION.question, QUESTION.question, passages, "en"), model, "refine"):
        writing.add(event)
        if writing.shown and writing.shown not in shown[-1:]:
            shown.append(writing.shown)
    first, draft = f"It{CURSOR}", f"{CURSOR}It is blue and cold [1]."
    assert shown[0] == first and draft in shown, "the first draft as it comes, and then as it is"
    assert shown[shown.index(draft) + 1] == f"It{CURSOR} is blue and cold [1].", "the new one writes over it"
    assert f"NO{CURSOR} is green [2]." in shown and shown[-1] == f"It is green [2] and deep [3].{CURSOR}"


def test_a_draft_is_what_a_stopped_answer_has() -> None:
    model = ScriptedModel(by_role(answer="It is blue [1].", refine="It is green [2]."), context=1400)
    events = _events(model)
    at = next(n for n, event in enumerate(events) if isinstance(event, Step) and event.name == "drafted")
    stopped = cut_short(events[: at + 1], QUESTION.question, "refine", "scripted", 1.0)
    assert stopped.text == "It is blue [1]." and [c.n for c in stopped.citations] == [1] and stopped.calls == 1


# ---- enough is enough

IDLE = [UNCHANGED["en"], "It is blue [1].", 'It  is blue [1: "water"].', "I don't know.", NOT_FOUND["en"]]


@pytest.mark.parametrize("reply", IDLE)
def test_it_stops_when_sources_add_nothing(reply: str) -> None:
    model = ScriptedModel(by_role(answer="It is blue [1].", refine=reply))
    given = sources(*["Blue water."] * 30)
    events = run("refine", QUESTION, given, model)
    assert text(events) == "It is blue [1]."
    assert model.calls == 1 + refine.IDLE < CHAINS["refine"].calls(QUESTION, given, model) == 10
    (enough,) = steps(events, "enough")
    assert (enough.done, enough.total) == (len(seen(model)), 30) and enough.done == 3 * model.calls


def test_a_batch_that_adds_something_begins_the_count_anew() -> None:
    replies = iter([UNCHANGED["en"], "It is blue [1] and deep [9].", UNCHANGED["en"], UNCHANGED["en"]])
    model = ScriptedModel(by_role(answer="It is blue [1].", refine=lambda p: next(replies)))
    events = run("refine", QUESTION, sources(*["Blue water."] * 30), model)
    assert text(events) == "It is blue [1] and deep [9]." and model.calls == 5


@pytest.mark.parametrize("reply", ["", "It is red."])
def test_a_reply_that_is_no_use_says_nothing_of_its_sources(reply: str) -> None:
    model = ScriptedModel(by_role(answer="It is blue [1].", refine=reply))
    events = run("refine", QUESTION, sources(*["Blue water."] * 30), model)
    assert model.calls == 10 and not steps(events, "enough") and text(events) == "It is blue [1]."


def test_a_failed_call_says_nothing_of_its_sources() -> None:
    model = ScriptedModel(by_role(answer="It is blue [1].", refine=UNCHANGED["en"]), fails={2: CUT, 3: CUT})
    events = run("refine", QUESTION, sources(*["Blue water."] * 30), model)
    assert model.calls == 3 + refine.IDLE and len(steps(events, "lost")) == 2 and text(events) == "It is blue [1]."


def test_a_summary_reads_to_the_end() -> None:
    model = ScriptedModel(by_role(answer="It is blue [1].", refine=UNCHANGED["en"]))
    events = run("refine", SUMMARY, sources(*["Blue water."] * 30), model)
    assert seen(model) == list(range(1, 31)) and not steps(events, "enough")


@pytest.mark.parametrize("batches", [2, 3])
def test_a_reply_that_loses_a_source_and_brings_none_is_worse(batches: int) -> None:
    draft = "It is blue [1] and deep [2]."
    model = ScriptedModel(by_role(answer=draft, refine="It is blue [1]. " + words(60)))
    events = run("refine", QUESTION, sources(*["Blue water."] * 3 * batches), model)
    assert text(events) == draft
    assert [step.text for step in steps(events, "kept")] == ["sources lost"] * (batches - 1)
