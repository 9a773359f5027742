"""The fixed replies: the exact words that a prompt asks for, and how a model's own wording of them is read."""

import re
from collections.abc import Mapping

from chains.prompt import Language
from ingest.text.sentences import sentences

LONGEST = 240  # characters: a longer reply says something

# Said when the documents do not answer; also the text of a refusal.
NOT_FOUND: Mapping[Language, str] = {"en": "Not in these documents.", "zh": "这些文档中没有答案。"}
# Said by a map call whose source has nothing for the question.
NOTHING: Mapping[Language, str] = {"en": "NOTHING HERE", "zh": "没有相关内容"}
# Said by a refine call whose sources add nothing to the draft.
UNCHANGED: Mapping[Language, str] = {"en": "NO CHANGE", "zh": "无需修改"}

# What was read, as a model calls it.
_READ = (
    r"(?:(?:the|these|this|those|your|any of the|either of the) )?"
    r"(?:(?:provided|given|cited|above|available|retrieved) )*"
    r"(?:document|source|passage|context|text|excerpt|information|material|report|book|filing|article|page|note)s?"
    r"(?: (?:that (?:is|are|was|were) )?(?:provided|given|above|available|cited|here))?"
)
_TELLS = r"(?:mention|say|state|specify|answer|describe|discuss|indicate|tell|explain)"
_HOLDS = r"(?:contain|provide|include|give|address|cover)"  # what a policy or a price does too
_SAYS = rf"(?:{_TELLS}|{_HOLDS})"
_NOT = r"(?:\w+ )?(?:does not|do not|did not|doesn't|don't|didn't|cannot|fails? to)(?: \w+)?"
_SAID = r"(?:found|mentioned|stated|given|answered|said|specified|described|provided|discussed|contained|covered)"
_ZH_READ = r"(?:文档|文中|文件|资料|来源|段落|上下文|材料|文本|报告|(?<![明证议定约])书)(?:里|中|内)?"
# What may stand before it: "Sorry, …", "Based on the sources, …".
_LEAD = (
    r"(?:(?:(?:i(?:'m| am) |we(?:'re| are) )?(?:sorry|afraid)|unfortunately|i apologi[sz]e|no|answer|based on"
    r"|according to|from|given|in|judging by|as far as)\b[^,.:;]{0,60}[,:;]\s*"
    r"|(?:i'm|i am) (?:sorry|afraid),? (?:but |that )?|unfortunately |sorry |but |however,? )*"
)
_ZH_LEAD = r"(?:(?:很?抱歉|对不起|很遗憾)[，,]?\s*)?(?:(?:根据|从|依据|由于)[^。，；]{0,30}[，,]?\s*)?(?:我|我们)?"
# A sentence that says that there is no answer: what was read does not say it, or the writer does not know it. That
# somebody in the documents does not answer, or was given no information, is an answer.
_REFUSALS = (
    rf"not (?:\w+ )?(?:in|by|from) {_READ}",
    r"(?:i|we) (?:do not|don't|cannot|can't|(?:am|are) (?:unable|not able) to|could not|couldn't|did not|didn't)"
    r"(?: \w+)? (?:know|answer|find|determine|tell|say|see|have)\b",
    rf"(?:{_READ}|it|they|this) {_NOT} {_TELLS}\b",
    rf"(?:none|neither|nothing)(?: of| in)? (?:{_READ}|them|it) (?:\w+ )?{_SAYS}(?:s|es)?\b",
    r"(?:there (?:is|are|was) )?(?:no|not enough|insufficient) (?:\w+ )?(?:information|answer|mention|evidence|data)\b"
    r"(?: (?:is|was|could be|can be|has been))?(?: (?:available|provided|found|given|mentioned))?"
    r"(?:\W*$| (?:in|of|about|on|regarding|concerning|for|from|to answer|whether|as to)\b)",
    r"(?:the|this|your|that) (?:answer|question)(?: \w+)? (?:is not|isn't|cannot be|can't be|could not be|was not) "
    rf"(?:\w+ )?(?:{_SAID}|in|determined|known)\b",
    rf"[^.;]{{0,160}}(?:\bnot|n't|\bnowhere|\bnever)(?: \w+)? {_SAID} (?:anywhere )?(?:in|by) {_READ}",
    r"(?:unknown|n/?a|no answer|unanswerable)\W*$",
    rf"{_ZH_LEAD}(?:无法|不能)(?:据此|从中|直接)?(?:回答|确定|得知|判断|从|找到|提供)",
    rf"{_ZH_LEAD}(?:并)?不(?:知道|清楚|确定)",
    rf"{_ZH_LEAD}(?:并)?(?:没有|未)(?:能)?(?:找到|提到|提及|相关|答案|说明)",
    rf"[^。；]{{0,12}}{_ZH_READ}[^。；，]{{0,12}}(?:没有|未|无法|不)[^。；]{{0,12}}"
    r"(?:答案|提及|提到|说明|找到|信息|回答|包含|给出|提供)",
    rf"[^。；]{{0,12}}{_ZH_READ}(?:都|均|并)?没有\W*$",
)
# What says so where no words of the page are quoted for it, and where no page is named for it: "The document does not
# contain a signature [1: “No signature was found”]" and "None [1]" are answers.
_UNQUOTED = (rf"{_READ} {_NOT} {_HOLDS}\b",)
_UNMARKED = (rf"(?:it|they|this) {_NOT} {_HOLDS}\b", r"none\W*$")


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"^\W*{_LEAD}(?:{'|'.join(patterns)})", re.IGNORECASE)


_REFUSAL = _any_of(*_REFUSALS)  # of what quotes
_MARKED_REFUSAL = _any_of(*_REFUSALS, *_UNQUOTED)
_BARE_REFUSAL = _any_of(*_REFUSALS, *_UNQUOTED, *_UNMARKED)
# What follows in the same sentence is the answer: "does not mention 2017, but gives 5.0 for 2018".
GOES_ON = re.compile(r"\b(?:but|however|though|although|yet|instead|rather)\b|但|不过|然而|而是", re.IGNORECASE)
# "If the documents do not answer, it says so" tells what happens then.
_SUPPOSES = re.compile(r"^\W*(?:(?:if|when|where|whenever|unless|should)\b|如果|假如|若|倘若|一旦|要是)", re.IGNORECASE)
_NOTHING = re.compile(
    r"^\W*(?:nothing(?: here| relevant| found)?|没有相关(?:内容|信息)?|无相关(?:内容|信息)?)\W*$", re.IGNORECASE
)
# The very words that were asked for, with a reason behind them that cites nothing.
_NOTHING_BECAUSE = re.compile(r"^\W*(?:NOTHING HERE|没有相关内容)(?=\W)")
_UNCHANGED = re.compile(
    r"^\W*(?:no (?:further |other )?changes?(?: to the (?:draft|answer|summary))?(?: (?:is|are|was|were))?"
    r"(?: needed| required| necessary| made)?|(?:the (?:draft|answer|summary) )?(?:remains |stays |is )?unchanged"
    r"|(?:草稿|答案|摘要)?(?:无需|无须|不需要?)修改|不变|没有变化|保持不变)(?=\W*$|\s*[.:;,!—–(\n。：；，！（\[-])",
    re.IGNORECASE,
)
# The very words that were asked for, whatever stands behind them.
_UNCHANGED_BECAUSE = re.compile(r"^\W*(?:NO CHANGE|无需修改)(?![A-Za-z])")
_MARK = re.compile(r"\[\d+[^\]]*\]")
_QUOTING = re.compile(r"\[\d+\s*[:：][^\]]*\w[^\]]*\]")


def is_refusal(text: str, quoted: bool = False) -> bool:
    """Whether a reply as a whole says that there is no answer, with or without marks.

    `quoted`: its marks quoted words, where `text` no longer has these.

    A short reply whose first sentence says so is one; where it cites, all its sentences have to. One that goes on after
    saying what is missing answers: "The report does not mention 2017, but gives 5.0 for 2018 [2]."
    """
    said = _MARK.sub("", text).replace("’", "'").strip()
    if not said:
        return True
    if len(said) >= LONGEST:
        return False
    parts = [said[start:end] for start, end in sentences(said)]
    if not _MARK.search(text):
        return _BARE_REFUSAL.match(parts[0]) is not None and not _SUPPOSES.match(parts[0])
    pattern = _REFUSAL if quoted or _QUOTING.search(text) else _MARKED_REFUSAL
    return all(_refuses(part, pattern) for part in parts if re.search(r"\w", part))


def _refuses(sentence: str, pattern: re.Pattern[str]) -> bool:
    found = None if _SUPPOSES.match(sentence) else pattern.match(sentence)
    return found is not None and not GOES_ON.search(sentence, found.end())


def is_nothing(text: str) -> bool:
    """Whether a map call says that its source has nothing, also with a mark or a reason behind it."""
    said = _MARK.sub("", text).strip()
    if not said or _NOTHING.match(said):
        return True
    return is_refusal(text) or (not _MARK.search(text) and _NOTHING_BECAUSE.match(said) is not None)


def is_unchanged(text: str) -> bool:
    """Whether a refine call leaves the draft as it is. Words after that are its reasons and not a draft."""
    said = text.strip()
    return _UNCHANGED.match(said) is not None or _UNCHANGED_BECAUSE.match(said) is not None
