"""The chains keep their promises whatever the model writes: bounded, stoppable, nothing paid for is lost."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.answer import CHAINS, Asked, answer_from
from chains.errors import ContextTooSmall, KeyRefused, ModelUnreachable, StreamCut
from chains.events import Answer, Step, Token, Trial
from chains.grounding import citations
from chains.grounding.refusal import NOT_FOUND, NOTHING, UNCHANGED, is_refusal
from chains.prompt import Prompt, Task
from chains.strategies.combine_notes import uncut
from tests.support.fakes import ScriptedModel
from tests.support.sources import CUT, QUESTION, SUMMARY, by_role, note, run, seen, sources, steps, text, told, words

PAIRS = [(chain.name, task) for chain in CHAINS.values() for task in (QUESTION, SUMMARY) if task.kind in chain.tasks]
PAIRS.append(("map_rerank", replace(QUESTION, rerank="answer")))  # QUESTION has the default, which is the other
UNREACHABLE = ModelUnreachable(url="http://127.0.0.1", detail="refused")


# ---- all chains


@pytest.mark.parametrize(("chain", "task"), PAIRS)
def test_every_source_given_to_the_model_is_told_before_a_mark_to_it(chain: str, task: Task) -> None:
    model = ScriptedModel(told)
    given_sources = sources("Blue water.", "Deep water.", "Cold water.")
    events = run(chain, task, given_sources, model)
    known: set[int] = set()
    for event in events:
        if isinstance(event, Step):
            known |= {s.n for s in event.sources}
        else:
            assert {c.n for c in citations.read(event.text, {1, 2, 3}).claims} <= known
    assert known == ({1} if (chain, task.rerank) == ("map_rerank", "score") else {1, 2, 3}) and "blue [" in text(events)


SIZES = st.lists(st.integers(1, 60).map(lambda n: 10 * n), min_size=1, max_size=12)
SCRIPTS = (
    NOT_FOUND["en"],
    NOTHING["en"],
    UNCHANGED["en"],
    "",
    "Score: 999999",
    "Blue [1].\nScore: 90",
    'Blue [1: "water"] and deep [2] and cold [77].',
    words(20),
    words(400) + " [1].",
    words(3000),
    "湖水是蓝色的[1]。得分：８０",
)


@settings(max_examples=150)
@given(
    st.sampled_from(PAIRS),
    SIZES,
    st.integers(300, 4000),
    st.integers(1, 5),
    st.booleans(),
    st.integers(0, 2**32),
    st.sets(st.integers(1, 12), max_size=4),
)
def test_any_model_stays_within_window_and_bound(
    pair: tuple[str, Task], sizes: list[int], context: int, parallel: int, obeys: bool, seed: int, failing: set[int]
) -> None:
    """The scripted model raises AssertionError for a prompt above its window, `run` for a call above the bound."""
    dice = random.Random(seed)
    model = ScriptedModel(
        lambda prompt: dice.choice(SCRIPTS), context, parallel, fails=dict.fromkeys(failing, CUT), obeys=obeys
    )
    try:
        events = run(pair[0], pair[1], sources(*map(words, sizes)), model)
    except ContextTooSmall:
        assert model.calls == 0  # said before anything is paid for
    except StreamCut:
        assert failing
    else:
        assert all(isinstance(event, Step | Token | Trial) for event in events)


@pytest.mark.parametrize(("chain", "task"), PAIRS)
@pytest.mark.parametrize("parallel", [1, 4])
def test_closing_stops_the_work(chain: str, task: Task, parallel: int) -> None:
    """The first source's reply is one piece and comes; all others are held in their middle."""
    gate = threading.Event()
    model = ScriptedModel(
        lambda p: "Blue." if p.sources[0].n == 1 and p.role != "answer" else told(p), 1400, parallel, gate=gate
    )
    events = CHAINS[chain].run(task, sources(*[words(200)] * 12), model)
    if chain in ("stuff", "refine"):
        gate.set()
        while not isinstance(next(events), Token) and model.calls < 2:
            pass
    else:
        while (event := next(events)) and isinstance(event, Step) and event.name == "level":
            pass
        _until(lambda: model.running == parallel)
    threading.Timer(0.05, gate.set).start()
    _close(events)
    assert model.running == 0
    calls = model.calls
    assert calls <= parallel + 1
    time.sleep(0.05)
    assert model.calls == calls


@pytest.mark.parametrize(("chain", "task"), PAIRS)
def test_a_small_window_is_refused_before_the_first_call(chain: str, task: Task) -> None:
    model = ScriptedModel(told, context=60)
    with pytest.raises(ContextTooSmall):
        run(chain, task, sources("Blue water."), model)
    assert model.calls == 0


@pytest.mark.parametrize(("chain", "task"), PAIRS)
def test_a_refused_key_ends_it_at_once(chain: str, task: Task) -> None:
    error = KeyRefused(url="http://127.0.0.1")
    model = ScriptedModel(told, fails={n: error for n in range(1, 50)})
    with pytest.raises(KeyRefused):
        run(chain, task, sources(*["Blue water."] * 30), model)
    assert model.calls <= 3


@pytest.mark.parametrize(("chain", "times"), [("stuff", 2), ("map_reduce", 2), ("map_rerank", 2), ("refine", 4)])
@pytest.mark.parametrize("context", [4_000, 200_000])
def test_what_is_read_is_counted_about_once(chain: str, times: int, context: int) -> None:
    """Old chains counted 40,000 tokens seventeen times over. Refine counts each batch alone and with the draft."""
    given_sources = sources(*[words(310) for _ in range(128)])
    model = ScriptedModel(told, context)
    run(chain, QUESTION, given_sources, model)
    size = ScriptedModel(told)
    there = size.count(Prompt("answer", "question", "", "en", 1, sources=tuple(given_sources)))
    assert model.counted <= times * there


# ---- stuff


def test_stuff_reads_all_that_fits_and_says_what_does_not() -> None:
    model = ScriptedModel(told, context=1000)
    events = run("stuff", QUESTION, sources(*[words(100)] * 20), model)
    (cut,) = steps(events, "cut")
    assert (cut.done, cut.total, cut.text) == (len(seen(model)), 20, "map_reduce")
    assert seen(model) == list(range(1, cut.done + 1)) and cut.done > 2


def test_stuff_spreads_a_summary_over_the_whole_document() -> None:
    model = ScriptedModel(told, context=1000)
    events = run("stuff", SUMMARY, sources(*[words(100)] * 20), model)
    assert steps(events, "cut")
    assert seen(model)[0] == 1 and seen(model)[-1] == 20 and len(seen(model)) > 2


def test_stuff_streams() -> None:
    events = run("stuff", QUESTION, sources("Blue water."), ScriptedModel(told))
    assert sum(isinstance(event, Token) for event in events) > 3


# ---- map_reduce


def test_map_reduce_reads_every_source_once_and_carries_marks_to_the_end() -> None:
    model = ScriptedModel(told, parallel=4)
    events = run("map_reduce", QUESTION, sources(*["Blue water."] * 9), model)
    assert sorted(seen(model, "map")) == list(range(1, 10))
    assert [p.role for p in model.prompts].count("reduce") == 1
    assert {c.n for c in citations.read(text(events), range(1, 10)).claims} == set(range(1, 10))
    assert [c.words for c in citations.read(text(events), range(1, 10)).claims] == ["water"] * 9
    assert [s.done for s in steps(events, "read")] == list(range(1, 10))


def test_map_calls_run_at_once_and_notes_keep_the_sources_order() -> None:
    model = ScriptedModel(told, parallel=8, gate=(gate := threading.Event()))

    def open_when_all_run() -> None:
        _until(lambda: model.running == 8)
        gate.set()

    threading.Thread(target=open_when_all_run, daemon=True).start()
    run("map_reduce", QUESTION, sources(*["Blue water."] * 8), model)
    assert model.most_running == 8
    assert [f"source {n} " in note for n, note in enumerate(model.prompts[-1].notes, 1)] == [True] * 8


def test_calls_at_once_are_no_more_than_the_model_takes() -> None:
    model = ScriptedModel(told, parallel=2)
    run("map_reduce", QUESTION, sources(*["Blue water."] * 8), model)
    assert model.most_running <= 2


def test_notes_that_say_nothing_are_not_reduced() -> None:
    model = ScriptedModel(by_role(map=lambda p: note(p) if p.sources[0].n == 2 else NOTHING["en"], reduce=told))
    run("map_reduce", QUESTION, sources("a", "b", "c"), model)
    assert [len(p.notes) for p in model.prompts if p.role == "reduce"] == [1]


@pytest.mark.parametrize(
    "nothing",
    [
        *NOTHING.values(),
        "**NOTHING HERE**",
        "Nothing here. [2]",
        "NOTHING HERE [2].",
        "NOTHING HERE: the source is about stones.",
        "没有相关内容，来源讲的是石头。",
        "The source does not mention the lake.",
        "",
    ],
)
def test_every_way_to_say_nothing_is_dropped_before_the_reduce(nothing: str) -> None:
    model = ScriptedModel(by_role(map=lambda p: nothing if p.sources[0].n == 2 else note(p), reduce=told))
    events = run("map_reduce", QUESTION, sources("a", "b", "c"), model)
    assert [len(p.notes) for p in model.prompts if p.role == "reduce"] == [2]
    assert {c.n for c in citations.read(text(events), {1, 2, 3}).claims} == {1, 3}


@pytest.mark.parametrize("something", ["Nothing here moves but the water [2].", "It does not say 2017, but 2018 [2]."])
def test_a_note_that_cites_is_no_nothing(something: str) -> None:
    model = ScriptedModel(by_role(map=lambda p: something if p.sources[0].n == 2 else NOTHING["en"], reduce=told))
    assert text(run("map_reduce", QUESTION, sources("a", "b", "c"), model)) == something


def test_nothing_anywhere_is_a_refusal_without_a_reduce_call() -> None:
    model = ScriptedModel(by_role(map=NOTHING["en"]))
    events = run("map_reduce", QUESTION, sources("a", "b", "c"), model)
    assert is_refusal(text(events)) and model.calls == 3


def test_a_mark_to_another_source_than_the_maps_own_is_not_believed() -> None:
    model = ScriptedModel(by_role(map="Blue [2]. Deep [9].", reduce=told))
    events = run("map_reduce", QUESTION, sources("a"), model)
    assert text(events) == "Blue. Deep. [1]"


def test_one_failed_map_costs_its_note() -> None:
    model = ScriptedModel(told, fails={2: CUT})
    events = run("map_reduce", QUESTION, sources("a", "b", "c"), model)
    assert len(steps(events, "lost")) == 1 and len(model.prompts[-1].notes) == 2
    assert {c.n for c in citations.read(text(events), {1, 2, 3}).claims} == {1, 3}


def test_all_maps_failed_is_the_error() -> None:
    with pytest.raises(StreamCut):
        run("map_reduce", QUESTION, sources("a", "b"), ScriptedModel(told, fails={1: CUT, 2: CUT}))


def test_a_server_that_is_down_is_not_called_for_every_source() -> None:
    model = ScriptedModel(told, parallel=2, fails=dict.fromkeys(range(1, 99), UNREACHABLE))
    with pytest.raises(ModelUnreachable):
        run("map_reduce", QUESTION, sources(*"abcdefghijklmnopqrstuvwxyz"), model)
    assert model.calls <= 5


def test_a_failed_reduce_gives_what_was_paid_for() -> None:
    model = ScriptedModel(told, fails={3: CUT})
    events: list[Step | Token | Trial] = []
    with pytest.raises(StreamCut):
        for event in CHAINS["map_reduce"].run(QUESTION, sources("a", "b"), model):
            events.append(event)
    assert "source 1 is blue" in text(events) and "source 2 is blue" in text(events)


@pytest.mark.parametrize("obeys", [True, False])
def test_collapsing_ends_when_the_model_never_shortens(obeys: bool) -> None:
    """Old chains called 2,000 times and more, or raised after all maps were paid."""
    model = ScriptedModel(lambda p: words(2000) + f" [{p.sources[0].n if p.sources else 1}].", 1200, 4, obeys=obeys)
    events = run("map_reduce", SUMMARY, sources(*[words(100)] * 40), model)
    rounds = [len(p.notes) for p in model.prompts if p.role == "reduce"]
    assert min(rounds) >= 2 and len(rounds) <= 40 and text(events)


def test_few_calls_are_announced_where_notes_surely_fit() -> None:
    model = ScriptedModel(told)
    assert CHAINS["map_reduce"].calls(QUESTION, sources(*"abcdefgh"), model) == 9
    small = ScriptedModel(told, context=4000)
    assert CHAINS["map_reduce"].calls(SUMMARY, sources(*["x"] * 276), small) < 276 * 1.25


def test_a_join_that_loses_the_sources_keeps_the_notes() -> None:
    model = ScriptedModel(by_role(map=lambda p: f"{words(180)} [{p.sources[0].n}].", reduce="All lost."), 1200)
    events = run("map_reduce", QUESTION, sources(*["x"] * 10), model)
    assert len(steps(events, "lost")) == len(steps(events, "joined")) > 1
    assert all(citations.read(note, range(1, 11)).claims for note in model.prompts[-1].notes)


@settings(max_examples=60)
@given(st.integers(3, 60), st.integers(700, 1600), st.booleans(), st.sampled_from(["long", "lost", "kept"]))
def test_each_collapse_halves_and_every_note_that_is_left_leads_to_its_sources(
    n: int, context: int, obeys: bool, joins: str
) -> None:
    def joined(prompt: Prompt) -> str:
        match joins:
            case "long":  # it writes to its limit and beyond, its only mark last
                return words(2000) + f" [{max(found(prompt.notes))}]."
            case "lost":
                return "All lost."
            case _:
                return "\n".join(prompt.notes)

    def found(notes: Sequence[str]) -> set[int]:
        return {c.n for text in notes for c in citations.read(text, range(1, n + 1)).claims}

    reply = by_role(map=lambda p: f"{words(260)} [{p.sources[0].n}].", reduce=joined)
    model = ScriptedModel(reply, context, obeys=obeys)
    run("map_reduce", QUESTION, sources(*["x"] * n), model)
    left, at = n, 0
    calls = [prompt.notes for prompt in model.prompts if prompt.role == "reduce"]
    assert all(citations.read(note, range(1, n + 1)).claims for notes in calls for note in notes)
    while at < len(calls) - 1:  # a round: calls until all notes that are left are joined, a last one standing alone
        took, groups = 0, 0
        while left - took > 1 and at < len(calls) - 1:
            took, groups, at = took + len(calls[at]), groups + 1, at + 1
        left = groups + (left - took)
        assert left <= -(-(took + (left - groups)) // 2)
    assert len(calls[-1]) == left


# ---- helpers


def _until(holds: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


def _close(events: Iterator[Step | Token | Trial]) -> None:
    events.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("note", "kept"),
    [
        ("It is blue [1]. It is dee", "It is blue [1]."),
        ("It is blue. [1] [2] It is dee", "It is blue. [1] [2]"),
        ('It is blue. [1: "blue. And clear"] It is', 'It is blue. [1: "blue. And clear"]'),
        ('It is blue. It is clear [1: "blue. And cl', "It is blue."),
        ("湖水是蓝色的。[1] 湖水很", "湖水是蓝色的。[1]"),
        ("It is blue [1].", "It is blue [1]."),
        ("It is blue. [1]", "It is blue. [1]"),
        ("It is dee", "It is dee"),
    ],
)
def test_a_note_that_was_cut_ends_with_a_sentence(note: str, kept: str) -> None:
    assert uncut(note) == kept


@pytest.mark.parametrize(("chain", "task"), [("map_reduce", QUESTION), ("map_reduce", SUMMARY)])
def test_what_is_given_in_place_of_an_answer_ends_with_a_sentence(chain: str, task: Task) -> None:
    """The server goes away before the notes are joined; each of them was cut at its longest. Nobody took that call."""
    model = ScriptedModel(
        lambda p: " ".join(f"The lake is blue and very deep [{s.n}]." for s in p.sources for _ in range(99)) or "None.",
        fails={4: UNREACHABLE},
    )
    given = Asked("What colour?", task, tuple(sources(*["Blue water."] * 3)))
    *_, answer = answer_from(given, model, chain)
    assert isinstance(answer, Answer) and answer.error is UNREACHABLE
    assert len(model.prompts) == 4 and answer.calls == 3
    notes = answer.text.split("\n\n")
    assert len(notes) == 3 and all(note.rstrip().endswith("].") for note in notes)
