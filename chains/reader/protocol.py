"""What is asked of a reader. How it reads is its own business."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Span:
    """Words of a text that may answer: [start, end) of its characters, and how sure the reader is of them (logits)."""

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Reading:
    """What came of reading one text with a question in mind."""

    spans: tuple[Span, ...]  # the best first, none overlapping another; () where the text has no words
    p_answers: float  # the probability that the text answers the question, 0 to 1
    fit: float  # how well it fits the question, a logit; to order texts by

    @property
    def best(self) -> Span | None:
        return self.spans[0] if self.spans else None


class Reader(Protocol):
    """Reads texts with a question in mind. Constructed cheaply, loaded at the first use, safe for threads."""

    @property
    def languages(self) -> frozenset[str] | None:
        """The languages of the questions that it was trained on ("en", "zh"); None where that is not known."""

    @property
    def threshold(self) -> float:
        """The p_answers below which a text does not answer."""

    def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        """One for each text, of any length. Raises ReaderError (checkpoint.py)."""
