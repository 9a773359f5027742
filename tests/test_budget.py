"""Prompt and reply always fit the window, found with few counts; what is shortened stays the document's own words."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import ContextTooSmall
from chains.execution import context_budget
from chains.prompt import Prompt, Source
from ingest.document import Span
from tests.support.fakes import ScriptedModel
from tests.support.sources import source, sources, words

TEXTS = st.lists(
    st.one_of(
        st.integers(0, 400).map(words),
        st.integers(0, 200).map(lambda n: words(n, "zh")),
        st.text(alphabet="ab .。,湖\n", max_size=300),
    ).map(lambda text: text or "x"),
    min_size=1,
    max_size=30,
)


def build(chosen: Sequence[Source], reply: int = 50) -> Prompt:
    return Prompt("answer", "question", "What colour is the lake?", "en", reply, sources=tuple(chosen))


def silent(context: int) -> ScriptedModel:
    return ScriptedModel(lambda prompt: "", context=context)


def base() -> int:
    model = silent(1)
    return model.count(build(())) + 50


@given(TEXTS, st.integers(0, 3000), st.integers(0, 100))
def test_what_fits_fits_for_any_sizes(texts: list[str], room: int, reserve: int) -> None:
    model, given_sources = silent(base() + room), sources(*texts)
    try:
        chosen = context_budget.fit(build, given_sources, model, reserve)
    except ContextTooSmall as error:
        assert model.count(build(given_sources[:1])) + 50 + reserve > model.context
        assert int(str(error.params["needed"])) > model.context
        return
    assert context_budget.fits(build(chosen), model, reserve)
    assert [s.n for s in chosen] == [s.n for s in given_sources[: len(chosen)]]
    assert all(a.text == b.text for a, b in zip(chosen[1:], given_sources[1:], strict=False))
    assert given_sources[0].text.startswith(chosen[0].text) and chosen[0].text


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 3000))
def test_no_room_is_wasted(sizes: list[int], room: int) -> None:
    given_sources = sources(*(words(10 * size) for size in sizes))
    model = silent(base() + room)
    k = context_budget.most(len(given_sources), lambda k: build(given_sources[:k]), model)
    assert context_budget.fits(build(given_sources[:k]), model)
    if k < len(given_sources):
        assert not context_budget.fits(build(given_sources[: k + 1]), model)


def test_counting_is_cheap() -> None:
    """Old chains tokenised 40,000 tokens of sources seventeen times over."""
    given_sources = sources(*(words(310) for _ in range(128)))
    total = sum(len(s.text.split()) for s in given_sources)
    for context in (4_000, 16_000, 200_000):
        model = silent(context)
        context_budget.fit(build, given_sources, model)
        assert model.counted <= 2 * total


def test_a_source_too_long_alone_ends_with_a_sentence() -> None:
    text = words(1000)
    model = silent(base() + 200)
    (short,) = context_budget.fit(build, sources(text, "Blue."), model)
    assert short.n == 1 and short.passage.page == 1
    assert text.startswith(short.text) and short.text.endswith(".")
    assert len(short.text.split()) > 120  # most of the room is used
    assert short.passage.chunk.end == short.passage.chunk.start + len(short.text)


def test_a_sentence_too_long_alone_ends_with_a_word() -> None:
    text = "water " * 1000
    (short,) = context_budget.fit(build, [source(1, text)], silent(base() + 100))
    assert set(short.text.split()) == {"water"}
    chinese = "湖" * 1000
    (short,) = context_budget.fit(build, [source(1, chinese)], silent(base() + 100))
    assert 10 < len(short.text) < 100 and set(short.text) == {"湖"}


def test_not_even_the_question_fits() -> None:
    with pytest.raises(ContextTooSmall, match="scripted"):
        context_budget.fit(build, sources("Blue."), silent(base() - 10))
    with pytest.raises(ContextTooSmall):
        context_budget.room(build(()), silent(base()))


def test_the_reply_leaves_room_for_what_it_is_about() -> None:
    assert context_budget.reply_tokens(700, silent(100_000)) == 700
    assert context_budget.reply_tokens(700, silent(1_000)) == 250


@given(st.integers(1, 60), st.integers(1, 60))
def test_spread_takes_first_and_last_and_all_between_evenly(n: int, k: int) -> None:
    given_sources = sources(*(["x"] * n))
    chosen = context_budget.spread(given_sources, k)
    numbers = [s.n for s in chosen]
    assert len(numbers) == min(n, k) and numbers == sorted(set(numbers)) and numbers[0] == 1
    if k > 1:
        assert numbers[-1] == n
        gaps = [b - a for a, b in pairwise(numbers)]
        assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_shortened_source_keeps_only_the_pages_it_still_touches() -> None:
    whole = source(3, "One page. Another page.")
    chunk = replace(whole.passage.chunk, start=100, end=123, spans=(Span(4, "iv", 0, 9), Span(5, "v", 10, 23)))
    whole = Source(3, replace(whole.passage, chunk=chunk))
    short = context_budget.with_text(whole, "One page.")
    assert short.passage.chunk.spans == (Span(4, "iv", 0, 9),)
    assert (short.passage.chunk.start, short.passage.chunk.end, short.n) == (100, 109, 3)
    longer = context_budget.with_text(whole, "One page. Another")
    assert longer.passage.chunk.spans == (Span(4, "iv", 0, 9), Span(5, "v", 10, 17))
