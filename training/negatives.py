"""Questions that a passage does not answer, made from pairs that it does: the kinds that SQuAD 2.0's people wrote.

Rajpurkar, Jia and Liang (2018), table 2, found among theirs: an entity exchanged (21 %), an antonym (20 %), a negation
(9 %), a word that excludes the passage's (15 %), a condition that it does not meet (4 %), what it does not say (24 %).

Each maker gives None where it cannot keep its promise.
"""

import random
import re
from collections.abc import Callable, Sequence

from chains.reader.contradiction import EXCLUDES, OPPOSITES, PLAIN
from ingest.text.sentences import sentences
from training.features import Row

Likeness = Callable[[str, Sequence[str]], Sequence[float]]  # of a word to others, as the base model's vectors have it

_YEAR = re.compile(r"\b1[0-9]{3}\b|\b20[0-9]{2}\b")
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w])")
_NAME = re.compile(r"(?<=[a-z,;'’] )(?:[A-Z][\w'’-]+)(?: (?:of |the )?[A-Z][\w'’-]+)*")
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*[A-Za-z]")
_EDGE = " .,;:?!\"'()"
_ENDINGS = ("ing", "ed", "ly", "tion", "ity", "ness", "ment", "ous", "ive", "al", "er", "est", "ies", "s")
_LIKELY, _SAME = 4, 4  # so many of the likest words are drawn from; words that begin with so many same letters are one
_VERB = re.compile(r"\b(is|are|was|were|did|does|do|can|could|has|have|had|will|would|should)\b(?! not\b)")


def without_answer(passage: str, start: int, end: int, golds: Sequence[str]) -> str | None:
    """The passage without the sentences that hold the answer; None where an answer still stands in what is left."""
    kept = [passage[a:b] for a, b in sentences(passage) if b <= start or a >= end]
    left = "".join(kept).strip()
    lower = left.lower()
    if len(left) < len(passage) // 4 or any(gold.lower() in lower for gold in golds):
        return None
    return left


def swapped(question: str, passage: str, others: Sequence[str], like: Likeness, rng: random.Random) -> str | None:
    """The question with one year, number or name of it exchanged for another of its kind, names for like ones.

    The other stands in the passage or in `others` (texts on the same matter), never in the question."""
    kinds = [kind for kind in (_YEAR, _NUMBER, _NAME) if kind.search(question)]
    if not kinds:
        return None
    kind = rng.choice(kinds)
    there = rng.choice(list(kind.finditer(question)))
    for text in (passage, *others) if rng.random() < 0.6 else (*others, passage):
        found = sorted({m.group() for m in kind.finditer(text)})
        fresh = [name for name in found if name.lower() not in question.lower() and there.group() not in name]
        if fresh:
            return question[: there.start()] + _likely(there.group(), fresh, like, rng) + question[there.end() :]
    return None


def altered(question: str, passage: str, rng: random.Random) -> str | None:
    """The question with a digit of a number changed, or two in each other's place: a number that stands nowhere."""
    numbers = [m for m in re.finditer(r"\d[\d,.]*\d|\d", question)]
    if not numbers:
        return None
    there = rng.choice(numbers)
    said = there.group()
    places = [n for n, sign in enumerate(said) if sign.isdigit()]
    for _ in range(8):
        signs = list(said)
        if len(places) > 2 and rng.random() < 0.4:
            n = rng.randrange(len(places) - 1)
            a, b = places[n], places[n + 1]
            signs[a], signs[b] = signs[b], signs[a]
        else:
            signs[rng.choice(places[-2:])] = rng.choice("0123456789" if len(places) > 1 else "123456789")
        other = "".join(signs)
        if other not in question and other not in passage and not (len(places) > 1 and other[0] == "0"):
            return question[: there.start()] + other + question[there.end() :]
    return None


def mixed(question: str, passage: str, like: Likeness, rng: random.Random) -> str | None:
    """The question with part of a name of two words or more exchanged for part of another name of the passage."""
    names = [m for m in _NAME.finditer(question) if " " in m.group()]
    parts = sorted({w for m in _NAME.finditer(passage) for w in m.group().split() if w[0].isupper() and len(w) > 2})
    if not names:
        return None
    there = rng.choice(names)
    words = there.group().split()
    at = rng.choice([n for n, word in enumerate(words) if word[0].isupper()])
    fresh = [part for part in parts if part.lower() not in question.lower()]
    if not fresh:
        return None
    words[at] = _likely(words[at], fresh, like, rng)
    name = " ".join(words)
    if name in passage:
        return None
    return question[: there.start()] + name + question[there.end() :]


def crossed(question: str, answer: str, texts: Sequence[str], like: Likeness, rng: random.Random) -> str | None:
    """The question with one word that `texts` have too exchanged for another of theirs, of the same form and like it.

    `texts`: the passage, and other questions that it answers. The other is neither in the answer nor in the question.
    """
    there = {word.lower() for text in texts for word in _WORD.findall(text)}
    known = [m for m in _WORD.finditer(question) if m.group().lower() in there and m.group().lower() not in PLAIN]
    taken = [word.lower() for word in (*_WORD.findall(question), *_WORD.findall(answer))]
    others = sorted({word for text in texts for word in _WORD.findall(text) if len(word) > 2})
    fresh = [word for word in others if word.lower() not in PLAIN and not _among(word, taken)]
    for word in rng.sample(known, len(known)):
        like_it = [other for other in fresh if _shape(other) == _shape(word.group())]
        if like_it:
            return question[: word.start()] + _likely(word.group(), like_it, like, rng) + question[word.end() :]
    return None


def excluded(question: str, rng: random.Random) -> str | None:
    """The question with one word turned into another that excludes it: another month, another kin, the opposite."""
    words = [m for m in _WORD.finditer(question) if m.group().lower() in OPPOSITES or m.group().lower() in EXCLUDES]
    if not words:
        return None
    word = rng.choice(words)
    lower = word.group().lower()
    other = rng.choice([*OPPOSITES.get(lower, ()), *EXCLUDES.get(lower, ())])
    other = other.capitalize() if word.group()[0].isupper() else other
    return question[: word.start()] + other + question[word.end() :]


def _likely(word: str, others: Sequence[str], like: Likeness, rng: random.Random) -> str:
    """One of those that are likest to the word."""
    likeness = like(word, others)
    return others[rng.choice(sorted(range(len(others)), key=lambda n: -likeness[n])[:_LIKELY])]


def _shape(word: str) -> tuple[bool, str]:
    """What two words must share to stand in each other's place."""
    lower = word.lower()
    ending = next((e for e in _ENDINGS if lower.endswith(e) and len(word) > len(e) + 2), "")
    return word[0].isupper(), ending


def _among(word: str, taken: Sequence[str]) -> bool:
    return any(word.lower()[:_SAME] == other[:_SAME] for other in taken)


def exchanged(question: str, other: str) -> tuple[str, str] | None:
    """The words that `other` has in the place of the question's; None where it only has more words, or less."""
    a, b = question.split(), other.split()
    same, end = _alike(a, b)
    old, new = (" ".join(words[same : len(words) - end]).strip(_EDGE) for words in (a, b))
    return (old, new) if old and new else None


def changed(question: str, other: str) -> tuple[int, int]:
    """The characters of `other` that are not the question's; (0, 0) where it only lacks some."""
    b = other.split(" ")
    same, end = _alike(question.split(" "), b)
    if same == len(b) - end:
        return 0, 0
    before = " ".join(b[:same])
    return len(before) + bool(before), len(" ".join(b[: len(b) - end]))


def _alike(a: Sequence[str], b: Sequence[str]) -> tuple[int, int]:
    """How many words both begin with, and how many of the others both end with."""
    same = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    end = 0
    while end < min(len(a), len(b)) - same and a[-1 - end] == b[-1 - end]:
        end += 1
    return same, end


def changed_places(row: Row, old: str, new: str) -> Row | None:
    """The row with `old` and `new` in each other's place in its passage, which answers another question then.

    None where the passage lacks `old`, or the answer holds one of them."""
    either = re.compile(rf"(?<!\w)(?:({re.escape(old)})|{re.escape(new)})(?!\w)", re.I)
    found = list(either.finditer(row.passage))
    if not any(m[1] for m in found) or any(m.start() < row.end and m.end() > row.start for m in found):
        return None

    def other(m: re.Match[str]) -> str:
        put = new if m[1] else old
        return put[:1].upper() + put[1:] if m.group()[:1].isupper() else put

    moved = sum(len(other(m)) - len(m.group()) for m in found if m.end() <= row.start)
    return Row(row.question, either.sub(other, row.passage), row.start + moved, row.end + moved)


def negated(question: str, rng: random.Random) -> str | None:
    """The question with one word turned into its opposite, or with `not` after its verb, whichever it has."""
    words = [m for m in re.finditer(r"[A-Za-z]+", question) if m.group().lower() in OPPOSITES]
    verb = _VERB.search(question)
    if words and (verb is None or rng.random() < 0.5):
        word = rng.choice(words)
        return question[: word.start()] + rng.choice(OPPOSITES[word.group().lower()]) + question[word.end() :]
    if verb is None:
        return None
    if verb.group() not in ("can", "will") and rng.random() < 0.3:
        return question[: verb.end()] + "n't" + question[verb.end() :]
    if verb.group() in ("did", "does", "do", "can", "could", "will", "would", "should"):
        after = re.compile(r"\s(?:the |a |an )?\S+").match(question, verb.end())
        at = after.end() if after else verb.end()
        return question[:at] + " not" + question[at:]
    return question[: verb.end()] + " not" + question[verb.end() :]
