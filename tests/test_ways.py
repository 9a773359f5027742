"""Stepping back and splitting: checked like any rewrite, searched for beside the question, told, and within the "
"bound."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.answer import ask
from chains.compare import NAMES as CHAINS
from chains.compare import Comparison, Of, compare
from chains.compare import cut_short as cut_comparison
from chains.errors import StreamCut
from chains.events import Answer, Event, Step
from chains.models.extractive.model import Extractive
from chains.options import PLAIN, Ways
from chains.partial_answer import cut_short
from chains.prompt import Prompt, Turn
from chains.prompting.render import render
from chains.question import expand
from chains.question.gather import beside, in_turn
from chains.retrieval.hybrid import retrieve
from ingest.document import Passage
from ingest.errors import EmbedderError
from ingest.store.library import Library
from tests.support.books import make_book
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.sources import by_role, source, steps, told

PAGES = (
    "The sluice at Holm was opened in 1884 by Clara Wren.",
    "The toll house at Holm was sold in 1931 for nine crowns.",
    "History of Holm: the village grew around its harbour for centuries.",
    "Herring and cod are landed every spring.",
    "The lighthouse keeper counts the ships at night.",
    "Winter storms close the northern road.",
)
QUESTION = "Who opened the sluice in 1884 and when was the toll house sold?"
SPLIT = "1. Who opened the sluice in 1884?\n2. When was the toll house sold?"
BROADER = "What is the history of the sluice and toll house?"
BOTH = Ways(step_back=True, parts=True)
CUT = StreamCut(detail="reset")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("library")
    embedder = HashingEmbedder(window=40)
    with Library(folder / "data", embedder) as library:
        make_book(folder, "holm.pdf", PAGES, embedder).put(library)
        yield library


def asked(split: str = SPLIT, broaden: str = BROADER, **more: str | Callable[[Prompt], str]) -> Callable[[Prompt], str]:
    chains = dict.fromkeys(("answer", "map", "reduce", "refine", "rerank", "score"), told)
    return by_role(**{**chains, "split": split, "broaden": broaden, **more})


def last(events: Sequence[Event]) -> Answer:
    assert isinstance(events[-1], Answer)
    return events[-1]


# ---- what is used


@pytest.mark.parametrize(
    ("reply", "used"),
    [
        (SPLIT, ("Who opened the sluice in 1884?", "When was the toll house sold?")),
        ("- Who opened the sluice?\n- Who opened the sluice?\n- When was the toll house sold?\n", 2),
        (QUESTION, ()),  # one thing only
        (f"Question: {QUESTION}\n{SPLIT.splitlines()[0]}", ()),  # itself and one part: whole
        ("Who opened the sluice?\n闸门是谁打开的？\nWhen was the toll house sold?", 2),  # another language
        ("Who opened the sluice?\nWho wrote Hamlet?\nWhen was the toll house sold?", 2),  # another subject
        ("Who opened the sluice?\nWhen was the toll house sold in 1950?", ()),  # a year of its own
        ("The sluice was opened by Wren.\nThe toll house was sold.", ()),  # answers
        ("\n".join(f"What is sluice {word}?" for word in ("one", "two", "three", "four", "five", "six")), 4),
        ("", ()),
        ("I cannot split this.", ()),
    ],
)
def test_parts_are_used_where_they_are_two_to_four_questions_about_it(reply: str, used: object) -> None:
    found = expand.parts(QUESTION, (), ScriptedModel(by_role(split=reply)))
    assert found == used or len(found) == used


@pytest.mark.parametrize(
    ("reply", "used"),
    [
        (BROADER, BROADER),
        (f'Step-back question: "{BROADER}"', BROADER),
        (QUESTION, ""),
        ("What is the history of Norway?", ""),  # another subject
        ("What is love?", ""),
        ("这座闸门的历史是什么？", ""),
        (f"{BROADER} It is long.", ""),
        (f"{BROADER}\n{BROADER}", ""),
        ("The sluice is old.", ""),
        ("What happened to the sluice in 1999?", ""),
        ("", ""),
    ],
)
def test_a_broader_question_is_used_where_it_is_one_about_the_same(reply: str, used: str) -> None:
    assert expand.broader(QUESTION, ScriptedModel(by_role(broaden=reply))) == used


def test_chinese_questions_are_split_and_stepped_back_from() -> None:
    question = "谁在一八八四年打开了水闸，收费站何时出售？"
    model = ScriptedModel(by_role(split="1、谁打开了水闸？\n2、收费站何时出售？", broaden="水闸和收费站的历史是什么？"))
    assert expand.parts(question, (), model) == ("谁打开了水闸？", "收费站何时出售？")
    assert expand.broader(question, model) == "水闸和收费站的历史是什么？"
    assert all("用中文书写" in render(prompt).system for prompt in model.prompts)


@given(st.text(max_size=300))
def test_any_reply_is_read(reply: str) -> None:
    model = ScriptedModel(by_role(split=reply, broaden=reply), obeys=False)
    found = expand.parts(QUESTION, (), model)
    assert len(found) in (0, 2, 3, 4) and len(set(found)) == len(found)
    assert "\n" not in expand.broader(QUESTION, model)


def test_a_part_may_speak_of_what_the_conversation_named() -> None:
    history = (Turn("Who was Clara Wren?", "An engineer."),)
    model = ScriptedModel(by_role(split="Did Clara Wren open the sluice?\nDid Clara Wren sell the toll house?"))
    assert len(expand.parts("Did she open the sluice and sell the toll house?", history, model)) == 2
    assert expand.parts("Did she open the sluice and sell the toll house?", (), model) == ()


# ---- with each chain


@pytest.mark.parametrize("chain", CHAINS)
def test_the_parts_and_the_broader_question_are_searched_for_told_and_counted(library: Library, chain: str) -> None:
    model = ScriptedModel(asked(), parallel=3)
    events = list(ask(QUESTION, library, model, chain=chain, k=3, ways=BOTH))
    (split,), (broader,), (planned,) = (steps(events, name) for name in ("split", "broader", "planned"))
    assert split.total == 2 and split.text == "Who opened the sluice in 1884? When was the toll house sold?"
    assert broader.text == BROADER
    answer = last(events)
    texts = [s.text for s in answer.sources]
    assert any("sluice" in text for text in texts) and any("toll" in text for text in texts)
    assert [s.n for s in answer.sources] == [1, 2, 3] and answer.searched == ""
    assert answer.calls == model.calls <= planned.total
    assert model.calls >= 3 and all(p.question == QUESTION for p in model.prompts)
    assert cut_short(events[: events.index(planned)], QUESTION, chain, "scripted", 0.1).calls == 2


def test_each_parts_best_passage_is_kept_where_there_are_fewer_places(library: Library) -> None:
    answer = last(list(ask(QUESTION, library, ScriptedModel(asked()), k=1, ways=Ways(parts=True))))
    assert ["sluice" in s.text or "toll" in s.text for s in answer.sources] == [True, True]


def test_the_questions_own_passages_keep_the_majority(library: Library) -> None:
    plain = last(list(ask(QUESTION, library, ScriptedModel(asked()), k=4))).sources
    stepped = last(list(ask(QUESTION, library, ScriptedModel(asked()), k=4, ways=Ways(step_back=True)))).sources
    assert [s.passage.chunk for s in stepped[:3]] == [s.passage.chunk for s in plain[:3]]
    assert len(stepped) == 4 and len({s.passage.chunk.id for s in stepped}) == 4


@pytest.mark.parametrize("way", [Ways(step_back=True), Ways(parts=True), BOTH])
def test_a_question_that_needs_neither_is_asked_as_it_is_and_this_is_told(library: Library, way: Ways) -> None:
    plain = last(list(ask(QUESTION, library, ScriptedModel(asked()), k=3)))
    broken = dict.fromkeys(range(1, way.calls + 1), CUT)
    for model in (ScriptedModel(asked(QUESTION, QUESTION)), ScriptedModel(asked(), fails=broken)):
        events = list(ask(QUESTION, library, model, k=3, ways=way))
        assert last(events).sources == plain.sources and last(events).error is None
        assert [step.total for step in steps(events, "split")] == [0] * way.parts
        assert [step.text for step in steps(events, "broader")] == [""] * way.step_back
        assert last(events).calls == model.calls == 1 + way.calls


def test_off_is_off(library: Library) -> None:
    model = ScriptedModel(asked())
    events = list(ask(QUESTION, library, model, k=3, ways=PLAIN))
    assert model.calls == 1 and not steps(events, "split") and not steps(events, "broader")
    assert [s.passage for s in last(events).sources] == retrieve(QUESTION, library, 3)


def test_a_follow_up_is_made_stand_alone_before_it_is_split(library: Library) -> None:
    history = (Turn("Who was Clara Wren?", "An engineer."),)
    alone = "Did Clara Wren open the sluice and did Clara Wren sell the toll house?"
    split = "Did Clara Wren open the sluice?\nDid Clara Wren sell the toll house?"
    model = ScriptedModel(asked(split, condense=alone))
    question = "Did she open the sluice and did she sell the toll house?"
    events = list(ask(question, library, model, history=history, ways=BOTH))
    assert [p.role for p in model.prompts[:3]] == ["condense", "split", "broaden"]
    assert model.prompts[1].question == model.prompts[2].question == last(events).searched == alone
    assert steps(events, "planned")[0].total == 4 >= last(events).calls


def test_all_chains_are_given_what_was_found_once(library: Library) -> None:
    model = ScriptedModel(asked(), parallel=2)
    events = list(compare(QUESTION, library, model, k=3, ways=BOTH))
    whole = events[-1]
    assert isinstance(whole, Comparison) and len({answer.sources for answer in whole.answers}) == 1
    assert [p.role for p in model.prompts].count("split") == [p.role for p in model.prompts].count("broaden") == 1
    assert whole.calls == model.calls
    told_all = [event for event in events if isinstance(event, Step)]
    assert [step.name for step in told_all] == ["split", "broader", "searched"]
    cut = cut_comparison(told_all, QUESTION, "scripted", 0.1)
    assert cut.calls == 2 and all(answer.sources == whole.answers[0].sources for answer in cut.answers)


def test_ways_reach_every_chain_of_a_comparison(library: Library) -> None:
    model = ScriptedModel(lambda p: f"<reasoning>hm</reasoning>{told(p)}" if p.reasoning else told(p), parallel=2)
    events = list(compare("Who opened the sluice?", library, model, k=2, ways=Ways(think=True)))
    whole = events[-1]
    assert isinstance(whole, Comparison)
    assert all(set(answer.reasoning) == {"hm"} and answer.citations for answer in whole.answers)
    assert {event.chain for event in events if isinstance(event, Of) and _reasoned(event.event)} == set(CHAINS)


def _reasoned(event: object) -> bool:
    return isinstance(event, Step) and event.name == "reasoned"


def test_a_search_that_fails_after_a_paid_call_is_the_answers_error(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> list[Passage]:
        raise EmbedderError(name="x", detail="gone")

    monkeypatch.setattr("chains.answer.retrieve", broken)
    with pytest.raises(EmbedderError):
        list(ask(QUESTION, library, ScriptedModel(asked())))
    answer = last(list(ask(QUESTION, library, ScriptedModel(asked()), ways=BOTH)))
    assert isinstance(answer.error, EmbedderError) and answer.calls == 2


# ---- the language of the answer


def test_the_question_says_in_which_language_it_is_answered(library: Library) -> None:
    model = ScriptedModel(asked())
    events = list(ask("Who opened the sluice? Answer in Chinese.", library, model, k=2, language="en"))
    assert (model.prompts[0].question, model.prompts[0].language) == ("Who opened the sluice?", "zh")
    assert last(events).searched == "Who opened the sluice?" and "都用中文书写" in render(model.prompts[0]).system
    plain = last(list(ask("Who opened the sluice?", library, ScriptedModel(asked()), k=2)))
    assert last(events).sources == plain.sources


def test_a_wish_for_a_language_alone_asks_the_last_question_again(library: Library) -> None:
    model = ScriptedModel(asked())
    history = (Turn("Who opened the sluice?", "Clara Wren."), Turn("In English, please.", "Clara Wren."))
    list(ask("请用中文", library, model, k=2, history=history))
    assert (model.prompts[0].question, model.prompts[0].language) == ("Who opened the sluice?", "zh")
    list(ask("请用中文", library, model, k=2))
    assert (model.prompts[1].question, model.prompts[1].language) == ("请用中文", "zh")


# ---- merging

_LISTS = st.lists(st.lists(st.integers(0, 12), max_size=8, unique=True), max_size=4)


def _passage(n: int) -> Passage:
    """Each at a place of its own."""
    found = source(n + 1, f"Text {n}").passage
    return replace(found, chunk=replace(found.chunk, start=100 * n, end=100 * n + 10))


@given(_LISTS, st.integers(1, 10))
def test_in_turn_takes_the_best_of_each_and_none_twice(lists: list[list[int]], k: int) -> None:
    found = [p.chunk.start // 100 for p in in_turn([list(map(_passage, one)) for one in lists], k)]
    assert len(found) == len(set(found)) == min(k, len({n for one in lists for n in one}))
    if k >= len(lists):
        assert {one[0] for one in lists if one} <= set(found)


@given(st.lists(st.integers(0, 12), max_size=8, unique=True), st.lists(st.integers(0, 12), max_size=8, unique=True))
def test_beside_keeps_the_own_first_and_adds_a_third_at_most(own: list[int], other: list[int]) -> None:
    k = 8
    found = [p.chunk.start // 100 for p in beside(list(map(_passage, own)), list(map(_passage, other)), k, k // 3)]
    assert len(found) == len(set(found)) <= k
    assert found[: min(len(own), 6)] == own[:6]
    assert len(set(found) - set(own)) == min(2, len(set(other) - set(own)))


def test_passages_that_share_text_count_as_one() -> None:
    one, other = _passage(1), _passage(1)
    assert len(in_turn([[one], [other]], 5)) == 1 and len(beside([one], [other], 5, 2)) == 1


# ---- without a language model


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("When was the bridge opened and who built it?", ["When was the bridge opened?", "who built it ("]),
        ("What was the revenue of 2015; how many members did it have?", ["What was the revenue", "how many members"]),
        ("公司的总部在哪里以及有多少员工？", ["公司的总部在哪里？", "有多少员工（公司"]),
        ("谁写了信和谁收到了信？", ["谁写了信？", "谁收到了信？"]),
        ("What are the revenue and profit of 3M?", []),
        ("Which lakes are deep and are blue?", []),
        ("What is research and development?", []),
        ("达西先生和伊丽莎白是什么关系？", []),
    ],
)
def test_the_extractive_model_splits_where_both_sides_are_questions(question: str, parts: list[str]) -> None:
    found = expand.parts(question, (), Extractive())
    assert len(found) == len(parts) and all(map(str.startswith, found, parts))


@pytest.mark.parametrize(
    ("question", "broader"),
    [
        ("What was Adobe's operating income in FY2020?", "What was Adobe's operating income?"),
        ("What is 3M's total revenue for fiscal year 2018?", "What is 3M's total revenue?"),
        ("How did revenue change between 2017 and 2018?", "How did revenue change?"),
        ("When did Holm open the sluice in May 1884?", "When did Holm open the sluice?"),
        ("公司2020年的营业收入是多少？", "公司的营业收入是多少？"),
        ("截至2020年末公司有多少员工？", "公司有多少员工？"),
        ("Who is Darcy?", ""),
        ("What happened in the third quarter of 2021?", ""),  # nothing would be left
    ],
)
def test_the_extractive_model_steps_back_by_dropping_dates(question: str, broader: str) -> None:
    assert expand.broader(question, Extractive()) == broader


@pytest.mark.parametrize("chain", CHAINS)
def test_the_extractive_model_takes_every_way(library: Library, chain: str) -> None:
    question = "Who opened the sluice in 1884 and when was the toll house sold?"
    answer_of = partial(ask, question, library, Extractive(), chain=chain, k=3)
    ways_taken = last(list(answer_of(ways=Ways(True, True, True))))
    assert "sluice" in ways_taken.text and all(c.verified for c in ways_taken.citations)
    assert ways_taken.reasoning == () and ways_taken.error is None
    assert last(list(answer_of())).text
