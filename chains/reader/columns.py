"""The columns of a table, told by the words of its head, and which of them a question means.

A reader of PDFs gives a head as lines of words: "Three Months Ended Six Months Ended ⏎ July 2, ⏎ 2023 ⏎ July 3, ⏎ 2022 …".
Where words stood beside each other is lost, so that a head is read as a row of signs: years, "Change", "%", periods. It
is believed only where it has as many as the rows have cells.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.tokens import tokens

Kind = Literal["when", "change", "share", "note", "word"]
_YEAR = r"(?:19|20)\d\d"
_SIGN = re.compile(
    rf"(?P<change>{_YEAR}\s?(?:vs\.?|versus|to|over|/|[-–—])\s?(?:{_YEAR})(?:\s?%?\s?change)?"
    r"|(?:[$%]|percent(?:age)?)?\s*\b(?:change|chg|variance|growth|increase\s*/?\s*\(?\s*decrease|better\s*/?\s*\(worse)\b\)?\.?"
    r"|(?:本[年期报告]*比?上?[年期]?(?:同期)?)?(?:同比|环比)?(?:增减|变动|增长)(?:额|幅度|比例|率)?(?:\s?[(（][%％][)）])?|同比|环比)"
    rf"|(?P<when>(?:Q[1-4]|[1-4]Q)\s*(?:FY\s?|')?(?:{_YEAR}|\d\d)?\b|(?:FY\s?|')?{_YEAR}[AE]?(?:\s?年度?)?(?!\d)"
    r"|本报告期末?|上年同期|上年度末|上期期末|[本上][年期]度?末?(?:数|金额|发生额|余额)?|期[末初](?:数|金额|余额)?|年[末初](?:数|余额)?)"
    r"|(?P<share>[%％](?:\s+of\s+\w+(?:\s\w+)?)?|\bpercent(?:age)?\b(?:\s(?:to|of)\s\w+)?|占[^\s\d]{1,8}比例|比例|占比)"
    r"|(?P<note>\bnotes?\b|附注)",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    r"(?P<quarter>\bthree\s+months|\b(?:first|second|third|fourth)\s+quarter|\bquarters?\b|\bQ[1-4]\b|[1-4]Q|\b13\s+weeks|季度)"
    r"|(?P<half>\bsix\s+months|\bfirst\s+half|\bhalf[ -]year|半年)"
    r"|(?P<nine>\bnine\s+months)"
    r"|(?P<year>\btwelve\s+months|\b(?:full|fiscal)\s+years?|\byears?\s+ended|\bannual|\byears?\b|\bFY|年度)",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"[(（][^()（）]*[)）]")
UNIT = re.compile(
    r"[(（]\s*(?:[$€£]|u\.?s\.?\s)?[^()（）\d]{0,30}\b(?:thousands?|millions?|billions?)\b[^()（）]{0,60}[)）]"
    r"|(?:[$€£]|\b(?:us\s+)?dollars|\bamounts)?(?:\s+and shares)?\s*\bin\s+(?:thousands|millions|billions)\b"
    r"|(?:金额)?单位\s*[:：为]?\s*(?:人民币|币种：人民币|百|千|万|亿)*\s*(?:元|股)|人民币(?:百|千|万|亿)+元",
    re.IGNORECASE,
)
_ASKS_CHANGE = re.compile(
    r"\b(?:chang|increas|decreas|gr[eo]w|growth|declin|drop|rise|rose|fell)|增长|增减|增幅|变动|同比|下降|上升|减少|增加|變動|增長",
    re.IGNORECASE,
)
_ASKS_SHARE = re.compile(r"[%％]|percent|比例|占比|百分|幅度|增长率|多少个点", re.IGNORECASE)
_ASKED_YEAR = re.compile(rf"(?<!\d){_YEAR}(?!\d)")
_ASKED_QUARTER = re.compile(
    r"\bQ([1-4])|([1-4])Q|\b(first|second|third|fourth)\s+(?:fiscal\s+)?quarter|第([一二三四])季", re.IGNORECASE
)
_BEFORE = re.compile(r"上年|上期|期初|年初|去年")


@dataclass(frozen=True)
class Column:
    """One column: what heads it, and [start, end) of that in the text it was read from."""

    kind: Kind
    text: str
    start: int
    end: int
    year: str = ""  # four digits
    quarter: str = ""  # "1" to "4"
    period: str = ""  # quarter, half, nine, year; "" where the head does not say


def columns(head: str, count: int) -> list[Column]:
    """The columns of rows with `count` cells, left to right; [] where the head does not tell them for sure."""
    signs = list(_signs(head))
    bare = [sign for sign in signs if sign.kind != "note"]
    whens = [sign for sign in signs if sign.kind == "when"]
    for row in (signs, bare, whens):
        found = _last(head, row, count)
        if found:
            return _with_periods(head, found)
    for row in (bare, whens):
        wide = [sign for sign in row for _ in range(1 if sign.kind == "when" and row is bare else 2)]
        if row and len(wide) == count and count > len(row):  # "$" and "%" of each change, or of each year
            return _with_periods(head, [_second(sign, i and wide[i - 1] is sign) for i, sign in enumerate(wide)])
    return _words(head, count)


def chosen(question: str, found: Sequence[Column]) -> list[int]:
    """Which columns a question means, the likeliest first; [] where it names what none of them is."""
    asked = list(dict.fromkeys(_ASKED_YEAR.findall(question)))
    quarter = next((next(filter(None, m.groups())) for m in [_ASKED_QUARTER.search(question)] if m), "")
    quarter = {"first": "1", "second": "2", "third": "3", "fourth": "4", **dict(zip("一二三四", "1234", strict=True))}.get(
        quarter.lower(), quarter
    )
    period = next((m.lastgroup or "" for m in [_PERIOD.search(question)] if m), "")
    places = [i for i, column in enumerate(found) if column.kind == "when"]
    if not places:
        return _by_words(question, found)
    if len(asked) != 1 or _ASKS_CHANGE.search(question):
        changes = [i for i, column in enumerate(found) if column.kind == "change"]
        if changes and _ASKS_CHANGE.search(question):
            shares = [i for i in changes if "%" in found[i].text or "percent" in found[i].text.lower()]
            return shares if shares and _ASKS_SHARE.search(question) else changes
    dated = [i for i in places if found[i].year]
    if dated:
        years = asked or [max(found[i].year for i in dated)]
        fitting = [i for year in years for i in dated if found[i].year == year]
    else:
        fitting = [i for i in places if bool(_BEFORE.search(found[i].text)) == bool(_BEFORE.search(question))]
    if quarter and any(found[i].quarter for i in fitting):
        fitting = [i for i in fitting if found[i].quarter == quarter]
    wanted = "quarter" if quarter else (period or "year")
    if any(found[i].period == wanted for i in fitting):
        fitting = [i for i in fitting if found[i].period == wanted]
    share = _ASKS_SHARE.search(question) is not None
    kept: list[int] = []
    for i in fitting:
        if not any(found[i].year == found[j].year for j in kept):
            kept.append(i)
        elif share and found[i].text.endswith("%"):
            kept[-1] = i
    return kept


def _signs(head: str) -> Iterator[Column]:
    plain = _BRACKETS.sub(lambda m: m[0] if re.search(r"\d{4}|[%％]|decrease|worse", m[0], re.I) else " " * len(m[0]), head)
    for match in _SIGN.finditer(plain):
        kind = match.lastgroup
        assert kind in ("change", "when", "share", "note")
        year = _ASKED_YEAR.search(match[0]) if kind == "when" else None
        quarter = re.search(r"Q([1-4])|([1-4])Q", match[0], re.IGNORECASE) if kind == "when" else None
        if kind == "when" and quarter and not year and not re.search(r"\d\d\b", match[0][2:]):
            continue  # "Q4" by itself is a period above years
        yield Column(
            kind,  # type: ignore[arg-type]
            " ".join(match[0].split()),
            match.start(),
            match.end(),
            year[0] if year else "",
            next(filter(None, quarter.groups())) if quarter else "",
            "quarter" if quarter else "",
        )


def _last(head: str, signs: Sequence[Column], count: int) -> list[Column]:
    """The last `count` signs, where they are all, or the others stand on lines above."""
    if len(signs) < count or not count:
        return []
    kept, before = signs[-count:], signs[:-count]
    if before and "\n" not in head[before[-1].end : kept[0].start] and "\n" in head:
        return []
    return list(kept) if any(sign.kind == "when" for sign in kept) else []


def _second(sign: Column, again: object) -> Column:
    if not again:
        return sign
    return Column(sign.kind, f"{sign.text} %".replace("% %", "%"), sign.start, sign.end, sign.year, sign.quarter, sign.period)


def _with_periods(head: str, found: list[Column]) -> list[Column]:
    """Each column with the period that stands above it: the last words that say one, shared out evenly."""
    above = head[: found[0].start]
    said = [m for m in _PERIOD.finditer(above)]
    groups = [(m.lastgroup or "", re.search(r"[1-4]", m[0])) for m in said]
    groups = [g for i, g in enumerate(groups) if i == 0 or g[0] != groups[i - 1][0]]
    starts = [i for i, column in enumerate(found) if column.year and column.year == found[0].year]
    if len(groups) > 1:
        groups = groups[-len(starts) :] if len(starts) > 1 else groups[-1:]
    if not groups or len(found) % len(groups):
        return found
    size = len(found) // len(groups)
    dressed = []
    for i, c in enumerate(found):
        period, number = groups[i // size]
        quarter = c.quarter or (number[0] if number and period == "quarter" else "")
        dressed.append(Column(c.kind, c.text, c.start, c.end, c.year, quarter, c.period or period))
    return dressed


def _words(head: str, count: int) -> list[Column]:
    """A head without years: the words of its last line, where there are as many as cells."""
    line_start = head.rstrip().rfind("\n") + 1
    plain = _BRACKETS.sub(lambda m: " " * len(m[0]), head)
    words = [m for m in re.finditer(r"\S+", plain) if m.start() >= line_start]
    if len(words) != count or any(re.search(r"\d", word[0]) for word in words):
        return []
    return [Column("word", word[0], word.start(), word.end()) for word in words]


def _by_words(question: str, found: Sequence[Column]) -> list[int]:
    said = set(tokens(question))
    named = [i for i, column in enumerate(found) if set(tokens(column.text)) & said]
    if named:
        return named if len(named) == 1 else []
    total = [i for i, column in enumerate(found) if column.text.lower() in ("total", "consolidated", "合计", "总计")]
    return total[-1:]
