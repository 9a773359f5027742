"""The language that a question asks to be answered in: "… Answer in Chinese.", "in English please", "请用中文回答".

Only what speaks to whoever answers counts: "Which documents are in Chinese?", "他用英文回答了什么？" and "Who can read
and write in English?" ask for none.
"""

import re

from chains.prompts import Language, Wanted
from ingest.tokens import han_share, language

_LANGUAGE = r"(?:simplified |mandarin )?(?P<{0}>chinese|mandarin|english|中文|英文)(?: language)?"
_HAN_LANGUAGE = r"(?P<{0}>简体中文|中文|汉语|普通话|英文|英语|chinese|english)"
_ANSWER = r"(?:answer|reply|respond|write)(?: (?:me|this|it|back|the question))?"
_PLEASE = r"(?:(?:please|kindly) |(?:can|could|would|will) you (?:please )?)"
_REPLY = (
    r"(?:来)?(?:回答|回复|作答|答复|答题|回应|告诉我|答)(?!的|了|过|着|者|什么|谁|哪)"
    r"(?:我|一下|问题|这个问题|即可|就行|就好|吧|谢谢)*"
)
_USE = r"(?:请|请你|请您|麻烦|麻烦你)?(?:都|全部|直接)?(?:用|以|使用)"

# Each takes out what asks for the language, and leaves "keep" where that belongs to the question.
_ASKED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # "Please answer in Chinese: what …", "Could you answer in English who …"
        rf"^(?:{_PLEASE}|(?!write)){_ANSWER} in {_LANGUAGE.format('a')}\b(?:,? please)?[\s,.:;!—–-]*",
        # "Explain in Chinese how …", "Summarise in English the …"
        rf"^(?P<keep>{_PLEASE}?(?:explain|summari[sz]e|tell me|describe|outline|say))(?=,? in )"
        rf",? in {_LANGUAGE.format('b')}\b,?",
        # "…? Answer in Chinese.", "… (please reply in English)", "…, please answer in English"
        rf"(?:(?<=[.?!;:。？！；：\n(（])|^|[,，](?= ?(?:please|kindly)))[\s(（]*{_PLEASE}?{_ANSWER} in "
        rf"{_LANGUAGE.format('c')}\b(?:,? please)?[\s.!)）?]*$",
        # "… in English please", "…? In Chinese.", "In English, please: …"
        rf"(?s:^(?!(?:is|are|was|were"
        rf"|which)\b)(?P<keep3>.*?))[\s,(（]*\bin {_LANGUAGE.format('d')},? please[\s.!)）?]*$",
        rf"(?:(?<=[.?!。？！\n])|^)[\s(（]*(?:please )?in {_LANGUAGE.format('e')}[\s.!)）]*$",
        rf"^in {_LANGUAGE.format('f')}(?:,? please\b[\s,:]*|\s*:\s*)",
        rf"(?:(?<=[.?!。？！\n(（])|^)[\s(（]*(?:your|the) (?:answer|reply) (?:should|must|is to) be in "
        rf"{_LANGUAGE.format('g')}[\s.!)）]*$",
        # 请用中文回答……, ……？用英文回答, ……，请用中文
        rf"^{_USE}\s*{_HAN_LANGUAGE.format('h')}\s*{_REPLY}[\s，,。：:；;！!]*",
        rf"(?:(?<=[，,。？?！!；;：:（(\s])|^){_USE}\s*{_HAN_LANGUAGE.format('i')}\s*{_REPLY}[\s。.！!）)]*$",
        rf"(?:(?<=[，,。？?！!；;：:（(\s])|^)(?:请|请你|请您|麻烦)(?:用|以|使用)\s*{_HAN_LANGUAGE.format('j')}[\s。.！!）)]*$",
        rf"(?:(?<=[。？?！!；;（(\s])|^)(?:用)?{_HAN_LANGUAGE.format('k')}(?:回答|作答|回复)[\s。.！!）)]*$",
        rf"^(?:请|麻烦)(?:用|以|使用)\s*{_HAN_LANGUAGE.format('l')}[，,：:]\s*",
        rf"^(?:用|说){_HAN_LANGUAGE.format('o')}(?:吧|谢谢)?[。.!！]*$",
        # 请用中文概括第三章 → 请概括第三章
        rf"^(?P<keep2>请|麻烦你?)(?:用|以|使用)\s*{_HAN_LANGUAGE.format('m')}\s*(?=概括|总结|说明|解释|介绍|描述|列出|写)",
        rf"(?:(?<=[，,。？?！!；;：:（(\s])|^)(?:你的)?(?:答案|回答|回复)(?:请|要|应|需要|必须)?(?:用|使用|以)\s*{_HAN_LANGUAGE.format('n')}"
        rf"[\s。.！!）)]*$",
    )
)
_LEAST = 20  # letters in which a language shows; a name or a number is in none
_FEW, _MOST = 0.05, 0.5  # shares of Chinese among the letters, up to which and from which a text is one or the other
_CHINESE = re.compile(r"chinese|mandarin|中|汉|普通", re.IGNORECASE)


# Words of most English questions that no other language has which is written in these letters.
_ENGLISH = re.compile(
    r"\b(?:the|what|who|whom|whose|which|why|how|when|where|does|did|were|been|could|should|would|and|from|with|this|that|these|"
    r"those|its|their|there|about|between|than|tell|explain|describe|summari[sz]e|many|much)\b",
    re.IGNORECASE,
)
_KANA = re.compile(r"[\u3040-\u30ff]")  # Japanese has Chinese characters too


def of(text: str) -> Wanted:
    """The language that a question or a document is in, for its answer; "own" where it shows neither of the others."""
    if language(text) == "zh" and not _KANA.search(text):
        return "zh"
    return "en" if _ENGLISH.search(text) or not any(map(str.isalpha, text)) else "own"


def asked_for(question: str) -> tuple[str, Language | None]:
    """The question without the words that ask for a language, and that language; None where it asks for none.

    The rest is "" where nothing else was asked: "In English, please."
    """
    text = question.strip()
    for pattern in _ASKED:
        found = pattern.search(text)
        if found is None:
            continue
        groups = {name: value for name, value in found.groupdict().items() if value}
        kept = "".join(groups.pop(name, "") for name in ("keep", "keep2", "keep3"))
        rest = f"{text[: found.start()]}{kept}{text[found.end() :]}".strip(" \t\n,，;；:：(（")
        language: Language = "zh" if _CHINESE.search("".join(groups.values())) else "en"
        return (rest if re.search(r"\w", rest) else ""), language
    return question, None


def written_in(text: str) -> Language | None:
    """The language of an answer; None where it is too short, or too mixed, to say."""
    letters, share = sum(c.isalpha() for c in text), han_share(text)
    if share >= _MOST and letters * 4 >= _LEAST:  # a Chinese character says as much as some letters
        return "zh"
    return "en" if share <= _FEW and letters >= _LEAST else None
