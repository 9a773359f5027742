"""Fitted to a trained reader's readings: the logistic curve, and the threshold of refusal."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chains.reader.checkpoint import Calibration, Signs
from training.qa_metrics import Reading, area, exact, f1
from training.squad import Pair

Floats = NDArray[np.float64]


def logistic(seen: Sequence[Sequence[float]], right: Sequence[bool], steps: int = 30) -> list[float]:
    """The weights of what was seen of each passage, and last the bias, of the likeliest logistic curve, by Newton's
    method. `right`: whether each passage answers."""
    x = np.column_stack([np.array(seen, float), np.ones(len(seen))])
    y = np.array(right, float)
    w = np.zeros(x.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        curve = x.T @ (x * (p * (1 - p))[:, None]) + 1e-3 * np.eye(len(w))
        w -= np.linalg.solve(curve, x.T @ (p - y) + 1e-3 * w)
    return [float(each) for each in w]


def probabilities(readings: Sequence[Reading], signs: Sequence[Signs], calibration: Calibration) -> Floats:
    """`signs`: of each reading."""
    return np.array(
        [calibration.probability(r.answers, r.margin, seen) for r, seen in zip(readings, signs, strict=True)]
    )


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
