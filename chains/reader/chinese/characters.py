"""Chinese text as arrays of characters: folded, without its line breaks, each character in a class.

Simplified and traditional characters stand side by side in every class; no text is converted.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Classes of the characters beside a span and at its ends.
CLASSES: Sequence[str] = (
    "",  # other
    "。！？!?;；\n",
    "，,",
    "、",
    "：:",
    "（(［[",
    "）)］]",
    "《「『“‘\"<〈",
    "》」』”’>〉",
    "·・•.-－—–~～/",
    "是",
    "为為",
    "于於",
    "在",
    "的",
    "由被",
    "有",
    "和与與及或跟",
    "以用从從自",
    "了着著过過",
    "至到向往",
    "因故",
    "而但则則也又并並",
    "叫称稱名作成",
    "年",
    "月日号號时時",
    "上下中内內里裡间間后後前",
    "其他她它们們这這那该該此",
    "省市县縣区區国國州镇鎮村岛島山河路街",
    "人家员員者士生长長",
    "个個次种種位名部集场場届屆条條",
)
DIGIT, NUMERAL, LATIN, EDGE = (len(CLASSES) + k for k in range(4))
CLASS_COUNT = EDGE + 1
STOPS, OPENING, CLOSING = (1, 2, 3, 4), (5, 7), (6, 8)

_NUMERALS = "一二三四五六七八九十百千万萬亿億两兩零〇第"
_FUNCTION = (
    "的是为為于於在由被以用从從自和与與及或有至到向将將把让讓叫称稱了著着过過因而但则則也又并並对對等其就都当當作成"
    "后後前时時中"
)
_PLACES = "省市县縣区區国國州镇鎮乡鄉村岛島山河湖路街洲港城站府郡道寺宫宮园園馆館院校"
_SURNAMES = (
    "王李张張刘劉陈陳杨楊黄黃赵趙吴吳周徐孙孫马馬朱胡郭何高林罗羅郑鄭梁谢謝宋唐许許韩韓冯馮邓鄧曹彭曾肖蕭萧田董袁潘于蒋蔣"
    "蔡余杜叶葉程苏蘇魏吕呂丁任沈姚卢盧姜崔钟鍾谭譚陆陸汪范金石廖贾賈夏韦韋付方白邹鄒孟熊秦邱江尹薛闫阎閻段雷侯龙龍史陶黎"
    "贺賀顾顧毛郝龚龔邵万萬钱錢严嚴武戴莫孔向汤湯"
)
# Pairs of characters with one of these say little of what a sentence is about.
WEAK = re.compile(
    "[的了吗嗎呢是什么麼哪谁誰几幾多少何为為怎样樣在有和与與及其于於之请請问問该該被把对對从從到以而或这這那些个個候因由也都就"
    "吧啊么如]"
)
DATE = re.compile(
    r"(?:公元前?)?(?:\d{2,4}|[一二三四五六七八九〇零十]{2,4})年(?:(?:\d{1,2}|[一二三四五六七八九十]{1,3})月)?"
    r"(?:(?:\d{1,2}|[一二三四五六七八九十]{1,3})日)?|\d{1,2}月(?:\d{1,2}日)?|\d{1,2}世[纪紀]|\d{2,4}年代"
)
AMOUNT = re.compile(
    r"[约約近超第]?(?:\d[\d,.]*|[一二三四五六七八九十百千两兩]+)(?:多|余|餘)?[十百千万萬亿億]*(?:多|余|餘)?"
    r"(?:%|％|[a-z]{1,3}\b|平方公里|平方千米|公里|公斤|公尺|英里|美元|港元|[^\W\d_a-z])?"
)
QUOTED = re.compile(r"《[^《》]{1,40}》|「[^「」]{1,40}」|『[^『』]{1,40}』|“[^“”]{1,40}”|\"[^\"]{1,40}\"")
COUNTRY = re.compile(
    "中国大?陆?|中國|日本|美国|美國|英国|英國|法国|法國|德国|德國|俄罗斯|俄羅斯|俄国|苏联|蘇聯|意大利|義大利|西班牙|葡萄牙|荷兰|荷蘭"
    "|比利时|比利時|瑞典|瑞士|挪威|丹麦|丹麥|芬兰|芬蘭|冰岛|波兰|波蘭|奥地利|奧地利|匈牙利|捷克|希腊|希臘|土耳其|伊朗|伊拉克|以色列"
    "|埃及|印度尼西亚|印度|印尼|巴基斯坦|泰国|泰國|越南|缅甸|緬甸|柬埔寨|马来西亚|馬來西亞|新加坡|菲律宾|菲律賓|韩国|韓國|朝鲜|朝鮮"
    "|蒙古|澳大利亚|澳洲|新西兰|纽西兰|紐西蘭|加拿大|墨西哥|巴西|阿根廷|智利|秘鲁|秘魯|古巴|南非|爱尔兰|愛爾蘭|苏格兰|蘇格蘭|英格兰"
    "|英格蘭|乌克兰|烏克蘭|罗马尼亚|保加利亚|塞尔维亚|克罗地亚|香港|台湾|台灣|臺灣|澳门|澳門"
)
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_LAST = 0xFFFF  # of the tables below; characters beyond are rare ones, in no class


def folded(text: str) -> str:
    """Character for character: lower case, full-width letters and digits as narrow ones."""
    plain = text.translate(_WIDE)
    lower = plain.lower()
    return lower if len(lower) == len(plain) else "".join(c.lower() if len(c.lower()) == 1 else c for c in plain)


def squeezed(text: str) -> tuple[str, Ints]:
    """The text folded and without white space beside Chinese characters, and where each character stood."""
    low = folded(text)
    kept: list[int] = []
    for match in re.finditer(r"\S+", low):
        start, end = match.span()
        if kept and low[kept[-1]] < "\u2e80" and low[start] < "\u2e80":
            kept.append(start - 1)
        kept.extend(range(start, end))
    if len(kept) < len(low):
        low = "".join([" " if low[i].isspace() else low[i] for i in kept])
    return low, np.array(kept, np.int64)


def codes(text: str) -> Ints:
    """The code points of a text, those beyond the basic plane as the last of it."""
    found: Ints = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
    return np.minimum(found, _LAST)


def _table(characters: Iterable[str]) -> Flags:
    found = np.zeros(_LAST + 1, bool)
    found[[ord(c) for c in characters]] = True
    return found


IS_FUNCTION, IS_PLACE, IS_SURNAME = _table(_FUNCTION), _table(_PLACES), _table(_SURNAMES)
IS_LATIN = _table(map(chr, (32, *range(97, 123))))
IS_NUMBER = _table("0123456789" + _NUMERALS)
IS_DOT = _table("·・")
_CLASS = np.zeros(_LAST + 1, np.int64)
for _k, _group in reversed(list(enumerate(CLASSES))):
    _CLASS[[ord(c) for c in _group]] = _k
for _k, _group in ((DIGIT, "0123456789%％"), (NUMERAL, _NUMERALS), (LATIN, "abcdefghijklmnopqrstuvwxyz")):
    _CLASS[[ord(c) for c in _group]] = _k


def classes(text: Ints) -> Ints:
    """The class of each character. A comma or point between digits is a digit: 1,100; 3.5."""
    found: Ints = _CLASS[text]
    if len(found) > 2:
        inner = np.isin(found[1:-1], (2, 9)) & (found[:-2] == DIGIT) & (found[2:] == DIGIT)
        found[1:-1][inner] = DIGIT
    return found
