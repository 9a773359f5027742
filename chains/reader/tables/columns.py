"""The columns of a table, told by the words of its head, and which of them a question means.

A reader of PDFs gives a head as lines of words: "Three Months Ended Six Months Ended ⏎ July 2, ⏎ 2023 ⏎ July 3, …".
Where words stood above each other is lost, so a head is read as a row of signs: years, "Change", "%", and the periods
above them. It is believed only where it has as many as the rows have cells.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chains.language.lexicon import ASKING, years
from ingest.text.search_tokens import tokens

_YEAR = r"(?:19|20)\d\d"
_SIGN = re.compile(
    rf"(?P<change>{_YEAR}\s?(?:vs\.?|versus|to|over|/|[-–—])\s?{_YEAR}(?:\s?%?\s?change)?"
    r"|(?:[$%]\s*|\bpercent(?:age)?\s+)?\b(?:change|chg|variance|growth|increase\s*/?\s*\(?\s*decrease|better\s*/?\s*\(?worse)"
    r"\b\)?\.?|(?:本[年期报告]*比?上?[年期]?(?:同期)?)?(?:同比|环比)?(?:增减|变动|增长)(?:额|幅度|比例|率)?(?:\s?[(（][%％][)）])?"
    r"|同比|环比)"
    rf"|(?P<when>(?:Q[1-4]|[1-4]Q)\s*(?:FY\s?|')?(?:{_YEAR}|\d\d)\b|(?:FY\s?|')?{_YEAR}[AE]?(?:\s?年度?)?(?!\d)"
    r"|本报告期末?|上年同期|上年度末|上期期末|[本上][年期]度?末?(?:数|金额|发生额|余额)?|期[末初](?:数|金额|余额)?|年[末初](?:数|余额)?)"
    r"|(?P<share>[%％](?:\s+of\s+\w+(?:\s\w+)?)?|\bpercent(?:age)?\b(?:\s(?:to|of)\s\w+)?|占[^\s\d]{1,8}比例|比例|占比)"
    r"|(?P<note>\bnotes?\b|附注)",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    r"(?P<quarter>\bthree\s+months|\b(?:first|second|third|fourth)\s+(?:fiscal\s+)?quarter|\bquarters?\b|\bQ[1-4](?!\d)"
    r"|\b[1-4]Q|\b1[234]\s+weeks|季度)"
    r"|(?P<half>\bsix\s+months|\bfirst\s+half|\bhalf[ -]year|半年)"
    r"|(?P<nine>\bnine\s+months)"
    r"|(?P<year>\btwelve\s+months|\b(?:full|fiscal)\s+years?|\byears?\s+ended|\bannual|\byears?\b|\bFY|年度)",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"[(（][^()（）]*[)）]")
_DATES = re.compile(rf".*\b(?:ended|at|as of)\b(?:\s+\w+\s+\d\d?,?)?(?:\s+{_YEAR})?", re.IGNORECASE)
UNIT = re.compile(
    r"[(（]\s*[^()（）\d]{0,30}\b(?:thousands?|millions?|billions?)\b[^()（）]{0,60}[)）]"
    r"|(?:[$€£]|\b(?:us\s+)?dollars|\bamounts)?(?:\s+and shares)?\s*\bin\s+(?:thousands|millions|billions)\b"
    r"|(?:金额)?单位\s*[:：为]?\s*(?:人民币)?\s*[百千万亿]*\s*(?:元|股)|人民币[百千万亿]+元",
    re.IGNORECASE,
)
_ASKS_CHANGE = re.compile(
    r"\b(?:chang|increas|decreas|gr[eo]w|growth|declin|drop|rise|rose|fell)|增长|增减|增幅|变动|同比|下降|上升|减少|增加",
    re.IGNORECASE,
)
_ASKS_SHARE = re.compile(r"[%％]|percent|比例|占比|百分|幅度|增长率", re.IGNORECASE)
_ASKS_BEFORE = re.compile(
    r"上年|上期|期初|年初|去年|\b(?:prior|previous|last)\s+(?:fiscal\s+)?(?:year|period)", re.IGNORECASE
)
_QUARTER = re.compile(
    r"\bQ([1-4])(?!\d)|\b([1-4])Q|\b(first|second|third|fourth)\s+(?:fiscal\s+)?quarter|第?([一二三四])季",
    re.IGNORECASE,
)
_COUNTED = {"first": "1", "second": "2", "third": "3", "fourth": "4", "一": "1", "二": "2", "三": "3", "四": "4"}
_WHOLE = ("total", "consolidated", "合计", "总计")


@dataclass(frozen=True)
class Column:
    """One column: its place from the left, what heads it, and [start, end) of that in the head."""

    place: int
    kind: str  # when, change, share, note, word
    text: str
    start: int
    end: int
    year: str = ""  # four digits
    quarter: str = ""  # "1" to "4"
    period: str = ""  # quarter, half, nine, year; "" where the head does not say
    group: int = 0  # of those that repeat the same years: whose figures it has, from the left


def meant(question: str, label: str, head: str, count: int) -> list[Column]:
    """The columns that a question means, likeliest first; [] where that is not clear.

    `label`: the row's, whose words name no column. `count`: the row's cells.
    """
    found = columns(head, count)
    said = frozenset(tokens(question)) - ASKING - frozenset(tokens(label))
    return _chosen(question, said, head, found) if found else _by_words(said, head, count)


def columns(head: str, count: int) -> list[Column]:
    """The columns of rows with `count` cells, left to right; [] where the head does not tell them for sure."""
    signs = list(_signs(head))
    whens = [sign for sign in signs if sign.kind == "when"]
    if not whens:
        return []
    line = head.rfind("\n", 0, whens[-1].start)
    last = [sign for sign in signs if sign.start > line]  # of the line of the last year, which comes before all others
    for row in (last, signs):
        for kept in (row, [sign for sign in row if sign.kind != "note"]):
            # As they are; with an amount and a share under each change.
            for found in (_last(head, kept, count), _doubled(kept, "change", count)):
                if found:
                    return _with_periods(head, found)
    return _with_periods(head, _last(head, whens, count) or _doubled(whens, "when", count))


def fewer(head: str, count: int) -> bool:
    """Whether a row of fewer cells than the table's others has one for each year, and none for changes between them."""
    kinds = [sign.kind for sign in _signs(head)]
    return kinds.count("when") == count < len(kinds)


def asked_quarter(question: str) -> str:
    """The quarter that a question names, "1" to "4", or ""."""
    match = _QUARTER.search(question)
    said = next(filter(None, match.groups())).lower() if match else ""
    return _COUNTED.get(said, said)


def _chosen(question: str, said: frozenset[str], head: str, found: Sequence[Column]) -> list[Column]:
    asked = sorted(years(question))
    changes = [column for column in found if column.kind == "change"]
    if changes and _ASKS_CHANGE.search(question):
        shares = [c for c in changes if re.search(r"[%％]|percent|比例|幅度|率", c.text, re.IGNORECASE)]
        fitting = (shares if _ASKS_SHARE.search(question) else [c for c in changes if c not in shares]) or changes
        named = [c for c in fitting if asked and set(asked) <= years(c.text)]
        fitting = named or fitting
    else:
        dated = [column for column in found if column.year]
        if dated:
            wanted = asked or [max(column.year for column in dated)]
            fitting = [column for year in wanted for column in dated if column.year == year]
        else:
            before = _ASKS_BEFORE.search(question) is not None
            plain = [column for column in found if column.kind == "when"]
            fitting = [c for c in plain if bool(_ASKS_BEFORE.search(c.text)) == before]
    quarter = asked_quarter(question)
    span = _PERIOD.search(question)
    period = "quarter" if quarter else (span.lastgroup or "" if span else "")
    if quarter and any(column.quarter for column in fitting):
        fitting = [column for column in fitting if column.quarter == quarter]
    if any(column.period == (period or "year") for column in fitting):
        fitting = [column for column in fitting if column.period == (period or "year")]
    elif not period and fitting:
        fitting = [column for column in fitting if column.period == fitting[0].period]
    groups = {column.group for column in fitting}
    if len(groups) > 1:
        group = _group(said, head[: found[0].start], 1 + max(column.group for column in found))
        fitting = [column for column in fitting if column.group == group]
    share = _ASKS_SHARE.search(question) is not None
    kept: dict[tuple[str, str], Column] = {}
    for column in fitting:  # an amount and its share: the one that is asked for
        key = (column.year, column.quarter)
        if key not in kept or (share and column.text.endswith("%")):
            kept[key] = column
    return list(kept.values())


def _signs(head: str) -> Iterator[Column]:
    keep = re.compile(r"\d{4}|[%％]|decrease|worse", re.IGNORECASE)
    plain = _BRACKETS.sub(lambda m: m[0] if keep.search(m[0]) else " " * len(m[0]), head)
    for match in _SIGN.finditer(plain):
        kind, said = match.lastgroup or "", " ".join(match[0].split())
        year = re.search(_YEAR, said)
        quarter = re.search(r"Q([1-4])|([1-4])Q", said, re.IGNORECASE)
        number = next(filter(None, quarter.groups())) if quarter else ""
        if kind == "when":
            short = re.search(r"\d\d$", said)
            when = year[0] if year else (f"20{short[0]}" if short and quarter else "")
            yield Column(0, kind, said, match.start(), match.end(), when, number, "quarter" if number else "")
        else:
            yield Column(0, kind, said, match.start(), match.end())


def _last(head: str, signs: Sequence[Column], count: int) -> list[Column]:
    """The last `count` signs, where they are all, or the others stand on lines above."""
    if len(signs) < count:
        return []
    kept, before = signs[len(signs) - count :], signs[: len(signs) - count]
    if before and "\n" not in head[before[-1].end : kept[0].start] and "\n" in head:
        return []
    return _placed(kept)


def _doubled(signs: Sequence[Column], kind: str, count: int) -> list[Column]:
    """The signs with a second cell, a share, under each of a kind, where they are then as many as the cells."""
    wide = [(sign, k) for sign in signs for k in range(2 if sign.kind == kind else 1)]
    if len(wide) != count:
        return []
    return _placed([replace(sign, text=f"{sign.text} %") if k else sign for sign, k in wide])


def _placed(signs: Sequence[Column]) -> list[Column]:
    whole = any(sign.kind == "when" for sign in signs)
    return [replace(sign, place=i) for i, sign in enumerate(signs)] if whole else []


def _with_periods(head: str, found: Sequence[Column]) -> list[Column]:
    """Each column with its group, and with the period that stands above it: the last that are said, shared out."""
    if not found:
        return []
    again = [i for i, column in enumerate(found) if (column.year or column.text) == (found[0].year or found[0].text)]
    repeats = len(again) if len(found) % len(again) == 0 else 1
    if again != [i * (len(found) // repeats) for i in range(repeats)]:
        return list(found)
    said = [(m.lastgroup or "", m[0]) for m in _PERIOD.finditer(head[: found[0].start])]
    said = [one for i, one in enumerate(said) if not i or one[0] != said[i - 1][0]]
    told = said[-repeats:] if len(said) >= repeats else said[-1:] if said else []
    dressed = []
    for i, column in enumerate(found):
        group = i // (len(found) // repeats)
        period, words = told[group if len(told) == repeats else 0] if told else ("", "")
        quarter = column.quarter or (asked_quarter(words) if period == "quarter" else "")
        dressed.append(replace(column, quarter=quarter, period=column.period or period, group=group))
    if len({column.period for column in dressed}) == repeats:  # the periods are what parts them
        dressed = [replace(column, group=0) for column in dressed]
    return dressed


def _group(said: frozenset[str], above: str, count: int) -> int:
    """Which of `count` groups the words above name ("Asset & Wealth Management Corporate Total"); -1: none surely."""
    line = above.rstrip().rsplit("\n", 2)[-2:]
    for words in reversed(line):
        place = _place(said, re.findall(r"\S+", _plain_words(words)), count)
        if place >= 0:
            return place
    return -1


def _by_words(said: frozenset[str], head: str, count: int) -> list[Column]:
    """A head without years, "United States EMEA APAC Consolidated": the column whose words are said."""
    lines = [m for m in re.finditer(r"[^\n]+", head)]
    for line in reversed(lines[-3:]):
        words = list(re.finditer(r"\S+", _plain_words(line[0])))
        place = _place(said, [word[0] for word in words], count)
        if place >= 0:
            named = [word for word in words if said & set(tokens(word[0]))] or words[-1:]
            start, end = line.start() + named[0].start(), line.start() + named[-1].end()
            return [Column(place, "word", head[start:end], start, end)]
    return []


def _plain_words(line: str) -> str:
    """A line of a head without units and dates, in its length."""
    for pattern in (_BRACKETS, _DATES):
        line = pattern.sub(lambda m: " " * len(m[0]), line)
    return line


def _place(said: frozenset[str], words: Sequence[str], count: int) -> int:
    """The column that the words which are said stand above, where the others leave no doubt; -1: none."""
    held = [i for i, word in enumerate(words) if said & set(tokens(word))]
    if not held:
        whole = bool(words) and words[-1].lower() in _WHOLE and len(words) >= count
        return count - 1 if whole else -1
    first, last = held[0], held[-1] + 1
    others = len(words) - (last - first)
    if len(words) < count or len(held) < last - first:
        return -1
    if others == count - 1:
        return first
    if first == 0 or last == len(words):
        return 0 if first == 0 else count - 1
    return 1 if count == 3 else -1
