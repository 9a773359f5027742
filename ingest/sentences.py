"""Text → sentences, English and Chinese. Pieces are half-open ranges, so nothing is lost: joined, they are the text."""

import re
from collections.abc import Iterator
from itertools import pairwise

_ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+",
        """mr mrs ms dr prof st jr sr inc ltd co corp no nos vs etc e.g i.e fig figs vol pp p ed eds gen col lt sgt capt
        rev hon jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k u.n approx dept est ca cf al art sec""",
    )
)
# A full stop, then whatever closes with it (quotation marks, brackets, a citation mark), then space; the full-width
# ones need no space. A blank line ends a sentence too, and so does the end of a line of a table or list, which is
# told from wrapped prose in `_line_ends`.
_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s)|[。！？；]+[”’」』）\"']*|\n[ \t]*\n\s*")
_BULLET = re.compile(
    r"[ \t]*(?:[•●▪■◆–—*·-]|\(?\d{1,3}[.)、．]|（?[一二三四五六七八九十]{1,3}[）、]|\(?[a-z]\))[ \t]*\S?"
)
_HEADS = re.compile(r"[^\W\d_a-zà-öø-ÿ]")  # a capital, or a character of a script without them
_NUMBER = re.compile(r"[\d%$€£¥)）]\s*$|^\s*[$€£¥(]?\d")


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """The sentences of `text` as ranges [start, end), in order, without a gap; white space goes with what it ends."""
    start = 0
    for end in sorted({*_full_stops(text), *_line_ends(text)}):
        if text[start:end].strip():
            while end < len(text) and text[end].isspace():
                end += 1
            if end > start:
                yield start, end
                start = end
    if start < len(text):
        yield start, len(text)


def _full_stops(text: str) -> Iterator[int]:
    for match in _END.finditer(text):
        if match[0][0] == "." and _is_abbreviation(text, match.start()):
            continue
        yield match.end()


def _is_abbreviation(text: str, dot: int) -> bool:
    word = re.search(r"[\w.&]*$", text[max(0, dot - 12) : dot])
    before = word[0].lower() if word else ""
    if before in _ABBREVIATIONS or (len(before) == 1 and before.isalpha() and before != "i"):
        return True
    after = text[dot + 1 : dot + 3].lstrip(" ")
    return bool(after) and after[0].islower()  # "approx. three": a sentence does not begin in lower case


def _line_ends(text: str) -> Iterator[int]:
    """Ends of lines that are not wrapped prose: table rows, list items, headings."""
    at = 0
    lines = text.split("\n")
    widest = max((len(line) for line in lines), default=0)
    for line, following in pairwise(lines):
        at += len(line) + 1
        short = len(line) < 0.6 * widest
        if (
            _BULLET.match(following)
            or (_NUMBER.search(line) and (short or _NUMBER.search(following)))
            or (short and _HEADS.match(following) and not line.rstrip().endswith((",", "，", "、", "-")))
        ):
            yield at
