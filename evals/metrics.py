"""Recall at k and mean reciprocal rank, from ranks; how long a question takes. Pure.

The first two are compared with trec_eval's own code in tests/test_evals.py.
"""

from collections.abc import Hashable, Iterable, Sequence, Set
from dataclasses import dataclass
from statistics import median, quantiles

DEPTHS = (1, 5, 10, 20)


@dataclass(frozen=True)
class Scores:
    """Means over the questions, 0 to 1."""

    recall: dict[int, float]  # k → the share of questions with a right one among the first k
    mrr: float  # mean of 1/place of the first right one, which counts 0 where there is none

    def as_dict(self) -> dict[str, float]:
        return {**{f"recall@{k}": value for k, value in self.recall.items()}, "mrr": self.mrr}


def rank(found: Iterable[Hashable], right: Set[Hashable]) -> int | None:
    """The place, from 1, of the first of `found` that is right; what is found twice has its first place alone."""
    return next((place for place, one in enumerate(dict.fromkeys(found), 1) if one in right), None)


def scores(ranks: Sequence[int | None]) -> Scores:
    """The Scores of these ranks, one a question; of no questions all are 0."""
    n = max(1, len(ranks))
    there = [place for place in ranks if place is not None]
    recall = {k: sum(place <= k for place in there) / n for k in DEPTHS}
    return Scores(recall, sum(1 / place for place in there) / n)


def middle_and_slow(seconds: Sequence[float]) -> tuple[float, float]:
    """The median and the 95th percentile; of nothing both are 0."""
    slow = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else sum(seconds)
    return median(seconds or [0.0]), slow
