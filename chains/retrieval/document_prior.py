"""Which documents a question names: by the words of their names and titles, by their first pages, by year and quarter.

Choosing the document and choosing the page want different words. "3M" and "FY2018" say which report is meant and
stand on each of its pages; "capital expenditure" says which page. So the words that name a document are weighed here,
and are left out where its pages are compared.
"""

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from weakref import WeakKeyDictionary

from chains.language.lexicon import ASKING, years
from ingest.document import Record
from ingest.store.library import Library
from ingest.text.search_tokens import tokens

_WORD = re.compile(r"[^\W_]+")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_QUARTER = re.compile(
    r"(?<![a-z])q([1-4])(?!\d(?!\d{3}))|(?<!\d)([1-4])q\b|"
    r"(first|second|third|fourth)(?: fiscal)? quarter|第([一二三四])季度",
    re.IGNORECASE,
)
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "一": "1", "二": "2", "三": "3", "四": "4"}
_LONGEST_NAME = 4  # words of a question that are read as one: "American Water Works" is AMERICANWATERWORKS
_SHORTEST_PREFIX = 3  # letters: JPM begins JPMORGAN
_FIRST_PAGE = 0.3  # what a word on the first page is worth, where one in the name or title is worth 1
_LOWER = 0.5  # what a small word is worth where one with a capital is worth 1: "earnings" names no report by itself
_ENOUGH = 0.6  # of a name that is said counts as all of it: nobody says "dated 2022-08-19"
_RARE = 0.5  # of the documents: a word in the names of more of them names none
_OTHER_YEAR, _NEXT_YEAR = 0.3, 0.7  # of another year; of the year after, which tells this one's figures again


@dataclass(frozen=True)
class Named:
    """What a question says of documents. Empty where it names none."""

    prior: Mapping[str, float] = field(default_factory=dict)  # document id → 0 to 1, 1 for the best; else 0
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # document id → the question's words for it
    rest: str = ""  # the question without the words that name


@dataclass(frozen=True)
class _Document:
    name: frozenset[str]  # the words of its name, lower-cased
    title: frozenset[str]
    years: frozenset[str]
    quarters: frozenset[str]
    first: frozenset[str]  # search tokens of its first page


class Shelf:
    """The names of all documents, made ready once. `documents`: (record, text of the first page)."""

    def __init__(self, documents: Iterable[tuple[Record, str]]) -> None:
        self._known: dict[str, _Document] = {}
        self._by_run: dict[str, set[str]] = defaultdict(set)
        self._by_first: dict[str, set[str]] = defaultdict(set)
        for record, first in documents:
            self._known[record.id] = known = _about(record, first)
            for run in known.name | known.title:
                # Every beginning of a name, so that a question's word finds it without reading all names.
                for end in range(min(len(run), _SHORTEST_PREFIX), len(run)):
                    self._by_run[run[:end] + "*"].add(record.id)
                self._by_run[run].add(record.id)
            for token in known.first:
                self._by_first[token].add(record.id)

    @property
    def documents(self) -> list[str]:
        """The ids of all."""
        return list(self._known)

    def years(self, document: str) -> frozenset[str]:
        """The years that a document's name or title names; where they name none, the last one on its first page."""
        return self._known[document].years if document in self._known else frozenset()

    def named(self, question: str, among: Sequence[str] | None = None) -> Named:
        """Which documents, of those `among` (ids; None: all), the question names."""
        many = len(self._known)
        words = [(m.group(), m.span()) for m in _WORD.finditer(question)]
        pieces = [piece for word, span in words for piece in _pieces(word, span)]
        evidence: dict[str, float] = defaultdict(float)
        reasons: dict[str, list[str]] = defaultdict(list)
        taken: list[tuple[int, int]] = []
        at = 0
        while at < len(pieces):
            size, found = self._longest(question, pieces, at)
            if not found:
                at += 1
                continue
            span = (pieces[at][1][0], pieces[at + size - 1][1][1])
            weight = log(1 + many / len(found)) * (1.0 if size > 1 or _capital(question[span[0]]) else _LOWER)
            for id in found:
                evidence[id] += weight
                reasons[id].append(question[span[0] : span[1]])
            taken.append(span)
            at += size
        for word, (start, end) in pieces:
            if _capital(word[0]) and not any(a <= start < b for a, b in taken):
                for token in tokens(word):
                    found = self._by_first.get(token, set())
                    if token not in ASKING and 0 < len(found) <= max(1, _RARE * many):
                        for id in found:
                            evidence[id] += _FIRST_PAGE * log(1 + many / len(found))
                            reasons[id].append(question[start:end])
        self._by_time(question, evidence, reasons)
        chosen = set(self._known if among is None else among)
        named = {id: value for id, value in evidence.items() if id in chosen and value > 0}
        best = max(named.values(), default=0.0)
        return Named(
            {id: value / best * self._covered(id, reasons[id]) for id, value in named.items()},
            {id: tuple(dict.fromkeys(reasons[id])) for id in named},
            _without(question, taken),
        )

    def _covered(self, id: str, reasons: Iterable[str]) -> float:
        """How much of a document's name, or of its title, is said, by rarity; from what a first page is worth to 1.

        "California" is not yet Southern California, and "university" names no university.
        """
        said = ["".join(_WORD.findall(reason)).lower() for reason in reasons]
        known = self._known[id]
        best = 0.0
        for words in (known.name, known.title):
            weights = {word: log(1 + len(self._known) / max(1, len(self._by_run.get(word, ())))) for word in words}
            hit = sum(w for word, w in weights.items() if any(word == s or word in s or _begins(word, s) for s in said))
            best = max(best, hit / (sum(weights.values()) or 1.0))
        return max(_FIRST_PAGE, min(1.0, best / _ENOUGH))

    def _longest(self, question: str, pieces: Sequence[tuple[str, tuple[int, int]]], at: int) -> tuple[int, set[str]]:
        """How many words from `at` are a name, read as one, and whose; a name that many documents have is none."""
        for size in range(min(_LONGEST_NAME, len(pieces) - at), 0, -1):
            joined = "".join(word for word, _ in pieces[at : at + size]).lower()
            begins = size > 1 or _capital(pieces[at][0][0])
            if joined in ASKING or (joined.isdigit() and len(joined) < 5) or len(joined) < 2:
                continue
            found = self._by_run.get(joined, set()) | (self._by_run.get(joined + "*", set()) if begins else set())
            if 0 < len(found) <= max(1, _RARE * len(self._known)):
                return size, found
        return 0, set()

    def _by_time(self, question: str, evidence: dict[str, float], reasons: dict[str, list[str]]) -> None:
        """Of the documents that a question names, those of its years and quarters; all, where it names none but a year.

        A report tells of the years before it too, so of several years the last one that there is a report of counts.
        """
        asked, quarters = years(question), _quarters(question)
        if not asked and not quarters:
            return
        if not evidence:
            dated = {id for id, d in self._known.items() if d.years & asked}
            if not dated or len(dated) > _RARE * len(self._known):
                return
            evidence |= dict.fromkeys(dated, log(1 + len(self._known) / len(dated)) * _LOWER)
        top = max(evidence.values())
        near = [id for id, value in evidence.items() if value > 0.5 * top]
        there = {year for id in near for year in self._known[id].years}
        last = max(asked & there, default="")
        for id in list(evidence):
            known = self._known[id]
            if last and known.years:
                follows = str(int(last) + 1) in known.years
                share = 1.0 if last in known.years else _NEXT_YEAR if follows else _OTHER_YEAR
                evidence[id] *= share
                if share == 1.0:
                    reasons[id].append(last)
            if quarters and known.quarters:
                evidence[id] *= 1.0 if quarters & known.quarters else _OTHER_YEAR


_shelves: WeakKeyDictionary[Library, tuple[int, dict[str, str], Shelf]] = WeakKeyDictionary()
_lock = threading.Lock()


def shelf(library: Library) -> Shelf:
    """The shelf of a library, made anew when a document comes or goes; only new documents are read for it."""
    with _lock:
        version = library.version()
        kept = _shelves.get(library)
        if kept is not None and kept[0] == version:
            return kept[2]
        known = kept[1] if kept is not None else {}
        records = library.records()
        first = {r.id: known[r.id] if r.id in known else library.page(r.id, 1).text for r in records}
        made = Shelf((record, first[record.id]) for record in records)
        _shelves[library] = (version, first, made)
        return made


def _about(record: Record, first: str) -> _Document:
    stem = record.name.rpartition(".")[0] or record.name
    text = f"{stem} {record.title}".replace("_", " ")
    return _Document(
        _runs(stem),
        _runs(record.title),
        years(text) or frozenset(sorted(years(first))[-1:]),
        _quarters(text),
        frozenset(tokens(first[:4000])),
    )


def _runs(text: str) -> frozenset[str]:
    words = [run.lower() for word in _WORD.findall(text) for run in (_pieces_of(word) or [word])]
    return frozenset(word for word in words if word not in ASKING)


def _begins(word: str, said: str) -> bool:
    return len(said) >= _SHORTEST_PREFIX and word.startswith(said)


def _pieces_of(word: str) -> list[str]:
    """Chinese has no spaces: each pair of its characters is a word, as in the search tokens."""
    return tokens(word) if _HAN.search(word) else []


def _pieces(word: str, span: tuple[int, int]) -> list[tuple[str, tuple[int, int]]]:
    if not _HAN.search(word):
        return [(word, span)]
    return [(word[i : i + 2], (span[0] + i, span[0] + i + 2)) for i in range(max(1, len(word) - 1))]


def _capital(letter: str) -> bool:
    return letter.isupper() or letter.isdigit() or bool(_HAN.match(letter))


def _quarters(text: str) -> frozenset[str]:
    found = (next(group for group in match.groups() if group) for match in _QUARTER.finditer(text.replace("_", " ")))
    return frozenset(_ORDINALS.get(group.lower(), group) for group in found)


def _without(question: str, taken: Sequence[tuple[int, int]]) -> str:
    kept, at = [], 0
    for start, end in sorted(taken):
        kept.append(question[at : max(at, start)])
        at = max(at, end)
    return " ".join("".join([*kept, question[at:]]).split())
