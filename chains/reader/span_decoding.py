"""From a network's numbers for one window of a text to the words that answer. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log

import numpy as np
from numpy.typing import NDArray

from chains.reader.protocol import Span
from ingest.text.normalize import whole_words

MOST = 4  # spans of a text
# What the looks at the sentence by itself, and at it with its neighbours, count beside the one at the whole text. Of
# 1,128 questions of SQuAD 1.1, F1 / EM: 76.4 / 66.7 with .8 and 0, 76.5 / 66.8 with .5 and .5; with the weights of an
# earlier run 76.7 / 66.6 with .8 and 0, 77.2 / 67.2 with .8 and .5.
NEAR, WIDE = 0.5, 0.5
# What the doubts count when the program reads; in training 1. Areas under ROC by 1,326 questions of SQuAD 2.0,
# two runs: .764 and .761 with 1, .767 and .763 with 2.
DOUBT = 2.0

Ends = Mapping[tuple[int, int], tuple[float, float]]  # of a token's characters: beginning and end, as logits


def doubted(doubts: NDArray[np.float32]) -> float:
    """What the doubts about each word of a question take from the logit that it is answered: one is enough."""
    return DOUBT * float(np.logaddexp.reduce(np.append(doubts, 0.0)))


def spans_of(
    logits: NDArray[np.float32],
    offsets: Sequence[tuple[int, int]],
    first: int,
    text: str,
    longest: int,
    brevity: float = 0.0,
) -> list[Span]:
    """The best spans of one window, best first; those of a window over several of its tokens overlap none before them.

    `logits`: (tokens, 2 or more), of a beginning and an end; `offsets`: the characters of `text` that the tokens from
    `first` on stand for; `longest`: tokens of a span; `brevity`: see checkpoint.py. A span's score is what it has more
    than the first token, which is none.
    """
    count = len(offsets)
    if not count:
        return []
    null = float(logits[0, :2].sum())
    starts, ends = logits[first : first + count, 0], logits[first : first + count, 1]
    width = min(longest, count)
    # (width, count): the span of `row` + 1 tokens that begins at `column`.
    sums = np.full((width, count), -np.inf, np.float32)
    for row in range(width):
        sums[row, : count - row] = starts[: count - row] + ends[row:] - brevity * log(row + 1)
    found: list[Span] = []
    while len(found) < MOST:
        row, column = divmod(int(sums.argmax()), count)
        score = float(sums[row, column])
        if score == -np.inf:
            break
        start, end = whole_words(text, offsets[column][0], offsets[column + row][1])
        if text[start:end].strip() and not overlaps(found, start, end):
            found.append(Span(start, end, score - null))
        for length in range(width):  # nothing that shares a token with it is asked again
            sums[length, max(0, column - length) : column + row + 1] = -np.inf
    return found


def ends_of(logits: NDArray[np.float32], offsets: Sequence[tuple[int, int]], first: int, moved: int = 0) -> Ends:
    """The numbers of a window's tokens, by their characters in a text in which it begins at `moved`."""
    rows = logits[first : first + len(offsets), :2].tolist()
    return {(a + moved, b + moved): (row[0], row[1]) for (a, b), row in zip(offsets, rows, strict=True)}


def sharpened(
    spans: Sequence[Span], looks: Sequence[tuple[Ends, float]], text: str, longest: int, brevity: float
) -> tuple[Span, ...]:
    """The spans with the first one's bounds as several looks at its sentence see them; it keeps its score.

    `looks`: each with what it counts; the sentence is where all of them have looked."""
    seen = [at for at in looks[0][0] if all(at in ends for ends, _ in looks)]
    logits = np.zeros((len(seen) + 1, 2), np.float32)
    for ends, worth in looks:
        logits[1:] += worth * np.array([ends[at] for at in seen], np.float32).reshape(-1, 2)
    found = spans_of(logits, seen, 1, text, longest, sum(worth for _, worth in looks) * brevity)
    if not found:
        return tuple(spans)
    first = replace(found[0], score=spans[0].score)
    return (first, *(span for span in spans[1:] if not overlaps([first], span.start, span.end)))


def best(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Of the spans of all windows the best, none overlapping another."""
    chosen: list[Span] = []
    for span in sorted(spans, key=lambda span: (-span.score, span.start)):
        if len(chosen) < MOST and not overlaps(chosen, span.start, span.end):
            chosen.append(span)
    return tuple(chosen)


def overlaps(spans: Sequence[Span], start: int, end: int) -> bool:
    return any(start < span.end and span.start < end for span in spans)

