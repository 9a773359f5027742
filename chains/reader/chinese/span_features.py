"""Candidate spans of a Chinese passage, and what can be seen of each: every sight is a bin of a family of features.

A candidate begins and ends where words may: at punctuation, function words, changes of script, and the ends of runs of
the question's own words. All of it is arithmetic over arrays, because a passage has a thousand candidates.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from chains.reader.chinese import characters
from chains.reader.chinese.characters import (
    CLASS_COUNT,
    CLOSING,
    DIGIT,
    EDGE,
    LATIN,
    NUMERAL,
    OPENING,
    STOPS,
    Flags,
    Floats,
    Ints,
)
from chains.reader.chinese.cloze import KINDS, Asked
from ingest.text.sentences import sentences

SENTENCES = 4  # of a passage, those that share most with the question, are looked into
WEAK = 0.3  # what a pair of characters counts that has a function word in it
SHORT, LONG = 26, 110  # characters; a span longer than SHORT goes from punctuation to punctuation, and none is LONG
_FAR = 99

# name → number of bins, and whether each kind of question has weights of its own for it.
FAMILIES: dict[str, tuple[int, bool]] = {
    "length": (11, True),
    "before": (CLASS_COUNT, True),
    "first": (CLASS_COUNT, True),
    "last": (CLASS_COUNT, True),
    "after": (CLASS_COUNT, True),
    "before and first": (CLASS_COUNT * 4, False),
    "last and after": (CLASS_COUNT * 4, False),
    "type": (11, True),
    "type and length": (44, True),
    "noun": (4, True),
    "word before the hole": (13, True),
    "word after the hole": (13, True),
    "both words": (16, True),
    "aligned left": (15, True),
    "aligned right": (15, True),
    "both sides aligned": (25, True),
    "gap left": (9, True),
    "gap right": (9, True),
    "sides": (4, True),
    "near": (9, True),
    "around": (9, True),
    "clause": (8, True),
    "sentence": (11, True),
    "sentence alone": (11, True),
    "rank": (4, True),
    "beside the best": (7, True),
    "said inside": (8, True),
    "share inside": (7, True),
    "clauses": (5, True),
    "items": (4, True),
    "edges": (4, True),
    "brackets": (3, False),
    "place": (5, True),
    "repeats": (3, True),
}
_GAPS = [0, 1, 2, 3, 5, 8, 14, 30]
_COARSE = np.array([0, 0, 1, 2, 2, 2, 3, 3, 2, 2, 2, 3, 3])  # of the bins of `_beside`: away, inside, near, far
_GROUP = np.zeros(CLASS_COUNT, np.int64)
_GROUP[[*STOPS, *OPENING[:1], *CLOSING[:1]]] = 1
_GROUP[[7, 8, 9]] = 2
_GROUP[[DIGIT, NUMERAL, LATIN]] = 3


def _among(*groups: int) -> Flags:
    """For each class whether it is one of these."""
    found = np.zeros(CLASS_COUNT, bool)
    found[list(groups)] = True
    return found


_IS_STOP, _IS_CLAUSE_END, _IS_JOINT = _among(*STOPS), _among(1, 2, 4), _among(3, 17)
_NO_BEGIN, _NO_END = _among(*STOPS, *CLOSING), _among(*STOPS, *OPENING)
_NESTS = _among(*OPENING).astype(np.int64) - _among(*CLOSING)


@dataclass(frozen=True)
class Candidates:
    """Spans [start, end) of a text; `seen[f, i]` is the number of the weight that family f has for span i."""

    start: Ints
    end: Ints
    seen: Ints

    def __len__(self) -> int:
        return len(self.start)


@lru_cache(maxsize=1)
def layout() -> dict[str, tuple[int, int, bool]]:
    """name → (where its weights begin, bins, by kind)."""
    found, at = {}, 0
    for name, (bins, by_kind) in FAMILIES.items():
        found[name] = (at, bins, by_kind)
        at += bins * (len(KINDS) if by_kind else 1)
    return found


def weight_count() -> int:
    return sum(bins * (len(KINDS) if by_kind else 1) for bins, by_kind in FAMILIES.values())


def candidates(question: Asked, text: str, heading: str = "") -> Candidates:
    """Every span of `text` that may answer, with what is seen of it."""
    low, origin = characters.squeezed(text)
    if not low or not question.text:
        none = np.zeros(0, np.int64)
        return Candidates(none, none, np.zeros((len(FAMILIES), 0), np.int64))
    passage = _Passage(question, text, low, origin, characters.folded(heading))
    s, e = passage.spans()
    bins = passage.sights(s, e)
    kind = KINDS.index(question.kind)
    seen = np.empty((len(FAMILIES), len(s)), np.int64)
    for row, (name, (first, count, by_kind)) in enumerate(layout().items()):
        np.add(bins[name], first + (kind * count if by_kind else 0), out=seen[row])
    return Candidates(origin[s], origin[e - 1] + 1, seen)


class _Passage:
    """A text beside a question, as arrays over its characters and over the places between them."""

    def __init__(self, question: Asked, text: str, low: str, origin: Ints, heading: str) -> None:
        self.question, self.low, self.n = question, low, len(low)
        t, q = characters.codes(low), characters.codes(question.text)
        self.codes, self.classes = t, characters.classes(t)
        self.back = _common(q, t)
        self.fore = _common(q[::-1], t[::-1])[::-1, ::-1]
        self.known = _covered(self.back) > 1
        # The question's pairs of characters: where each stands, and how much it says.
        said = question.text
        hole = range(question.start - 1, question.end)
        pairs = list(dict.fromkeys(said[j : j + 2] for j in range(len(said) - 1) if j not in hole)) or [said[:2]]
        firsts, seconds = (np.array([min(ord(pair[k]), 0xFFFF) for pair in pairs]) for k in (0, -1))
        at = np.zeros((len(pairs), self.n), bool)
        at[:, :-1] = (t[:-1] == firsts[:, None]) & (t[1:] == seconds[:, None])
        self.before_each = np.concatenate((np.zeros((len(pairs), 1), np.int64), np.cumsum(at, axis=1)), axis=1)
        # Sentences, weighed as chains/models/extractive/sentence_scoring.py weighs them.
        ends = np.searchsorted(origin, [end for _, end in sentences(text)])
        self.ends = np.unique(np.append(ends[ends > 0], self.n))
        self.starts = np.concatenate(([0], self.ends[:-1]))
        there = np.maximum.reduceat(at, self.starts, axis=1)
        rare = np.log(1 + (len(self.starts) + 1) / (there.sum(axis=1) + 0.5))
        rare *= [(WEAK if characters.WEAK.search(pair) else 1.0) * (0.5 if pair in heading else 1.0) for pair in pairs]
        self.rare: Floats = rare / (rare.sum() or 1.0)
        nearby = there.copy()
        for shift in (1, 2):
            nearby[:, shift:] |= there[:, :-shift]
        nearby[:, :-1] |= there[:, 1:]
        self.alone = self.rare @ there
        self.held = 0.6 * self.alone + 0.4 * (self.rare @ nearby)
        self.order = np.argsort(-self.held, kind="stable")
        self.sentence = np.repeat(np.arange(len(self.starts)), np.diff(np.append(self.starts, self.n)))

    def spans(self) -> tuple[Ints, Ints]:
        """[start, end) of every candidate, in the squeezed text."""
        begins, finishes, hard = self._borders()
        found = []
        for k in self.order[:SENTENCES]:
            lo, hi = int(self.starts[k]), int(self.ends[k])
            b = lo + np.flatnonzero(begins[lo:hi])
            f = lo + 1 + np.flatnonzero(finishes[lo + 1 : hi + 1])
            s, e = np.repeat(b, len(f)), np.tile(f, len(b))
            size = e - s
            keep = (size > 0) & (size < LONG) & ((size <= SHORT) | (hard[s] & hard[e]))
            found.append((s[keep], e[keep]))
        s, e = (np.concatenate(each) for each in zip(*found, strict=True))
        return s, e

    def sights(self, s: Ints, e: Ints) -> dict[str, Ints]:
        """The bin of each family that each span falls into."""
        question, classes, rare = self.question, self.classes, self.rare
        size, of = e - s, self.sentence[s]
        lo, hi = self.starts[of], self.ends[of]
        held, best = self.held[of], float(self.held[self.order[0]])
        rank = np.empty(len(self.order), np.int64)
        rank[self.order] = np.arange(len(self.order))
        near = self._some(np.maximum(lo, s - 10), s - 1, e, np.minimum(hi, e + 10) - 1)
        around = self._some(np.maximum(lo, s - 40), s - 1, e, np.minimum(hi, e + 40) - 1)
        stop = np.append(_IS_CLAUSE_END[classes], True)
        places = np.arange(self.n + 1)
        clause_lo = np.maximum.accumulate(np.concatenate(([0], np.where(stop[:-1], places[1:], 0))))
        clause_hi = np.minimum.accumulate(np.where(stop, places, self.n)[::-1])[::-1]
        clause = self._some(clause_lo[s], s - 1, e, clause_hi[e] - 1)
        inside = self._some(s, e - 1, e, e)
        outside = np.append(classes, EDGE)
        left, right = _gaps(self.known)
        types = self._types(s, e)
        aligned = self._aligned(s, e)
        before = _beside(question.before, self.low, s, e, lo, hi)
        after = _beside(question.after, self.low, s, e, lo, hi)
        hard = _IS_STOP[outside]

        def count(flags: Flags | Ints) -> Ints:
            sums = np.concatenate(([0], np.cumsum(flags)))
            found: Ints = sums[e] - sums[s]
            return found

        def level(values: Floats, steps: int, most: int) -> Ints:
            return np.minimum(most, (values * steps).astype(np.int64))

        return {
            "length": np.searchsorted([1, 2, 3, 4, 6, 9, 13, 19, 30, 50], size),
            "before": outside[s - 1],
            "first": classes[s],
            "last": classes[e - 1],
            "after": outside[e],
            "before and first": outside[s - 1] * 4 + _GROUP[classes[s]],
            "last and after": outside[e] * 4 + _GROUP[classes[e - 1]],
            "type": types,
            "type and length": 4 * types + np.searchsorted([4, 9, 19], size),
            "noun": self._noun(e),
            "word before the hole": before,
            "word after the hole": after,
            "both words": 4 * _COARSE[before] + _COARSE[after],
            "aligned left": aligned[0],
            "aligned right": aligned[1],
            "both sides aligned": 5 * (aligned[0] % 5) + aligned[1] % 5,
            "gap left": np.searchsorted(_GAPS, left[s]),
            "gap right": np.searchsorted(_GAPS, right[e]),
            "sides": 2 * (left[s] < 12) + (right[e] < 12),
            "near": level(rare @ near, 12, 8),
            "around": level(rare @ around, 10, 8),
            "clause": level(rare @ clause, 10, 7),
            "sentence": level(held, 12, 10),
            "sentence alone": level(self.alone[of], 12, 10),
            "rank": np.minimum(3, rank[of]),
            "beside the best": np.searchsorted([0.01, 0.05, 0.1, 0.2, 0.3, 0.5], best - held),
            "said inside": np.searchsorted([0.001, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6], rare @ inside),
            "share inside": np.searchsorted([0.001, 0.1, 0.2, 0.35, 0.6, 0.9], count(self.known) / size),
            "clauses": np.minimum(4, count(stop[:-1])),
            "items": np.minimum(3, count(_IS_JOINT[classes])),
            "edges": 2 * (hard[s - 1] | (s == 0)) + (hard[e] | (e == self.n)),
            "brackets": 1 + np.sign(count(_NESTS[classes])),
            "place": np.minimum(4, of),
            "repeats": np.where(inside.any(axis=0), np.where(left[s] == 0, 2, 1), 0),
        }

    def _some(self, a: Ints, b: Ints, c: Ints, d: Ints) -> Flags:
        """[pair, span]: whether the pair begins in [a, b) or in [c, d)."""
        sums = self.before_each
        found: Flags = (sums[:, np.maximum(a, b)] - sums[:, a] + sums[:, np.maximum(c, d)] - sums[:, c]) > 0
        return found

    def _borders(self) -> tuple[Flags, Flags, Flags]:
        """Of each place between characters: whether a span may begin there, may end there, and is at punctuation."""
        classes, n = self.classes, self.n
        function = characters.IS_FUNCTION[self.codes]
        mark = ((classes > 0) & (classes < 9)) | (self.codes == 32)
        word = (classes == DIGIT) | (classes == LATIN)
        begins, finishes, hard = (np.zeros(n + 1, bool) for _ in range(3))
        begins[0] = finishes[n] = hard[0] = hard[n] = True
        hard[1:] |= mark
        hard[:-1] |= mark
        begins[1:] |= function | mark
        begins[:-1] |= function & ~mark
        finishes[:-1] |= function | mark
        finishes[1:] |= function & ~mark
        turn = (word[1:] != word[:-1]) | (self.known[1:] != self.known[:-1])
        begins[1:-1] |= turn
        finishes[1:-1] |= turn
        for pattern in (characters.DATE, characters.QUOTED, characters.AMOUNT):
            for match in pattern.finditer(self.low):
                begins[match.start()] = finishes[match.end()] = True
        begins[:-1] &= ~_NO_BEGIN[classes]
        finishes[1:] &= ~_NO_END[classes]
        inner = np.zeros(n + 1, bool)  # of a word or number
        inner[1:-1] = word[1:] & word[:-1] & ((classes[1:] == classes[:-1]) | (classes[1:] == DIGIT))
        return begins & ~inner, finishes & ~inner, hard

    def _aligned(self, s: Ints, e: Ints) -> list[Ints]:
        """How well the question's words before its hole end where a span begins, and those after begin where it ends.

        Bin: 5 * gap (none; 1 or 2 characters; 3 or 4) + how many characters run on, at most 4.
        """
        asked, found = self.question, []
        left = {place - 1 for place in (asked.start, asked.lean) if place}
        right = {place for place in (asked.end, asked.end + len(asked.noun)) if place < len(asked.text)}
        for runs, places, border, step in ((self.back, left, s - 1, -1), (self.fore, right, e, 1)):
            bins, rank = np.zeros(len(s), np.int64), np.full(len(s), -9.0)
            for gap in range(5):
                at = border + step * gap
                within = (at >= 0) & (at < self.n)
                for place in places:
                    run = np.minimum(4, np.where(within, runs[place, np.clip(at, 0, self.n - 1)], 0))
                    value = run - 0.3 * gap
                    better = (run > 0) & (value > rank)
                    rank = np.where(better, value, rank)
                    bins = np.where(better, 5 * ((gap + 1) // 2) + run, bins)
            found.append(bins)
        return found

    def _noun(self, e: Ints) -> Ints:
        """1, 2: the span ends with one, two characters of what follows the hole; 3: they follow it; else 0."""
        noun, n = self.question.noun, self.n
        bins = np.zeros(n + 1, np.int64)
        if noun:
            bins[1:][self.codes == min(ord(noun[0]), 0xFFFF)] = 1
            bins[[match.start() for match in re.finditer(re.escape(noun[:2]), self.low)]] = 3
            for k in range(2, len(noun) + 1):
                bins[[match.end() for match in re.finditer(re.escape(noun[:k]), self.low)]] = 2
        found: Ints = bins[e]
        return found

    def _types(self, s: Ints, e: Ints) -> Ints:
        """What a span looks like.

        0 nothing; 1 a date; 2 has one; 3 an amount; 4 has a figure; 5 quoted; 6 has a quote; 7 ends like a place;
        8 Latin; 9 a country; 10 like a person's name.
        """
        n, size = self.n, e - s

        def matched(pattern: re.Pattern[str]) -> tuple[Flags, Flags]:
            until, ended = np.full(n + 1, -1, np.int64), np.zeros(n + 1, np.int64)
            for match in pattern.finditer(self.low):
                until[match.start()] = match.end()
                ended[match.end()] = 1
            ended = np.cumsum(ended)
            return until[s] == e, ended[e] > ended[s]

        def counted(table: Flags) -> Ints:
            sums = np.concatenate(([0], np.cumsum(table[self.codes])))
            found: Ints = sums[e] - sums[s]
            return found

        date, has_date = matched(characters.DATE)
        quoted, has_quote = matched(characters.QUOTED)
        surname = characters.IS_SURNAME[self.codes[s]] & (size <= 3) & (size >= 2)
        found: Ints = np.select(
            [
                quoted,
                matched(characters.COUNTRY)[0],
                date,
                matched(characters.AMOUNT)[0],
                has_date,
                has_quote,
                counted(characters.IS_NUMBER) > 0,
                (counted(characters.IS_DOT) > 0) | surname,
                counted(characters.IS_LATIN) == size,
                characters.IS_PLACE[self.codes[e - 1]],
            ],
            [5, 9, 1, 3, 2, 6, 4, 10, 8, 7],
            0,
        )
        return found


def _common(q: Ints, t: Ints) -> Ints:
    """[j, i]: how many characters that end with q[j] and with t[i] are the same."""
    found = np.zeros((len(q), len(t) + 1), np.int64)
    for j, character in enumerate(q):
        before = found[j - 1, :-1] if j else 0
        found[j, 1:] = (before + 1) * (t == character)
    return found[:, 1:]


def _covered(back: Ints) -> Ints:
    """For each character of the text the longest run of the question's that it stands in, at most 8."""
    best: Ints = np.minimum(8, back.max(axis=0))
    found = best.copy()
    for k in range(1, min(8, len(best))):
        np.maximum(found[:-k], np.where(best[k:] > k, best[k:], 0), out=found[:-k])
    return found


def _gaps(known: Flags) -> tuple[Ints, Ints]:
    """How far each place between characters is from the question's words to its left, and right; _FAR at most."""
    n = len(known)
    index = np.arange(n)
    left, right = np.full(n + 1, _FAR, np.int64), np.full(n + 1, _FAR, np.int64)
    left[1:] = np.minimum(_FAR, index - np.maximum.accumulate(np.where(known, index, -_FAR)))
    right[:-1] = np.minimum(_FAR, np.minimum.accumulate(np.where(known, index, n + _FAR)[::-1])[::-1] - index)
    return left, right


def _beside(word: str, text: str, s: Ints, e: Ints, lo: Ints, hi: Ints) -> Ints:
    """Where a word stands: 0 nowhere in the text; 1 in other sentences; 2 inside the span; else beside it.

    3 to 7 to its left and 8 to 12 to its right, the nearer side, by how far.
    """
    n = len(text)
    begins = np.array([match.start() for match in re.finditer(re.escape(word), text)] if word else [], np.int64)
    if not len(begins):
        return np.zeros(len(s), np.int64)
    ended = np.full(n + 1, -1000, np.int64)
    ended[begins + len(word)] = begins + len(word)
    ended = np.maximum.accumulate(ended)
    following = np.full(n + 1, n + 1000, np.int64)
    following[begins] = begins
    following = np.minimum.accumulate(following[::-1])[::-1]
    left = np.where(ended[s] - len(word) >= lo, s - ended[s], 500)
    right = np.where(following[e] < hi, following[e] - e, 500)
    steps = [1, 3, 7, 16]
    gap: Ints = np.searchsorted(steps, np.minimum(left, right), "right") + np.where(left <= right, 3, 8)
    found: Ints = np.select([following[s] + len(word) <= e, np.minimum(left, right) >= 500], [2, 1], gap)
    return found
