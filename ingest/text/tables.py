"""Tables in a page's text: which lines are rows, and which lines above the rows say what their columns are.

Told by the words alone. A reader of PDFs gives a row as one line, label first: "Net sales $ 32,765 $ 31,657"; its head
stands some lines above, and in a table that is cut into several chunks, in another chunk.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

HEAD_CHARS = 240  # of a head that is repeated (a Chinese one takes two): a quarter of what all-MiniLM-L6-v2 reads
_HEAD_LINES = 40  # a head whose cells are wrapped has a line for every word or two
_PART_LINES = 3
_GAP = 8  # lines without figures that a table may have between two rows: wrapped labels, empty rows, headings of parts
_LONG = 60  # characters, counted alike; a line that is longer and ends a sentence is prose

_FIGURE = re.compile(
    r"[(（]?[-–−+~<>]?[$€£¥￥]?[(（]?[-–−]?(?:\d{1,3}(?:[,，]\d{3})+|\d+)(?:\.\d+)?[)）]?[%％x]?[)）]?[$€£¥￥]?",
    re.IGNORECASE,
)
_SIGN = re.compile(r"[$€£¥￥%％()（）*†‡]+|\([a-z0-9]{1,2}\)|pts?\.?|bps", re.IGNORECASE)  # goes with a figure
_EMPTY = re.compile(r"[-–—−]+%?|[$€£¥￥][-–—−]+|n/?[am]|nm|\*+|无|不适用", re.IGNORECASE)  # a cell without a figure
_YEAR = re.compile(r"(?:FY\s?|')?(?:19|20)\d\d[AE]?\b|\bQ[1-4]\b|[12]\dQ[1-4]|(?:19|20)\d\d\s?年")
_DATE_WORDS = re.compile(
    r"(?i)\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?|\b(?:years?|months?|weeks?|quarters?|fiscal|ended"
    r"|as|of|at|and|the|for|in|first|second|third|fourth|three|six|nine|twelve|change|chg|vs|millions?|thousands?|billions?"
    r"|dollars|except|per|shares?|amounts?|data|number|percent|increase|decrease|favorable|unfavorable)\b"
    r"|年度?|月|日|末|期|本|上|同|比|增减|变动|比例|金额|单位|元|项目|附注|科目|币种|人民币"
)
_DIGIT = re.compile(r"\d")
_ENDS_SENTENCE = re.compile(r"[.!?;][\"'”’)]*\s*$|[。！？；]")
_SUM = re.compile(r"(?:total|net cash|合计|小计|总计)|.{2,12}合计", re.IGNORECASE)
_WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60]")


@dataclass(frozen=True)
class Table:
    """Ranges in the text it was found in: [start, first) is its head, [first, end) its rows."""

    start: int
    first: int
    end: int
    head: str  # on one line, at most HEAD_CHARS long; "" where nothing stands above the rows
    dated: bool  # whether the head says when


def cells(line: str) -> int:
    """How many cells of figures a line ends with, empty ones ("—") counted; 0 where there is no figure among them."""
    found, figures = 0, 0
    for word in reversed(line.split()):
        if _FIGURE.fullmatch(word):
            found, figures = found + 1, figures + 1
        elif _EMPTY.fullmatch(word):
            found += 1
        elif not _SIGN.fullmatch(word):
            break
    return found if figures else 0


def cell_spans(line: str) -> list[tuple[int, int]]:
    """Where the cells are that `cells` counts, left to right, each with the signs beside it: "$ 32,765", "(6) %".

    Not one: the end of a bracket that the label opened ("(Note 13)"), which no cell begins.
    """
    found: list[tuple[int, int]] = []
    end = 0  # of the signs that follow the figure to their left: "%", ")"
    for match in reversed(list(re.finditer(r"\S+", line))):
        word = match[0]
        if _FIGURE.fullmatch(word) or _EMPTY.fullmatch(word):
            if word.endswith((")", "）")) and not re.search("[(（]", word) and not _opened(line, match.start()):
                break
            found.append((match.start(), end or match.end()))
            end = 0
        elif not _SIGN.fullmatch(word):
            break
        elif word[-1] in "$€£¥￥(（" and found and not end:
            found[-1] = (match.start(), found[-1][1])
        elif word[-1] in "%％)）":
            end = end or match.end()
    has_figure = any(_DIGIT.search(line[a:b]) for a, b in found)
    return found[::-1] if has_figure else []


def _opened(line: str, at: int) -> bool:
    """Whether the sign before `at` opens a bracket: "( 1,577)"."""
    return line[:at].rstrip().endswith(("(", "（"))


@lru_cache(4096)  # finding tables and finding sentences each ask it of every line, and some of the next one
def is_row(line: str) -> bool:
    """Whether a line is a row of a table: it ends with two cells or more, or figures are half of it."""
    if not _DIGIT.search(line):
        return False
    if cells(line) > 1:
        return True
    words = line.split()
    figures = sum(_FIGURE.fullmatch(word) is not None for word in words)
    return figures > 2 and figures > len(words) / 2


def is_bare(line: str) -> bool:
    """Whether a line is nothing but cells: the figures of a row whose label stands on the line above.

    A whole number without a sign or a comma, which may be the page's, is none by itself.
    """
    words = line.split()
    figures = [word for word in words if _FIGURE.fullmatch(word)]
    if not figures or (len(words) == 1 and words[0].isdigit()):
        return False
    return all(_FIGURE.fullmatch(word) or _EMPTY.fullmatch(word) or _SIGN.fullmatch(word) for word in words)


def says_when(line: str) -> bool:
    """Whether a row is a head's: its figures are years or dates ("Years ended December 31 2018 2017")."""
    if not _YEAR.search(line):
        return False
    rest = _DATE_WORDS.sub(" ", _YEAR.sub(" ", line))
    numbers = [word for word in re.findall(r"\d[\d,.]*\d|\d", rest) if len(word) > 2]
    words = re.findall(r"[^\W\d_]{2,}", rest)
    return not numbers and len(words) <= 3


def tables(text: str) -> Iterator[Table]:
    """The tables of a page, in order; none overlaps another."""
    spans = [match.span() for match in re.finditer(r"[^\n]+", text)]
    lines = [text[a:b] for a, b in spans]
    rows = [is_row(line) for line in lines]
    free = 0  # the first line that belongs to no table yet
    for first, last in _runs(lines, rows):
        top = first
        while top < last and says_when(lines[top]):  # years above the rows are no row
            top += 1
        if top == last or not rows[top]:
            top = next((i for i in range(top, last) if rows[i]), last)
        begin = _head(lines, rows, free, first)
        if top < last:
            head = _short(lines[begin : _last_dated(lines, begin, top)])
            yield Table(spans[begin][0], spans[top][0], spans[last - 1][1], head, _YEAR.search(head) is not None)
        free = last


def _last_dated(lines: list[str], begin: int, top: int) -> int:
    """The end of a head: `top`, or before the few lines under its years, which name the table's first part."""
    dated = next((i + 1 for i in range(top - 1, begin - 1, -1) if says_when(lines[i])), top)
    return dated if top - dated <= _PART_LINES else top


def part_of(text: str, table: Table, at: int) -> str:
    """What names the part of a table that the row at `at` stands in ("Current assets:"); "" where nothing does."""
    below = ""
    for line in reversed(text[table.start : at].split("\n")):
        line = " ".join(line.split())
        if _SUM.match(line) or says_when(line):  # the part above is complete; the head
            return ""
        names = line.endswith((":", "：")) or (line[:1].isupper() and not below[:1].islower() and not is_bare(below))
        if names and _width(line) <= _LONG and not any(c.isdigit() for c in line):
            return line.rstrip(":：")
        below = line
    return ""


def _runs(lines: list[str], rows: list[bool]) -> Iterator[tuple[int, int]]:
    """Lines [first, last) from row to row, without much between them. A head after rows begins another table."""
    first = last = -1
    body = parted = False  # body: a row of other than years was seen
    for i, line in enumerate(lines):
        when = says_when(line)
        parted = parted or _is_prose(line) or (body and when and (rows[i] or len(_YEAR.findall(line)) > 1))
        if not rows[i]:
            continue
        if first >= 0 and (parted or i - last > (_GAP if body else _HEAD_LINES)):
            yield first, last
            first, body = -1, False
        first, last = (i if first < 0 else first), i + 1
        body, parted = body or not when, False
    if first >= 0:
        yield first, last


def _head(lines: list[str], rows: list[bool], free: int, first: int) -> int:
    """The line that the head above row `first` begins with."""
    begin, size = first, 0
    while begin > free and first - begin < _HEAD_LINES:
        above = lines[begin - 1]
        size += _width(above) + 1
        if rows[begin - 1] or _is_prose(above) or size > 4 * HEAD_CHARS:
            break
        begin -= 1
        if _width(above) > _LONG and above.rstrip().endswith((":", "：")):  # "The following table shows …:"
            break
    return begin


def _is_prose(line: str) -> bool:
    return _width(line) > _LONG and _ENDS_SENTENCE.search(line) is not None


def _width(line: str) -> int:
    return len(line) + len(_WIDE.findall(line))


def _short(lines: list[str]) -> str:
    """A head on one line. Of one that is too long the lines nearest to the rows, and the nearest that says when."""
    kept: list[str] = []
    room, dated = HEAD_CHARS, False
    for line in (" ".join(line.split()) for line in reversed(lines)):
        when = _YEAR.search(line) is not None
        if _width(line) < room:
            kept.insert(0, line)
            room -= _width(line) + 1
            dated = dated or when
        elif when and not dated and _width(line) < HEAD_CHARS / 2:
            kept.insert(0, line)
            break
        else:
            room = 0
    return " ".join(kept)
