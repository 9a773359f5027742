"""From a network's numbers to the words that answer."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from chains.reader.protocol import Span
from chains.reader.span_decoding import DOUBT, MOST, NEAR, WIDE, best, doubted, ends_of, overlaps, sharpened, spans_of
from ingest.text.normalize import find, whole_words


@given(st.text("ab 1,.一二-", min_size=1, max_size=40), st.data())
def test_a_span_of_whole_words_is_found_again(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    first, last = whole_words(text, start, end)
    assert first <= start and last >= end
    if text[first:last].strip():
        assert find(text[first:last], text) is not None


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_the_best_spans_are_those_of_all_that_there_are(count: int, longest: int, seed: int, brevity: float) -> None:
    logits: NDArray[np.float32] = np.random.default_rng(seed).normal(size=(count + 4, 2)).astype(np.float32)
    offsets = [(2 * i, 2 * i + 1) for i in range(count)]
    found = spans_of(logits, offsets, 3, "x " * count, longest, brevity)
    null = float(logits[0].sum())
    every = {
        (i, j): float(logits[3 + i, 0] + logits[3 + j, 1]) - brevity * math.log(j - i + 1) - null
        for i in range(count)
        for j in range(i, min(count, i + longest))
    }
    left = dict(every)
    for span in found:
        i, j = span.start // 2, (span.end - 1) // 2
        assert span.score == pytest.approx(max(left.values()), abs=1e-4)
        assert span.score == pytest.approx(every[i, j], abs=1e-4)
        left = {(a, b): score for (a, b), score in left.items() if b < i or a > j}
    assert len(found) == MOST or not left


def test_of_overlapping_spans_of_two_windows_the_better_is_kept() -> None:
    assert best([Span(0, 5, 1.0), Span(3, 8, 2.0), Span(9, 11, 0.5)]) == (Span(3, 8, 2.0), Span(9, 11, 0.5))


@settings(deadline=None)
@given(st.integers(3, 12), st.integers(0, 2**32 - 1), st.data())
def test_further_looks_at_the_sentence_move_the_best_words_only(count: int, seed: int, data: st.DataObject) -> None:
    text, brevity, longest = "x " * count, 0.25, 4
    offsets = [(2 * i, 2 * i + 1) for i in range(count)]
    first, second, third = np.random.default_rng(seed).normal(size=(3, count + 1, 2)).astype(np.float32)
    begin = data.draw(st.integers(0, count - 1))
    end = data.draw(st.integers(begin + 1, count))  # the sentence: these tokens
    spans = best(spans_of(first, offsets, 1, text, longest, brevity))
    inside = [(a - 2 * begin, b - 2 * begin) for a, b in offsets[begin:end]]
    near = ends_of(second[begin:], inside, 1, moved=2 * begin)
    looks = [(near, NEAR), (ends_of(third, offsets, 1), WIDE), (ends_of(first, offsets, 1), 1.0)]
    found = sharpened(spans, looks, text, longest, brevity)

    def together(i: int, j: int) -> float:
        each = [look[1 + i, 0] + look[1 + j, 1] - brevity * math.log(j - i + 1) for look in (first, second, third)]
        return float(each[0] + NEAR * each[1] + WIDE * each[2])

    every = [(i, j) for i in range(begin, end) for j in range(i, min(end, i + longest))]
    i, j = max(every, key=lambda place: together(*place))
    assert (found[0].start, found[0].end, found[0].score) == (2 * i, 2 * j + 1, spans[0].score)
    assert not any(overlaps(found[:n], span.start, span.end) for n, span in enumerate(found))
    assert set(found[1:]) <= set(spans[1:])


@given(st.lists(st.floats(-30, 30), max_size=12))
def test_one_doubt_is_enough_and_none_takes_nothing(doubts: list[float]) -> None:
    taken = doubted(np.array(doubts, np.float32)) / DOUBT
    assert max([0.0, *doubts]) - 1e-4 <= taken <= max([0.0, *doubts]) + math.log(len(doubts) + 1) + 1e-4
