"""Trains the weights of chains/reader/chinese/span_weights.json: how likely a span of a Chinese passage is the answer.

    python -m training spans --data FILE… --out FILE [--epochs N] [--seed N]

A log-linear model over all candidates of the question's passage and of NEGATIVES other passages that share most with
the question, so that scores compare passages. What is raised is the logarithm of the expected F1 ** POWER: any span
near the gold answer is rewarded, and the nearer the more. Adam, in mini-batches.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chains.reader.chinese.characters import Floats, Ints
from chains.reader.chinese.cloze import asked
from chains.reader.chinese.span_features import candidates, weight_count
from chains.reader.chinese.span_finder import stored
from evals.span_eval import Neighbours
from evals.text_overlap import units

NEGATIVES = 2
POWER = 3.0  # of F1; 1 asks for the right place, more for the right ends too
RATE = 0.02  # of learning, falling to nothing
DECAY = 1e-4  # of the weights, in every step
BATCH = 32
CALIBRATED = 2000  # questions that the scale of the score is fitted with


@dataclass(frozen=True)
class Example:
    """The candidates of a question's passages: [family, span] weights that each has, and each span's F1."""

    seen: npt.NDArray[np.uint16]
    worth: npt.NDArray[np.float32]
    own: int  # so many, the first, are of the question's own passage


def main(argv: Sequence[str] | None = None) -> int:
    """0: trained; 1: a file could not be read; 2: wrong use."""
    args = parser().parse_args(argv)
    started = time.monotonic()
    try:
        pairs = [pair for file in args.data for pair in read(file)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"training: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    examples = [example for example in make(pairs) if example.worth.any()]
    print(f"{len(pairs)} questions, {len(examples)} with a candidate that answers", flush=True)
    weights = train(examples, args.epochs, args.seed)
    slope, middle = calibrate(examples, weights, args.seed)
    args.out.write_text(stored(weights, slope, middle), encoding="utf-8")
    print(f"{args.out}: {np.count_nonzero(weights.round(2))} weights, {time.monotonic() - started:.0f} s")
    return 0


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python -m training spans", description="Train the finder of Chinese spans.")
    whole.add_argument("--data", nargs="+", type=Path, required=True, metavar="FILE", help="Chinese, as SQuAD has it")
    whole.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the weights are written, as JSON")
    whole.add_argument("--epochs", type=int, default=8, metavar="N", help="times through the data (%(default)s)")
    whole.add_argument("--seed", type=int, default=0, metavar="N", help="of the order (%(default)s)")
    return whole


def read(file: Path) -> Iterator[tuple[str, str, list[str]]]:
    """(question, passage, gold answers) of a file in SQuAD's form, those with an answer."""
    articles: list[Any] = json.loads(file.read_text(encoding="utf-8"))["data"]
    for article in articles:
        for passage in article["paragraphs"]:
            for qa in passage["qas"]:
                golds = [str(answer["text"]) for answer in qa.get("answers", ())]
                if golds:
                    yield str(qa["question"]), str(passage["context"]), golds


def make(pairs: Sequence[tuple[str, str, list[str]]]) -> Iterator[Example]:
    """An Example for each pair, in order."""
    near = Neighbours([passage for _, passage, _ in pairs])
    for question, passage, golds in pairs:
        own = candidates(asked(question), passage)
        others = [candidates(asked(question), other) for other in near.of(question, passage, NEGATIVES)]
        seen = np.concatenate([own.seen, *(other.seen for other in others)], axis=1).astype(np.uint16)
        worth = np.zeros(seen.shape[1], np.float32)
        worth[: len(own)] = likeness(passage, own.start, own.end, golds)
        yield Example(seen, worth, len(own))


def likeness(text: str, start: Ints, end: Ints, golds: Sequence[str]) -> Floats:
    """The F1 of spans [start, end) with the gold answer that each is likest, by characters in the same places."""
    counted = np.array([bool(units(c, "zh")) for c in text] or [False])
    sums = np.concatenate(([0], np.cumsum(counted)))
    best = np.zeros(len(start))
    for gold in set(golds):
        at = text.find(gold)
        while at >= 0:
            to = at + len(gold)
            low, high = np.maximum(start, at), np.minimum(end, to)
            common = np.where(high > low, sums[np.maximum(low, high)] - sums[low], 0)
            size = sums[end] - sums[start] + sums[to] - sums[at]
            best = np.maximum(best, 2 * common / np.maximum(1, size))
            at = text.find(gold, at + 1)
    return best


def train(examples: Sequence[Example], epochs: int, seed: int) -> Floats:
    """The weights, one for each bin of each family."""
    chance = np.random.default_rng(seed)
    size = weight_count()
    weights, mean, square = np.zeros(size), np.zeros(size), np.zeros(size)
    steps = 0
    for epoch in range(epochs):
        total = 0.0
        order = chance.permutation(len(examples))
        for first in range(0, len(order), BATCH):
            gradient = np.zeros(size)
            for i in order[first : first + BATCH]:
                example = examples[i]
                raw = weights[example.seen].sum(axis=0)
                share = np.exp(raw - raw.max())
                share /= share.sum()
                worth = example.worth.astype(np.float64) ** POWER
                expected = float(share @ worth) + 1e-9
                total += float(np.log(expected))
                pull = share * (worth / expected - 1)
                gradient += np.bincount(example.seen.ravel(), np.tile(pull, len(example.seen)), size)
            gradient = gradient / BATCH - DECAY * weights
            steps += 1
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient * gradient
            step = mean / (1 - 0.9**steps) / (np.sqrt(square / (1 - 0.999**steps)) + 1e-8)
            weights = weights + RATE * (1 - epoch / epochs) * step
        print(f"epoch {epoch + 1}: mean log of expected F1 ** {POWER:g}: {total / len(examples):.3f}", flush=True)
    return weights


def calibrate(examples: Sequence[Example], weights: Floats, seed: int) -> tuple[float, float]:
    """Slope and middle of the logistic curve from the best span's raw score, of a passage, to its expected F1."""
    chance = np.random.default_rng(seed)
    raws, worths = [], []
    for i in chance.permutation(len(examples))[:CALIBRATED]:
        example = examples[i]
        raw = weights[example.seen].sum(axis=0)
        for part in (slice(0, example.own), slice(example.own, None)):
            if len(raw[part]):
                best = int(np.argmax(raw[part]))
                raws.append(raw[part][best])
                worths.append(float(example.worth[part][best]))
    x = np.stack((np.array(raws), np.ones(len(raws))), axis=1)
    y, line = np.array(worths), np.zeros(2)
    scale = np.array([1 / max(1e-9, float(np.abs(x[:, 0]).max())), 1.0])
    for _ in range(50):  # Newton's steps
        p = 1 / (1 + np.exp(-(x * scale) @ line))
        curve = (x * scale).T @ ((x * scale) * (p * (1 - p))[:, None]) + 1e-6 * np.eye(2)
        line = line + np.linalg.solve(curve, (x * scale).T @ (y - p))
    return float(line[0] * scale[0]), float(line[1])


if __name__ == "__main__":
    sys.exit(main())
