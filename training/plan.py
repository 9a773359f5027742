"""In what order a run sees which pairs beside which negatives: settled by the seed before the first step."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from training.features import Row
from training.negatives import (
    Likeness,
    altered,
    changed_places,
    crossed,
    exchanged,
    excluded,
    mixed,
    negated,
    swapped,
    without_answer,
)
from training.squad import Pairs

FEW = 0.2  # negatives for each pair in the first part, of short windows
UNANSWERABLE = 4  # times that a question which people wrote to be unanswerable is read in the second part
_POOL = 1000  # units that are sorted by length together
# Shares of the kinds of negatives that change the passage: another one, the answer's sentence cut out; and of those
# that change the question: one of another passage on the same matter, a name or number exchanged for another of the
# text, a number changed, a name's part exchanged, a word exchanged for a like one of the passage, a word for one that
# excludes it, the sense turned round.
PASSAGE = 0.3  # of the negatives change the passage
_PASSAGES = {"hard": 0.75, "cut": 0.25}
_QUESTIONS = {"foreign": 0.35, "swap": 0.3, "alter": 0.1, "mix": 0.12, "cross": 0.26, "exclude": 0.24, "negate": 0.1}
CONTRAST = 0.6  # of these pairs are also read with the passage changed as the question was
_CHOICES = 3  # questions that are made for a pair


@dataclass(frozen=True)
class Unit:
    """Rows that are read together. `ranked`: all ask the same question, and the first fits it best.

    `choices`: rows that have no answer; one of them is read too, likelier the one that the reader thinks has one."""

    rows: tuple[Row, ...]
    ranked: bool = False
    choices: tuple[Row, ...] = ()

    @property
    def count(self) -> int:
        """How many rows are learnt from."""
        return len(self.rows) + bool(self.choices)


@dataclass(frozen=True)
class Planned:
    """One step."""

    units: tuple[Unit, ...]
    short: bool


def plan(
    pairs: Pairs,
    mined: Sequence[Sequence[int]],
    foreign: Sequence[Sequence[int]],
    *,
    seed: int,
    epochs: float,
    size: int,
    like: Likeness,
    shares: Mapping[str, float],
    short: float = 0.5,
    real: int = UNANSWERABLE,
    negatives: float = 1.0,
) -> list[Planned]:
    """`mined`, `foreign`: see mining.py; `like`: see negatives.py. `size`: characters of a step, questions and
    passages. `shares`: of a file's pairs, by its name's beginning, that an epoch uses; 1 where none is given. `short`:
    the share of the run that reads short windows, with few negatives: finding comes before judging. `real`: times that
    a question which people wrote to be unanswerable is read after it. `negatives`: for each pair, after it."""
    rng = random.Random(seed)
    articles = defaultdict(list)
    for place, passage in enumerate(pairs.passages):
        articles[passage.article].append(place)
    first: list[Unit] = []
    second: list[Unit] = []
    asked = defaultdict(list)
    for pair in pairs.pairs:
        asked[pair.passage].append(pair.question)
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
            (first if early else second).extend([Unit((row,))] * (1 if early else real))
            continue
        unit = Unit((row,))
        if rng.random() < (FEW if early else negatives):
            near = articles[article], asked[pair.passage]
            unit = _beside(row, pairs, n, mined[n], foreign[pair.passage], *near, like, rng)
        (first if early else second).append(unit)
    return [*_steps(first, size, True, rng), *_steps(second, size, False, rng)]


def _beside(
    row: Row,
    pairs: Pairs,
    n: int,
    hard: Sequence[int],
    foreign: Sequence[int],
    near: Sequence[int],
    asked: Sequence[str],
    like: Likeness,
    rng: random.Random,
) -> Unit:
    """The row with a negative, or with some to choose from; alone where none can be made."""
    pair, text = pairs.pairs[n], row.passage

    def another() -> str | None:
        others = [place for place in near if place != pair.passage]
        if others and (not hard or rng.random() < 0.15):
            other = pairs.passages[rng.choice(others)].text
            if not any(gold.lower() in other.lower() for gold in pair.golds):
                return other
        return pairs.passages[rng.choice(hard)].text if hard else None

    def turned(kind: str) -> str | None:
        match kind:
            case "foreign":
                return pairs.pairs[rng.choice(foreign)].question if foreign else None
            case "swap":
                others = [pairs.passages[place].text for place in rng.sample(list(near), min(2, len(near)))]
                return swapped(row.question, text, others, like, rng)
            case "alter":
                return altered(row.question, text, rng)
            case "mix":
                return mixed(row.question, text, like, rng)
            case "cross":
                return crossed(row.question, text[row.start : row.end], [text, *asked], like, rng)
            case "exclude":
                return excluded(row.question, rng)
            case _:
                return negated(row.question, rng)

    questions: list[str] = []
    if rng.random() >= PASSAGE:
        for kind in _order(_QUESTIONS, rng):
            question = turned(kind)
            if question is not None and question not in (*asked, *questions) and len(questions) < _CHOICES:
                questions.append(question)
    if questions:
        choices = [Row(question, text) for question in questions]
        for question in rng.sample(questions, len(questions)) if rng.random() < CONTRAST else ():
            words = exchanged(row.question, question)
            turned_row = changed_places(row, *words) if words else None
            if turned_row is not None:
                # A question that looks odd has its answer then, and one that does not has none.
                choices.append(Row(row.question, turned_row.passage))
                return Unit((row, replace(turned_row, question=question)), choices=tuple(choices))
        return Unit((row,), choices=tuple(choices))
    for kind in _order(_PASSAGES, rng):
        other = another() if kind == "hard" else without_answer(text, row.start, row.end, pair.golds)
        if other is not None:
            return Unit((row, Row(row.question, other)), ranked=True)
    return Unit((row,))


def _order(shares: Mapping[str, float], rng: random.Random) -> list[str]:
    """All names, drawn by their shares without putting back."""
    left, drawn = dict(shares), []
    while left:
        drawn.append(rng.choices(list(left), list(left.values()))[0])
        del left[drawn[-1]]
    return drawn


def _steps(units: list[Unit], size: int, short: bool, rng: random.Random) -> list[Planned]:
    """Units of like length together, steps in any order."""
    rng.shuffle(units)
    steps: list[Planned] = []
    for at in range(0, len(units), _POOL):
        together: list[Unit] = []
        pool: list[Planned] = []
        for unit in sorted(units[at : at + _POOL], key=_width):
            width = min(_width(unit), 600) if short else _width(unit)
            rows = sum(each.count for each in together) + unit.count
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
