"""The fixed replies: the exact words that a prompt asks for, and how a model's own wording of them is read."""

import re
from collections.abc import Mapping

from chains.prompts import Language

# Said when the documents do not answer; also the text of a refusal.
NOT_FOUND: Mapping[Language, str] = {"en": "Not in these documents.", "zh": "这些文档中没有答案。"}
# Said by a map call whose source has nothing for the question.
NOTHING: Mapping[Language, str] = {"en": "NOTHING HERE", "zh": "没有相关内容"}
# Said by a refine call whose sources add nothing to the draft.
UNCHANGED: Mapping[Language, str] = {"en": "NO CHANGE", "zh": "无需修改"}

_REFUSAL = re.compile(
    r"not (?:found |mentioned |stated |given |answered )?(?:in|by) (?:these|the|any of the|this) (?:provided |given )?"
    r"(?:documents?|sources?|passages?|context|text)"
    r"|i (?:do not|don't|cannot|can't|am unable to|am not able to|could not|couldn't)"
    r"(?: \w+)?(?: know| answer| find| determine| tell| say)"
    r"|(?:does|do|did) not (?:contain|mention|provide|include|say|state|specify|answer|give)"
    r"|(?:doesn't|don't|didn't) (?:contain|mention|provide|include|say|state|specify|answer|give)"
    r"|(?:no|not enough|insufficient) (?:relevant |sufficient )?(?:information|answer|mention)"
    r"|^(?:unknown|n/?a|none|no answer|unanswerable)\W*$"
    r"|(?:文档|文中|文件|资料|来源|段落|上下文|材料)[^。]{0,12}(?:没有|未|无法|并未|不)[^。]{0,12}(?:答案|提及|提到|说明|找到|信息|回答|包含|给出|提供)"
    r"|(?:无法|不能)(?:回答|确定|得知|判断|从)|^(?:我)?不知道|没有(?:找到|提到|提及|相关|答案)|未(?:提及|提到|找到|说明)",
    re.IGNORECASE,
)
_NOTHING = re.compile(
    r"^\W*(?:nothing(?: here| relevant| found)?|没有相关(?:内容|信息)?|无相关(?:内容|信息)?)\W*$", re.IGNORECASE
)
# The very words that were asked for, with a reason behind them that cites nothing.
_NOTHING_BECAUSE = re.compile(r"^\W*(?:NOTHING HERE|没有相关内容)(?=\W)")
_UNCHANGED = re.compile(
    r"^\W*(?:no change[sd]?(?: needed| required)?|unchanged|无需修改|无须修改|不变|没有变化|保持不变)\W*", re.IGNORECASE
)
_MARK = re.compile(r"\[\d+[^\]]*\]")


def is_refusal(text: str) -> bool:
    """Whether a reply as a whole says that there is no answer.

    A reply that cites, or that goes on after saying what is missing, answers: "The report does not mention 2017,
    but gives 5.0 for 2018 [2]." Models say "I don't know" in one short sentence.
    """
    said = text.strip()
    if not said:
        return True
    return not _MARK.search(said) and len(said) < 240 and _REFUSAL.search(said.replace("’", "'")) is not None


def is_nothing(text: str) -> bool:
    """Whether a map call says that its source has nothing, also with a mark or a reason behind it."""
    said = _MARK.sub("", text).strip()
    if not said or _NOTHING.match(said):
        return True
    return is_refusal(text) or (not _MARK.search(text) and _NOTHING_BECAUSE.match(said) is not None)


def is_unchanged(text: str) -> bool:
    """Whether a refine call leaves the draft as it is. Words after that are its reasons and not a draft."""
    return _UNCHANGED.match(text.strip()) is not None
