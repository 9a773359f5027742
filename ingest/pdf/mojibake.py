"""Tells text whose letters are the wrong ones: a font that names them wrongly, or bytes read in another encoding.

Knows no language and no dictionary. It looks at which letters there are and how often, judges only what it has enough
of, and rather lets a garbled page pass than takes a table, a formula or a rare language for one.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cache

from ingest.document import GARBLED

_LEAST_SIGNS, _LEAST_LETTERS, _LEAST_CJK = 20, 80, 30  # below these a page is not judged by them
_PLACEHOLDER = re.compile(r"\(cid:\d+\)|/g\d+|\\u[0-9a-f]{4}")
_LEADERS = re.compile(r"[\s.·•…‥_\-–—=*|□]+")  # rows of dots, lines of tables, boxes of forms
_WORD = re.compile(r"[^\W\d_]{4,}")  # shorter ones are abbreviations, units, variables
# UTF-8 read as one byte a letter: "cafÃ©", "donâ€™t". Ã before a sign and â before € stand in no language.
_TWICE = re.compile("Ã[\u00a1-\u00bf\u2018-\u203a]|â€|Â[\u00a1-\u00bf]")
_VOWELS, _FREQUENT = frozenset("aeiouy"), frozenset("aeinorst")
# The shares of the two add up to 0.84 and more (1.0 is usual) on each of 1,609 pages in Latin letters of filings, books
# and odd files, and to less than this on 95 % and more of the same pages with their letters swapped or shifted.
_LEAST_USUAL = 0.78
# Characters of the first, everyday plane of their standard: .98 and more in Chinese, Japanese and Korean text, a third
# where the code is wrong.
_LEAST_EVERYDAY = 0.8
_PLANES = (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6), ("euc_jp", 0xB0, 0xCF), ("euc_kr", 0xB0, 0xC8))


def garbled(text: str) -> str:
    """Why the page's text cannot be read as words, as a Page's problem ("garbled: …"); "" where it can."""
    why = _why(text)
    return f"{GARBLED}: {why}" if why else ""


def _why(text: str) -> str:
    # Shares are counted over the few different characters of a page, not over its thousands, and what costs more is
    # only asked where these leave a doubt.
    signs = Counter("".join(text.split()))
    total, words = signs.total(), _count(signs, str.isalnum)
    if total < _LEAST_SIGNS:
        return ""
    nameless = _count(signs, _is_nameless)
    if nameless >= _LEAST_SIGNS / 2 and nameless > words:
        return "its fonts name letters that no alphabet has"
    if sum(map(len, _PLACEHOLDER.findall(text))) > total / 2:
        return "it holds the numbers of letters instead of letters"
    letters, twice = _count(signs, str.isalpha), len(_TWICE.findall(text))
    if (twice >= 5 and twice > letters / 50) or _count(signs, lambda sign: "\u00a1" <= sign <= "\u00ff") > 0.4 * total:
        return "its text was stored in one encoding and is read in another"
    cjk = _count(signs, _is_cjk)
    if cjk >= _LEAST_CJK and _count(signs, lambda sign: _is_cjk(sign) and _is_everyday(sign)) < _LEAST_EVERYDAY * cjk:
        return "its fonts name the wrong letters"
    if _is_unusual(signs, letters) and _is_unusual(Counter("".join(_WORD.findall(text))), letters):
        return "its fonts name the wrong letters"
    if words < total / 4:
        drawn = len(_LEADERS.sub("", text))
        if drawn >= 2 * _LEAST_SIGNS and words < drawn / 4:
            return "its fonts name signs instead of letters"
    return ""


def _count(signs: Counter[str], kind: Callable[[str], bool]) -> int:
    return sum(count for sign, count in signs.items() if kind(sign))


def _is_nameless(sign: str) -> bool:
    return sign == "\ufffd" or "\ue000" <= sign <= "\uf8ff" or sign >= "\U000f0000"


def _is_unusual(signs: Counter[str], letters: int) -> bool:
    """Whether these are Latin letters for the most part of a page's `letters`, and are too seldom the frequent ones."""
    latin = usual = 0
    for sign, count in signs.items():
        if plain := _plain(sign):
            latin += count
            usual += count * ((plain in _VOWELS) + (plain in _FREQUENT))
    return latin >= max(_LEAST_LETTERS, letters / 2) and usual < _LEAST_USUAL * latin


def _is_cjk(sign: str) -> bool:
    return "\u3400" <= sign <= "\u9fff" or "\uac00" <= sign <= "\ud7a3"


@cache
def _plain(letter: str) -> str:
    """A Latin letter, small and without its accents; "" for one of another script."""
    first = unicodedata.normalize("NFKD", letter.casefold())[:1]
    return first if "a" <= first <= "z" else {"ı": "i", "ł": "l", "ø": "o", "æ": "a", "œ": "o", "đ": "d"}.get(first, "")


@cache
def _is_everyday(character: str) -> bool:
    for encoding, first, last in _PLANES:
        try:
            code = character.encode(encoding)
        except UnicodeEncodeError:
            continue
        if len(code) == 2 and first <= code[0] <= last:
            return True
    return False
