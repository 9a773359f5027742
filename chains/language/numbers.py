"""Numbers as documents and answers write them: value, scale, percent, currency, and the unit of the table they are in.

What a page's "in millions" holds for: its bare numbers, but for years, parts of dates ("3/25/2023"), counts with their
own noun ("12 Weeks Ended", "共 25 人") and labels ("Note 12").
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

_SCALES: Mapping[str, int] = {
    **dict.fromkeys(("thousand", "thousands", "k", "千", "'000", "000", "000s"), 3),
    **dict.fromkeys(("million", "millions", "mn", "m", "百万"), 6),
    **dict.fromkeys(("billion", "billions", "bn", "b", "十亿"), 9),
    **dict.fromkeys(("trillion", "trillions", "tn", "万亿"), 12),
    **{"万": 4, "十万": 5, "千万": 7, "亿": 8, "百亿": 10, "千亿": 11},
}
_CHINESE = r"万亿|千亿|百亿|十亿|亿|千万|百万|十万|万|千(?![米克瓦卡])"
_CURRENCY = r"HK\$|US\$|\$|€|£|¥|RMB|CNY|USD|HKD|EUR|GBP|JPY|人民币"
# Each currency's names, the longer before those that they hold. "¥" alone may be either of two.
_NAMES: Mapping[str, str] = {
    "HKD": r"HK\$|HKD(?![a-z])|(?:hong\s?kong|HK)\s+dollars?\b|港元|港币",
    "USD": r"US\$|USD(?![a-z])|(?:(?:US|U\.S\.)\s*)?\bdollars?\b|\$|美元|美金",
    "EUR": r"€|EUR(?![a-z])|euros?\b|欧元",
    "GBP": r"£|GBP(?![a-z])|pounds?\b|英镑",
    "JPY": r"JPY(?![a-z])|(?:japanese\s+)?yen\b|日元",
    "CNY": r"RMB(?![a-z])|CNY(?![a-z])|renminbi\b|(?:chinese\s+)?yuan\b|人民币",
    "¥": r"¥",
}
_NAMED = "|".join(f"(?P<c{i}>{names})" for i, names in enumerate(_NAMES.values()))
_NAMED_AT = re.compile(rf"[ \t]*(?:{_NAMED}|(?P<yuan>元))", re.IGNORECASE)
_NAMED_IN = re.compile(rf"(?<![a-z])(?:{_NAMED}|(?<=[\d千百十万亿(:])\s?(?P<yuan>元))", re.IGNORECASE)
_NUMBER = re.compile(
    rf"(?P<open>\(\s*)?(?P<minus>(?<![\w)\]%])[-−–]\s?)?(?P<per>百分之\s*)?"
    rf"(?:(?<![A-Za-z])(?:FY\s?|(?P<currency>{_CURRENCY})\s*(?P<inner>[-−–(]\s*)?)|(?<![A-Za-z\d])(?<![A-Za-z]-))"
    r"(?P<digits>\d{1,3}(?:[,\u2009\u202f]\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<=[\s$€£¥(])\.\d+)(?!\d|-[A-Z]\b)"
    r"(?P<close>\s*\))?"
    rf"(?:(?P<percent>\s*(?:%|per\s?cent\b|percentage points?\b|个?百分点))"
    rf"|[\s-]?(?P<scale>(?:thousand|million|billion|trillion|bn|mn|tn)\b"
    rf"|{_CHINESE})|(?P<letter>[kKmMbB])(?![A-Za-z]))?"
)
_UNITS = "thousands|millions|billions|trillions"
_DECLARED = re.compile(
    rf"\bin\s+(?:[\w$€£¥.]+\s+){{0,3}}?({_UNITS}|'000)\b|\b({_UNITS})\s+of\s+(?:[\w.]+\s+)?(?:dollars|euros|pounds|yuan|rmb|yen)"
    rf"|\(\s*(?:{_CURRENCY})?\s*({_UNITS})\b|(?:{_CURRENCY})\s*({_UNITS}|thousand|million|billion|'000|000s?)\b"
    rf"|单位[^\d,.。;\n]{{0,8}}?({_CHINESE})"
    rf"|(?:人民币|以|\()[^\d,.。;\n]{{0,8}}?({_CHINESE})(?:[美港欧日]?元|股|吨|计|为单位)",
    re.IGNORECASE,
)
_WIDE = {c: c - 0xFEE0 for c in range(0xFF01, 0xFF5F) if c != 0xFF0C} | {0x3000: 0x20, 0xFFE5: 0xA5, 0x2019: 0x27}
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_DATE = re.compile(
    r"(?<![\d.,])\d{1,4}([/.-])\d{1,2}\1\d{2,4}(?![\d%])|(?<![\d.,])\d{1,2}/\d{1,2}(?!\d)|(?<!\d)\d{1,2}:\d{2}(?!\d)"
    r"|(?<!\d)\d{4}-\d{1,2}-\d{1,2}(?!\d)|(?<!\d)\d{4}/\d{1,2}/\d{1,2}(?!\d)"
    rf"|\b{_MONTH}\.?\s+\d{{1,2}}(?!\d|[,.]\d{{1,3}}(?!\d))"
    rf"|(?<![\d.,])\d{{1,2}}(?:st|nd|rd|th)?[ \t-]{_MONTH}\b",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"[ \t-]?(?:(?:full|part)[ -]time\s+)?(?:weeks?|months?|days?|years?|hours?|minutes?|quarters?|pages?|employees"
    r"|people|persons|associates|stores|restaurants|countries|times|st|nd|rd|th)\b"
    r"|[ \t]?(?:周|星期|个月|月|年|天|日|小时|分钟|季度|页|人|名|家|位|个|项|次|岁|号|条|章|节)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:\b(?:note|item|page|part|section|table|exhibit|chapter|level|form|no\.)|第|附注)\s?$", re.IGNORECASE
)
_LONGEST_LABEL = 3  # digits: "Note 12" is a label, "Promissory note 1,577" an amount


@dataclass(frozen=True)
class Number:
    """A number as it is written: [start, end) of its text. `value` is signed and without its scale."""

    text: str
    start: int
    end: int
    value: Decimal
    decimals: int
    exponent: int | None  # of its own scale; None where it says none
    percent: bool
    currency: str  # a key of the names above; "" where it names none
    dated: bool  # a part of a date
    counted: bool  # of something that it names itself, or a label

    @property
    def size(self) -> Decimal:
        """Without its sign, with its scale."""
        return abs(self.value).scaleb(self.exponent or 0)

    @property
    def half(self) -> Decimal:
        """Half of its last digit's unit."""
        return Decimal(5).scaleb((self.exponent or 0) - self.decimals - 1)

    @property
    def slack(self) -> Decimal:
        """How far off a number may be that it is rounded from: whole ones below 100 without percent or scale, and
        years, are not rounded."""
        rounds = not self.year and (not self.bare or self.decimals > 0 or self.size >= 100)
        return self.half if rounds else Decimal(0)

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

    @property
    def amount(self) -> bool:
        """Whether the unit that its passage declares may be its own."""
        return self.bare and not (self.year or self.dated or self.counted)


def normal(text: str) -> str:
    """Full-width digits and signs as ASCII, in a text of the same length."""
    return re.sub(r"(?<=[０-９])，(?=[０-９]{3}(?![０-９]))", ",", text).translate(_WIDE)


def numbers(text: str) -> Iterator[Number]:
    """The numbers of a text in normal form, in their order."""
    dates = {i for match in _DATE.finditer(text) for i in range(match.start(), match.end())}
    for match in _NUMBER.finditer(text):
        digits = re.sub(r"[^\d.]", "", match["digits"])  # ".85" is a number as well
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
        label = len(match["digits"]) <= _LONGEST_LABEL and _LABEL.search(text, max(0, start - 10), start)
        yield Number(
            text=text[start:end],
            start=start,
            end=end,
            value=-value if negative else value,
            decimals=len(digits.partition(".")[2]),
            exponent=_SCALES[scale.lower()] if scale else None,
            percent=percent,
            currency=_currency(match["currency"] or "", text, end),
            dated=match.start("digits") in dates,
            counted=bool(label or _COUNTED.match(text, end)),
        )


def _currency(before: str, text: str, end: int) -> str:
    """That of the sign before a number, or of the name behind it."""
    match = _NAMED_IN.match(before) if before else _NAMED_AT.match(text, end)
    return _named(match) if match else ""


def _named(match: re.Match[str]) -> str:
    return "CNY" if match["yuan"] else next(name for i, name in enumerate(_NAMES) if match[f"c{i}"])


def currencies(text: str) -> frozenset[str]:
    """Those that a text in normal form names."""
    return frozenset(_named(match) for match in _NAMED_IN.finditer(text))


def one_currency(a: str, b: str) -> bool:
    """Whether two names can be of the same."""
    return a == b or ("¥" in (a, b) and {a, b} <= {"¥", "CNY", "JPY"})


def declared(text: str) -> tuple[int, ...]:
    """The exponents of the units that a text in normal form says its numbers are in."""
    found = (next(filter(None, unit.groups())) for unit in _DECLARED.finditer(text))
    return tuple(sorted({_SCALES[unit.lower()] for unit in found}))


def agree(said: Number, there: Number) -> bool:
    """Whether they are the same number, however each is written; a scale that a page does not repeat may be its
    table's."""
    if said.percent != there.percent:
        return False
    scales = (0, 3, 4, 6, 8, 9) if there.amount and said.exponent is not None else (0,)
    return any(abs(said.size - there.size.scaleb(scale)) <= said.slack for scale in scales)
