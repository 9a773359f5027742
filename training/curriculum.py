"""In what order a run sees which pairs beside which negatives: settled by the seed before the first step."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.text.sentences import sentences
from training.features import Row
from training.negatives import (
    Likeness,
    altered,
    changed,
    changed_places,
    crossed,
    exchanged,
    excluded,
    mixed,
    negated,
    swapped,
    without_answer,
)
from training.squad import Pair, Pairs

FEW = 0.2  # negatives for each pair in the first part, of short windows
UNANSWERABLE = 8  # times that a question which people wrote to be unanswerable is read in the second part
_POOL = 1000  # units that are sorted by length together
# What of its passage a pair is read beside: all, the answer's sentence with one before or behind it, that sentence. The
# program looks at all three (chains/reader/neural.py).
PARTS = {"whole": 0.45, "wide": 0.33, "near": 0.22}
# Shares of the negatives: a question made of the pair's; beside a whole passage the question with another passage, or
# with the same without its answer's sentence; beside a part another question of the passage that is answered
# elsewhere in it, or the question with another part.
MADE = 0.5
_WHOLE = {"hard": 0.7, "cut": 0.3}
_PART = {"asked": 0.65, "elsewhere": 0.35}
# Shares of the kinds of questions that are made: one of another passage on the same matter, a name or number exchanged
# for another of the text, a number changed, a name's part exchanged, a word exchanged for a like one of the passage, a
# word for one that excludes it, the sense turned round.
_QUESTIONS = {"foreign": 0.2, "swap": 0.3, "alter": 0.1, "mix": 0.12, "cross": 0.28, "exclude": 0.26, "negate": 0.1}
CONTRAST = 0.6  # of these pairs are also read with the passage changed as the question was
_CHOICES = 3  # rows without an answer that a pair has at most to choose from
_LEAST = 30  # characters of a part of a passage


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
    parts: Mapping[str, float] = PARTS,
) -> list[Planned]:
    """`mined`, `foreign`: see hard_negatives.py; `like`: see negatives.py. `size`: characters of a step, questions and
    passages. `shares`: of a file's pairs, by its name's beginning, that an epoch uses; 1 where none is given. `short`:
    the share of the run that reads short windows, with few negatives: finding comes before judging. `real`: times that
    a question which people wrote to be unanswerable is read after it. `negatives`: for each pair, after it. `parts`:
    shares of what is read of a passage."""
    rng = random.Random(seed)
    articles = defaultdict(list)
    for place, passage in enumerate(pairs.passages):
        articles[passage.article].append(place)
    first: list[Unit] = []
    second: list[Unit] = []
    asked = defaultdict(list)
    for n, pair in enumerate(pairs.pairs):
        asked[pair.passage].append(n)
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
        if not pair.answerable:
            rows = [_part(Row(pair.question, text), pair.seeming, parts, rng) for _ in range(1 if early else real)]
            (first if early else second).extend(Unit((row,)) for row in rows)
            continue
        row = _part(Row(pair.question, text, pair.start, pair.end, (0, 0)), pair.start, parts, rng)
        unit = Unit((row,))
        if rng.random() < (FEW if early else negatives):
            unit = _beside(row, _Near(pairs, n, mined[n], foreign[pair.passage], articles[article], asked), like, rng)
        (first if early else second).append(unit)
    return [*_steps(first, size, True, rng), *_steps(second, size, False, rng)]


@dataclass(frozen=True)
class _Near:
    """What negatives of a pair are made of.

    `hard`, `foreign`: see hard_negatives.py; `article`: places of its passages.
    """

    pairs: Pairs
    n: int
    hard: Sequence[int]
    foreign: Sequence[int]
    article: Sequence[int]
    by_passage: Mapping[int, Sequence[int]]  # places of the pairs of each

    @property
    def pair(self) -> Pair:
        return self.pairs.pairs[self.n]

    @property
    def text(self) -> str:
        """The whole passage."""
        return self.pairs.passages[self.pair.passage].text

    @property
    def asked(self) -> list[str]:
        """All questions of the passage."""
        return [self.pairs.pairs[n].question for n in self.by_passage[self.pair.passage]]


def _part(row: Row, at: int, parts: Mapping[str, float], rng: random.Random) -> Row:
    """The row with its passage, or a part of that around its character `at`."""
    kind = rng.choices(list(parts), list(parts.values()))[0]
    cut = list(sentences(row.passage))
    held = [n for n, (start, end) in enumerate(cut) if start < max(row.end, at + 1) and at < end]
    if kind == "whole" or not held:
        return row
    first, last = held[0], held[-1]
    if kind == "wide":
        first, last = max(0, first - rng.choice((0, 1, 1))), min(len(cut) - 1, last + rng.choice((0, 1, 1)))
    start = cut[first][0]
    moved = (row.start - start, row.end - start) if row.end else (0, 0)
    return replace(row, passage=row.passage[start : cut[last][1]].rstrip(), start=moved[0], end=moved[1])


def _beside(row: Row, near: _Near, like: Likeness, rng: random.Random) -> Unit:
    """The row with a negative, or with some to choose from; alone where none can be made."""
    makers = {
        "hard": _other_passage,
        "cut": _without_answer,
        "asked": _other_questions,
        "elsewhere": _other_parts,
    }
    kinds = _order(_WHOLE if row.passage == near.text else _PART, rng)
    if rng.random() < MADE:
        unit = _with_made(row, near, like, rng)
        if unit is not None:
            return unit
    for kind in kinds:
        unit = makers[kind](row, near, rng)
        if unit is not None:
            return unit
    return _with_made(row, near, like, rng) or Unit((row,))


def _other_passage(row: Row, near: _Near, rng: random.Random) -> Unit | None:
    others = [place for place in near.article if place != near.pair.passage]
    if others and (not near.hard or rng.random() < 0.15):
        other = near.pairs.passages[rng.choice(others)].text
        if not _holds(other, near.pair):
            return Unit((row, Row(row.question, other)), ranked=True)
    if not near.hard:
        return None
    return Unit((row, Row(row.question, near.pairs.passages[rng.choice(near.hard)].text)), ranked=True)


def _without_answer(row: Row, near: _Near, rng: random.Random) -> Unit | None:
    left = without_answer(row.passage, row.start, row.end, near.pair.golds)
    return Unit((row, Row(row.question, left)), ranked=True) if left else None


def _other_questions(row: Row, near: _Near, rng: random.Random) -> Unit | None:
    """What people asked of the same passage and is not answered in this part of it."""
    others = [near.pairs.pairs[n] for n in near.by_passage[near.pair.passage] if n != near.n]
    fit = [other.question for other in others if other.answerable and not _holds(row.passage, other)]
    return _chosen(row, [Row(question, row.passage) for question in fit], rng)


def _other_parts(row: Row, near: _Near, rng: random.Random) -> Unit | None:
    """The other sentences of the passage, each by itself or with the one behind it."""
    cut = list(sentences(near.text))
    more = rng.choice((0, 1))
    parts = [near.text[start : cut[min(len(cut) - 1, n + more)][1]].strip() for n, (start, _) in enumerate(cut)]
    fit = [part for part in parts if len(part) >= _LEAST and not _holds(part, near.pair)]
    return _chosen(row, [Row(row.question, part) for part in fit], rng)


def _chosen(row: Row, others: Sequence[Row], rng: random.Random) -> Unit | None:
    return Unit((row,), choices=tuple(rng.sample(others, min(_CHOICES, len(others))))) if others else None


def _holds(text: str, pair: Pair) -> bool:
    return any(gold.lower() in text.lower() for gold in pair.golds)


def _with_made(row: Row, near: _Near, like: Likeness, rng: random.Random) -> Unit | None:
    """With questions that its passage does not answer, and at times with a passage that answers one of them."""
    asked, text = near.asked, near.text
    answer = row.passage[row.start : row.end]
    questions: dict[str, tuple[int, int] | None] = {}
    for kind in _order(_QUESTIONS, rng):
        match kind:
            case "foreign":
                question = near.pairs.pairs[rng.choice(near.foreign)].question if near.foreign else None
            case "swap":
                places = rng.sample(list(near.article), min(2, len(near.article)))
                others = [near.pairs.passages[place].text for place in places]
                question = swapped(row.question, text, others, like, rng)
            case "alter":
                question = altered(row.question, text, rng)
            case "mix":
                question = mixed(row.question, text, like, rng)
            case "cross":
                question = crossed(row.question, answer, [text, *asked], like, rng)
            case "exclude":
                question = excluded(row.question, rng)
            case _:
                question = negated(row.question, rng)
        if question is not None and question not in asked and len(questions) < _CHOICES:
            questions.setdefault(question, None if kind == "foreign" else changed(row.question, question))
    if not questions:
        return None
    choices = [Row(question, row.passage, changed=where) for question, where in questions.items()]
    for question in rng.sample(list(questions), len(questions)) if rng.random() < CONTRAST else ():
        words = exchanged(row.question, question) if questions[question] else None
        turned = changed_places(row, *words) if words else None
        if turned is not None:
            # A question that looks odd has its answer then, and one that does not has none.
            choices.append(Row(row.question, turned.passage, changed=changed(question, row.question)))
            return Unit((row, replace(turned, question=question, changed=(0, 0))), choices=tuple(choices))
    return Unit((row,), choices=tuple(choices))


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
