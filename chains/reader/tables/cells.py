"""The cell of a table that answers a question: its figure, with the words of its row and column.

"What was net revenue in 2018" meets "Net sales $ 32,765 $ 31,657 $ 30,109" under "2018 2017 2016". The row is the one
whose label says what is asked, by its own or another name; its cells are counted from the right, because a label has
figures too. Where the row or the column is in doubt there is no answer.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

from chains.language.finance_terms import asks_figure, named, without_statements
from chains.language.lexicon import ASKING, ASKING_HAN, years
from chains.reader.tables.columns import UNIT, Column, asked_quarter, fewer, meant
from ingest.text.search_tokens import tokens
from ingest.text.tables import Table, cell_spans, is_bare, is_row, part_of, says_when, tables

_CLEAR = 0.55  # fit of a row's label that is believed
_MARGIN = 0.04  # by how much it must be better than another row with other figures
_LABEL_LINES = 3
_BY_YEAR = 0.8  # fit of a row that has the year asked for as its label
_DEFAULT = 0.9  # what a column is worth that the question did not name
# What no single cell answers: names, reasons, yes or no, the most or least of several.
_OTHER = re.compile(
    r"(?:^|[.?!,:;]\s+)(?:who|whom|whose|which|why|how (?:did|does|do|has|have|is|are|was|were)|is|are|was|were"
    r"|do|does|did|has|have|can)\b"
    r"|\bwhat\s+are\b|\b(?:highest|lowest|largest|smallest|most|least|biggest)\b"
    r"|为什么|為什麼|原因|哪[个些家项類类種种]|是否|最[高低大小多少]|吗",
    re.IGNORECASE,
)
# What is computed of several cells, unless a row's label says it.
_COMPUTED = re.compile(
    r"\b(?:ratio|margin|turnover|average|cagr|ebitda|free cash ?flow|return on|days payable|conversion"
    r"|as an? (?:%|percent\w*) of)"
    r"|[毛净]利率|周转率|负债率|比率|平均",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"(?:\b(?:of|and|or|to|the|for|in|by|with|from|on|at|including|net)|[,—–-])$", re.IGNORECASE)
_ONE_YEAR = re.compile(r"\D{0,12}\b((?:19|20)\d\d)\b\D{0,3}")
# Words of a label that say little, unless the question has them.
_LIGHT = frozenset((*tokens("total net other less plus amount amounts"), *"合计总額额其净項项目金"))
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
# Words of a question that are about its answer's form.
_FORM = frozenset(
    tokens(
        "usd million millions billion billions thousand thousands fiscal fy year end ended quarter dollar dollars"
        " response respond answer using use primarily information shown statement details give calculate based round"
        " decimal place"
    )
) | frozenset("年月日季度末元")


@dataclass(frozen=True)
class Cell:
    """A figure at [start, end) of a text, and what stands beside and above it."""

    start: int
    end: int
    score: float  # 0 to 1: how much of row and question say the same; to order by, no probability
    row: str  # the row's label, on one line
    row_start: int  # [row_start, row_end): the row, from its label to its last cell
    row_end: int
    column: str  # what heads the column: "2018"; "six months 2018"
    column_at: tuple[int, int] | None  # where that stands in the text; None: in the heading
    part: str  # the part of the table it stands in: "Current assets"; or ""
    unit: str  # as the head says it: "(in millions, except per share data)"; or ""


@dataclass(frozen=True)
class _Row:
    start: int
    end: int
    label: str
    part: str
    year: str  # that stands on a line of its own above it; or ""
    cells: tuple[tuple[int, int], ...]


def find(question: str, text: str, heading: str = "") -> list[Cell]:
    """The cells of `text` that answer, best first; [] where no row or column clearly does.

    `heading`: what the text stands under; it has the head of a table that began before the text.
    """
    if not _asks_cell(question):
        return []
    found = [_of_table(question, text, heading, table) for table in tables(text)]
    # A table where the row is clearer, but not the figure, leaves no other the right to answer; nor do two that differ.
    fit = max((fit for fit, _ in found), default=0.0)
    best = [cell for each, cells in found if each >= fit - _MARGIN for cell in cells]
    figures: dict[str, set[str]] = {}
    for cell in best:
        figures.setdefault(cell.column, set()).add(text[cell.start : cell.end])
    if any(each >= fit - _MARGIN and not cells for each, cells in found) or any(len(f) > 1 for f in figures.values()):
        return []
    return sorted(best, key=lambda cell: -cell.score)


def shown(cell: Cell, text: str) -> list[str]:
    """What to show of a cell, each of it as it stands on the page: the line that heads its column, and its row.

    The row alone where the head stands on another page or in another chunk.
    """
    row = text[cell.row_start : cell.row_end]
    if cell.column_at is None:
        return [row]
    start = text.rfind("\n", 0, cell.column_at[0]) + 1
    end = text.find("\n", cell.column_at[1])
    return [text[start : end if end >= 0 else len(text)], row]


def head_over(text: str, row: int) -> str:
    """The line of years over the table in which the row at `row` stands; "" where there is no table or no such line."""
    table = next((table for table in tables(text) if table.first <= row < table.end), None)
    lines = text[table.start : table.first].splitlines() if table else []
    return next((line for line in reversed(lines) if years(line) and says_when(line)), "")


def _asks_cell(question: str) -> bool:
    """Whether a figure of a table can be the answer: it asks for an amount, or names when, and for nothing else."""
    when = bool(years(question)) or asked_quarter(question) != ""
    return (when or asks_figure(question)) and not _OTHER.search(question)


def _of_table(question: str, text: str, heading: str, table: Table) -> tuple[float, list[Cell]]:
    """How well the best row fits, 0 where none does, and its cells; none where row or column is in doubt."""
    rows = list(_rows(text, table))
    asked = years(question)
    if asked and any(row.year in asked for row in rows):
        rows = [row for row in rows if row.year in asked]
    fits = _fits(question, rows)
    order = sorted(range(len(rows)), key=lambda i: -fits[i])
    if not rows or fits[order[0]] < _CLEAR:
        return 0.0, []
    best, fit = rows[order[0]], fits[order[0]]
    if any(word not in best.label.lower() for word in _COMPUTED.findall(question.lower())):
        return fit, []
    figures = [text[a:b] for a, b in best.cells]
    for i in order[1:]:
        if fits[i] < fit - _MARGIN:
            break
        if [text[a:b] for a, b in rows[i].cells] != figures:
            return fit, []
    head = text[table.start : table.first]
    if not years(head) and len(years(rows[0].label)) > 1:  # the head's last line was put before the first row
        head = text[table.start : rows[0].cells[0][0]]
    usual = Counter(len(row.cells) for row in rows).most_common(1)[0][0]
    cells = best.cells[-usual:] if len(best.cells) == usual + 1 else best.cells  # one more is the number of a note
    if len(cells) != usual and not fewer(head if years(head) else heading, len(cells)):
        return fit, []
    picked, inside = meant(question, best.label, head, len(cells)), True
    if not picked and not years(head):
        picked, inside = meant(question, best.label, heading, len(cells)), False
    above = text[: table.first]
    unit = UNIT.search(head) or UNIT.search(heading) or UNIT.search(above)
    around = " ".join((best.label, best.part, best.year, heading, above))
    score = fit * (0.5 + 0.5 * _context(question, around)) * (1.0 if asked or best.year else _DEFAULT)
    return fit, [
        Cell(
            *cells[column.place],
            min(1.0, score),
            best.label,
            best.start,
            best.end,
            _head_of(column, best.year),
            (table.start + column.start, table.start + column.end) if inside else None,
            best.part,
            " ".join(unit[0].split()) if unit else "",
        )
        for column in picked
    ]


def _head_of(column: Column, year: str) -> str:
    period = {"quarter": "three months", "half": "six months", "nine": "nine months"}.get(column.period, "")
    period = "" if column.quarter or not column.text.isascii() else period
    return " ".join(filter(None, (period, " ".join(column.text.split()), year)))


def _rows(text: str, table: Table) -> Iterator[_Row]:
    """The rows that have figures, with labels that run over several lines put together."""
    above: list[tuple[int, str]] = []  # lines without figures, which a label may begin on
    at, year = table.start, ""
    for line in text[table.start : table.first].split("\n"):
        alone = _ONE_YEAR.fullmatch(line.strip())
        year = alone[1] if alone else "" if line.strip() else year
        above = [] if years(line) else [*above, (at, line.strip())] if line.strip() else above
        at += len(line) + 1
    at, found = table.first, list[_Row]()
    for line in text[table.first : table.end].split("\n"):
        spans = [(at + a, at + b) for a, b in cell_spans(line)]
        alone = _ONE_YEAR.fullmatch(line.strip())
        if alone and says_when(line):
            year = alone[1]
        elif spans and (is_row(line) or is_bare(line)) and not says_when(line):
            label, start = text[at : spans[0][0]].strip(), at
            if not label and len(spans) > 1 and re.fullmatch(r"(?:19|20)\d\d", text[slice(*spans[0])]):
                label, spans = text[slice(*spans[0])], spans[1:]
            elif not label or label[:1].islower() or (above and _GOES_ON.search(above[-1][1])):
                for begin, words in reversed(above[-_LABEL_LINES:]):
                    if words.endswith((":", "：")) or (label and not _joins(words, label)):
                        break
                    label, start = f"{words} {label}", begin
            if label.strip():
                label, part = " ".join(label.split()), part_of(text, table, start)
                found.append(_Row(start, at + len(line.rstrip()), label, part, year, tuple(spans)))
            above = []
        elif line.strip():
            above.append((at, line.strip()))
        at += len(line) + 1
    # A year that heads the columns of all rows parts none of them.
    parted = len({row.year for row in found}) > 1
    yield from found if parted else (_Row(r.start, r.end, r.label, r.part, "", r.cells) for r in found)


def _joins(words: str, label: str) -> bool:
    return label[:1].islower() or _GOES_ON.search(words) is not None


def _fits(question: str, rows: Sequence[_Row]) -> list[float]:
    """0 to 1 for each row: how much of its label is asked for, and how much of what is asked for it says."""
    labels = [set(_words(row.label)) for row in rows]
    parts = [set(_words(row.part)) for row in rows]
    spread = Counter(word for label in labels for word in label)
    asked = without_statements(question)
    said = set(_words(asked))

    def weight(word: str) -> float:
        return (0.25 if word in _LIGHT and word not in said else 1.0) * log(1 + (len(rows) + 1) / (spread[word] + 0.5))

    def total(words: set[str]) -> float:
        return sum(weight(word) for word in words)

    found = [_BY_YEAR if row.label in years(question) else 0.0 for row in rows]
    variants = [(said, set[str]())]
    for name, others in named(asked):
        rest = set(_words(asked.replace(name, " ")))
        variants += [(rest | set(_words(other)), set(_words(other))) for other in (name, *others)]
    anywhere = set().union(*labels, *parts)
    for words, core in variants:
        local = words & anywhere
        for i, (label, part) in enumerate(zip(labels, parts, strict=True)):
            held = label & words
            if not held - _LIGHT or not core - _LIGHT <= label:
                continue
            recall = total((label | part) & local) / total(local)
            found[i] = max(found[i], total(held) / total(label) * (0.6 + 0.4 * recall))
    return found


def _context(question: str, around: str) -> float:
    """The share of the question's words that a cell's surroundings hold."""
    asked = set(_words(question))
    return len(asked & set(tokens(around))) / len(asked) if asked else 0.0


def _words(text: str) -> list[str]:
    """What labels and questions are compared by: words, and of Chinese each character (营业总收入 is 营业收入)."""
    plain = re.sub(r"[(（](?:notes? [^)]*|[a-z0-9]{1,2})[)）]", " ", text, flags=re.IGNORECASE)
    found = [word for word in tokens(_HAN.sub(" ", plain)) if not word[0].isdigit()] + _HAN.findall(plain)
    return [word for word in found if word not in ASKING and word not in _FORM and not ASKING_HAN.fullmatch(word)]
