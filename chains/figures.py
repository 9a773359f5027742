"""Whether each figure of an answer stands on a cited page, can be computed from figures that do, or neither.

What is a figure: a number in digits (also full-width ones), with separators of thousands, decimals, a currency sign, a
percent sign and a scale (thousand, million, billion, trillion, bn; 千, 万, 百万, 亿, …), negative by a minus sign or in
parentheses. Years are figures. No figures are: marks ("[2]"), the numbers of a list, digits that belong to a name
("COVID-19", "Q4", "10-K"), numbers in words, and whatever stands in the question too.

Where it is looked for: in the passages of the sources that the answer marks, and of those on the cited pages alone; a
mark whose words were found nowhere leads to all pages of its passage.

found: the page has the same number after separators, currency signs, sign ("a loss of 5" is "(5)") and scale are
normalised. A page's number without a scale of its own counts as it is written and in every unit that its passage or
heading declares ("in millions", "RMB'000", "单位：万元"); a figure without a scale is compared as it is written, so
"1,577" and "1.577 billion" are both found where a table in millions says "1,577". The page's number may be rounded to
the digits given (9.5% for 9.46%), but not to a whole number below 100 without percent or scale. A percentage is one on
the page, or a bare number of a passage that has a percent sign elsewhere. Two different currency signs never match.

computed: a sum, difference, mean, ratio or percent change of two numbers of one passage, both on cited pages, with the
same scale, to the digits given. Chance is kept out: only percentages and figures of three significant digits or more;
years are no operands; and the two operands are both named in the answer, or are neighbours on a line of the page that
shares a word with the figure's sentence (then a percentage needs two digits). Of a long summary the first eight
passages are tried.

unsupported: everything else. It may be right, but nothing cited says so.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import combinations, pairwise

from chains.events import Citation, Figure
from chains.prompts import Source
from ingest.sentences import sentences
from ingest.tokens import tokens

_SCALES: Mapping[str, int] = {
    **dict.fromkeys(("thousand", "thousands", "k", "千", "'000", "000", "000s"), 3),
    **dict.fromkeys(("million", "millions", "mn", "m", "百万"), 6),
    **dict.fromkeys(("billion", "billions", "bn", "b", "十亿"), 9),
    **dict.fromkeys(("trillion", "trillions", "tn", "万亿"), 12),
    **{"万": 4, "十万": 5, "千万": 7, "亿": 8, "百亿": 10, "千亿": 11},
}
_CHINESE = r"万亿|千亿|百亿|十亿|亿|千万|百万|十万|万|千(?![米克瓦卡])"
_CURRENCY = r"HK\$|US\$|\$|€|£|¥|RMB|CNY|USD|HKD|EUR|GBP|JPY"
_SAME: Mapping[str, str] = {
    "US$": "$", "USD": "$", "EUR": "€", "GBP": "£", "RMB": "¥", "CNY": "¥", "JPY": "¥", "HKD": "HK$",
}  # fmt: skip
_NUMBER = re.compile(
    rf"(?P<open>\(\s*)?(?P<minus>(?<![\w)\]%])[-−–]\s?)?(?P<per>百分之\s*)?"
    rf"(?:(?<![A-Za-z])(?:FY\s?|(?P<currency>{_CURRENCY})\s*(?P<inner>[-−–(]\s*)?)|(?<![A-Za-z\d])(?<![A-Za-z]-))"
    r"(?P<digits>\d{1,3}(?:[,\u2009\u202f]\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?)(?!\d|-[A-Z]\b)"
    r"(?P<close>\s*\))?"
    rf"(?:(?P<percent>\s*(?:%|per\s?cent\b|percentage points?\b|个?百分点))"
    rf"|[\s-]?(?P<scale>(?:thousand|million|billion|trillion|bn|mn|tn)\b"
    rf"|{_CHINESE})|(?P<letter>[kKmMbB])(?![A-Za-z]))?"
)
_MARK = re.compile(r"[\[［【]\d{1,4}[\]］】]")
_ITEM = re.compile(r"^[ \t>*#•-]*(?:\d{1,3}(?:[.)]\**(?=\s)|、)|\(\d{1,2}\)(?=\s))", re.MULTILINE)
_UNITS = "thousands|millions|billions|trillions"
_DECLARED = re.compile(
    rf"\bin\s+(?:[\w$€£¥.]+\s+){{0,3}}?({_UNITS}|'000)\b|\b({_UNITS})\s+of\s+(?:[\w.]+\s+)?(?:dollars|euros|pounds|yuan|rmb|yen)"
    rf"|\(\s*(?:{_CURRENCY})?\s*({_UNITS})\b|(?:{_CURRENCY})\s*({_UNITS}|thousand|million|billion|'000|000s?)\b"
    rf"|单位[^\d,.。;\n]{{0,8}}?({_CHINESE})"
    rf"|(?:人民币|以|\()[^\d,.。;\n]{{0,8}}?({_CHINESE})(?:[美港欧日]?元|股|吨|计|为单位)",
    re.IGNORECASE,
)
_WIDE = {c: c - 0xFEE0 for c in range(0xFF01, 0xFF5F) if c != 0xFF0C} | {0x3000: 0x20, 0xFFE5: 0xA5, 0x2019: 0x27}
_MOST_PLACES = 8  # passages that a figure is computed from; an answer is made of so many, a long summary of more
_MOST_COMPUTED = 20  # figures that were found nowhere and are searched for what they come from, some 20 ms each
_MOST_NAMED = 24  # operands of a passage that the answer names: 276 pairs


@dataclass(frozen=True)
class _Number:
    """A number as it is written: [start, end) of its text. `value` is signed and without its scale."""

    text: str
    start: int
    end: int
    value: Decimal
    decimals: int
    exponent: int | None  # of its own scale; None where it says none
    percent: bool
    currency: str

    @property
    def size(self) -> Decimal:
        """Without its sign, with its scale."""
        return abs(self.value).scaleb(self.exponent or 0)

    @property
    def half(self) -> Decimal:
        """Half of its last digit's unit."""
        return Decimal(5).scaleb((self.exponent or 0) - self.decimals - 1)

    @property
    def digits(self) -> int:
        """Significant digits, as it is written."""
        return len(re.sub(r"\D", "", self.text).lstrip("0"))

    @property
    def bare(self) -> bool:
        return self.exponent is None and not self.percent

    @property
    def year(self) -> bool:
        return bool(self.bare and not self.currency and re.fullmatch(r"(?:FY\s?)?(?:19|20)\d\d", self.text))


@dataclass(frozen=True)
class _Held:
    """A number of a cited page, in one of the scales that it may be read in."""

    size: Decimal
    number: _Number
    place: "_Place"
    page: int


@dataclass(frozen=True)
class _Place:
    """A cited source: its numbers that stand on cited pages, each with its page."""

    source: Source
    text: str  # normalised, as long as the source's
    numbers: tuple[tuple[_Number, int], ...]
    declared: tuple[int, ...]  # exponents of the units that it says its numbers are in
    percent: bool  # it speaks of percentages


def figures(text: str, question: str, citations: Sequence[Citation], sources: Sequence[Source]) -> tuple[Figure, ...]:
    """The figures of an answer in their order. `text` has clean marks; `citations` are those of `text`."""
    asked = {(one.size, one.percent) for one in _numbers(_normal(question))}
    claimed = [one for one in _numbers(_claims(text)) if (one.size, one.percent) not in asked]
    if not claimed:
        return ()
    places = _places(citations, sources)
    held = sorted(_held(places), key=lambda one: one.size)
    sizes = [one.size for one in held]
    hits = [_found(one, held, sizes, citations) for one in claimed]
    named = {(id(hit.place), hit.number.start) for hit in hits if hit}
    named |= {(id(one.place), one.number.start) for hit in hits if hit for one in _equal(hit, held, sizes)}
    nowhere = [one for one, hit in zip(claimed, hits, strict=True) if hit is None][:_MOST_COMPUTED]
    return tuple(
        _figure(text, one, hit, places[:_MOST_PLACES] if one in nowhere else (), named)
        for one, hit in zip(claimed, hits, strict=True)
    )


def _figure(
    text: str, one: _Number, hit: _Held | None, places: Sequence[_Place], named: set[tuple[int, int]]
) -> Figure:
    """`places`: where to look for what a figure that was found nowhere comes from."""
    written = text[one.start : one.end]
    if hit is not None:
        return Figure(written, one.start, one.end, "found", hit.place.source.n, hit.page)
    for place in places:
        for a, b, page in _operands(one, text, place, named):
            if formula := _formula(one, a, b, place.declared):
                return Figure(written, one.start, one.end, "computed", place.source.n, page, formula)
    return Figure(written, one.start, one.end, "unsupported")


def _normal(text: str) -> str:
    """Full-width digits and signs as ASCII, in a text of the same length."""
    return re.sub(r"(?<=[０-９])，(?=[０-９]{3}(?![０-９]))", ",", text).translate(_WIDE)


def _claims(text: str) -> str:
    """The same without marks and numbers of lists, in a text of the same length."""
    blanked = _MARK.sub(lambda mark: " " * len(mark[0]), text)
    return _ITEM.sub(lambda item: " " * len(item[0]), _normal(blanked))


def _numbers(normal: str) -> Iterator[_Number]:
    for match in _NUMBER.finditer(normal):
        digits = re.sub(r"[^\d.]", "", match["digits"])
        enclosed = bool((match["open"] or "(" in (match["inner"] or "")) and match["close"])
        letter = match["letter"] if match["letter"] and (match["currency"] or "." in digits) else ""
        scale = match["scale"] or letter
        value = Decimal(digits)
        start = match.start() + (0 if enclosed else len(match["open"] or ""))
        end = match.end()
        if match["letter"] and not letter:
            end = match.start("letter")
        if match["close"] and not enclosed:  # the end of something in parentheses that began before it
            end, scale = match.start("close"), ""
        percent = bool(match["per"] or (match["percent"] and end == match.end()))
        negative = enclosed or bool(match["minus"] or (match["inner"] or "").strip("( "))
        yield _Number(
            text=normal[start:end],
            start=start,
            end=end,
            value=-value if negative else value,
            decimals=len(digits.partition(".")[2]),
            exponent=_SCALES[scale.lower()] if scale else None,
            percent=percent,
            currency=_SAME.get(match["currency"] or "", match["currency"] or ""),
        )


def _places(citations: Sequence[Citation], sources: Sequence[Source]) -> list[_Place]:
    by_number = {source.n: source for source in sources}
    cited = {(citation.document, citation.page) for citation in citations if citation.match != "none"}
    whole = {citation.n for citation in citations if citation.match == "none"}
    places = []
    for n in dict.fromkeys(citation.n for citation in citations):
        passage = by_number[n].passage
        spans = [s for s in passage.chunk.spans if n in whole or (passage.document, s.page) in cited]
        normal = _normal(passage.text)
        about = f"{_normal(passage.chunk.heading)}\n{normal}"
        numbers = tuple(
            (one, span.page) for one in _numbers(normal) for span in spans if span.start <= one.start < span.end
        )
        declared = {_SCALES[next(filter(None, unit.groups())).lower()] for unit in _DECLARED.finditer(about)}
        percent = re.search(r"%|per\s?cent|百分", about) is not None
        places.append(_Place(by_number[n], normal, numbers, tuple(sorted(declared)), percent))
    return places


def _held(places: Sequence[_Place]) -> Iterator[_Held]:
    for place in places:
        for number, page in place.numbers:
            for exponent in (0, *place.declared) if number.bare and not number.year else (0,):
                yield _Held(number.size.scaleb(exponent), number, place, page)


def _within(size: Decimal, off: Decimal, held: Sequence[_Held], sizes: Sequence[Decimal]) -> Sequence[_Held]:
    return held[bisect_left(sizes, size - off) : bisect_right(sizes, size + off)]


def _found(
    one: _Number, held: Sequence[_Held], sizes: Sequence[Decimal], citations: Sequence[Citation]
) -> _Held | None:
    """The number on a cited page that the figure is: first those under its own sentence's mark, then the closest."""
    rounds = not one.year and (not one.bare or one.decimals > 0 or one.size >= 100)
    near = {(citation.n, citation.page) for citation in citations if citation.start <= one.start < citation.end}
    hits = [hit for hit in _within(one.size, one.half if rounds else Decimal(0), held, sizes) if _alike(one, hit)]
    return min(
        hits, key=lambda hit: ((hit.place.source.n, hit.page) not in near, abs(hit.size - one.size)), default=None
    )


def _alike(one: _Number, hit: _Held) -> bool:
    """Whether both are a percentage, or neither; and no currency is another. A bare figure ("from 9.5 to 10.2%") may be
    one where the page has just its digits."""
    there = hit.number
    if one.percent != there.percent:
        if one.percent and not (there.bare and hit.place.percent and not there.year and hit.size == there.size):
            return False
        if not one.percent and not (one.bare and not one.currency and one.size == hit.size):
            return False
    return not (one.currency and there.currency and one.currency != there.currency)


def _equal(hit: _Held, held: Sequence[_Held], sizes: Sequence[Decimal]) -> Iterator[_Held]:
    """The same number wherever else it stands: operands must share a passage, not each the first one that has it."""
    return (one for one in _within(hit.size, Decimal(0), held, sizes) if one.number.percent == hit.number.percent)


def _operands(
    one: _Number, text: str, place: _Place, named: set[tuple[int, int]]
) -> Iterator[tuple[_Number, _Number, int]]:
    """The pairs of numbers that the figure may come from, each with the page of its first."""
    if one.year or (one.digits < 3 and not one.percent):
        return
    able = [(number, page) for number, page in place.numbers if number.value and not number.year]
    said = {number.size: (number, page) for number, page in reversed(able) if (id(place), number.start) in named}
    for (a, page), (b, _) in combinations(list(said.values())[:_MOST_NAMED], 2):
        yield a, b, page
    if one.digits < 2:
        return
    words = {token for token in tokens(_sentence(text, one.start)) if token.isalpha()}
    for (a, page), (b, _) in pairwise(able):
        between = place.text[a.end : b.start]
        if "\n" not in between and words & _words(_line(place.text, a.start)):
            yield a, b, page


@lru_cache(maxsize=4096)
def _words(line: str) -> frozenset[str]:
    return frozenset(tokens(line))


@lru_cache(maxsize=1024)  # asked for once a passage
def _sentence(text: str, at: int) -> str:
    return next((text[start:end] for start, end in sentences(text) if start <= at < end), text)


def _line(text: str, at: int) -> str:
    end = text.find("\n", at)
    return text[text.rfind("\n", 0, at) + 1 : len(text) if end < 0 else end]


def _formula(one: _Number, a: _Number, b: _Number, declared: Sequence[int]) -> str:
    """How the figure comes from the two, or ""."""
    if a.exponent != b.exponent or a.percent != b.percent or (a.currency and b.currency and a.currency != b.currency):
        return ""
    if abs(a.value) < abs(b.value):
        a, b = b, a
    x, y = a.value, b.value
    left, right = a.text, b.text
    amounts = {f"{left} + {right}": x + y, f"{left} − {right}": x - y, f"({left} + {right}) ÷ 2": (x + y) / 2}
    if one.percent == a.percent:
        exponents = (0,) if a.percent else (a.exponent,) if a.exponent is not None else (0, *declared)
        for formula, value in amounts.items():
            if any(_is(one, value.scaleb(exponent)) for exponent in exponents):
                return formula
    if a.percent or not (one.percent or (one.bare and not one.currency)):
        return ""
    ratios = {f"{right} ÷ {left}": y / x, f"{left} ÷ {right}": x / y}
    if one.percent:
        ratios = {
            f"({left} − {right}) ÷ {right}": (x - y) / abs(y),
            f"({right} − {left}) ÷ {left}": (y - x) / abs(x),
        } | ratios
    for formula, value in ratios.items():
        if _is(one, value * 100 if one.percent else value):
            return formula
    return ""


def _is(one: _Number, value: Decimal) -> bool:
    return abs(abs(value) - one.size) <= one.half
