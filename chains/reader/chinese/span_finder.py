"""The words of a Chinese passage that answer a question, found without a language model or vectors.

A log-linear model over what can be seen of a span: the question's words around it, how the words beside the question's
hole meet it, what it looks like, how long it is. Its weights are in overlap.json and were trained by
`python -m training spans`.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from chains.reader.chinese.characters import Floats
from chains.reader.chinese.cloze import KINDS, asked
from chains.reader.chinese.span_features import FAMILIES, candidates

SPANS = 5
WEIGHTS = Path(__file__).with_name("span_weights.json")


@dataclass(frozen=True)
class Span:
    """The characters [start, end) of a text. `score`: the share of a gold answer's characters expected in it (F1)."""

    start: int
    end: int
    score: float  # 0 to 1; comparable between the passages of a question


def find(question: str, text: str, heading: str = "") -> list[Span]:
    """At most SPANS spans of `text` that may answer, best first, none inside or across another.

    A Chinese question is meant; of others it understands no word of asking, and finds what stands beside their words.
    `heading` is what the text stands under; words of the question that it holds need not stand in the text.
    """
    found = candidates(asked(question), text, heading)
    if not len(found):
        return []
    weights, slope, middle = _weights()
    raw = weights[found.seen].sum(axis=0)
    chosen: list[Span] = []
    for i in raw.argsort()[::-1]:
        start, end = int(found.start[i]), int(found.end[i])
        if all(end <= other.start or start >= other.end for other in chosen):
            chosen.append(Span(start, end, float(1 / (1 + np.exp(-(slope * raw[i] + middle))))))
            if len(chosen) == SPANS:
                break
    return chosen


@lru_cache(maxsize=1)
def _weights() -> tuple[Floats, float, float]:
    stored = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    flat: list[float] = []
    for name, (_, by_kind) in FAMILIES.items():
        family = stored["weights"][name]
        for kind in KINDS if by_kind else ("",):
            flat += family[kind] if by_kind else family
    return np.array(flat), stored["slope"], stored["middle"]


def stored(weights: Floats, slope: float, middle: float) -> str:
    """The text of overlap.json; what `_weights` reads."""
    families: dict[str, object] = {}
    at = 0
    for name, (bins, by_kind) in FAMILIES.items():
        rows = []
        for _ in KINDS if by_kind else ("",):
            rows.append([round(float(w), 2) for w in weights[at : at + bins]])
            at += bins
        families[name] = dict(zip(KINDS, rows, strict=True)) if by_kind else rows[0]
    lines = []
    for name, family in families.items():
        if isinstance(family, dict):
            inner = ",\n".join(f'      "{kind}": {json.dumps(row)}' for kind, row in family.items())
            lines.append(f'    "{name}": {{\n{inner}\n    }}')
        else:
            lines.append(f'    "{name}": {json.dumps(family)}')
    head = f'  "slope": {slope:.3f},\n  "middle": {middle:.3f},\n  "weights": {{\n'
    return "{\n" + head + ",\n".join(lines) + "\n  }\n}\n"
