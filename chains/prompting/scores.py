"""Ask for a score, read a score. Models write "Score: 90", "**Score: 8/10**", "得分：85分", "0.9", JSON, or none.

A server that can be told what a reply must look like gets a schema; whatever comes is read by the same tolerant reader.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from chains.prompt import Language, Schema

_SCALE: Mapping[Language, str] = {
    "en": "how well this one source answers the whole question, from 0 (not at all) to 100 (completely, in its own "
    "words)",
    "zh": "这一条来源对整个问题的回答程度，从 0（完全没有回答）到 100（用原文完整回答）",
}
_LINE: Mapping[Schema, Mapping[Language, str]] = {
    "answer_and_score": {
        "en": "After your answer write one last line that says {scale}, like this:\nScore: 85/100",
        "zh": "回答之后另起最后一行，给出{scale}，格式为：\n得分：85/100",
    },
    "score": {
        "en": "Write one line that says {scale}, and nothing else, like this:\nScore: 85/100",
        "zh": "只写一行，给出{scale}，不要写别的，格式为：\n得分：85/100",
    },
}
_JSON: Mapping[Schema, Mapping[Language, str]] = {
    "answer_and_score": {
        "en": 'Reply with one JSON object and nothing else: under "answer" your answer, under "score_of_100" {scale}, '
        'like this:\n{{"answer": "…", "score_of_100": 85}}',
        "zh": '只回复一个 JSON 对象，不要写别的："answer" 是你的回答，"score_of_100" 是{scale}，格式为：\n'
        '{{"answer": "…", "score_of_100": 85}}',
    },
    "score": {
        "en": 'Reply with one JSON object and nothing else: under "score_of_100" {scale}, like this:\n'
        '{{"score_of_100": 85}}',
        "zh": '只回复一个 JSON 对象，不要写别的："score_of_100" 是{scale}，格式为：\n{{"score_of_100": 85}}',
    },
}
_FIELDS: Mapping[Schema, Mapping[str, Mapping[str, str]]] = {
    "answer_and_score": {"answer": {"type": "string"}, "score_of_100": {"type": "integer"}},
    "score": {"score_of_100": {"type": "integer"}},
}
# Only what every server's schemas know: no minimum and no maximum, which some refuse; the reader checks them. The
# answer stands before its score, so that the score is one of what was written and not the other way round.
SCHEMAS: Mapping[Schema, Mapping[str, object]] = {
    name: {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
    for name, fields in _FIELDS.items()
}

# Written in full width by Chinese models; of equal length, so that places in the text stay true.
_NARROW = str.maketrans("０１２３４５６７８９：／％．＝－（）［］", "0123456789:/%.=-()[]")
_LABEL = r"(?:score|rating|relevance|confidence|得分|评分|打分|分数|分值)"
_NUMBER = (
    r"(?P<sign>-)?(?P<number>\d+(?:\.\d+)?)(?:\s*(?P<percent>%)|[\s*_]*(?:/|out\s+of|of)[\s*_]*(?P<of>\d+(?:\.\d+)?)|\s*分)?"
)
_VALUE = rf"[*_`\"'(\[\s]*(?:{_NUMBER}|(?P<none>n\s*/\s*a|none|无|不适用))(?![\d.]*\d)[*_`\"')\]]*"
# "(0-10)", "(out of 5)", "(a guess)"
_SCALED = r"\((?:(?:\d+\s*(?:-|–|to|至|到)|(?:out\s+)?of|满分)\s*(?P<scale>\d+)\s*分?|[^)\n]*)\)"
_LINE_START = r"(?:^|\n)[ \t]*[*_#>`\"'(\[\-•\s]*"
# "Score: 90" and "final score is 90" with the words that may stand between; at the head of a line also "Score 90".
_AT_LINE = re.compile(
    rf"{_LINE_START}(?:\w+[ \t]+)?{_LABEL}[*_`\"' \t]*(?:{_SCALED})?[*_`\"' \t]*(?::|=|-|–|is\b|为|是)?{_VALUE}", re.I
)
_ANYWHERE = re.compile(rf"[(\[]?{_LABEL}[*_`\"' \t]*(?::|=){_VALUE}[.。)\]]*", re.I)
_ALONE = re.compile(rf"{_LINE_START}{_VALUE}[ \t.。]*(?=\n|$)", re.I)
_ONLY = re.compile(rf"^[^\d\n]*?{_VALUE}[^\d\n]*$", re.I)  # one line with one number
_CUT_ANSWER = re.compile(r'\{\s*"(?:answer|text|回答|答案)"\s*:\s*"((?:[^"\\]|\\.?)*)', re.I | re.S)
_ANSWER = re.compile(r"^[*_#\s]*(?:answer|回答|答案|答)[*_]*\s*[:：][*_]*\s*", re.I)


# "On a scale from 0 to 100: 85", "满分100分，得分85分": the scale before the score.
_BEFORE = re.compile(
    rf"(?:(?:on|using) a )?scale (?:of|from) \d+ (?:to|-|–) (?P<a>\d+)(?!\d)\s*[:,]?\s*(?P<x>\d+(?:\.\d+)?)(?![\d/%])"
    rf"|满分(?:为|是)?\s*(?P<b>\d+)(?!\d)\s*分?[，,；;。\s]*{_LABEL}?\s*[为是:]?\s*(?P<y>\d+(?:\.\d+)?)(?![\d/%])\s*分?",
    re.I,
)
_MARK = re.compile(r"\[\d+[^\]\n]*\]")
TEN = 10.0


@dataclass(frozen=True)
class Vote:
    """A reply read: its answer without the score, and the number as it was written, of how many ("of" 0: not said).

    Where it is not said, it is of the 100 that were asked for, unless all of a run count `by_ten`; a fraction between 0
    and 1 is of 1.
    """

    answer: str
    number: float | None = None
    of: float = 0.0

    @property
    def score(self) -> float | None:
        """0 to 100; None where there is none."""
        if self.number is None:
            return None
        of = self.of or (1.0 if 0 < self.number < 1 else 100.0)
        return 100.0 * self.number / of if self.number <= of else None


def by_ten(votes: Collection[Vote]) -> bool:
    """Whether a model has counted to ten without saying so: no vote says of how many, none is over ten, one over five.

    A best of five or less is low by both scales.
    """
    numbers = [vote.number for vote in votes if vote.number is not None and not vote.of]
    said = any(vote.of for vote in votes)
    return not said and bool(numbers) and TEN / 2 < max(numbers) <= TEN and not any(0 < n < 1 for n in numbers)


def rule(schema: Schema, language: Language, structured: bool) -> str:
    """What is said to the model. `structured`: its reply will be made to fit the schema."""
    return (_JSON if structured else _LINE)[schema][language].format(scale=_SCALE[language])


def read(reply: str) -> Vote:
    """The answer, all its lines, and the score wherever it stands: last, first, or in JSON. Never raises."""
    return _from_json(reply) or _from_text(reply.strip())


def read_score(reply: str) -> Vote:
    """The reply of somebody who was asked for a score alone: then a number by itself is one. Never raises."""
    vote = read(reply)
    if vote.number is None and "{" not in reply:
        narrow = reply.translate(_NARROW)
        unmarked = _MARK.sub("", narrow)  # "It answers [1]." is no score of 1, "[85]" is one
        if (alone := _ONLY.search(unmarked if re.search(r"\w", unmarked) else narrow)) is not None:
            return Vote("", *_number(alone))
    return vote


def _from_text(reply: str) -> Vote:
    narrow = reply.translate(_NARROW)
    if scaled := _BEFORE.search(narrow):
        number, of = float(scaled["x"] or scaled["y"]), float(scaled["a"] or scaled["b"])
        if number <= of:
            return Vote(_answer(reply[: scaled.start()] + reply[scaled.end() :]), number, of)
    found = [*_AT_LINE.finditer(narrow)][-1:] or [*_ANYWHERE.finditer(narrow)][-1:] or _alone(narrow)
    if not found:
        return Vote(_answer(reply))
    match = found[0]
    before, after = reply[: match.start()], reply[match.end() :]
    rest, _, below = after.partition("\n")
    # What follows the score on its line is about the score, unless there is no other answer.
    answer = "\n".join(part for part in (before.strip(), below.strip()) if part) or rest.lstrip(
        " \t.。,，;；:：*_-)）]"
    )
    return Vote(_answer(answer), *_number(match))


def _alone(narrow: str) -> list[re.Match[str]]:
    """A first or last line that is nothing but a value, beside at least one line that is more."""
    if len(narrow.splitlines()) < 2:
        return []
    matches = [m for m in _ALONE.finditer(narrow) if m.end() == len(narrow) or m.start() == 0]
    return matches[-1:]


def _number(match: re.Match[str]) -> tuple[float | None, float]:
    if match["number"] is None or match["sign"]:
        return None, 0.0
    number = float(match["number"])
    scale = match.groupdict().get("scale")
    of = 100.0 if match["percent"] else float(match["of"] or scale or 0.0)
    return (number, of) if number <= (of or 100.0) else (None, 0.0)


def _from_json(reply: str) -> Vote | None:
    start, end = reply.find("{"), reply.rfind("}")
    if start < 0:
        return None
    try:
        data = json.loads(reply[start : end + 1], strict=False)  # a line break inside an answer is no fault
    except (ValueError, RecursionError):
        return _from_cut_json(reply[start:])
    if not isinstance(data, dict):
        return None
    fields = {str(key).strip().lower(): value for key, value in data.items()}
    name = next((key for key in fields if re.fullmatch(rf"(?:\w+[_ ])?{_LABEL}(?:_of_100)?", key)), "")
    answer = next((value for key, value in fields.items() if key in ("answer", "text", "回答", "答案")), None)
    if not name and answer is None:
        return None
    match = re.fullmatch(_VALUE + r"\s*", str(fields.get(name)).translate(_NARROW).strip(), re.I)
    number, of = _number(match) if match else (None, 0.0)
    if name.endswith("_of_100") and number is not None and not of and not 0 < number < 1:
        of = 100.0
    return Vote(_answer(str(answer or "")), number, of)


def _from_cut_json(reply: str) -> Vote | None:
    """An object that ended in the middle, at the longest reply: as much of its answer as came, without a score."""
    begun = _CUT_ANSWER.match(reply)
    if begun is None:
        return None
    text = re.sub(r"\\(?:u[0-9a-fA-F]{0,3})?$", "", begun[1])  # an escape that was cut in two
    try:
        return Vote(_answer(str(json.loads(f'"{text}"', strict=False))))
    except ValueError:
        return None


def _answer(text: str) -> str:
    return _ANSWER.sub("", text.strip()).strip(" \n`")
