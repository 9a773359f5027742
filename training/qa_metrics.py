"""What a reader gets right: F1 and exact match of its spans, and how well it tells what a passage answers."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from chains.reader.checkpoint import Card
from training.features import NONE, Row, batch, windows
from training.model import ReaderModel
from training.squad import Pair, Pairs

SPAN, BREVITY = Card.span, Card.brevity
_ROWS = 16  # read at once
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation) | frozenset("，。、；：？！“”‘’（）《》〈〉·—…")
_HAN = re.compile(r"([\u3400-\u9fff])")


@dataclass(frozen=True)
class Reading:
    """The best span of all windows, as text, and what the heads say (chains/reader/checkpoint.py)."""

    text: str
    margin: float
    answers: float
    fit: float


def read(
    model: ReaderModel, rows: Sequence[Row], longest: int, question: int = 64, overlap: int = 96
) -> list[Reading]:
    device = next(model.heads.parameters()).device
    with torch.no_grad():
        weights = model.weights(torch.bfloat16)
    found: list[Reading | None] = [None] * len(rows)
    order = sorted(range(len(rows)), key=lambda n: rows[n].size)

    def some(places: Sequence[int]) -> None:
        cut = windows(model.tokenizer, [rows[n] for n in places], longest, question, min(overlap, longest // 3))
        flat = [window for each in cut for window in each]
        made = batch(flat, model.tokenizer.pad_token_id, model.shape.types, device)
        with torch.no_grad():
            out = model.run(weights, made)
        length = made.ids.shape[1]
        band = torch.ones(length, length, dtype=torch.bool, device=device).triu().tril(SPAN - 1)
        token = torch.arange(length, device=device)
        size = (token[None, :] - token[:, None] + 1).clamp(min=1)
        pair = out.start[:, :, None] + out.end[:, None, :] - BREVITY * size.log()
        legal = band & made.passage[:, :, None] & made.passage[:, None, :]
        best, where = pair.masked_fill(~legal, NONE).flatten(1).max(-1)
        margins = best - out.start[:, 0] - out.end[:, 0]
        for n, window in enumerate(flat):
            row = places[window.row]
            i, j = divmod(int(where[n]), length)
            text = rows[row].passage[window.offsets[i][0] : window.offsets[j][1]] if window.last >= window.first else ""
            one = Reading(text, float(margins[n]), float(out.answers[n]), float(out.fit[n]))
            before = found[row]
            found[row] = one if before is None else _joined(before, one)

    parts = [order[at : at + _ROWS] for at in range(0, len(order), _ROWS)]
    with ThreadPoolExecutor(2 if device.type == "cpu" else 1) as pool:
        list(pool.map(some, parts))
    return [reading for reading in found if reading is not None]


def _joined(a: Reading, b: Reading) -> Reading:
    better = a if a.margin >= b.margin else b
    return Reading(better.text, better.margin, max(a.answers, b.answers), max(a.fit, b.fit))


def normal(text: str) -> list[str]:
    """The words that SQuAD's own measure compares; a Chinese character is a word (CMRC's measure)."""
    bare = "".join(sign for sign in text.lower() if sign not in _PUNCTUATION)
    return _HAN.sub(r" \1 ", _ARTICLES.sub(" ", bare)).split()


def f1(said: str, golds: Sequence[str]) -> float:
    """0 to 1, against the gold that it is most like. No gold: 1 for saying nothing."""
    best = 0.0
    words = normal(said)
    for gold in golds or [""]:
        right = normal(gold)
        if not words or not right:
            best = max(best, float(words == right))
            continue
        common = sum((Counter(words) & Counter(right)).values())
        best = max(best, 2 * common / (len(words) + len(right)))
    return best


def exact(said: str, golds: Sequence[str]) -> float:
    return float(any(normal(said) == normal(gold) for gold in golds or [""]))


def area(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The area under the ROC curve: how often a right one scores above a wrong one; ties count half."""
    ranks = np.empty(len(scores))
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    n = int(right.sum())
    if not 0 < n < len(scores):
        return float("nan")
    return float((ranks[right].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def figures(
    model: ReaderModel, pairs: Pairs, chosen: Sequence[Pair], *, longest: int, question: int
) -> dict[str, float]:
    """F1 and EM in percent over what is answerable; the area for telling it from what is not, where there are both."""
    rows = [Row(pair.question, pairs.passages[pair.passage].text) for pair in chosen]
    readings = read(model, rows, longest, question)
    both = [(r, p) for r, p in zip(readings, chosen, strict=True) if p.answerable]
    found = {
        "f1": 100 * float(np.mean([f1(r.text, p.golds) for r, p in both])),
        "em": 100 * float(np.mean([exact(r.text, p.golds) for r, p in both])),
    }
    if len(both) < len(chosen):
        right = np.array([p.answerable for p in chosen])
        found["auc_answers"] = area(np.array([r.answers for r in readings]), right)
        found["auc_margin"] = area(np.array([r.margin for r in readings]), right)
    return {name: round(value, 3) for name, value in found.items()}
