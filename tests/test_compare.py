"""All chains side by side: one search, the same passages, one chain's failure its own, and what agreement means."""

import threading
from collections.abc import Iterator, Sequence
from itertools import chain as chained
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.compare_output import agreement_lines
from app.i18n import Words
from app.views.comparison import agreement_lines as screen_lines
from chains import compare as module
from chains.compare import NAMES, Compared, Comparison, Of, compare, cut_short
from chains.errors import CallsSpent, ModelError, SecondsSpent, TokensSpent
from chains.events import Answer, Citation, Step
from chains.execution.limits import Caps, Ledger, Spending
from chains.grounding.agreement import Agreement, Pair, agreement, figures, share, words
from chains.grounding.refusal import NOT_FOUND
from chains.model import Piece, Usage
from chains.prompt import Prompt, Turn
from chains.retrieval.hybrid import retrieve
from ingest.document import Passage
from ingest.errors import EmbedderError
from ingest.store.library import Library
from tests.support.books import make_book
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.sources import CUT, note

PAGES = [f"Lake {name} is {colour} and {depth} metres deep." for name, colour, depth in (
    ("Alpha", "blue", 10), ("Beta", "green", 20), ("Gamma", "grey", 30), ("Delta", "black", 40)
)]  # fmt: skip
QUESTION = "Which lake is green and deep?"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("library")
    embedder = HashingEmbedder(window=40)
    with Library(folder / "data", embedder) as library:
        make_book(folder, "lakes.pdf", PAGES, embedder).put(library)
        yield library


def told(prompt: Prompt) -> str:
    """What a model does that uses everything it is given."""
    said = "\n".join(f'It says so [{s.n}: "{" ".join(s.text.split()[:5])}"].' for s in prompt.sources)
    match prompt.role:
        case "reduce":
            return "\n".join(prompt.notes)
        case "refine":
            return f"{prompt.draft}\n{said}"
        case "score":
            return f"Score: {100 - prompt.sources[0].n}/100"
        case "rerank":
            return f"{note(prompt)}\nScore: {100 - prompt.sources[0].n}/100"
        case _:
            return said


def last(events: Sequence[Compared]) -> Comparison:
    assert isinstance(events[-1], Comparison)
    assert sum(isinstance(event, Comparison) for event in events) == 1
    return events[-1]


def of(events: Sequence[Compared], chain: str) -> list[object]:
    return [event.event for event in events if isinstance(event, Of) and event.chain == chain]


@pytest.mark.parametrize("parallel", [1, 2, 8])
def test_all_chains_answer_from_the_same_passages_which_were_searched_for_once(
    library: Library, parallel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[str] = []

    def counted(question: str, **how: object) -> list[Passage]:
        searches.append(question)
        return retrieve(question, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "retrieve", counted)
    model = ScriptedModel(told, parallel=parallel)
    events = list(compare(QUESTION, library, model, k=3))
    whole = last(events)
    assert searches == [QUESTION]
    assert [answer.chain for answer in whole.answers] == list(NAMES)
    assert len({answer.sources for answer in whole.answers}) == 1 and len(whole.answers[0].sources) == 3
    (searched,) = [event for event in events if isinstance(event, Step)]
    assert searched.name == "searched" and searched.sources == whole.answers[0].sources
    assert model.most_running <= parallel
    for answer in whole.answers:
        assert answer.citations and not answer.error and not answer.stopped
        told_of = of(events, answer.chain)
        assert told_of[-1] == answer
        (planned,) = [step for step in told_of if isinstance(step, Step) and step.name == "planned"]
        assert answer.calls <= planned.total
    assert whole.calls == model.calls == sum(answer.calls for answer in whole.answers)
    assert whole.usage.output_tokens == sum(answer.usage.output_tokens for answer in whole.answers) > 0


def test_one_after_the_other_where_the_model_takes_one_call(library: Library) -> None:
    events = list(compare(QUESTION, library, ScriptedModel(told), k=2))
    begun = list(dict.fromkeys(event.chain for event in events if isinstance(event, Of)))
    ended = [event.chain for event in events if isinstance(event, Of) and isinstance(event.event, Answer)]
    assert begun == ended == list(NAMES)


def test_at_once_where_it_takes_several(library: Library) -> None:
    at_once = threading.Barrier(3)

    def met(prompt: Prompt) -> str:
        if prompt.role in ("answer", "rerank"):  # stuff, refine and map_rerank meet here, or wait for ever
            at_once.wait(20)
        return told(prompt)

    whole = last(list(compare(QUESTION, library, ScriptedModel(met, parallel=4), k=1, rerank="answer")))
    assert all(answer.text and not answer.error for answer in whole.answers)


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_chain_that_fails_costs_the_others_nothing(library: Library, parallel: int) -> None:
    class Broken(ScriptedModel):
        def stream(self, prompt: Prompt) -> Iterator[Piece]:
            if prompt.role in ("map", "reduce"):
                raise CUT
            yield from super().stream(prompt)

    whole = last(list(compare(QUESTION, library, Broken(told, parallel=parallel), k=2)))
    by_chain = {answer.chain: answer for answer in whole.answers}
    assert isinstance(by_chain["map_reduce"].error, ModelError) and not by_chain["map_reduce"].text
    assert [chain for chain, answer in by_chain.items() if answer.error] == ["map_reduce"]
    assert set(whole.agreement.chains) == set(NAMES) - {"map_reduce"} and len(whole.agreement.pairs) == 3


def test_nothing_found_is_four_refusals_without_a_call(library: Library) -> None:
    model = ScriptedModel(told)
    whole = last(list(compare(QUESTION, library, model, documents=[])))
    assert model.calls == whole.calls == 0 and all(answer.refused for answer in whole.answers)
    assert whole.agreement.share == 1 and all(pair.same for pair in whole.agreement.pairs)


def test_a_follow_up_is_made_to_stand_alone_once(library: Library) -> None:
    model = ScriptedModel(lambda p: "How deep is Lake Beta?" if p.role == "condense" else told(p), parallel=4)
    history = (Turn("What colour is Lake Beta?", "Lake Beta is green [1]."),)
    whole = last(list(compare("And how deep is it?", library, model, k=2, history=history)))
    assert [prompt.role for prompt in model.prompts].count("condense") == 1
    assert {answer.searched for answer in whole.answers} == {whole.searched} == {"How deep is Lake Beta?"}
    assert whole.calls == model.calls == 1 + sum(answer.calls for answer in whole.answers)


def test_a_search_that_fails_is_raised_before_any_call(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> list[Passage]:
        raise EmbedderError(name="x", detail="gone")

    monkeypatch.setattr(module, "retrieve", broken)
    model = ScriptedModel(told)
    with pytest.raises(EmbedderError):
        list(compare(QUESTION, library, model))
    assert model.calls == 0


@pytest.mark.parametrize("parallel", [1, 4])
def test_closing_it_ends_the_models_work_and_keeps_what_is_whole(library: Library, parallel: int) -> None:
    gate = threading.Event()
    model = ScriptedModel(lambda p: f"{p.role} " + told(p), parallel=parallel, gate=gate)
    events = compare(QUESTION, library, model, k=2)
    seen: list[Compared] = []
    for event in events:
        seen.append(event)
        if isinstance(event, Of) and event.chain == "stuff":
            gate.set()
            if isinstance(event.event, Answer):
                break
    events.close()  # type: ignore[attr-defined]
    assert model.running == 0
    whole = cut_short(seen, QUESTION, model.name, 1.5)
    stuff, *others = whole.answers
    assert stuff == seen[-1].event and not stuff.stopped  # type: ignore[union-attr]
    assert whole.stopped and whole.seconds == 1.5 and [answer.chain for answer in whole.answers] == list(NAMES)
    for answer in others:
        assert answer.sources == stuff.sources
        assert answer.stopped or answer in [event.event for event in seen if isinstance(event, Of)]
    assert all(answer.stopped for answer in cut_short([], QUESTION, "m", 0.0).answers)


# ---- agreement

_TEXT = st.text("ab cdé湖水蓝.,1234567890[]\n", max_size=40)


def answer(chain: str, text: str, *pages: int, **changes: object) -> Answer:
    cited = tuple(Citation(1, "d", "lakes.pdf", page, str(page), "q", "exact", 0, 1) for page in pages)
    made = {"question": "?", "text": text, "citations": cited, "sources": (), "refused": False, "chain": chain}
    return Answer(**{**made, "model": "m", "calls": 1, "seconds": 0.0, "usage": Usage(), **changes})  # type: ignore[arg-type]


@given(_TEXT, _TEXT)
def test_the_share_is_the_common_words_of_both(a: str, b: str) -> None:
    one, other = words(a), words(b)
    common = share(one, other)
    assert 0 <= common <= 1 and common == share(other, one)
    assert share(one, one) == 1
    assert (common == 1) == (one == other)
    assert (common == 0) == (bool(one or other) and not one & other)


@given(st.lists(st.sampled_from(["green", "lake", "12", "湖水", "deep"]), min_size=1, unique=True))
def test_case_width_marks_and_order_make_no_difference(said: list[str]) -> None:
    text = " ".join(said) + "."
    other = " ".join(reversed(said)).upper().replace("1", "１") + " [1]!"
    (pair,) = agreement([answer("a", text), answer("b", other)]).pairs
    assert pair.share == 1 and pair.same


@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(0, 5), max_size=4), min_size=1))
def test_every_page_and_every_figure_is_told_with_all_that_have_it(held: dict[str, list[int]]) -> None:
    answers = [answer(chain, ", ".join(map(str, numbers)), *numbers) for chain, numbers in held.items()]
    found = agreement(answers)
    expected = {
        n: tuple(chain for chain, numbers in held.items() if n in numbers)
        for n in {*chained.from_iterable(held.values())}
    }
    assert {page.page: page.chains for page in found.pages} == expected
    assert {int(one.text): one.chains for one in found.figures} == expected
    counts = [len(page.chains) for page in found.pages]
    assert counts == sorted(counts, reverse=True)
    assert len(found.pairs) == len(held) * (len(held) - 1) // 2
    if len(held) > 1:
        assert set(found.shared) == {str(n) for n, chains in expected.items() if len(chains) == len(held)}
        assert set(found.single) == {(str(n), *chains) for n, chains in expected.items() if len(chains) == 1}
    else:
        assert not found.shared and not found.single and found.share is None


def test_another_figure_is_another_answer() -> None:
    text = "The bridge was opened in {} by the engineer Clara Holm [1]."
    (pair,) = agreement([answer("a", text.format(1884)), answer("b", text.format(1885))]).pairs
    assert pair.share > 0.8 and not pair.same
    (pair,) = agreement([answer("a", text.format("1,884.0")), answer("b", text.format(1884))]).pairs
    assert pair.same is (pair.share >= 2 / 3)


def test_figures_are_compared_by_value_and_told_as_written() -> None:
    assert list(figures("1. It cost 12,000 crowns, 3.2亿元, 12000.0 in all [4].\n2) １９３４ １２").values()) == [
        *("12,000", "3.2", "1934", "12"),
    ]


def test_what_broke_off_and_what_was_stopped_says_nothing_yet() -> None:
    found = agreement(
        [
            answer("a", "It is 12.", 1),
            answer("b", "It is", stopped=True),
            answer("c", "It", error=CUT),
            answer("d", "No."),
        ]
    )
    assert found.chains == ("a", "d") and [pair.chains for pair in found.pairs] == [("a", "d")]


def test_a_page_counts_where_the_words_were_found_on_it() -> None:
    lost = Citation(1, "d", "lakes.pdf", 3, "3", "", "none", 0, 1)
    assert agreement([answer("a", "x [1]", citations=(lost,))]).pages == ()


def test_refusals_say_the_same_and_not_what_an_answer_says() -> None:
    no = NOT_FOUND["en"]
    found = agreement([answer("a", no, refused=True), answer("b", no, refused=True), answer("c", "It is green [1].")])
    assert [pair.same for pair in found.pairs] == [True, False, False]


def test_the_library_is_left_alone(library: Library, tmp_path: Path) -> None:
    before = library.version()
    list(compare(QUESTION, library, ScriptedModel(told, parallel=4), k=2))
    assert library.version() == before


# ---- caps


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("cap", [8, 12])
def test_a_cap_is_shared_fairly(library: Library, parallel: int, cap: int) -> None:
    """No chain takes all of it: each has its answer, from what its share had room for."""
    model = ScriptedModel(told, context=1200, parallel=parallel)
    spending = Spending(Caps(calls=cap))
    events = list(compare(QUESTION, library, model, k=4, spending=spending))
    comparison = last(events)
    assert comparison.calls == model.calls <= cap
    assert all(answer.text and answer.calls for answer in comparison.answers)
    by_name = {answer.chain: answer for answer in comparison.answers}
    assert by_name["stuff"].error is None and isinstance(by_name["map_reduce"].error, CallsSpent)
    assert "of 4." in str(by_name["map_reduce"].error) and f"/{cap}" in str(by_name["map_reduce"].error)
    assert "0 of 0" not in str(events)


def test_what_one_leaves_goes_to_the_others() -> None:
    shares = Ledger("m", Caps(calls=12, tokens=1200)).parted(3, 1)
    need = Usage(90, 10)

    def taken(part: Ledger) -> int:
        for n in range(99):
            try:
                part.begin(need, 0, Usage(), 0.0)
            except CallsSpent:
                return n
            part.end(need, need)
        raise AssertionError("it has no end")

    shares[0].start()
    shares[0].begin(need, 0, Usage(), 0.0)
    shares[0].end(need, need)
    shares[0].done()
    for part, most in zip(shares[1:], (5, 6), strict=True):
        part.start()
        assert taken(part) == most
        part.done()
    with pytest.raises(TokensSpent, match="cap of 600/1200 tokens"):
        Ledger("m", Caps(tokens=1200)).parted(2, 2)[0].begin(Usage(600, 1), 0, Usage(), 0.0)


def test_time_is_shared_by_those_that_come_one_after_the_other() -> None:
    one, *others = Ledger("m", Caps(seconds=60)).parted(3, 1)
    one.start()
    one.begin(Usage(1, 1), 0, Usage(), 19.0)
    with pytest.raises(SecondsSpent, match="20/60"):
        one.begin(Usage(1, 1), 0, Usage(), 21.0)
    one.done()
    others[0].start()
    others[0].begin(Usage(1, 1), 0, Usage(), 29.0)


def test_all_that_say_the_same_are_named_where_a_chain_failed() -> None:
    left = ("stuff", "refine")
    lines = list(agreement_lines(Agreement(left, (Pair(left, 1.0, True),), (), ())))
    assert "Say the same: all that answered (stuff, refine)" in lines
    shown = "\n".join(screen_lines(Words("en"), Agreement(left, (Pair(left, 1.0, True),), (), ())))
    assert "All that answered say the same: " in shown and "map" not in shown.lower()
