"""A Chinese question as a sentence with a hole: what kind of thing is asked for, and which words stand beside it.

"陶街位于何地？" is "陶街位于" + hole, of the kind "where". Simplified and traditional characters alike.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# The first kind that fits is taken. Its words are the hole; where "noun" stands, the hole has a noun of its own.
_KINDS: Sequence[tuple[str, str]] = (
    ("why", "为什么|为何|因何|何故|為什[麼么]|為何|为啥|(?:什么|什麼|何种|哪些)?(?:原因|缘故|緣故)"),
    ("when", "什[么麼](?:时[候间期]|時[候間期])|甚麼時候|何[时時年]|哪一?个?[年天日月]份?|几[月日时]|幾[月日時]|哪個?時候"),
    ("number", "多少|第?[几幾](?:个|個)?|多[大长長高远遠久宽寬深重快厚]|何等规模"),
    ("where", "哪[里儿裡裏兒]|何[地处處方]|什[么麼]地[方点點]|哪一?[个個]?(?=[省市县縣国國区區城州镇鎮村地洲])"),
    ("who", "谁|誰|何人|哪一?[位名]|什[么麼]人|哪一?[个個]人"),
    ("list", "哪些|哪[几幾两兩二三四五六]?[种種类類个個所部项項方]?(?=.{0,4}分别)|哪[几幾两兩二三四五六七八九十]+[^\\W\\d_]?"),
    ("how", "如何|怎样|怎樣|怎[么麼]样?|何以|什[么麼]样|什[么麼]樣"),
    ("which", "哪一?[个個种種类類所家部座条條项項支本款届屆场場次间間首张張名方级級处處]?"),
    ("what", "(?:些|是|叫)?什[么麼]|甚[麼么]|何种|何種|何|啥"),
)
KINDS = (*(name for name, _ in _KINDS), "whether", "other")
_HOLES = tuple((name, re.compile(pattern)) for name, pattern in _KINDS)
_WHETHER = re.compile("是否|有没有|有沒有|能否|可否|是不是|会不会|吗[？?]?$|嗎[？?]?$")
_NOUN = re.compile(r"[^\W\d_的是在于於了有和与與及为為而]{1,4}")
_LEANS = "是在于於为為有叫由被以的了称稱"  # words that lead to the hole, and that a passage says otherwise


@dataclass(frozen=True)
class Asked:
    """A question, folded: [start, end) is its hole."""

    text: str
    kind: str  # one of KINDS
    start: int
    end: int
    noun: str  # what follows the hole and names its kind: 大学 of 哪所大学; or ""

    @property
    def lean(self) -> int:
        """Where the words before the hole end, without those that only lead to it."""
        at = self.start
        while at and self.text[at - 1] in _LEANS:
            at -= 1
        return at


def folded(text: str) -> str:
    """Character for character: lower case, full-width letters and digits as narrow ones."""
    if text.isascii():
        return text.lower() if len(text.lower()) == len(text) else text
    return "".join(map(_folded, text))


def _folded(character: str) -> str:
    if "\u4e00" <= character <= "\u9fff":
        return character
    plain = unicodedata.normalize("NFKC", character).lower()
    return plain if len(plain) == 1 else character


def asked(question: str) -> Asked:
    """The question's kind and hole; where nothing asks, the hole is its end."""
    text = folded(question.strip().rstrip("?？。.!！ 　"))
    for kind, pattern in _HOLES:
        match = pattern.search(text)
        if match:
            noun = _NOUN.match(text, match.end())
            return Asked(text, kind, match.start(), match.end(), noun[0] if noun else "")
    kind = "whether" if _WHETHER.search(text) else "other"
    return Asked(text, kind, len(text), len(text), "")
