"""Whether each figure of an answer stands on a cited page, can be computed from figures that do, or neither.

What is a figure: a number in digits (also full-width ones), with separators of thousands, decimals, a currency sign, a
percent sign and a scale (thousand, million, billion, trillion, bn; 千, 万, 百万, 亿, …), negative by a minus sign or in
parentheses. Years are figures. No figures are: marks ("[2]"), the numbers of a list, digits that belong to a name
("COVID-19", "Q4", "10-K"), numbers in words, and whatever stands in the question too.

Where it is looked for: in the passages of the sources that the answer marks, and of those on the cited pages alone; a
mark whose words were found nowhere leads to all pages of its passage.

found: the page has the same number after separators, currency signs, sign ("a loss of 5" is "(5)") and scale are
normalised. A page's number without a scale of its own counts as it is written and, where it is an amount, in every unit
that its passage or heading declares ("in millions", "RMB'000", "单位：万元"); parts of dates, counts ("12 Weeks") and
labels count as written only. A figure without a scale is compared as it is written, so "1,577" and "1.577 billion" are
both found where a table in millions says "1,577". The page's number may be rounded to the digits given (9.5% for
9.46%), but not to a whole number below 100 without percent or scale. A percentage is one on the page, or a bare number
of a passage that has a percent sign elsewhere. A figure that is said to be a rise is not the page's fall, or the other
way round; one with a minus is not the page's plus, and a profit is not its loss. Two different currencies never match,
whether signs or names ("19.44亿元", "million yuan"); a number without one may be in each that its passage or heading
names; where they name none, in each that the other sources of its document name, and in any where these name none too.

computed: a sum, difference, mean, ratio or percent change of two numbers of one passage, both on cited pages, with the
same scale, to the digits given. Chance is kept out: only percentages and figures of three significant digits or more;
years and dates are no operands; and the two operands are both named in the answer, or are neighbours on a line of the
page that shares a word with the figure's sentence (then a percentage needs two digits). Where the sentence says that
something rose or fell, a change must have gone that way, and a figure that is said to be the change is no sum or ratio
(trends.py). Of a long summary the first eight passages are tried.

unsupported: everything else. It may be right, but nothing cited says so.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import combinations, pairwise

from chains.events import Citation, Figure
from chains.language.numbers import Number, currencies, declared, normal, numbers, one_currency
from chains.language.trends import direction, first_is_later
from chains.prompt import Source
from ingest.text.search_tokens import tokens
from ingest.text.sentences import sentences

_MARK = re.compile(r"[\[［【]\d{1,4}[\]］】]")
_ITEM = re.compile(r"^[ \t>*#•-]*(?:\d{1,3}(?:[.)]\**(?=\s)|、)|\(\d{1,2}\)(?=\s))", re.MULTILINE)
_MINUS = re.compile(r"(?:\b(?:minus|negative)\s|负|[\u4e00-\u9fff][-−])$", re.IGNORECASE)
_PROFIT = re.compile(r"\b(?:profits?|income|earnings)\b|利润|盈利", re.IGNORECASE)
_LOSS = re.compile(r"\bloss(?:es)?\b|亏损", re.IGNORECASE)
_LESS = re.compile(  # by which a number without a minus is one that is taken away
    r"\b(?:loss(?:es)?|deficit|outflows?|used|paid|spen[dt]|less|negative|minus|decreas|declin|reduc|expense|cost)|亏损|流出|减|负|支出|费用",
    re.IGNORECASE,
)
_MOST_PLACES = 8  # passages that a figure is computed from; an answer is made of so many, a long summary of more
_MOST_COMPUTED = 20  # figures that were found nowhere and are searched for what they come from, some 20 ms each
_MOST_NAMED = 24  # operands of a passage that the answer names: 276 pairs


@dataclass(frozen=True)
class _Said:
    """What an answer says of a figure beside its size."""

    way: int  # it is a rise (1) or a fall (-1) itself; 0: neither
    minus: bool  # it is written with a minus
    profits: int  # it is one of profits (1) or of losses (-1)


@dataclass(frozen=True)
class _Held:
    """A number of a cited page, in one of the scales that it may be read in."""

    size: Decimal
    number: Number
    place: "_Place"
    page: int


@dataclass(frozen=True)
class _Place:
    """A cited source: its numbers that stand on cited pages, each with its page."""

    source: Source
    text: str  # normalised, as long as the source's
    heading: str  # normalised
    numbers: tuple[tuple[Number, int], ...]
    declared: tuple[int, ...]  # exponents of the units that it says its numbers are in
    percent: bool  # it speaks of percentages
    currencies: frozenset[str]  # that it names, else those of its document's other passages

    def speaks(self, currency: str) -> bool:
        """Whether its amounts may be in that currency: it names it, or none."""
        return not (currency and self.currencies) or any(one_currency(currency, one) for one in self.currencies)


def figures(text: str, question: str, citations: Sequence[Citation], sources: Sequence[Source]) -> tuple[Figure, ...]:
    """The figures of an answer in their order. `text` has clean marks; `citations` are those of `text`."""
    asked = {(one.size, one.percent) for one in numbers(normal(question))}
    claimed = [one for one in numbers(_claims(text)) if (one.size, one.percent) not in asked]
    if not claimed:
        return ()
    places = _places(citations, sources, any(one.currency for one in claimed))
    held = sorted(_held(places), key=lambda one: one.size)
    sizes = [one.size for one in held]
    changed = [_change(text, one.start, one.end) for one in claimed]
    said = [
        _Said(_sign(text, one) or (way if change else 0), _sign(text, one) < 0, _profits(_sentence(text, one.start)[1]))
        for one, (way, change) in zip(claimed, changed, strict=True)
    ]
    hits = [_found(one, about, held, sizes, citations) for one, about in zip(claimed, said, strict=True)]
    named = {(id(hit.place), hit.number.start) for hit in hits if hit}
    named |= {(id(one.place), one.number.start) for hit in hits if hit for one in _equal(hit, held, sizes)}
    nowhere = [one for one, hit in zip(claimed, hits, strict=True) if hit is None][:_MOST_COMPUTED]
    return tuple(
        _figure(text, one, changed[n], hit, places[:_MOST_PLACES] if one in nowhere else (), named)
        for n, (one, hit) in enumerate(zip(claimed, hits, strict=True))
    )


def _figure(
    text: str,
    one: Number,
    changed: tuple[int, bool],
    hit: _Held | None,
    places: Sequence[_Place],
    named: set[tuple[int, int]],
) -> Figure:
    """`places`: where to look for what a figure that was found nowhere comes from."""
    written = text[one.start : one.end]
    if hit is not None:
        return Figure(written, one.start, one.end, "found", hit.place.source.n, hit.page)
    _, sentence = _sentence(text, one.start)
    for place in places:
        for a, b, page in _operands(one, sentence, place, named):
            if formula := _formula(one, a, b, place, *changed):
                return Figure(written, one.start, one.end, "computed", place.source.n, page, formula)
    return Figure(written, one.start, one.end, "unsupported")


def _change(text: str, at: int, end: int) -> tuple[int, bool]:
    """changes.direction of the figure at [at, end), in its sentence."""
    start, sentence = _sentence(text, at)
    return direction(sentence, at - start, end - start)


def _claims(text: str) -> str:
    """The same without marks and numbers of lists, in a text of the same length."""
    blanked = _MARK.sub(lambda mark: " " * len(mark[0]), text)
    return _ITEM.sub(lambda item: " " * len(item[0]), normal(blanked))


def _places(citations: Sequence[Citation], sources: Sequence[Source], currency: bool) -> list[_Place]:
    """`currency`: whether it matters in which they are."""
    by_number = {source.n: source for source in sources}
    cited = {(one.document, page) for one in citations if one.match != "none" for page in one.pages}
    whole = {citation.n for citation in citations if citation.match == "none"}
    places = []
    for n in dict.fromkeys(citation.n for citation in citations):
        passage = by_number[n].passage
        spans = [s for s in passage.chunk.spans if n in whole or (passage.document, s.page) in cited]
        text = normal(passage.text)
        heading = normal(passage.chunk.heading)
        about = f"{heading}\n{text}"
        held = tuple((one, span.page) for one in numbers(text) for span in spans if span.start <= one.start < span.end)
        percent = re.search(r"%|per\s?cent|百分", about) is not None
        named = currencies(about) or _spoken(passage.document, sources) if currency else frozenset()
        places.append(_Place(by_number[n], text, heading, held, declared(about), percent, named))
    return places


def _spoken(document: str, sources: Sequence[Source]) -> frozenset[str]:
    """The currencies that the passages of a document name: a table's own head may be on the page before."""
    of = (one.passage for one in sources if one.passage.document == document)
    return frozenset().union(*(currencies(normal(f"{one.chunk.heading}\n{one.text}")) for one in of))


def _held(places: Sequence[_Place]) -> Iterator[_Held]:
    for place in places:
        for number, page in place.numbers:
            for exponent in (0, *place.declared) if number.amount else (0,):
                yield _Held(number.size.scaleb(exponent), number, place, page)


def _within(size: Decimal, off: Decimal, held: Sequence[_Held], sizes: Sequence[Decimal]) -> Sequence[_Held]:
    return held[bisect_left(sizes, size - off) : bisect_right(sizes, size + off)]


def _sign(text: str, one: Number) -> int:
    """-1 or 1 where the figure is written with a minus or a plus, else 0. A dash with a space behind it is neither."""
    before = text[max(0, one.start - 12) : one.start]
    if re.match(r"[-−]\S|[^\d\s(]+\(", one.text) or _MINUS.search(before):
        return -1
    return int(before.endswith(("+", "＋")))


def _profits(text: str) -> int:
    """1 where it speaks of a profit, -1 of a loss, 0 of neither or both."""
    return (_PROFIT.search(text) is not None) - (_LOSS.search(text) is not None)


def _found(
    one: Number, said: _Said, held: Sequence[_Held], sizes: Sequence[Decimal], citations: Sequence[Citation]
) -> _Held | None:
    """The number on a cited page that the figure is: first those under its own sentence's mark, then the closest."""
    near = {(each.n, page) for each in citations if each.start <= one.start < each.end for page in each.pages}
    hits = [hit for hit in _within(one.size, one.slack, held, sizes) if _alike(one, hit) and not _against(said, hit)]
    return min(
        hits, key=lambda hit: ((hit.place.source.n, hit.page) not in near, abs(hit.size - one.size)), default=None
    )


def _alike(one: Number, hit: _Held) -> bool:
    """Whether both are a percentage, or neither; and no currency is another. A bare figure ("from 9.5 to 10.2%") may be
    one where the page has just its digits."""
    there = hit.number
    if one.percent != there.percent:
        if one.percent and not (there.bare and hit.place.percent and not there.year and hit.size == there.size):
            return False
        if not one.percent and not (one.bare and not one.currency and one.size == hit.size):
            return False
    if one.currency and there.currency:
        return one_currency(one.currency, there.currency)
    return hit.place.speaks(one.currency)


def _against(said: _Said, hit: _Held) -> bool:
    """Whether the page says the contrary of its number: a change the other way, no minus, or a loss for a profit."""
    text, number = hit.place.text, hit.number
    line, less = _line(text, number.start), number.value < 0
    way, change = _change(text, number.start, number.end) if said.way else (0, False)
    if change and way == -said.way:
        return True
    apart = text[:number.start].endswith("(")  # "(12%)", as tables write what is taken away
    if said.minus and not (less or apart or (change and way < 0) or _LESS.search(line)):
        return True
    if said.profits <= 0:
        return False
    return _profits(line) < 0 or (less and _PROFIT.search(line) is not None)


def _equal(hit: _Held, held: Sequence[_Held], sizes: Sequence[Decimal]) -> Iterator[_Held]:
    """The same number wherever else it stands: operands must share a passage, not each the first one that has it."""
    return (one for one in _within(hit.size, Decimal(0), held, sizes) if one.number.percent == hit.number.percent)


def _operands(
    one: Number, sentence: str, place: _Place, named: set[tuple[int, int]]
) -> Iterator[tuple[Number, Number, int]]:
    """The pairs of numbers that the figure may come from, each with the page of its first."""
    if one.year or (one.digits < 3 and not one.percent) or not place.speaks(one.currency):
        return
    able = [(number, page) for number, page in place.numbers if number.value and not (number.year or number.dated)]
    said = {number.size: (number, page) for number, page in reversed(able) if (id(place), number.start) in named}
    for (a, page), (b, _) in combinations(list(said.values())[:_MOST_NAMED], 2):
        yield a, b, page
    if one.digits < 2:
        return
    words = {token for token in tokens(sentence) if token.isalpha()}
    for (a, page), (b, _) in pairwise(able):
        between = place.text[a.end : b.start]
        if "\n" not in between and words & _words(_line(place.text, a.start)):
            yield a, b, page


@lru_cache(maxsize=4096)
def _words(line: str) -> frozenset[str]:
    return frozenset(tokens(line))


@lru_cache(maxsize=1024)
def _sentence(text: str, at: int) -> tuple[int, str]:
    """The sentence that stands at `at`, and where it begins."""
    return next(((start, text[start:end]) for start, end in sentences(text) if start <= at < end), (0, text))


def _line(text: str, at: int) -> str:
    end = text.find("\n", at)
    return text[text.rfind("\n", 0, at) + 1 : len(text) if end < 0 else end]


def _formula(one: Number, a: Number, b: Number, place: _Place, way: int, change: bool) -> str:
    """How the figure comes from the two, or "". `way`: what its sentence says, up (1), down (-1) or neither (0);
    `change`: that it is that change itself."""
    if a.exponent != b.exponent or a.percent != b.percent:
        return ""
    if a.currency and b.currency and not one_currency(a.currency, b.currency):
        return ""
    if abs(a.value) < abs(b.value):
        a, b = b, a
    for formula, value, changes, base in _formulas(one, a, b, () if not (a.amount and b.amount) else place.declared):
        if not _is(one, value) or (change and not changes):
            continue
        if not (way and changes) or _went(place, a, b, base) in (way, 0):
            return formula
    return ""


def _formulas(
    one: Number, a: Number, b: Number, declared: Sequence[int]
) -> Iterator[tuple[str, Decimal, bool, Number | None]]:
    """Each with its value, whether it says how much changed, and from which of the two; None: from either.

    `a` is the larger, whatever its sign.
    """
    x, y = a.value, b.value
    left, right = a.text, b.text
    if one.percent == a.percent:
        for exponent in (0,) if a.percent else (a.exponent,) if a.exponent is not None else (0, *declared):
            yield f"{left} + {right}", (x + y).scaleb(exponent), False, None
            yield f"{left} − {right}", (x - y).scaleb(exponent), True, None
            yield f"({left} + {right}) ÷ 2", ((x + y) / 2).scaleb(exponent), False, None
    if a.percent or not (one.percent or (one.bare and not one.currency)):
        return
    hundred = 100 if one.percent else 1
    if one.percent:
        yield f"({left} − {right}) ÷ {right}", (x - y) / abs(y) * 100, True, b
        yield f"({right} − {left}) ÷ {left}", (y - x) / abs(x) * 100, True, a
    yield f"{right} ÷ {left}", y / x * hundred, False, None
    yield f"{left} ÷ {right}", x / y * hundred, False, None


def _went(place: _Place, a: Number, b: Number, base: Number | None) -> int:
    """Which way it went from `base` to the other: 1 up, -1 down; 2 where the page says that `base` is the later one; 0
    where there is none, and the page does not say which of the two is.

    A cost of (1,577) after (1,373) went up: signs count only where they differ.
    """
    first, second = sorted((a, b), key=lambda one: one.start)
    later: Number | None = None
    if "\n" not in place.text[first.end : second.start]:
        order = first_is_later(place.text, (first.start, first.end), (second.start, second.end), place.heading)
        later = None if order is None else first if order else second
    if base is None and later is None:
        return 0
    if base is not None and later is base:
        return 2
    before = base or (b if later is a else a)
    after = b if before is a else a
    signed = (before.value < 0) != (after.value < 0)
    grew = after.value > before.value if signed else abs(after.value) > abs(before.value)
    return 1 if grew else -1


def _is(one: Number, value: Decimal) -> bool:
    return abs(abs(value) - one.size) <= one.half
