"""What a question is about, and what kind of thing it asks for."""

import re
import unicodedata
from collections.abc import Sequence

from ingest.text.search_tokens import tokens

# Words of a question that say nothing of its subject.
ASKING = frozenset(
    tokens(
        """a an and any are as at be been being by can could did do does doing for from give given had has have having
        he her his how i if in is it its many me much my name of on or our please say says she should so some tell that
        the their them there these they this those to was we were what what's when where which who whom whose why
        will with would you your about into than then between during following according based provided mr mrs ms s t"""
    )
)
ASKING_HAN = re.compile(
    "[的了吗呢是什么哪谁几多少何为怎样在有和与及其于之请问该被把对从到以而或这那些个时候因由也都就吧啊么如]"
)

NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|hundred|thousand|million|billion)\b|"
    "[一二三四五六七八九十百千万亿两]",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b1\d{3}\b|\b20\d{2}\b|\b\d{1,2}(?:st|nd|rd|th)\b|centur|\b(?:January|February|March|April|May|June|July|"
    r"August|September|October|November|December)\b|\d+\s*[年月日]|世纪|年代"
)
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w'’-]+")
# What a question asks for, and how a sentence shows that it has some.
KINDS: Sequence[tuple[re.Pattern[str], re.Pattern[str]]] = (
    (
        re.compile(
            r"\bwhen\b|\b(?:what|which|in what) (?:\w+ )?(?:year|date|month|century|day|decade)\b"
            "|何时|什么时候|哪一?[年月天日]|时间"
        ),
        _TIME,
    ),
    (
        re.compile(
            r"\bhow (?:many|much|long|old|far|high|large|tall|big|often|fast)\b"
            r"|\bwhat (?:percent|number|amount|share|rate)|percentage"
            "|多少|几[个人次种年月天岁条名位届]|多[大长高远久]|[率额数量]是"
        ),
        NUMBER,
    ),
    (
        re.compile(r"\bwho(?:m|se)?\b|\bwhere\b|\bwhat (?:\w+ )?(?:name|city|country|state|company|team)\b|\bwhich\b"),
        _NAME,
    ),
)


def subject_words(question: str) -> list[str]:
    """The search tokens of a question that say what it is about; all of them where none is left."""
    words = list(dict.fromkeys(tokens(question)))
    asked = {word for asks, _ in KINDS for match in asks.finditer(question.lower()) for word in tokens(match[0])}
    kept = [w for w in words if w not in ASKING and w not in asked and not ASKING_HAN.search(w)]
    return kept or words


def years(text: str) -> frozenset[str]:
    """The years, as four digits, that a text names: 2020, FY2020, 2020年."""
    return frozenset(re.findall(r"(?<!\d)(?:19|20)\d{2}(?![\d.,]\d|\d)", unicodedata.normalize("NFKC", text)))
