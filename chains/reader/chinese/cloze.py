"""A Chinese question as a sentence with a hole: what kind of thing is asked for, and which words stand beside it.

"陶街位于何地？" is "陶街位于" + hole, of the kind "where". Simplified and traditional characters alike.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chains.reader.chinese.characters import folded

_WHAT = "(?:什[么麼]|甚[麼么]|何[种種])"
_NAMES = (
    "名字|名[称稱]|别[名称]|別[名稱]|[学學本原笔筆艺藝全英文]名|全[称稱]|[简簡俗]称|[簡俗]稱|外号|外號|绰号|綽號|[称稱][号號]|字号|[被又也][称稱]|[称稱誉譽命改取]"
)
_DESCRIBED = (
    "[特优優缺]点|[優特缺]點|特[征徵色性]|影响|影響|作用|意[思义義]|[内內]容|条件|條件|要求|[区區][别別]|情[况況节節]|[关關][系係]|贡献|貢獻|成就|目的|用途|功能"
    "|[结結]果|方法|方式|措施|[规規]定|定[义義]|概念|含[义義]|[标標][准準]|[过過]程|性[质質]|[剧劇]情|背景|主旨|看法|理由|故事|[经經][历歷]|[变變]化"
)
# The first kind that fits is taken. Its match, or the group "hole" of it, is the hole.
_KINDS: Sequence[tuple[str, str]] = (
    (
        "why",
        "(?<![称稱誉譽名定认認视視改命作评評译譯封選选])[为為]什[么麼]|[为為]何|因何|[为為]啥"
        "|(?:什[么麼]|何[种種]|哪些)?(?:原因|[缘緣]故)",
    ),
    (
        "when",
        "什[么麼](?:时[候间期]|時[候間期])|甚麼時候|何[时時年]|哪一?[个個]?(?:[年天日月]份?|时候|時候)|[几幾][月日时時]"
        "|(?<=[时時][间間][是为為])$|(?<=日期[是为為])$",
    ),
    ("number", "多少|第?[几幾](?:个|個)?|多[大长長高远遠久宽寬深重快厚]"),
    ("where", "哪[里儿裡裏兒]|何[地处處方]|什[么麼]地[方点點]|哪一?[个個]?(?=[省市县縣国國区區城州镇鎮村地洲])"),
    ("who", "谁|誰|何人|哪一?[位名]|什[么麼]人|哪一?[个個]人"),
    ("name", f"(?:{_NAMES})[叫是为為作做]*(?P<hole>{_WHAT})|叫[做作]?(?P<hole_>{_WHAT})"),
    (
        "describe",
        f"(?:{_WHAT}|哪些|哪[种種])(?={_DESCRIBED})|(?:{_DESCRIBED})[都分别別]*[是有为為]*(?P<hole>{_WHAT}|哪些)",
    ),
    ("list", "哪些|哪[几幾两兩二三四五六七八九十]+[^\\W\\d_]?"),
    ("how", "如何|怎样|怎樣|怎[么麼]样?|何以|什[么麼][样樣]"),
    ("which", "哪一?[个個种種类類所家部座条條项項支本款届屆场場次间間首张張名方级級处處]?"),
    ("what", f"(?:些|是)?{_WHAT}|何|啥"),
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


    @property
    def before(self) -> str:
        """The last word before the hole, or its last two characters; ""."""
        return _last_word(self.text[: self.lean])

    @property
    def after(self) -> str:
        """The first two characters that follow the hole and its noun; ""."""
        rest = self.text[self.end + len(self.noun) :].lstrip(_LEANS + "，, ")
        return rest[:2] if len(rest) > 1 else ""


def _last_word(text: str) -> str:
    latin = re.search(r"[a-z0-9]+$", text)
    return latin[0] if latin else text[-2:] if len(text) > 1 else ""


def asked(question: str) -> Asked:
    """The question's kind and hole; where nothing asks, the hole is its end."""
    text = folded(question.strip().rstrip("?？。.!！ 　"))
    for kind, pattern in _HOLES:
        match = pattern.search(text)
        if match:
            start, end = match.span(match.lastgroup or 0)
            noun = _NOUN.match(text, end)
            return Asked(text, kind, start, end, noun[0] if noun else "")
    kind = "whether" if _WHETHER.search(text) else "other"
    return Asked(text, kind, len(text), len(text), "")
