"""Text → search tokens: words lower-cased and stemmed, numbers whole, Chinese as pairs of neighbouring characters.

SQLite's own tokenizers take a run of Chinese as one word (unicode61) or miss words of two characters (trigram);
pairs find every word of two or more, and a character that stands alone is its own token.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Literal

import snowballstemmer

_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
# 1,577.0 and 2020-12-31 keep their inner signs off: a number is its digits, with the decimal point.
_TOKEN = re.compile(rf"[{_HAN}]+|\d+(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?|[^\W\d_{_HAN}]+(?:['’][^\W\d_{_HAN}]+)?")
_IS_HAN = re.compile(f"[{_HAN}]")
_stemmer = snowballstemmer.stemmer("english")


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return str(_stemmer.stemWord(word.removesuffix("'s")))


def tokens(text: str) -> list[str]:
    """The search tokens of `text`, in order, repeated as often as they stand there."""
    found: list[str] = []
    for piece in _pieces(text):
        if _IS_HAN.match(piece):
            found.extend(piece[i : i + 2] for i in range(len(piece) - 1)) if len(piece) > 1 else found.append(piece)
        else:
            found.append(_token(piece))
    return found


def units(text: str) -> list[tuple[str, frozenset[str]]]:
    """Each word, number and Chinese character of `text`, in order, with the search tokens that it is in.

    A character is in the pairs with its neighbours: one of them tells it from the same character elsewhere.
    """
    found: list[tuple[str, frozenset[str]]] = []
    for piece in _pieces(text):
        if _IS_HAN.match(piece):
            pairs = [piece[i : i + 2] for i in range(len(piece) - 1)]
            found.extend((c, frozenset(pairs[max(0, i - 1) : i + 1] or [c])) for i, c in enumerate(piece))
        else:
            token = _token(piece)
            found.append((token, frozenset([token])))
    return found


def _pieces(text: str) -> list[str]:
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).lower().replace("’", "'"))


def _token(piece: str) -> str:
    return piece.replace(",", "") if piece[0].isdigit() else _stem(piece)


def han_share(text: str) -> float:
    """The share of Chinese characters among the letters and digits of `text`, 0 to 1."""
    letters = [c for c in text if c.isalnum()]
    return sum(bool(_IS_HAN.match(c)) for c in letters) / len(letters) if letters else 0.0


def language(text: str) -> Literal["en", "zh"]:
    """Chinese where more than a fifth of the letters are: a Chinese question may be full of English names."""
    return "zh" if han_share(text) > 0.2 else "en"
