"""In what order a run sees which pairs beside which negatives: settled by the seed before the first step."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.features import Row
from training.negatives import negated, swapped, without_answer
from training.squad import Pairs

FEW = 0.2  # negatives for each pair in the first part, of short windows; after it, one for each
UNANSWERABLE = 6  # times that a question which people wrote to be unanswerable counts in the second part
_POOL = 1000  # units that are sorted by length together
# Shares of the kinds of negatives: another passage, the answer's sentence cut out, something exchanged, turned round.
_KINDS = {"hard": 0.36, "cut": 0.2, "swap": 0.33, "negate": 0.11}


@dataclass(frozen=True)
class Unit:
    """Rows that are read together. `ranked`: all ask the same question, and the first fits it best."""

    rows: tuple[Row, ...]
    ranked: bool


@dataclass(frozen=True)
class Planned:
    """One step."""

    units: tuple[Unit, ...]
    short: bool


def plan(
    pairs: Pairs,
    mined: Sequence[Sequence[int]],
    *,
    seed: int,
    epochs: float,
    size: int,
    shares: Mapping[str, float],
    short: float = 0.5,
) -> list[Planned]:
    """`size`: characters of a step, questions and passages. `shares`: of a file's pairs, by its name's beginning, that
    an epoch uses; 1 where none is given. `short`: the share of the run that reads short windows, with few negatives:
    finding comes before judging."""
    rng = random.Random(seed)
    articles = defaultdict(list)
    for place, passage in enumerate(pairs.passages):
        articles[passage.article].append(place)
    first: list[Unit] = []
    second: list[Unit] = []
    order: list[int] = []
    while len(order) < epochs * len(pairs.pairs):
        order += rng.sample(range(len(pairs.pairs)), len(pairs.pairs))
    order = order[: round(epochs * len(pairs.pairs))]
    for at, n in enumerate(order):
        pair = pairs.pairs[n]
        article = pairs.passages[pair.passage].article
        share = next((worth for name, worth in shares.items() if article.startswith(name)), 1.0)
        if rng.random() >= share:
            continue
        early = at < short * len(order)
        text = pairs.passages[pair.passage].text
        row = Row(pair.question, text, pair.start, pair.end)
        if not pair.answerable:
            (first if early else second).extend([Unit((row,), False)] * (1 if early else UNANSWERABLE))
            continue
        negative = None
        if rng.random() < (FEW if early else 1.0):
            negative = _negative(pairs, n, mined[n], articles[article], rng)
        unit = Unit((row,), False)
        if negative is not None:
            unit = Unit((row, negative), negative.question == row.question)
        (first if early else second).append(unit)
    return [*_steps(first, size, True, rng), *_steps(second, size, False, rng)]


def _negative(pairs: Pairs, n: int, hard: Sequence[int], beside: Sequence[int], rng: random.Random) -> Row | None:
    pair = pairs.pairs[n]
    text = pairs.passages[pair.passage].text
    kind = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
    if kind == "cut":
        left = without_answer(text, pair.start, pair.end, pair.golds)
        if left is not None:
            return Row(pair.question, left)
    elif kind in ("swap", "negate"):
        others = [pairs.passages[place].text for place in rng.sample(list(beside), min(2, len(beside)))]
        other = swapped(pair.question, text, others, rng) if kind == "swap" else negated(pair.question, rng)
        if other is not None:
            return Row(other, text)
    near = [place for place in beside if place != pair.passage]
    if near and (not hard or rng.random() < 0.15):
        place = rng.choice(near)
        if not any(gold.lower() in pairs.passages[place].text.lower() for gold in pair.golds):
            return Row(pair.question, pairs.passages[place].text)
    return Row(pair.question, pairs.passages[rng.choice(hard)].text) if hard else None


def _steps(units: list[Unit], size: int, short: bool, rng: random.Random) -> list[Planned]:
    """Units of like length together, steps in any order."""
    rng.shuffle(units)
    steps: list[Planned] = []
    for at in range(0, len(units), _POOL):
        together: list[Unit] = []
        pool: list[Planned] = []
        for unit in sorted(units[at : at + _POOL], key=_width):
            width = min(_width(unit), 600) if short else _width(unit)
            rows = sum(len(each.rows) for each in together) + len(unit.rows)
            if together and rows * width > size:
                pool.append(Planned(tuple(together), short))
                together = []
            together.append(unit)
        pool.append(Planned(tuple(together), short))
        rng.shuffle(pool)
        steps += pool
    return steps


def _width(unit: Unit) -> int:
    return max(row.size for row in unit.rows)
