"""Fitted to a trained reader's readings: the logistic curve, the threshold of refusal, the mixture for order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.measure import Reading, area, exact, f1
from training.mining import Bm25
from training.squad import Pair

_FIT_WEIGHTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2)
_MARGIN_WEIGHTS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05)
_VECTORS = 0.7  # of the sum of vector and keyword scores, as in chains/retrieve.py

Floats = NDArray[np.float64]


def logistic(readings: Sequence[Reading], pairs: Sequence[Pair], steps: int = 30) -> tuple[float, float, float]:
    """Weights of `answers` and margin, and the bias, of the likeliest logistic curve, by Newton's method."""
    x = np.array([[r.answers, r.margin, 1.0] for r in readings])
    y = np.array([p.answerable for p in pairs], float)
    w = np.zeros(3)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        curve = x.T @ (x * (p * (1 - p))[:, None]) + 1e-3 * np.eye(3)
        w -= np.linalg.solve(curve, x.T @ (p - y) + 1e-3 * w)
    return float(w[0]), float(w[1]), float(w[2])


def probabilities(readings: Sequence[Reading], w: tuple[float, float, float]) -> Floats:
    x = np.array([[r.answers, r.margin, 1.0] for r in readings])
    out: Floats = 1 / (1 + np.exp(-np.clip(x @ np.array(w), -30, 30)))
    return out


def best_threshold(believed: Floats, readings: Sequence[Reading], pairs: Sequence[Pair]) -> tuple[float, float]:
    """The threshold with the greatest F1 over all questions, a right refusal counting 1, and that F1 in percent."""
    gained = np.array([f1(r.text, p.golds) if p.answerable else 0.0 for r, p in zip(readings, pairs, strict=True)])
    refused = np.array([0.0 if p.answerable else 1.0 for p in pairs])
    order = np.argsort(believed)
    # Refusing the first n of the order: theirs is the right refusals, the others' what their answers gain.
    worth = np.concatenate([[0.0], np.cumsum(refused[order])]) + gained.sum()
    worth -= np.concatenate([[0.0], np.cumsum(gained[order])])
    n = int(worth.argmax())
    edges = np.concatenate([[0.0], believed[order], [1.0]])
    return float((edges[n] + edges[n + 1]) / 2), float(100 * worth[n] / len(pairs))


def refusal_figures(
    believed: Floats, readings: Sequence[Reading], pairs: Sequence[Pair], threshold: float
) -> dict[str, float]:
    """SQuAD 2.0's F1 and exact match at `threshold`, in percent, and areas under the ROC curve."""
    right = np.array([p.answerable for p in pairs])
    said = [r.text if p >= threshold else "" for r, p in zip(readings, believed, strict=True)]
    return {
        "f1_with_refusals": 100 * float(np.mean([f1(s, p.golds) for s, p in zip(said, pairs, strict=True)])),
        "em_with_refusals": 100 * float(np.mean([exact(s, p.golds) for s, p in zip(said, pairs, strict=True)])),
        "auc": area(believed, right),
        "auc_answers": area(np.array([r.answers for r in readings]), right),
        "auc_margin": area(np.array([r.margin for r in readings]), right),
    }


@dataclass(frozen=True)
class Candidates:
    """The first passages for a question, with retrieval's scores (0 to 1) and, once read, the reader's."""

    gold: int
    places: list[int]
    retrieval: Floats


def candidates(
    questions: Sequence[str],
    golds: Sequence[int],
    texts: Sequence[str],
    rows: NDArray[np.float32],
    asked: NDArray[np.float32],
    count: int,
) -> list[Candidates]:
    """As chains/retrieve.py finds them: the sum of BM25, relative to the best, and the cosine."""
    keywords = Bm25(texts)
    found = []
    for question, gold, vector in zip(questions, golds, asked, strict=True):
        words = keywords.scores(question)
        near = np.maximum(rows @ vector, 0.0)
        fused = (1 - _VECTORS) * words / (words.max() or 1.0) + _VECTORS * near
        top = np.argsort(-fused, kind="stable")[:count]
        found.append(Candidates(gold, [int(n) for n in top], fused[top].astype(float)))
    return found


def recalls(cands: Sequence[Candidates], scores: Sequence[Floats]) -> tuple[float, float]:
    """Recall at 1 and 5 of the order by `scores`."""
    at1 = at5 = 0
    for cand, score in zip(cands, scores, strict=True):
        order = [cand.places[n] for n in np.argsort(-score, kind="stable")]
        at1 += cand.gold == order[0]
        at5 += cand.gold in order[:5]
    return at1 / len(cands), at5 / len(cands)


def mixture(cands: Sequence[Candidates], read: Sequence[Sequence[Reading]]) -> tuple[float, float]:
    """The weights of `fit` and margin beside retrieval's score: the best sum of recall at 1 and at 5."""
    best, chosen = (-1.0, 0.0), (0.0, 0.0)
    for fit in _FIT_WEIGHTS:
        for margin in _MARGIN_WEIGHTS:
            one, five = recalls(cands, mixed(cands, read, fit, margin))
            if (one + five, -fit - margin) > best:
                best, chosen = (one + five, -fit - margin), (fit, margin)
    return chosen


def mixed(cands: Sequence[Candidates], read: Sequence[Sequence[Reading]], fit: float, margin: float) -> list[Floats]:
    return [
        c.retrieval + fit * np.array([r.fit for r in each]) + margin * np.array([r.margin for r in each])
        for c, each in zip(cands, read, strict=True)
    ]
