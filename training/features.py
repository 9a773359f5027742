"""Questions and passages as token windows, laid out as chains/reader/checkpoint.py says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

STEP = 16  # lengths are rounded up to it
NONE = -1e4  # the logit of what cannot be
ASKED = 1  # the place of the question's first token, after the one that stands for the whole


@dataclass(frozen=True)
class Row:
    """A question beside a passage. `start` and `end`: the answer's characters; both 0: it does not answer.

    `changed`: the characters of the question that the passage was not asked with; (0, 0): none; None: not known."""

    question: str
    passage: str
    start: int = 0
    end: int = 0
    changed: tuple[int, int] | None = None

    @property
    def size(self) -> int:
        return len(self.question) + len(self.passage)


@dataclass(frozen=True)
class Window:
    row: int
    ids: list[int]
    types: list[int]
    offsets: list[tuple[int, int]]  # characters of the passage; (0, 0) outside it
    first: int  # the passage's tokens are first … last
    last: int
    asked: list[tuple[int, int]]  # characters of the question, of its tokens; they stand from ASKED on

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The first and last token of the characters start … end - 1; None where the window does not hold them all."""
        places = range(self.first, self.last + 1)
        inside = [n for n in places if self.offsets[n][1] > start and self.offsets[n][0] < end]
        if not inside or self.offsets[inside[0]][0] > start or self.offsets[inside[-1]][1] < end:
            return None
        return inside[0], inside[-1]


@dataclass(frozen=True)
class Batch:
    """[windows, tokens] each; padding is last. `asked`: the question's tokens; `passage`: where a span may lie."""

    ids: Tensor
    types: Tensor
    mask: Tensor
    asked: Tensor
    passage: Tensor


def windows(tokenizer: Any, rows: Sequence[Row], longest: int, question: int, overlap: int) -> list[list[Window]]:
    """For each row the windows that cover its passage, in order."""
    asked = tokenizer([row.question for row in rows], add_special_tokens=False, return_offsets_mapping=True)
    cut = [
        row.question[: spans[question - 1][1]] if len(spans) > question else row.question
        for row, spans in zip(rows, asked["offset_mapping"], strict=True)
    ]
    read = tokenizer(
        cut,
        [row.passage for row in rows],
        truncation="only_second",
        max_length=longest,
        stride=overlap,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    found: list[list[Window]] = [[] for _ in rows]
    for n, row in enumerate(read["overflow_to_sample_mapping"]):
        parts, places = read.sequence_ids(n), read["offset_mapping"][n]
        inside = [at for at, part in enumerate(parts) if part == 1]
        first, last = (inside[0], inside[-1]) if inside else (1, 0)
        offsets = [span if part == 1 else (0, 0) for span, part in zip(places, parts, strict=True)]
        own = [span for span, part in zip(places, parts, strict=True) if part == 0]
        found[row].append(Window(row, read["input_ids"][n], read["token_type_ids"][n], offsets, first, last, own))
    return found


def batch(chosen: Sequence[Window], padding: int, types: int, device: torch.device) -> Batch:
    """`padding`: the id of the padding token; `types`: how many kinds of tokens the encoder knows."""
    length = max(len(window.ids) for window in chosen)
    length = -(-length // STEP) * STEP
    ids = torch.full((len(chosen), length), padding)
    kinds = torch.zeros((len(chosen), length), dtype=torch.long)
    mask = torch.zeros((len(chosen), length), dtype=torch.bool)
    asked = torch.zeros((len(chosen), length), dtype=torch.bool)
    passage = torch.zeros((len(chosen), length), dtype=torch.bool)
    for n, window in enumerate(chosen):
        size = len(window.ids)
        ids[n, :size] = torch.tensor(window.ids)
        if types > 1:
            kinds[n, :size] = torch.tensor(window.types)
        mask[n, :size] = True
        asked[n, ASKED : ASKED + len(window.asked)] = True
        passage[n, window.first : window.last + 1] = True
    return Batch(ids.to(device), kinds.to(device), mask.to(device), asked.to(device), passage.to(device))
