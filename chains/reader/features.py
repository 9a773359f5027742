"""Candidate spans of a Chinese passage, and what can be seen of each: every sight is a bin of a family of features.

A candidate begins and ends where words may: at punctuation, function words, changes of script, and the ends of runs of
the question's own words. All of it is arithmetic over arrays, because a passage has a thousand candidates.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from chains.reader.asked import KINDS, Asked, folded
from ingest.sentences import sentences

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SENTENCES = 4  # of a passage, those that share most with the question, are looked into
SHORT, LONG = 26, 110  # characters; a span longer than SHORT goes from punctuation to punctuation, and none is LONG

# Classes of the characters beside a span and at its ends; the first that has a character is its class.
_CLASSES: Sequence[str] = (
    "",  # other
    "。！？!?;；\n",
    "，,",
    "、",
    "：:",
    "（(［[",
    "）)］]",
    "《「『“‘\"<〈",
    "》」』”’>〉",
    "·・•.-－—–~～/",
    "是",
    "为為",
    "于於",
    "在",
    "的",
    "由被",
    "有",
    "和与與及或跟",
    "以用从從自",
    "了着著过過",
    "至到向往",
    "因故",
    "而但则則也又并並",
    "叫称稱名作成",
    "年",
    "月日号號时時",
    "上下中内內里裡间間后後前",
    "其他她它们們这這那该該此",
    "省市县縣区區国國州镇鎮村岛島山河路街",
    "人家员員者士生长長",
    "个個次种種位名部集场場届屆条條",
)
_DIGIT, _LATIN, _NUMERAL, _EDGE = (len(_CLASSES) + k for k in range(4))
_CLASS_COUNT = len(_CLASSES) + 4
_NUMERALS = "一二三四五六七八九十百千万萬亿億两兩零〇第"
_FUNCTION = "的是为為于於在由被以用从從自和与與及或有至到向将將把让讓叫称稱了著着过過因而但则則也又并並对對等其就都当當作成后後前时時中"
_WEAK = re.compile(
    "[的了吗嗎呢是什么麼哪谁誰几幾多少何为為怎样樣在有和与與及其于於之请請问問该該被把对對从從到以而或这這那些个個候因由也都就吧啊如]"
)
_DATE = re.compile(
    r"(?:公元前?)?(?:\d{2,4}|[一二三四五六七八九〇零十]{2,4})年(?:(?:\d{1,2}|[一二三四五六七八九十]{1,3})月)?"
    r"(?:(?:\d{1,2}|[一二三四五六七八九十]{1,3})日)?|\d{1,2}月(?:\d{1,2}日)?|\d{1,2}世纪|\d{2,4}年代"
)
_AMOUNT = re.compile(
    r"[约約近超第]?(?:\d[\d,.]*|[一二三四五六七八九十百千两兩]+)(?:多|余|餘)?[十百千万萬亿億]*(?:多|余|餘)?"
    r"(?:%|％|[a-z]{1,3}\b|平方公里|平方千米|公里|公斤|公尺|英里|美元|港元|[^\W\d_a-z])?"
)
_QUOTED = re.compile(r"《[^《》]{1,40}》|「[^「」]{1,40}」|『[^『』]{1,40}』|“[^“”]{1,40}”|\"[^\"]{1,40}\"")
_PLACE = re.compile(r"[省市县縣区區国國州镇鎮乡鄉村岛島山河湖路街洲港城站府郡道寺宫宮园園馆館院校]$")


# name → number of bins, and whether each kind of question has weights of its own for it.
FAMILIES: dict[str, tuple[int, bool]] = {
    "length": (11, True),
    "before": (_CLASS_COUNT, True),
    "first": (_CLASS_COUNT, False),
    "last": (_CLASS_COUNT, True),
    "after": (_CLASS_COUNT, False),
    "type": (9, True),
    "noun": (4, True),
    "aligned left": (15, True),
    "aligned right": (15, True),
    "gap left": (9, False),
    "gap right": (9, False),
    "sides": (4, True),
    "near": (9, False),
    "around": (9, False),
    "sentence": (11, False),
    "beside the best": (7, False),
    "said inside": (8, True),
    "share inside": (7, True),
    "clauses": (5, True),
    "place": (5, False),
    "repeats": (3, False),
}


@lru_cache(maxsize=1)
def offsets() -> dict[str, tuple[int, int, bool]]:
    """name → (where its weights begin, bins, by kind)."""
    found, at = {}, 0
    for name, (bins, by_kind) in FAMILIES.items():
        found[name] = (at, bins, by_kind)
        at += bins * (len(KINDS) if by_kind else 1)
    return found


def weight_count() -> int:
    return sum(bins * (len(KINDS) if by_kind else 1) for bins, by_kind in FAMILIES.values())


@dataclass(frozen=True)
class Candidates:
    """Spans [start, end) of a text; `seen[i, f]` is the number of the weight that family f has for span i."""

    start: Ints
    end: Ints
    seen: Ints

    def __len__(self) -> int:
        return len(self.start)


_CLASS_OF = {c: k for k, group in reversed(list(enumerate(_CLASSES))) for c in group}
_CLASS_OF |= {c: _DIGIT for c in "0123456789%％"} | {c: _NUMERAL for c in _NUMERALS}
_CLASS_OF |= {c: _LATIN for c in "abcdefghijklmnopqrstuvwxyz"}


def candidates(question: Asked, text: str) -> Candidates:
    """Every span of `text` that may answer, with what is seen of it."""
    squeezed, origin = _squeezed(text)
    n = len(squeezed)
    if not n or not question.text:
        none = np.zeros(0, np.int64)
        return Candidates(none, none, np.zeros((0, len(FAMILIES)), np.int64))
    t = np.array([ord(c) for c in squeezed], np.int64)
    q = np.array([ord(c) for c in question.text], np.int64)
    back = _common(q, t)
    fore = _common(q[::-1], t[::-1])[::-1, ::-1]
    covered = _covered(back)
    # The question's pairs of characters: where each stands, and how much it says.
    pair_q = [(j, question.text[j : j + 2]) for j in range(len(q) - 1) if not (question.start - 1 <= j < question.end)]
    pairs = list(dict.fromkeys(pair for _, pair in pair_q)) or [question.text[:2]]
    at = np.array(
        [np.concatenate(((t[:-1] == ord(p[0])) & (t[1:] == ord(p[-1])), [False])) for p in pairs], bool
    ).reshape(len(pairs), n)
    often = at.sum(axis=1)
    rare = np.log(1 + n / (often + 0.5)) * np.array([0.3 if _WEAK.search(p) else 1.0 for p in pairs])
    rare = np.where(often > 0, rare, 0.5 * rare)
    rare /= rare.sum() or 1.0
    # Sentences and which of them to look into.
    ends = _sentence_ends(text, origin, n)
    starts = np.concatenate(([0], ends[:-1]))
    held = rare @ np.maximum.reduceat(at, starts, axis=1)
    order = np.argsort(-held, kind="stable")[:SENTENCES]
    best = float(held[order[0]])
    of_sentence = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, n)))

    classes = np.array([_CLASS_OF.get(c, 0) for c in squeezed], np.int64)
    begins, finishes, hard_b, hard_f = _borders(squeezed, classes, covered)
    pieces = []
    for k in order:
        lo, hi = int(starts[k]), int(ends[k])
        b = lo + np.flatnonzero(begins[lo:hi])
        f = lo + 1 + np.flatnonzero(finishes[lo + 1 : hi + 1])
        s, e = np.repeat(b, len(f)), np.tile(f, len(b))
        size = e - s
        keep = (size > 0) & (size < LONG) & ((size <= SHORT) | (hard_b[s] & hard_f[e]))
        pieces.append((s[keep], e[keep]))
    s, e = (np.concatenate(each) for each in zip(*pieces, strict=True))
    size = e - s

    sums = np.concatenate((np.zeros((len(pairs), 1), np.int64), np.cumsum(at, axis=1)), axis=1)

    def some(a: Ints, b: Ints) -> Floats:
        found: Floats = sums[:, np.maximum(a, b)] - sums[:, a]
        return found

    lo, hi = starts[of_sentence[s]], ends[of_sentence[s]]
    # A pair lies in [a, b) where it begins in [a, b - 1).
    inside = some(s, e - 1)
    near = (some(np.maximum(lo, s - 10), s - 1) + some(e, np.minimum(hi, e + 10) - 1)) > 0
    around = (some(np.maximum(lo, s - 40), s - 1) + some(e, np.minimum(hi, e + 40) - 1)) > 0
    in_text = np.concatenate(([0], np.cumsum(covered > 1)))
    share = (in_text[e] - in_text[s]) / size
    left, right = _gaps(covered > 1, n)
    stops = np.concatenate(([0], np.cumsum(np.isin(classes, (1, 2, 4)))))
    types = _types(squeezed, s, e)
    l_align, r_align = _aligned(question, back, fore, s, e, n)
    said = rare @ (inside > 0)
    outside = np.append(classes, _EDGE)

    bins: dict[str, Ints] = {
        "length": np.searchsorted([1, 2, 3, 4, 6, 9, 13, 19, 30, 50], size),
        "before": outside[s - 1],
        "first": classes[s],
        "last": classes[e - 1],
        "after": outside[e],
        "type": types,
        "noun": _noun(question, squeezed, s, e),
        "aligned left": l_align,
        "aligned right": r_align,
        "gap left": np.searchsorted([0, 1, 2, 3, 5, 8, 14, 30], left[s]),
        "gap right": np.searchsorted([0, 1, 2, 3, 5, 8, 14, 30], right[e]),
        "sides": 2 * (left[s] < 12) + (right[e] < 12),
        "near": np.minimum(8, (rare @ near * 12).astype(np.int64)),
        "around": np.minimum(8, (rare @ around * 10).astype(np.int64)),
        "sentence": np.minimum(10, (held[of_sentence[s]] * 12).astype(np.int64)),
        "beside the best": np.searchsorted([0.01, 0.05, 0.1, 0.2, 0.3, 0.5], best - held[of_sentence[s]]),
        "said inside": np.searchsorted([0.001, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6], said),
        "share inside": np.searchsorted([0.001, 0.1, 0.2, 0.35, 0.6, 0.9], share),
        "clauses": np.minimum(4, stops[e] - stops[s]),
        "place": np.minimum(4, of_sentence[s]),
        "repeats": np.where(said > 0, np.where(left[s] == 0, 2, 1), 0),
    }
    kind = KINDS.index(question.kind)
    seen = np.empty((len(s), len(FAMILIES)), np.int64)
    for column, (name, (first, count, by_kind)) in enumerate(offsets().items()):
        seen[:, column] = bins[name] + first + (kind * count if by_kind else 0)
    where = np.array(origin, np.int64)
    return Candidates(where[s], where[e - 1] + 1, seen)


def _squeezed(text: str) -> tuple[str, list[int]]:
    """The text folded and without white space beside Chinese characters, and where each character stood."""
    low = folded(text)
    kept: list[int] = []
    for match in re.finditer(r"\S+", low):
        a, b = match.span()
        if kept and low[kept[-1]] < "\u2e80" and low[a] < "\u2e80":
            kept.append(a - 1)
        kept.extend(range(a, b))
    return "".join(low[i] if not low[i].isspace() else " " for i in kept), kept


def _sentence_ends(text: str, origin: list[int], n: int) -> Ints:
    found = np.searchsorted(np.array(origin), [end for _, end in sentences(text)])
    return np.unique(np.append(found[found > 0], n))


def _common(q: Ints, t: Ints) -> Ints:
    """[j, i]: how many characters that end with q[j] and with t[i] are the same."""
    found = np.zeros((len(q), len(t)), np.int64)
    row = np.zeros(len(t) + 1, np.int64)
    for j, character in enumerate(q):
        row = np.concatenate(([0], (row[:-1] + 1) * (t == character)))
        found[j] = row[1:]
    return found


def _covered(back: Ints) -> Ints:
    """For each character of the text the longest run of the question's that it stands in, at most 8."""
    best = np.minimum(8, back.max(axis=0))
    found = best.copy()
    for k in range(1, 8):
        after = best[k:]
        np.maximum(found[:-k], np.where(after > k, after, 0), out=found[:-k])
    return found


def _borders(text: str, classes: Ints, covered: Ints) -> tuple[npt.NDArray[np.bool_], ...]:
    """Where a span may begin, [n + 1], where it may end, and where punctuation is, before and after."""
    n = len(text)
    function = np.array([c in _FUNCTION for c in text])
    mark = np.isin(classes, (1, 2, 3, 4, 5, 6, 7, 8)) | np.array([c == " " for c in text])
    word = (classes == _DIGIT) | (classes == _LATIN)
    known = covered > 1
    begins, finishes = np.zeros(n + 1, bool), np.zeros(n + 1, bool)
    hard = np.zeros(n + 1, bool)
    hard[0] = hard[n] = True
    hard[1:] |= mark
    hard[:-1] |= mark
    begins[1:] |= function | mark
    begins[:-1] |= function & ~mark
    finishes[:-1] |= function | mark
    finishes[1:] |= function & ~mark
    change = word[1:] != word[:-1]
    begins[1:-1] |= change
    finishes[1:-1] |= change
    turn = known[1:] != known[:-1]
    begins[1:-1] |= turn
    finishes[1:-1] |= turn
    for match in (*_DATE.finditer(text), *_QUOTED.finditer(text), *_AMOUNT.finditer(text)):
        begins[match.start()] = finishes[match.end()] = True
    inner = np.zeros(n + 1, bool)
    inner[1:-1] = word[1:] & word[:-1] & ((classes[1:] == classes[:-1]) | (classes[1:] == _DIGIT))
    begins[0] = finishes[n] = True
    opening, closing = np.isin(classes, (7, 5)), np.isin(classes, (8, 6))
    stop = np.isin(classes, (1, 2, 3, 4))
    begins[:-1] &= ~(stop | closing)  # begins with no stop
    finishes[1:] &= ~(opening | stop)  # ends with no opening, no stop
    return begins & ~inner, finishes & ~inner, hard, hard


def _gaps(known: npt.NDArray[np.bool_], n: int) -> tuple[Ints, Ints]:
    """For each place between characters, how far the question's words are to its left, and to its right; at most 99."""
    left, right = np.full(n + 1, 99, np.int64), np.full(n + 1, 99, np.int64)
    index = np.arange(n)
    last = np.maximum.accumulate(np.where(known, index, -100))
    left[1:] = np.minimum(99, index - last)
    nxt = np.minimum.accumulate(np.where(known, index, n + 100)[::-1])[::-1]
    right[:-1] = np.minimum(99, nxt - index)
    return left, right


def _aligned(question: Asked, back: Ints, fore: Ints, s: Ints, e: Ints, n: int) -> tuple[Ints, Ints]:
    """How well the question's words before its hole end where a span begins, and those after begin where it ends.

    Bin: 5 * gap (0; 1 or 2; more) + how many characters run on.
    """
    out = []
    for side in (0, 1):
        best = np.zeros(len(s), np.int64)
        rank = np.full(len(s), -1.0)
        if side == 0:
            places = {p - 1 for p in (question.start, question.lean) if p > 0}
        else:
            places = {p for p in (question.end, question.end + len(question.noun)) if p < len(fore)}
        for gap in (0, 1, 2, 3, 4):
            at = s - 1 - gap if side == 0 else e + gap
            ok = (at >= 0) & (at < n)
            for p in places:
                run = np.where(ok, (back if side == 0 else fore)[p, np.clip(at, 0, n - 1)], 0)
                value = np.minimum(run, 4) - 0.3 * gap
                better = (run > 0) & (value > rank)
                rank = np.where(better, value, rank)
                best = np.where(better, 5 * min(2, (gap + 1) // 2) + np.minimum(run, 4), best)
        out.append(best)
    return out[0], out[1]


def _noun(question: Asked, text: str, s: Ints, e: Ints) -> Ints:
    """1, 2: the span ends with one, two characters of what follows the hole; 3: they follow it; else 0."""
    noun = question.noun
    if not noun:
        return np.zeros(len(s), np.int64)
    n = len(text)
    one, two, after = np.zeros(n + 1, bool), np.zeros(n + 1, bool), np.zeros(n + 1, bool)
    tails = {noun[:k] for k in range(2, len(noun) + 1)}
    for k in range(1, n + 1):
        one[k] = text[k - 1] == noun[0]
        if len(noun) > 1:
            two[k] = any(text.endswith(tail, 0, k) for tail in tails)
        after[k] = text.startswith(noun[:2], k)
    return np.where(two[e], 2, np.where(after[e], 3, np.where(one[e], 1, 0)))


def _types(text: str, s: Ints, e: Ints) -> Ints:
    """0 nothing seen; 1 is a date; 2 has one; 3 is an amount; 4 has a figure; 5 is quoted; 6 a quote is in it;
    7 ends like a place; 8 is Latin."""
    n = len(text)

    def marks(pattern: re.Pattern[str]) -> tuple[dict[int, int], Ints]:
        found = [match.span() for match in pattern.finditer(text)]
        has = np.zeros(n + 1, np.int64)
        for _, b in found:
            has[b] = 1
        return dict(found), np.cumsum(has)

    first: dict[str, Ints] = {}
    is_: dict[str, npt.NDArray[np.bool_]] = {}
    for name, pattern in (("date", _DATE), ("amount", _AMOUNT), ("quoted", _QUOTED)):
        spans, has = marks(pattern)
        until = np.full(n + 1, -1, np.int64)
        for a, b in spans.items():
            until[a] = b
        is_[name] = until[s] == e
        first[name] = has
    digit = np.concatenate(([0], np.cumsum([c.isdigit() or c in _NUMERALS for c in text])))
    latin = np.concatenate(([0], np.cumsum([c.isascii() and (c.isalpha() or c == " ") for c in text])))
    place = np.concatenate(([False], [c in "省市县縣区區国國州镇鎮乡鄉村岛島山河湖路街洲港城站府郡道寺宫宮园園馆館院校" for c in text]))
    found = np.zeros(len(s), np.int64)
    found = np.where(place[e], 7, found)
    found = np.where(latin[e] - latin[s] == e - s, 8, found)
    found = np.where(digit[e] > digit[s], 4, found)
    found = np.where(first["quoted"][e] > first["quoted"][s], 6, found)
    found = np.where(first["date"][e] > first["date"][s], 2, found)
    found = np.where(is_["amount"], 3, found)
    found = np.where(is_["date"], 1, found)
    return np.where(is_["quoted"], 5, found)
