"""How far an answer's words are those of a gold answer: exact match, F1, containment. Pure.

English as SQuAD has it: lower case, ASCII punctuation and articles taken out, words between white space; F1 over the
words as bags. Chinese as CMRC 2018 has it: lower case, punctuation taken out, a Chinese character or a run of others
each a unit; F1 by the longest run of units that both have. Unlike there, all of Unicode's punctuation and signs are
taken out, and white space parts no Chinese characters: a PDF's lines do.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from chains.prompt import Language

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_UNIT = re.compile(rf"[{_HAN}]|[^\s{_HAN}]+")


@dataclass(frozen=True)
class Overlap:
    """0 to 1, each the best over the gold answers."""

    exact: float  # 1: the same units in the same order
    f1: float
    contains: float  # 1: the answer has a gold answer's units in one run; what a sentence can reach


def overlap(said: str, gold: Sequence[str], language: Language) -> Overlap:
    """`said` without marks against at least one gold answer. Raises ValueError where there is none."""
    spoken = units(said, language)
    each = [_one(spoken, units(answer, language), language) for answer in gold]
    return Overlap(max(o.exact for o in each), max(o.f1 for o in each), max(o.contains for o in each))


def units(text: str, language: Language) -> list[str]:
    """What is compared: words, and in Chinese characters."""
    if language == "zh":
        return _UNIT.findall("".join(c for c in text.lower() if unicodedata.category(c)[0] not in "PS"))
    return _ARTICLE.sub(" ", text.lower().translate(_ASCII_PUNCTUATION)).split()


def _one(said: list[str], gold: list[str], language: Language) -> Overlap:
    same = float(said == gold)
    if not said or not gold:  # nothing, which only nothing equals
        return Overlap(same, same, same)
    if language == "zh":
        common = SequenceMatcher(None, said, gold, autojunk=False).find_longest_match().size
    else:
        common = (Counter(said) & Counter(gold)).total()
    runs = range(len(said) - len(gold) + 1)
    contained = any(said[i : i + len(gold)] == gold for i in runs)
    # 2PR / (P + R), with P = common / len(said) and R = common / len(gold).
    return Overlap(same, 2 * common / (len(said) + len(gold)), float(contained))
