"""Text → sentences, English and Chinese. Pieces are half-open ranges, so nothing is lost: joined, they are the text."""

import re
from collections.abc import Iterator
from itertools import pairwise

from ingest.text.tables import cells, is_bare, is_row

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
    r"[ \t]*(?:[•●▪■◆□☐√✓☑–—*·-]|\(?\d{1,3}[.)、．]|[（(]?[一二三四五六七八九十]{1,3}[）)、]|\(?[a-z]\)"
    r"|第[一二三四五六七八九十\d]{1,4}[章节条])[ \t]*\S?"
)
# A number that a heading or an item begins with: "1. Scope", "Item 7. Financial Statements".
_ORDINAL = re.compile(
    r"(?:^|\n)[ \t]*(?:(?:item|part|note|chapter|section|article)[ \t]+)?[(（]?\d{1,3}[a-z]?[)）]?$", re.I
)
_PERSON = re.compile(r"[A-Z][^\d\n]{3,50} \d{2} [A-Z]")  # a row of officers: a name, an age, an office
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
    if _ORDINAL.search(text[max(0, dot - 20) : dot]):
        return True
    after = text[dot + 1 : dot + 3].lstrip(" ")
    return bool(after) and after[0].islower()  # "approx. three": a sentence does not begin in lower case


def _line_ends(text: str) -> Iterator[int]:
    """Ends of lines that are not wrapped prose: table rows, list items, headings."""
    at, people = 0, False
    lines = text.split("\n")
    widest = max((len(line) for line in lines), default=0)
    for line, following in pairwise(lines):
        at += len(line) + 1
        short = len(line) < 0.6 * widest
        row = is_row(line)
        people = _PERSON.match(line) is not None or (people and line.strip() != "")
        if not row and line.strip() and is_bare(following):
            continue  # a row's label that was too long for one line, and then its figures
        if (
            row
            or (people and _PERSON.match(following))
            or _BULLET.match(following)
            or (_NUMBER.search(line) and (short or is_row(following) or _is_row_of_one(line, following)))
            or (short and _HEADS.match(following) and not line.rstrip().endswith((",", "，", "、", "-")))
        ):
            yield at


def _is_row_of_one(line: str, following: str) -> bool:
    """Whether two lines are rows with a single figure each, and not prose with a number at the end of both."""
    return cells(line) == cells(following) == 1 and _HEADS.match(following) is not None
