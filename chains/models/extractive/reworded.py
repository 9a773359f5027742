"""A question in other words without a language model: without its details (step-back), or taken apart at its "and"."""

import re

from chains.language.lexicon import subject_words
from chains.question.rewrite_check import asks, names
from ingest.text.search_tokens import language, tokens

_YEAR = r"(?:FY\s?)?(?:1\d|20)\d\d(?:\s?[-–/]\s?\d\d(?:\d\d)?)?"
_MONTH = (
    r"(?-i:January|February|March|April|May|June|July|August|September|October|November|December)"
    rf"(?:\s+\d{{1,2}}(?:st|nd|rd|th)?)?(?:,?\s+{_YEAR})?"
)
_SPAN = (
    rf"(?:(?:first|second|third|fourth)\s+(?:quarter|half)(?:\s+of)?(?:\s+{_YEAR})?|Q[1-4](?:\s+of)?(?:\s+{_YEAR})?"
    rf"|(?:fiscal\s+)?years?\s+{_YEAR}|fiscal\s+{_YEAR}|{_MONTH}|{_YEAR})"
)
# "in the third quarter of 2021" goes as a whole where nothing leans on it; of "the 2021 season" the year alone.
_DETAILS = (
    re.compile(
        rf"[,，]?\s*\b(?:in|for|during|of|on|at|by|since|until|from|between|before|after|as of)\s+(?:the\s+)?"
        rf"(?:(?:end|beginning|start|middle|course)\s+of\s+)?(?:the\s+)?(?:(?:early|late|mid)[\s-]+)?{_SPAN}(?:\s+(?:and|to|or)\s+{_SPAN})*"
        r"(?=\s*(?:[?？.!,;)]|$|\b(?:in|of|for|by|to|from|at|on|with|and|as|when|compared)\b))",
        re.IGNORECASE,
    ),
    re.compile(r"\b(?:FY\s?\d{2,4}|(?:1[5-9]|20)\d\d(?:\s?[-–/]\s?\d\d(?:\d\d)?)?)\b(?!\s*[年%])", re.IGNORECASE),
    re.compile(
        r"(?:在|截至|从|于)?\s*(?:\d{4}|[一二][零〇一二三四五六七八九]{3})\s*年度?(?!代)"
        r"(?:\s*(?:第[一二三四]季度|[上下]半年|\d{1,2}\s*月(?:\d{1,2}\s*日)?))?(?:\s*[至到和与]\s*\d{4}\s*年)?"
        r"(?:末|初|底(?=[，,的前时])|期间|以来)?"
    ),
)
_EN_JOINT = re.compile(r"\s*(?:,\s*and\s+|\s+and\s+|;\s*(?:and\s+)?)", re.IGNORECASE)
_ZH_JOINT = re.compile(r"\s*(?:[，,]?(?:以及|并且|还有|和)|[；;])\s*")
# The part after an "and" is a question where it begins like one, and "are blue" is none.
_BEGINS = re.compile(
    r"(?:(?:in|at|by|for|to|from|with|on|of) )?(?:what|which|who|whom|whose|when|where|why|how)\b|(?:is|are|was|were"
    r"|do|does|did|"
    r"has|have|had|can|could|will|would|should)\s+(?:the|an?|it|its|they|their|he|his|she|her|there|this|that|these|those|"
    r"any|all|(?-i:[A-Z]))",
    re.IGNORECASE,
)
_ENDS = "?？。.!！ "
_MOST = 4


def broadened(question: str) -> str:
    """The question without years, quarters and dates; as it is where it has none."""
    chinese = language(question) == "zh"
    text = question.strip()
    for detail in _DETAILS:
        text = detail.sub("" if chinese else " ", text)
    text = " ".join(re.sub(r"[（(]\s*[)）]", "", text).split())
    text = re.sub(r"\s+([?.!,;])", r"\1", text).strip(" ,，")
    text = re.sub(r"^的", "", text)
    left = len(subject_words(text)) > 1 or names(text)  # more than "What happened?"
    return text if left else question.strip()


def taken_apart(question: str) -> list[str]:
    """The questions that it joins; the question itself where it joins none."""
    chinese = language(question) == "zh"
    joint, ends = (_ZH_JOINT, "？") if chinese else (_EN_JOINT, "?")
    text, found = question.strip(), list[str]()
    start = 0
    for match in joint.finditer(text):
        left, right = text[start : match.start()], text[match.end() :]
        if len(found) < _MOST - 1 and _is_one(left) and _is_one(right):
            found.append(left)
            start = match.end()
    if not found:
        return [text]
    return [part.strip(_ENDS) + ends for part in (*found, text[start:])]


def _is_one(text: str) -> bool:
    """Whether it is a question of its own."""
    text = text.strip(_ENDS)
    begins = asks(text) if language(text) == "zh" else _BEGINS.match(text) is not None
    return begins and _says_something(text)


def _says_something(text: str) -> bool:
    """More than a question word."""
    return len(tokens(text)) > 1 and bool(subject_words(text))
