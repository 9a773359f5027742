"""Questions that a passage does not answer, made from pairs that it does: the kinds that SQuAD 2.0's people wrote.

Each maker gives None where it cannot keep its promise.
"""

import random
import re
from collections.abc import Mapping, Sequence

from ingest.sentences import sentences

_YEAR = re.compile(r"\b1[0-9]{3}\b|\b20[0-9]{2}\b")
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w])")
_NAME = re.compile(r"(?<=[a-z,;'’] )(?:[A-Z][\w'’-]+)(?: (?:of |the )?[A-Z][\w'’-]+)*")
_OPPOSITES = [
    ("first", "last"), ("largest", "smallest"), ("most", "least"), ("highest", "lowest"), ("more", "less"),
    ("before", "after"), ("began", "ended"), ("begin", "end"), ("start", "stop"), ("born", "buried"), ("won", "lost"),
    ("win", "lose"), ("oldest", "youngest"), ("early", "late"), ("earliest", "latest"), ("north", "south"),
    ("east", "west"), ("northern", "southern"), ("eastern", "western"), ("male", "female"), ("best", "worst"),
    ("increase", "decrease"), ("increased", "decreased"), ("allowed", "forbidden"), ("accepted", "rejected"),
    ("founded", "dissolved"), ("opened", "closed"), ("open", "close"), ("major", "minor"), ("maximum", "minimum"),
    ("longest", "shortest"), ("long", "short"), ("common", "rare"), ("public", "private"), ("positive", "negative"),
    ("above", "below"), ("support", "oppose"), ("supported", "opposed"), ("arrived", "left"), ("built", "destroyed"),
    ("created", "destroyed"), ("like", "dislike"), ("always", "never"), ("old", "new"), ("good", "bad"),
]  # fmt: skip
OPPOSITE: Mapping[str, str] = {a: b for pair in _OPPOSITES for a, b in (pair, pair[::-1])}
_VERB = re.compile(r"\b(is|are|was|were|did|does|do|can|could|has|have|had|will|would|should)\b(?! not\b)")


def without_answer(passage: str, start: int, end: int, golds: Sequence[str]) -> str | None:
    """The passage without the sentences that hold the answer; None where an answer still stands in what is left."""
    kept = [passage[a:b] for a, b in sentences(passage) if b <= start or a >= end]
    left = "".join(kept).strip()
    lower = left.lower()
    if len(left) < len(passage) // 4 or any(gold.lower() in lower for gold in golds):
        return None
    return left


def swapped(question: str, passage: str, others: Sequence[str], rng: random.Random) -> str | None:
    """The question with one year, number or name of it exchanged for another of its kind.

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
            return question[: there.start()] + rng.choice(fresh) + question[there.end() :]
    return None


def negated(question: str, rng: random.Random) -> str | None:
    """The question with one word turned into its opposite, or, where it has none, with `not` after its verb."""
    words = [m for m in re.finditer(r"[A-Za-z]+", question) if m.group().lower() in OPPOSITE]
    if words:
        word = rng.choice(words)
        return question[: word.start()] + OPPOSITE[word.group().lower()] + question[word.end() :]
    verb = _VERB.search(question)
    if verb is None:
        return None
    if verb.group() in ("did", "does", "do", "can", "could", "will", "would", "should"):
        after = re.compile(r"\s(?:the |a |an )?\S+").match(question, verb.end())
        at = after.end() if after else verb.end()
        return question[:at] + " not" + question[at:]
    return question[: verb.end()] + " not" + question[verb.end() :]
