"""From a network's numbers for one window of a text to the words that answer. Pure."""

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from chains.reader.base import Span
from ingest.fold import whole_words

MOST = 4  # spans of a text


def spans_of(
    logits: NDArray[np.float32],
    offsets: Sequence[tuple[int, int]],
    first: int,
    text: str,
    longest: int,
    brevity: float = 0.0,
) -> list[Span]:
    """The best spans of one window, best first; those of a window over several of its tokens overlap none before them.

    `logits`: (tokens, 2), of a beginning and an end; `offsets`: the characters of `text` that the tokens from `first`
    on stand for; `longest`: tokens of a span; `brevity`: see files.py. A span's score is what it has more than the
    first token, which is none.
    """
    count = len(offsets)
    if not count:
        return []
    null = float(logits[0].sum())
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


def best(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Of the spans of all windows the best, none overlapping another."""
    chosen: list[Span] = []
    for span in sorted(spans, key=lambda span: (-span.score, span.start)):
        if len(chosen) < MOST and not overlaps(chosen, span.start, span.end):
            chosen.append(span)
    return tuple(chosen)


def overlaps(spans: Sequence[Span], start: int, end: int) -> bool:
    return any(start < span.end and span.start < end for span in spans)

