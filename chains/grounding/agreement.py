"""Where several answers to one question agree: in their words, in the pages they cite, in their figures."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import TypeVar

from chains.events import Answer, Citation
from chains.grounding.citations import plain
from ingest.text.normalize import fold
from ingest.text.search_tokens import tokens

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

SAME = 2 / 3  # of their words in common: two answers of nine words differ in three at most
_FIGURE = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?")
_ITEM = re.compile(r"^\s*\d{1,3}[.)]\s+", re.MULTILINE)  # the number of a list's item is no figure


@dataclass(frozen=True)
class Pair:
    """Two chains' answers. `share` of their words is common to both, 0 to 1."""

    chains: tuple[str, str]
    share: float
    same: bool  # they say the same


@dataclass(frozen=True)
class CitedPage:
    """A page on which the words of a citation were found, and the chains that cite it."""

    document: str  # id
    name: str
    page: int
    page_label: str
    chains: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """A figure as the first of its answers writes it, and the chains whose answers hold it."""

    text: str
    chains: tuple[str, ...]


@dataclass(frozen=True)
class Agreement:
    chains: tuple[str, ...]  # those that were compared
    pairs: tuple[Pair, ...]  # all of them
    pages: tuple[CitedPage, ...]  # those of most chains first
    figures: tuple[Figure, ...]  # those of most chains first

    @property
    def share(self) -> float | None:
        """The mean over all pairs; None where there is none."""
        return sum(pair.share for pair in self.pairs) / len(self.pairs) if self.pairs else None

    @property
    def shared(self) -> tuple[str, ...]:
        """The figures that all answers hold; none where fewer than two were compared."""
        return tuple(one.text for one in self.figures if len(one.chains) == len(self.chains) > 1)

    @property
    def single(self) -> tuple[tuple[str, str], ...]:
        """The figures that only one answer holds, each with its chain; none where fewer than two were compared."""
        return tuple((one.text, *one.chains) for one in self.figures if len(one.chains) == 1 < len(self.chains))


def agreement(answers: Sequence[Answer]) -> Agreement:
    """Compares the answers that are whole: those that broke off or were stopped say nothing yet.

    Words: an answer's units U are its distinct search tokens after folding and without its marks, that is English words
    by their stem, numbers, and Chinese as pairs of characters. Of two answers the share in common is

        share(a, b) = 2 · |U(a) ∩ U(b)| / (|U(a)| + |U(b)|)      1 where neither has any

    (Dice's coefficient), and they say the same where it is at least 2/3 and both hold the same figures: "opened in
    1884" and "opened in 1885" share most words and do not say the same. Two refusals say the same.

    Figures: numbers written in digits, compared by value, so 1,500.0 is 1500; not in words, nor the numbers of a list.
    Pages: those on which a citation's words were found, exactly or nearly.
    """
    whole = {answer.chain: answer for answer in answers if not answer.stopped and answer.error is None}
    units = {chain: words(answer.text) for chain, answer in whole.items()}
    held = {chain: figures(answer.text) for chain, answer in whole.items()}
    pairs = []
    for a, b in combinations(whole, 2):
        common = share(units[a], units[b])
        pairs.append(Pair((a, b), common, common >= SAME and held[a].keys() == held[b].keys()))
    cited = {
        chain: {(c.document, c.page): c for c in answer.citations if c.match != "none"}
        for chain, answer in whole.items()
    }
    return Agreement(tuple(whole), tuple(pairs), _by_chains(cited, _page), _by_chains(held, Figure))


def words(text: str) -> frozenset[str]:
    """An answer's units."""
    return frozenset(tokens(_folded(text)))


def share(a: frozenset[str], b: frozenset[str]) -> float:
    """Of the units of two answers, 0 to 1."""
    return 2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0


def figures(text: str) -> dict[Decimal, str]:
    """The figures of an answer in their order: value → as it is written first."""
    found: dict[Decimal, str] = {}
    for written in _FIGURE.findall(_folded(_ITEM.sub("", text))):
        found.setdefault(Decimal(written.replace(",", "")), written)
    return found


def _folded(text: str) -> str:
    """Without marks; full-width digits become digits first, or folding would join "１２ １３" as it joins Chinese."""
    return fold(unicodedata.normalize("NFKC", plain(text))).text


def _page(citation: Citation, chains: tuple[str, ...]) -> CitedPage:
    return CitedPage(citation.document, citation.name, citation.page, citation.page_label, chains)


def _by_chains(held: Mapping[str, Mapping[K, V]], made: Callable[[V, tuple[str, ...]], T]) -> tuple[T, ...]:
    """What the chains hold, each thing once with all its chains; those of most chains first, else as they come."""
    first: dict[K, V] = {}
    chains: dict[K, tuple[str, ...]] = {}
    for chain, things in held.items():
        for key, thing in things.items():
            first.setdefault(key, thing)
            chains[key] = (*chains.get(key, ()), chain)
    return tuple(made(first[key], chains[key]) for key in sorted(first, key=lambda key: -len(chains[key])))
