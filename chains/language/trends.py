"""Which way a sentence says that something changed, and which of two numbers on a page is the later one."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

_UP = (
    r"\b(?:rose|ris(?:e|es|en|ing)|increas(?:e|es|ed|ing)|gr[eo]w|grows|growing|grown|growth|climb(?:s|ed|ing)?|higher"
    r"|jump(?:s|ed)?|surg(?:e|es|ed)|gain(?:s|ed)?|hike[sd]?|advanc(?:es|ed)|expand(?:s|ed)|soar(?:s|ed)|rall(?:ies|ied)"
    r"|(?<!make )(?<!made )(?<!makes )up(?! to\b))\b"
    r"|(?<!负)增长|上升|提高|提升|增加|上涨|升高|攀升|增幅|走高|多出|[猛激递]增|飙升"
)
_DOWN = (
    r"\b(?:fell|fall(?:s|en|ing)?|decreas(?:e|es|ed|ing)|declin(?:e|es|ed|ing)|drop(?:s|ped|ping)?|lower|reduc(?:ed|es|tion)"
    r"|shr[aiu]nk|slip(?:s|ped)|contracted|contraction|lost|tumbl(?:e|es|ed)|sank|slid|plung(?:e|es|ed)|plummet(?:s|ed)|dip(?:s|ped)"
    r"|eased|weakened|shed|negative growth|down)\b"
    r"|下降|减少|降低|下滑|下跌|降幅|缩减|负增长|[锐骤递]减|骤降|暴跌|回落|萎缩|走低|缩水|(?<![至不缺减最])少(?=了?\d)"
)
_NOT = r"(?P<not>(?:\b(?:not|no|without|never)|n['’]t|\bfail(?:s|ed)? to)\s+|未能?|没有|并未)"
_WAY = re.compile(rf"{_NOT}?(?:(?P<up>{_UP})|(?P<down>{_DOWN}))", re.IGNORECASE)
_CLAUSE = re.compile(r"[,;:，；：](?!\d)")
_BY = re.compile(r"^\s*,\s*(?=by\b)", re.IGNORECASE)  # "declined, by 12%"
_LEVEL = re.compile(r"\b(?:to|at)\b(?!.*\bby\b)|[至到]|[降升增减]为", re.IGNORECASE)  # between "rose" and "5%"
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d|[.,]\d)")
_THIS = re.compile(r"本期|本年|本报告期|期末|年末|\b(?:current|this) (?:year|period|quarter)\b", re.IGNORECASE)
_LAST = re.compile(r"上期|上年|期初|年初|去年|\b(?:prior|previous|last) (?:year|period|quarter)\b", re.IGNORECASE)
_FROM = re.compile(r"(?:\bfrom|由|从)[^\d\n]{0,24}$", re.IGNORECASE)
_TO = re.compile(r"^[^\d\n]{0,40}?(?:\bto\b|至|到)", re.IGNORECASE)
_AGAINST = re.compile(r"^[^\n]{0,60}?\b(?:compared|versus|vs|against)\b|^[^\n]{0,20}?(?:上年|去年)", re.IGNORECASE)


def direction(sentence: str, start: int, end: int) -> tuple[int, bool]:
    """What is said of the figure at [start, end) of a sentence: 1 up, -1 down, 0 neither; by the nearest such word.

    And whether the figure is that change itself ("rose by 5%", "a 5% increase"), and not what it came to ("rose to
    5%") or something in another clause.
    """
    near: tuple[int, int, bool] | None = None
    for match in _WAY.finditer(sentence):
        behind = match.start() >= end
        between = sentence[end : match.start()] if behind else _BY.sub(" ", sentence[match.end() : start])
        change = not _CLAUSE.search(between) and not (not behind and _LEVEL.search(between))
        way = (1 if match["up"] else -1) * (-1 if match["not"] else 1)  # what did not rise may not be said to rise
        if near is None or len(between) < near[0]:
            near = len(between), way, change
    return near[1:] if near else (0, False)


def first_is_later(text: str, a: tuple[int, int], b: tuple[int, int], heading: str = "") -> bool | None:
    """Whether of two numbers on one line of a page the first is of the later time; None: nothing says so.

    Told by the words around them ("from 5 to 6", "6, compared with 5"), else by the years, or "本期 上期", of their own
    line, of the nearest one above that names two, or of the heading.
    """
    line = text.rfind("\n", 0, a[0]) + 1
    between = text[a[1] : b[0]]
    if _FROM.search(text[line : a[0]]) and _TO.search(between):
        return False
    if _AGAINST.search(between):
        return True
    ends = text.find("\n", b[1])
    own = text[line : ends if ends >= 0 else len(text)]
    for one in (own, *reversed(text[:line].split("\n")), *reversed(heading.split("\n"))):
        times = list(_times(one))
        if len(set(times)) > 1:
            ordered = list(dict.fromkeys(times))
            return True if _falls(ordered) else False if _falls(ordered[::-1]) else None
    return None


def _times(line: str) -> Iterator[int]:
    found = sorted(
        [(match.start(), int(match[0])) for match in _YEAR.finditer(line)]
        or [(m.start(), 1) for m in _THIS.finditer(line)] + [(m.start(), 0) for m in _LAST.finditer(line)]
    )
    return (time for _, time in found)


def _falls(times: Sequence[int]) -> bool:
    return all(x > y for x, y in pairwise(times))
