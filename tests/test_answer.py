"""The one door: from a question and a library to events, and one Answer last that is true in all its parts."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from app.cli.json_output import how_json
from app.cli.terminal_output import notes_lines
from chains.answer import ask, plans, summarize
from chains.compare import NAMES as CHAINS
from chains.cost import Price
from chains.errors import ContextTooSmall, KeyRefused, UnknownChain
from chains.events import Answer, Event, Step, Token
from chains.execution.limits import Spending
from chains.grounding.refusal import NOT_FOUND
from chains.options import PLAIN, Ways
from chains.partial_answer import cut_short
from chains.prompt import Prompt, Rerank, Turn
from ingest.document import Document
from ingest.errors import UnknownDocument
from ingest.store.library import Library
from tests.support.fakes import ScriptedModel
from tests.support.sources import CUT, LAKES, NOVEL, by_role, filled, steps, text


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with filled(tmp_path_factory.mktemp("library")) as library:
        yield library


def told(prompt: Prompt) -> str:
    """A reply in the form that each role asks for, which quotes each source's first words."""
    said = "\n".join(f'It says so [{s.n}: "{" ".join(s.text.split()[:5])}"].' for s in prompt.sources)
    match prompt.role:
        case "reduce":
            return "\n".join(prompt.notes)
        case "refine":
            return f"{prompt.draft}\n{said}"
        case "score":
            return f"Score: {100 - prompt.sources[0].n}/100"
        case "rerank":
            return f"{said}\nScore: {100 - prompt.sources[0].n}/100"
        case _:
            return said


def last(events: Sequence[Event]) -> Answer:
    assert isinstance(events[-1], Answer)
    assert sum(isinstance(event, Answer) for event in events) == 1
    return events[-1]


# ---- an answer


@pytest.mark.parametrize("chain", CHAINS)
def test_an_answer_is_streamed_cited_and_counted(library: Library, chain: str) -> None:
    model = ScriptedModel(told, parallel=4)
    events = list(ask("Which lake is green?", library, model, chain=chain, k=4))
    answer = last(events)
    (searched,) = steps(events, "searched")
    assert searched.sources == answer.sources and [s.n for s in answer.sources] == [1, 2, 3, 4]
    assert text(events) == answer.text and '"' not in answer.text  # the screen never sees the quotes of marks
    assert answer.citations and all(citation.match == "exact" for citation in answer.citations)
    for citation in answer.citations:
        source = answer.sources[citation.n - 1]
        assert citation.quote in source.text and citation.page in {s.page for s in source.passage.chunk.spans}
    (planned,) = steps(events, "planned")
    assert answer.calls == model.calls <= planned.total
    assert answer.usage.input_tokens > 0 < answer.usage.output_tokens
    (verified,) = steps(events, "verified")
    assert (verified.done, verified.total) == (len(answer.citations), len(answer.citations))
    assert (answer.chain, answer.model, answer.refused, answer.error) == (chain, "scripted", False, None)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("documents", [[], ["0" * 64]])
def test_no_passages_is_a_refusal_without_a_call(library: Library, chain: str, documents: list[str]) -> None:
    model = ScriptedModel(told)
    answer = last(list(ask("Which lake is green?", library, model, chain=chain, documents=documents)))
    assert model.calls == answer.calls == 0
    assert answer.refused and answer.text == NOT_FOUND["en"] and not answer.citations and not answer.error


@pytest.mark.parametrize("chain", CHAINS)
def test_a_refusal_shows_the_closest_passages(library: Library, chain: str) -> None:
    model = ScriptedModel(lambda p: "I don't know, the sources do not mention it.\nScore: 0")
    answer = last(list(ask("Who painted the bridge?", library, model, chain=chain, k=3)))
    assert answer.refused and answer.text == NOT_FOUND["en"]
    assert len(answer.sources) == 3 and answer.citations == ()


@pytest.mark.parametrize("chain", CHAINS)
def test_a_no_that_quotes_its_page_is_no_refusal(library: Library, chain: str) -> None:
    quoted = 'It does not cover the deep end. [1: "Lake Ada is green"]'
    model = ScriptedModel(lambda p: "Score: 90" if p.role == "score" else quoted)
    answer = last(list(ask("Which lake is green?", library, model, chain=chain, k=2)))
    assert not answer.refused and answer.text == "It does not cover the deep end. [1]" and answer.citations


@pytest.mark.parametrize("chain", CHAINS)
def test_a_thought_without_a_beginning_is_no_part_of_the_answer(library: Library, chain: str) -> None:
    reply = "Bob dyed it in 1999, says 2.\n</think>\n\nIt is green [1]."
    model = ScriptedModel(lambda p: "1999?\n</think>\nScore: 90" if p.role == "score" else reply)
    answer = last(list(ask("Which lake is green?", library, model, chain=chain, k=2)))
    assert answer.text == "It is green [1]." and not answer.figures and not answer.unsourced
    stopped = cut_short([Token(reply)], "Which lake is green?", chain, "scripted", 1.0)
    assert stopped.text == "It is green."


def test_marks_to_sources_never_given_are_dropped_and_counted(library: Library) -> None:
    model = ScriptedModel(by_role(answer="It is green [1] [9]. Truly [77]."))
    events = list(ask("Which lake is green?", library, model, k=2))
    assert text(events) == last(events).text == "It is green [1]. Truly."
    assert last(events).dropped == 2 and [c.n for c in last(events).citations] == [1]


def test_marks_to_sources_that_did_not_fit_are_dropped(library: Library) -> None:
    model = ScriptedModel(by_role(answer="It is green [1]. It is deep [8]."), context=520)
    events = list(ask("Which lake is green?", library, model, k=8))
    (cut,) = steps(events, "cut")
    assert 0 < cut.done < 8
    assert last(events).text == "It is green [1]. It is deep." and last(events).dropped == 1


@pytest.mark.parametrize("fake", ["SOURCES: 3", "Sources: MIT"])
def test_words_that_look_like_a_list_of_sources_stay(library: Library, fake: str) -> None:
    """Old chains cut everything after "source": "It is open source: MIT." became "It is open "."""
    reply = f"It is open source: MIT [1].\n{fake}"
    answer = last(list(ask("Which lake is green?", library, ScriptedModel(by_role(answer=reply)))))
    assert answer.text == reply


# ---- what goes wrong


@pytest.mark.parametrize("chain", CHAINS)
def test_an_error_in_the_middle_keeps_the_text(library: Library, chain: str) -> None:
    model = ScriptedModel(told, fails={n: CUT for n in range(1, 99)}, pieces=12)
    events = list(ask("Which lake is green?", library, model, chain=chain, k=2))
    answer = last(events)
    assert answer.error is CUT and not answer.refused and answer.text == text(events)
    if chain in ("stuff", "refine"):
        assert answer.text.startswith("It says so [1].") and answer.citations


def test_the_errors_answer_has_the_citations_of_its_text(library: Library) -> None:
    model = ScriptedModel(told, fails={3: CUT}, pieces=12)  # two maps, then the reduce breaks off
    answer = last(list(ask("Which lake is green?", library, model, chain="map_reduce", k=2)))
    assert answer.error is CUT and answer.calls == 3
    assert [c.match for c in answer.citations] == ["exact"] * len(answer.citations) and answer.citations


@pytest.mark.parametrize("chain", CHAINS)
def test_a_refused_key_and_a_small_window_are_told_in_the_answer(library: Library, chain: str) -> None:
    error = KeyRefused(url="http://127.0.0.1")
    refused = last(list(ask("Why?", library, ScriptedModel(told, fails={n: error for n in range(1, 9)}), chain=chain)))
    assert refused.error is error and refused.text == "" and refused.sources
    small = last(list(ask("Why?", library, ScriptedModel(told, context=50), chain=chain)))
    assert isinstance(small.error, ContextTooSmall) and small.calls == 0


@pytest.mark.parametrize("ways", [PLAIN, Ways(think=True)])
@pytest.mark.parametrize("rerank", ["answer", "score"])
@pytest.mark.parametrize("chain", CHAINS)
def test_the_window_that_is_needed_is_the_smallest_that_does(
    library: Library, chain: str, rerank: Rerank, ways: Ways
) -> None:
    def answered(context: int) -> Answer:
        model = ScriptedModel(told, context=context)
        return last(list(ask("Which lake is green?", library, model, chain=chain, k=4, rerank=rerank, ways=ways)))

    needed = _needed(answered(50))
    assert {_needed(answered(context)) for context in (20, needed // 2, needed - 1)} == {needed}
    assert answered(needed).error is None and answered(needed).text
    assert answered(2 * needed).error is None


@pytest.mark.parametrize("chain", ["stuff", "map_reduce", "refine", "recursive"])
@pytest.mark.parametrize("document", ["lakes", "novel"])
def test_the_same_for_a_summary(library: Library, chain: str, document: str) -> None:
    which = {"lakes": LAKES, "novel": NOVEL}[document]

    def answered(context: int) -> Answer:
        return last(list(summarize(which.id, library, ScriptedModel(told, context=context), chain=chain)))

    needed = _needed(answered(60))
    assert _needed(answered(needed - 1)) == needed and answered(needed).error is None
    small = plans(which.id, library, ScriptedModel(told, context=60), chains=[chain])[chain]
    assert isinstance(small, ContextTooSmall) and small.params["needed"] == needed


def _needed(answer: Answer) -> int:
    assert isinstance(answer.error, ContextTooSmall) and answer.calls == 0
    assert f"({answer.error.params['needed']} are needed)" in str(answer.error)
    return int(str(answer.error.params["needed"]))


def test_an_empty_reply_is_an_error_and_no_answer(library: Library) -> None:
    answer = last(list(ask("Which lake is green?", library, ScriptedModel(by_role(answer=" ")))))
    assert answer.error is not None and not answer.refused


def test_what_is_asked_wrongly_raises_at_once(library: Library) -> None:
    model = ScriptedModel(told)
    with pytest.raises(UnknownChain, match="stuff, map_reduce, refine, map_rerank"):
        ask("Why?", library, model, chain="stuf")
    with pytest.raises(UnknownChain, match="There are: stuff, map_reduce, refine"):
        summarize(LAKES.id, library, model, chain="map_rerank")
    with pytest.raises(UnknownDocument):
        next(summarize("0" * 64, library, model))


@pytest.mark.parametrize("chain", CHAINS)
def test_closing_the_events_ends_the_models_work(library: Library, chain: str) -> None:
    gate = threading.Event()
    gate.set()
    model = ScriptedModel(told, gate=gate)
    events = ask("Which lake is green?", library, model, chain=chain)
    seen: list[Event] = []
    for event in events:
        seen.append(event)
        if isinstance(event, Token) or (isinstance(event, Step) and event.name in ("read", "scored") and model.calls):
            break
    events.close()  # type: ignore[attr-defined]
    assert model.running == 0
    answer = cut_short(seen, "Which lake is green?", chain, model.name, 1.5)
    drafts = ["", *(step.text for step in steps(seen, "drafted"))]
    assert answer.stopped and answer.text == (text(seen) or drafts[-1]) and answer.sources and not answer.refused
    assert answer.seconds == 1.5 and answer.calls <= model.calls


def test_a_stopped_answer_is_cited_as_far_as_it_came(library: Library) -> None:
    events = ask("Which lake is green?", library, ScriptedModel(told), k=2)
    seen: list[Event] = []
    for event in events:
        seen.append(event)
        if "[1]" in text(seen) and text(seen).rstrip().endswith("It"):
            break
    answer = cut_short(seen, "Which lake is green?", "stuff", "scripted", 1.0)
    assert [c.n for c in answer.citations] == [1] and answer.calls == 1
    assert cut_short([], "Why?", "stuff", "scripted", 0.0).text == ""


# ---- follow-ups

HISTORY = (Turn("What colour is Lake Beta?", "Lake Beta is green [1]."),)


def test_a_question_that_stands_alone_costs_no_call(library: Library) -> None:
    model = ScriptedModel(told)
    events = list(ask("Which lake is black and deep?", library, model, history=HISTORY))
    assert [p.role for p in model.prompts] == ["answer"] and not steps(events, "condensed")
    assert last(events).searched == ""
    list(ask("And how deep is it?", library, model))  # nothing to point back to
    assert [p.role for p in model.prompts] == ["answer", "answer"]


def test_a_follow_up_is_searched_for_as_it_stands_alone(library: Library) -> None:
    model = ScriptedModel(by_role(condense="How deep is Lake Beta?", answer=told))
    events = list(ask("And how deep is it?", library, model, history=HISTORY))
    (condensed,) = steps(events, "condensed")
    answer = last(events)
    assert condensed.text == answer.searched == "How deep is Lake Beta?" and answer.question == "And how deep is it?"
    assert model.prompts[1].question == "How deep is Lake Beta?"
    assert answer.calls == 2 <= steps(events, "planned")[0].total


@pytest.mark.parametrize(
    "rewrite",
    [
        "",
        "Lake Beta is green. How deep is it?",  # two sentences
        "How deep is the Eiffel Tower in Paris, France?",  # another subject
        "贝塔湖有多深？",  # another language
        "How deep is Lake Beta " + "and how deep " * 40 + "?",
        "How deep is Lake Beta?\nIt is 40 m deep.",
    ],
)
def test_a_bad_rewrite_is_not_used(library: Library, rewrite: str) -> None:
    model = ScriptedModel(by_role(condense=rewrite, answer=told))
    events = list(ask("And how deep is it?", library, model, history=HISTORY))
    assert last(events).searched == "" and not steps(events, "condensed")
    assert model.prompts[-1].question == "And how deep is it?" and last(events).calls == 2


def test_a_failed_rewrite_costs_nothing_but_itself(library: Library) -> None:
    model = ScriptedModel(told, fails={1: CUT})
    answer = last(list(ask("And how deep is it?", library, model, history=HISTORY)))
    assert answer.error is None and answer.citations and answer.calls == 2


# ---- summaries


@pytest.mark.parametrize("chain", ["stuff", "map_reduce", "refine"])
@pytest.mark.parametrize("document", [LAKES, NOVEL])
def test_a_summary_reads_the_whole_document(library: Library, chain: str, document: Document) -> None:
    model = ScriptedModel(told, context=1500, parallel=2)
    events = list(summarize(document.id, library, model, chain=chain))
    answer = last(events)
    assert answer.text and answer.citations and answer.error is None and answer.question == document.title
    assert {p.language for p in model.prompts} == {"en" if document is LAKES else "zh"}
    for source in answer.sources:
        chunk = source.passage.chunk
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert "".join(chunk.text[s.start : s.end] for s in chunk.spans).replace("\n", "") == chunk.text.replace(
            "\n", ""
        )
    if chain != "stuff":
        read = {n for p in model.prompts for n in [s.n for s in p.sources]}
        assert read == {s.n for s in answer.sources}


def test_a_window_too_small_for_a_summary_is_told_in_the_answer(library: Library) -> None:
    answer = last(list(summarize(LAKES.id, library, ScriptedModel(told, context=60))))
    assert isinstance(answer.error, ContextTooSmall) and answer.sources


def test_files_of_the_library_are_left_alone(library: Library, tmp_path: Path) -> None:
    before = library.version()
    list(ask("Which lake is green?", library, ScriptedModel(told)))
    list(summarize(LAKES.id, library, ScriptedModel(told)))
    assert library.version() == before


@pytest.mark.parametrize("chain", ["stuff", "refine", "map_rerank", "map_reduce"])
def test_a_stopped_answer_counts_the_call_that_was_cut_off(library: Library, chain: str) -> None:
    """About as much as it took; one that had not begun to write took nothing."""
    spending = Spending(price=Price(1_000_000, 1_000_000, "USD"))
    model = ScriptedModel(told)
    events = list(ask("Which lake is green?", library, model, chain=chain, spending=spending))
    whole, told_first = events[-1], next(n for n, event in enumerate(events) if isinstance(event, Token) and event.text)
    assert isinstance(whole, Answer) and whole.cost is not None
    end = max(n for n, event in enumerate(events) if isinstance(event, Token))
    stopped = cut_short(events[: end + 1], "Which lake is green?", chain, model.name, 1.0)
    assert 0.3 < stopped.usage.input_tokens / whole.usage.input_tokens < 3
    assert 0.05 < stopped.usage.output_tokens / whole.usage.output_tokens < 3, "its quotes are not in the text"
    assert stopped.calls == whole.calls and stopped.cost is not None
    assert 0.3 < stopped.cost.amount / whole.cost.amount < 3
    earlier = cut_short(events[:told_first], "Which lake is green?", chain, model.name, 1.0)
    assert earlier.usage.output_tokens < stopped.usage.output_tokens
    assert earlier.calls < stopped.calls or chain == "refine"


@pytest.mark.parametrize("chain", CHAINS)
def test_a_reply_that_was_cut_is_said_to_be_cut(library: Library, chain: str) -> None:
    """By whichever call the answer was written; that notes were cut is no matter."""

    def reply(prompt: Prompt) -> str:
        long = prompt.role in ("answer", "reduce", "refine", "map")
        marks = " ".join(f"So it is, says source {source.n} [{source.n}]." for source in prompt.sources[:1])
        return f"Score: 90\n{prompt.draft}{marks}" + (" It is green." * 400 + " [1]" if long else "")

    (cut,) = [event for event in ask("Which lake is green?", library, ScriptedModel(reply), chain=chain)][-1:]
    assert isinstance(cut, Answer) and cut.error is None and cut.cut
    (whole,) = [event for event in ask("Which lake is green?", library, ScriptedModel(told), chain=chain)][-1:]
    assert isinstance(whole, Answer) and not whole.cut
    assert "The reply was cut" in "".join(notes_lines(cut)) and not list(notes_lines(whole))
    assert how_json(cut)["cut"] is True and "cut" not in how_json(whole)
