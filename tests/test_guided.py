"""Reasoning and examples: the model gets them with every chain, and no chain, answer, citation or figure sees them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.answer import Asked, answer_from
from chains.compare import NAMES as CHAINS
from chains.errors import StreamCut
from chains.events import Answer, Event, Step, Token
from chains.execution.reasoning import LEAST_TOKENS, ROLES, Guided
from chains.grounding.refusal import NOT_FOUND
from chains.model import Finish, Piece, Thought
from chains.options import PLAIN, Ways
from chains.partial_answer import cut_short
from chains.prompt import Example, Prompt
from chains.prompting.render import render
from chains.thinking import Thoughts
from tests.support.fakes import ScriptedModel
from tests.support.sources import QUESTION, source, steps, text, told

SOURCES = tuple(source(n, f"Lake {n} is blue and 12 metres deep.", page=n) for n in range(1, 5))
THINK = Ways(think=True)
EXAMPLES = (
    Example("What colour is the sea?", "EXAMPLE Blue, by the harbour report.", "short"),
    Example("How old is the pier?", "EXAMPLE Ninety years."),
    Example("What colour is the lake house?", "EXAMPLE Red."),
)


def reasoning(reply: Callable[[Prompt], str], thought: str = "Source 3 says 77 [3].") -> Callable[[Prompt], str]:
    """A model that reasons where it is asked to."""
    return lambda p: f"<reasoning>\n{thought}\n</reasoning>\n\n{reply(p)}" if p.reasoning else reply(p)


def run(chain: str, model: ScriptedModel, ways: Ways) -> tuple[list[Event], Answer]:
    task = replace(QUESTION, rerank="answer")  # so that each call of map_rerank writes an answer
    events = list(answer_from(Asked("What colour is it?", task, SOURCES, ways), model, chain))
    answer = events[-1]
    assert isinstance(answer, Answer)
    planned = steps(events, "planned")
    assert answer.calls == model.calls and all(model.calls <= step.total for step in planned)
    return events, answer


# ---- reasoning


@pytest.mark.parametrize("chain", CHAINS)
def test_the_answer_is_the_same_with_reasoning_and_without(chain: str) -> None:
    events, thought = run(chain, ScriptedModel(reasoning(told), parallel=2), THINK)
    _, plain = run(chain, ScriptedModel(told, parallel=2), PLAIN)
    assert (thought.text, thought.citations, thought.figures, thought.dropped) == (
        *(plain.text, plain.citations, plain.figures, plain.dropped),
    )
    assert thought.reasoning and set(thought.reasoning) == {"Source 3 says 77 [3]."} and not plain.reasoning
    assert "77" not in text(events) and "reasoning>" not in text(events)
    first = next(i for i, event in enumerate(events) if isinstance(event, Token) and event.text)
    assert any(isinstance(event, Step) and event.name == "reasoned" for event in events[:first])


@pytest.mark.parametrize("chain", CHAINS)
def test_a_model_that_ignores_the_tags_answers_all_the_same(chain: str) -> None:
    _, answer = run(chain, ScriptedModel(told), THINK)
    _, plain = run(chain, ScriptedModel(told), PLAIN)
    assert answer.text == plain.text and answer.reasoning == () and answer.error is None


def test_map_rerank_keeps_the_reasoning_of_the_source_that_it_answers_from() -> None:
    model = ScriptedModel(lambda p: f"<reasoning>On {p.sources[0].n}. Score: 3/100</reasoning>{told(p)}", parallel=3)
    events, answer = run("map_rerank", model, THINK)
    assert [c.n for c in answer.citations] == [1] and answer.reasoning == ("On 1. Score: 3/100",)
    assert sorted(step.text[:5] for step in steps(events, "reasoned")) == ["On 1.", "On 2.", "On 3.", "On 4."]
    assert sorted(step.text for step in steps(events, "scored")) == ["96", "97", "98", "99"]


def test_scores_are_given_without_reasoning_and_the_answer_from_the_best_is_not() -> None:
    model = ScriptedModel(reasoning(lambda p: "Score: 70" if p.role == "score" else told(p)), parallel=2)
    given = Asked("What colour is it?", replace(QUESTION, rerank="score"), SOURCES, THINK)
    events = list(answer_from(given, model, "map_rerank"))
    answer = events[-1]
    assert isinstance(answer, Answer) and answer.text and answer.reasoning == ("Source 3 says 77 [3].",)
    assert [p.role for p in model.prompts] == ["score"] * 4 + ["answer"]
    assert [bool(p.reasoning) for p in model.prompts] == [False] * 4 + [True]
    assert [step.text for step in steps(events, "scored")] == ["70"] * 4
    assert len(steps(events, "reasoned")) == 1 and model.calls <= steps(events, "planned")[0].total


class Musing(ScriptedModel):
    """Thinks of its own accord before every reply."""

    def stream(self, prompt: Prompt) -> Iterator[Piece]:
        yield Thought(f"Asked to {prompt.role}: ")
        yield Thought("hm [3].")
        yield from super().stream(prompt)


@pytest.mark.parametrize("chain", CHAINS)
def test_what_a_model_thinks_of_its_own_accord_is_kept_like_what_it_was_asked_to(chain: str) -> None:
    _, plain = run(chain, ScriptedModel(told, parallel=2), PLAIN)
    events, own = run(chain, Musing(told, parallel=2), PLAIN)
    assert (own.text, own.citations, own.dropped) == (plain.text, plain.citations, plain.dropped)
    assert own.reasoning and all(thought.endswith(": hm [3].") for thought in own.reasoning)
    assert {thought.split()[2].rstrip(":") for thought in own.reasoning} <= ROLES, "of notes none is kept"
    first = next(i for i, event in enumerate(events) if isinstance(event, Token) and event.text)
    assert any(isinstance(event, Step) and event.name == "reasoned" for event in events[:first])
    _, both = run(chain, Musing(reasoning(told), parallel=2), THINK)
    assert both.text == plain.text and both.reasoning[0].endswith("hm [3].\n\nSource 3 says 77 [3].")


def test_thoughts_of_a_call_that_breaks_off_are_reckoned_with() -> None:
    model = Musing(told, fails={1: StreamCut(detail="reset")})
    events = list(answer_from(Asked("Why?", QUESTION, SOURCES), model, "stuff"))
    assert isinstance(events[-1], Answer) and events[-1].error and events[-1].usage.output_tokens > 0


def test_a_summary_keeps_no_thoughts_of_its_hundred_notes() -> None:
    summary = Prompt("answer", "summary", "The lakes", "en", 100)
    guided = Guided(Musing(told), "x", PLAIN)
    assert "".join(map(str, list(_asked(guided, summary))[:-1])).strip() == told(summary).strip()
    assert not list(guided.told())


@pytest.mark.parametrize("chain", CHAINS)
def test_a_reasoning_that_never_ends_costs_that_reply_and_not_the_question(chain: str) -> None:
    for endless in ("<reasoning>and so on", "<reasoning>" + "on and on " * 2000):
        first = threading.Lock()

        def once(p: Prompt, endless: str = endless, first: threading.Lock = first) -> str:
            return endless if p.reasoning and first.acquire(blocking=False) else told(p)

        events, answer = run(chain, ScriptedModel(once), THINK)
        assert answer.text and answer.citations and answer.error is None and not answer.refused
        assert steps(events, "lost")[0].text and len(steps(events, "lost")) == 1


def test_a_model_that_never_stops_reasoning_is_asked_once_more_and_no_oftener() -> None:
    model = ScriptedModel(lambda p: "<reasoning>hm" if p.reasoning else told(p))
    _, answer = run("stuff", model, THINK)
    assert [bool(p.reasoning) for p in model.prompts] == [True, False] and answer.citations
    model = ScriptedModel(lambda p: "<reasoning>hm" if p.reasoning else told(p))
    _, answer = run("map_rerank", model, THINK)
    assert [bool(p.reasoning) for p in model.prompts] == [True, False, True, True, True]
    assert answer.citations and answer.reasoning == ()


def test_the_reply_has_room_for_both_and_the_prompt_still_fits() -> None:
    for context in (800, 1500, 9000):
        model = ScriptedModel(reasoning(told), context=context)
        _, answer = run("stuff", model, THINK)
        for prompt in model.prompts:
            assert prompt.max_tokens > prompt.reasoning >= LEAST_TOKENS
            assert f"at most {int((prompt.max_tokens - prompt.reasoning) * 0.6)} words" in render(prompt).system
        assert answer.error is None and answer.text


def test_a_window_without_room_for_reasoning_gets_none() -> None:
    model = ScriptedModel(reasoning(told), context=LEAST_TOKENS * 8 - 8)
    events, answer = run("stuff", model, THINK)
    assert model.calls == 1 and not model.prompts[0].reasoning and answer.text and answer.reasoning == ()
    assert [step.text for step in steps(events, "reasoned")] == [""] and steps(events, "planned")[0].total == 1


@pytest.mark.parametrize("chain", CHAINS)
def test_a_refusal_after_reasoning_is_a_refusal(chain: str) -> None:
    _, answer = run(chain, ScriptedModel(reasoning(lambda p: NOT_FOUND["en"])), THINK)
    assert answer.refused and answer.text == NOT_FOUND["en"]


def test_an_error_after_the_reasoning_keeps_it() -> None:
    model = ScriptedModel(reasoning(told), fails={1: StreamCut(detail="reset")}, pieces=12)
    _, answer = run("stuff", model, THINK)
    assert answer.error is not None and answer.text and answer.reasoning


def test_closing_while_it_reasons_stops_the_model() -> None:
    gate = threading.Event()
    gate.set()
    model = ScriptedModel(lambda p: "<reasoning>" + "hm " * 100, gate=gate)
    events = answer_from(Asked("Why?", QUESTION, SOURCES, THINK), model, "stuff")
    seen: list[Event] = []
    for event in events:
        seen.append(event)
        if isinstance(event, Token):
            break
    events.close()  # type: ignore[attr-defined]
    assert model.running == 0 and model.cut == 1 and text(seen) == ""
    assert cut_short(seen, "Why?", "stuff", "scripted", 0.1).stopped


def test_a_stopped_answer_keeps_what_was_reasoned() -> None:
    events, answer = run("stuff", ScriptedModel(reasoning(told)), THINK)
    assert cut_short(events[:-1], "Why?", "stuff", "scripted", 0.1).reasoning == answer.reasoning


def test_calls_that_write_no_answer_are_left_as_they_are() -> None:
    model = ScriptedModel(reasoning(told))
    run("map_reduce", model, replace(THINK, examples=EXAMPLES))
    for prompt in model.prompts:
        assert bool(prompt.reasoning and prompt.examples) == (prompt.role in ROLES)
    summary = Prompt("answer", "summary", "The lakes", "en", 100)
    assert list(_asked(Guided(model, "x", replace(THINK, examples=EXAMPLES)), summary))
    assert model.prompts[-1] == summary


def _asked(guided: Guided, prompt: Prompt) -> Iterator[str | Finish]:
    return guided.stream(prompt)


_PIECES = ["<", "<reasoning>", "</reasoning>", "</REASONing>", "</rea", "soning>", "a", " ", "\n", "<Reasoning>", "İ"]


@given(st.lists(st.sampled_from(_PIECES)))
def test_what_is_reasoned_does_not_depend_on_how_the_stream_was_cut(parts: list[str]) -> None:
    def through(pieces: Sequence[str]) -> tuple[str, str]:
        thoughts = Thoughts(tags=(("<reasoning>", "</reasoning>"),))
        return "".join(map(thoughts.feed, pieces)) + thoughts.close(), thoughts.text

    whole = through(["".join(parts)])
    assert through(parts) == whole == through(list("".join(parts)))
    assert "<reasoning>" not in whole[0].lower() and "</reasoning>" not in whole[0].lower()


# ---- examples


@pytest.mark.parametrize("chain", CHAINS)
def test_examples_reach_the_model_and_nothing_else(chain: str) -> None:
    model = ScriptedModel(told)
    events, answer = run(chain, model, Ways(examples=EXAMPLES))
    (said,) = steps(events, "examples")
    assert (said.done, said.total) == (3, 3)
    for prompt in model.prompts:
        user, shown = render(prompt).user, 3 if prompt.role in ROLES else 0
        assert user.count("<example>") == user.count("EXAMPLE") == shown
    assert answer.text == run(chain, ScriptedModel(told), PLAIN)[1].text


def test_an_answer_copied_from_an_example_proves_nothing() -> None:
    copied = ScriptedModel(lambda p: f"{p.examples[0].answer} [1] Ninety-seven [9].")
    _, answer = run("stuff", copied, Ways(examples=(Example("What colour?", "Purple as the moors at dusk [7]."),)))
    assert [(c.n, c.verified) for c in answer.citations] == [(1, False)] and answer.dropped == 2


def test_examples_never_crowd_out_the_sources() -> None:
    many = tuple(Example(f"What is {n}?", "Long words. " * 40) for n in range(100))
    for context in (800, 2000, 20_000):
        model = ScriptedModel(told, context=context)
        plain = ScriptedModel(told, context=context)
        events, _ = run("stuff", model, Ways(examples=many))
        run("stuff", plain, PLAIN)
        (said,) = steps(events, "examples")
        assert said.done < said.total == 100 and said.done == len(model.prompts[0].examples)
        taken = model.count(model.prompts[0]) - model.count(replace(model.prompts[0], examples=()))
        assert taken <= min(1500, context // 10)
        assert len(model.prompts[0].sources) >= 0.5 * len(plain.prompts[0].sources)


def test_the_best_fitting_examples_come_first() -> None:
    model = ScriptedModel(told)
    run("stuff", model, Ways(examples=EXAMPLES))
    assert [e.answer for e in model.prompts[0].examples] == [EXAMPLES[i].answer for i in (2, 0, 1)]
