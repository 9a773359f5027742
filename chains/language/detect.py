"""Which language an answer is to be in: the one that the question asks for, else its own.

"… Answer in Chinese.", "in English please" and "请用中文回答" ask for one (`asked_for`); names, titles and
quotations in another language do not tell which the question is in (`of`).

Only what speaks to whoever answers counts: "Which documents are in Chinese?", "他用英文回答了什么？" and "Who can read
and write in English?" ask for none.
"""

import re

from chains.language.lexicon import ASKING_HAN
from chains.prompt import Language, Wanted
from ingest.text.search_tokens import han_share, language

_LANGUAGE = (
    r"(?:simplified |traditional |mandarin )?(?P<{0}>chinese|mandarin|english|中文|英文)(?: language)?(?: only)?"
)
_HAN_LANGUAGE = r"(?P<{0}>简体中文|中文|汉语|普通话|英文|英语|chinese|english)"
_ANSWER = r"(?:answer|reply|respond|write|give (?:me )?(?:your|the|an) answer)(?: (?:me|this|it|back|the question))?"
_OTHER = re.compile(
    rf"(?:(?<=[.?!;:\n(（])|^)[\s(（]*(?i:(?:please )?{_ANSWER}) in [A-Z][a-z]{{3,}}(?:,? please)?[\s.!)）]*$"
    r"|用(?:日|法|德|俄|韩|葡萄牙|西班牙|意大利|阿拉伯)[语文](?:回答|作答|回复|答复)"
)
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
        rf"^(?:{_PLEASE}|(?!write)){_ANSWER} in {_LANGUAGE.format('a')}\b(?:,? please)?"
        r"(?: and [^:：?？.]{1,60}(?=[:：]))?[\s,.:;!—–-]*",
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
        rf"(?:(?<=[.?!。？！\n])|^)\s*(?:please )?use {_LANGUAGE.format('q')} (?:for|in) (?:your|the) "
        r"(?:answer|reply)[\s.!]*$",
        rf"^你?(?:可以|能不能|能否|可否|能)(?:请)?用{_HAN_LANGUAGE.format('r')}(?:回答|告诉我)[\s，,：:]*"
        r"(?P<keep4>.*?)吗?[？?]?$",
        rf"\s*[(（](?:please )?in {_LANGUAGE.format('p')}[)）][\s.!?？]*$",
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
        rf"^(?P<keep2>请|麻烦你?|)(?:用|以|使用)\s*{_HAN_LANGUAGE.format('m')}"
        r"\s*(?=(?:概括|总结|说明|解释|介绍|描述|列出|写)(?![的了过者成]))",
        rf"(?:(?<=[，,。？?！!；;：:（(\s])|^)(?:你的)?(?:答案|回答|回复)(?:请|要|应|需要|必须)?(?:用|使用|以)\s*{_HAN_LANGUAGE.format('n')}"
        rf"[\s。.！!）)]*$",
    )
)
_LEAST = 20  # letters in which a language shows; a name or a number is in none
_FEW, _MOST = 0.05, 0.5  # shares of Chinese among the letters, up to which and from which a text is one or the other
_CHINESE = re.compile(r"chinese|mandarin|中|汉|普通", re.IGNORECASE)


# Words of English sentences that no other language has which is written in these letters, and the least share of a
# text's words that they are in one (an eighth, mostly).
_ENGLISH = frozenset(
    re.findall(
        r"\w+",
        """the what who whom whose which why how when where does did were been could should would and from with this
        that these those its their there about between than tell explain describe summarise summarize many much""",
    )
)
_SHARE = 0.03
# And words of English that other languages have too: of an English sentence a quarter and more, with those above.
_SHARED = frozenset(
    re.findall(r"\w+", "a an in of is are was to by on at has have do for as or not it be will can i me my")
)
_SENTENCE, _QUARTER = 3, 4  # words, names left out
_QUOTED = re.compile("[\"“”„«《「『][^\"“”«»《》「」『』\n]{1,120}[\"“”»》」』]")
_WORD = re.compile(r"[A-Za-zÀ-ɏ]+(?:['’-][A-Za-zÀ-ɏ]+)*")
# Small words inside a name of several: "The Old Man and the Sea".
_INSIDE = frozenset(("of", "the", "and", "with", "a", "an", "in", "to", "for", "on", "at"))
_NEAR = 20  # characters before a word, in which a sentence's end shows
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]")
_HAN = re.compile(r"[\u3400-\u9fff]")


def of(text: str) -> Wanted:
    """The language that a question or a document is in, for its answer; "own" where it is neither of the others.

    Names, titles and quotations, which may be in any language, do not count.
    """
    rest = _unnamed(text)
    rest = rest if any(map(str.isalpha, rest)) else text
    words = [re.split("['’]", word.lower())[0] for word in _WORD.findall(rest)]
    english = sum(word in _ENGLISH for word in words)
    kana, han = len(_KANA.findall(rest)), len(_HAN.findall(rest))
    if kana * 4 > han:  # Japanese has Chinese characters too, and Chinese names a kana
        return "own"
    if language(rest) == "zh" and (ASKING_HAN.search(rest) or not english):
        return "zh"
    letters = sum(map(str.isalpha, rest))
    if sum(map(len, words)) * 2 < letters:  # neither these letters nor Chinese characters
        return "own"
    return "en" if not letters or english > _SHARE * len(words) else "own"


def alike(one: str, other: str) -> bool:
    """Whether both may be in the same language. A few words may be in any that has their letters."""
    first, second = of(one), of(other)
    if first == second:
        return True
    unknown = next((text for text, language in ((one, first), (other, second)) if language == "own"), "")
    words = [word.lower() for word in _WORD.findall(_unnamed(unknown))]
    few = len(words) < _SENTENCE or _QUARTER * sum(word in _SHARED for word in words) >= len(words)
    return {first, second} == {"en", "own"} and bool(words) and few


def _unnamed(text: str) -> str:
    """Without quotations, words that begin with a capital inside a sentence, and the small ones between two of them."""
    text = _QUOTED.sub(" ", text)
    words = list(_WORD.finditer(text))
    named: set[int] = set()
    last = -2  # the last word of a name that may go on
    for i, word in enumerate(words):
        before = text[max(0, word.start() - _NEAR) : word.start()].rstrip(" \t(（[“\"")[-1:]
        if word[0][0].isupper() and before not in ("", ".", "!", "?", ":", "\n", "。", "！", "？"):
            named.update(range(last + 1, i + 1) if last >= 0 else (i,))
            last = i
        elif last < 0 or word[0] not in _INSIDE or text[words[i - 1].end() : word.start()] not in (" ", "-"):
            last = -2
    pieces, at = [], 0
    for i in sorted(named):
        pieces.append(text[at : words[i].start()])
        at = words[i].end()
    return " ".join([*pieces, text[at:]])


def asked_for(question: str) -> tuple[str, Wanted | None]:
    """The question without the words that ask for a language, and that language; None where it asks for none.

    A third language is "own", and the words that ask for it stay: they say which.

    The rest is "" where nothing else was asked: "In English, please."
    """
    text = question.strip()
    for pattern in _ASKED:
        found = pattern.search(text)
        if found is None:
            continue
        groups = {name: value for name, value in found.groupdict().items() if value}
        kept = "".join(groups.pop(name, "") for name in ("keep", "keep2", "keep3", "keep4"))
        rest = f"{text[: found.start()]}{kept}{text[found.end() :]}".strip(" \t\n,，;；:：(（")
        language: Language = "zh" if _CHINESE.search("".join(groups.values())) else "en"
        return (rest if re.search(r"\w", rest) else ""), language
    return question, "own" if _OTHER.search(text) else None


def written_in(text: str) -> Language | None:
    """The language of an answer; None where it is too short, or too mixed, to say."""
    letters, share = sum(c.isalpha() for c in text), han_share(text)
    if share >= _MOST and letters * 4 >= _LEAST:  # a Chinese character says as much as some letters
        return "zh" if of(text) == "zh" else None
    return "en" if share <= _FEW and letters >= _LEAST and of(text) == "en" else None
