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

from chains.question import ASKING, ASKING_HAN
from chains.reader.columns import UNIT, Column, chosen, columns
from chains.terms import named, without_statements
from ingest.tables import Table, cell_spans, is_bare, is_row, part_of, says_when, tables
from ingest.tokens import tokens

_CLEAR = 0.55  # fit of a row's label that is believed
_MARGIN = 0.06  # by how much it must be better than another row with other figures
_LABEL_LINES = 3
_LIGHT = frozenset(tokens("total net other and of the in less plus on 合计 总计 其中 净额 amount amounts"))
_UNITS = frozenset(
    tokens(
        "usd million billion thousand fiscal fy year end ended quarter dollar respond response answer using use primarily"
        " information shown statement details give calculate based round decimal place percent percents unit"
    )
)


@dataclass(frozen=True)
class Cell:
    """A figure at [start, end) of a text, and what stands beside and above it."""

    start: int
    end: int
    score: float  # 0 to 1: how well row and column are what was asked for
    row: str  # the row's label, on one line
    row_start: int  # [row_start, row_end): the row with its label and all its cells
    row_end: int
    column: str  # what heads the column: "2018"; "three months ended 2018"
    column_at: tuple[int, int] | None  # where that stands in the text; None: in the heading
    part: str  # the part of the table it stands in: "Current assets"; or ""
    unit: str  # as the head says it: "(in millions, except per share data)"; or ""


@dataclass(frozen=True)
class _Row:
    start: int
    end: int
    label: str
    part: str
    cells: tuple[tuple[int, int], ...]


def find(question: str, text: str, heading: str = "") -> list[Cell]:
    """The cells of `text` that answer, best first; [] where no row or column clearly does.

    `heading`: what the text stands under; it has the head of a table that began before the text.
    """
    found: list[Cell] = []
    for table in tables(text):
        found += _of_table(question, text, heading, table)
    return sorted(found, key=lambda cell: -cell.score)


def shown(cell: Cell, text: str) -> list[str]:
    """What to show of a cell, each of it as it stands on the page: the line that heads its column, and its row.

    The row alone where the head stands on another page, or above in another chunk.
    """
    row = text[cell.row_start : cell.row_end]
    if cell.column_at is None:
        return [row]
    start = text.rfind("\n", 0, cell.column_at[0]) + 1
    end = text.find("\n", cell.column_at[1])
    return [text[start : end if end >= 0 else len(text)], row]


def _of_table(question: str, text: str, heading: str, table: Table) -> list[Cell]:
    rows = list(_rows(text, table))
    if not rows:
        return []
    fits = _fits(question, rows)
    order = sorted(range(len(rows)), key=lambda i: -fits[i])
    best = rows[order[0]]
    if fits[order[0]] < _CLEAR:
        return []
    figures = [text[a:b] for a, b in best.cells]
    for i in order[1:]:
        if fits[i] < fits[order[0]] - _MARGIN:
            break
        if [text[a:b] for a, b in rows[i].cells] != figures:
            return []
    head_end = best.cells[0][0] if best is rows[0] else rows[0].start
    head, inside = text[table.start : head_end], True
    known = columns(head, len(best.cells))
    if not known:
        head, inside = heading, False
        known = columns(heading, len(best.cells))
    if not known:
        return []
    unit = UNIT.search(text[table.start : table.first]) or UNIT.search(heading) or UNIT.search(text[: table.first])
    picked = chosen(question, known)
    context = _context(question, " ".join((best.label, best.part, heading, text[table.start : table.first])))
    cells = []
    for place in picked:
        start, end = best.cells[place]
        column = known[place]
        at = (table.start + column.start, table.start + column.end) if inside else None
        cells.append(
            Cell(
                start,
                end,
                min(1.0, fits[order[0]] * (0.5 + 0.5 * context)),
                best.label,
                best.start,
                best.end,
                _head_of(column),
                at,
                best.part,
                " ".join(unit[0].split()) if unit else "",
            )
        )
    return cells


def _head_of(column: Column) -> str:
    period = {"quarter": "three months", "half": "six months", "nine": "nine months"}.get(column.period, "")
    return f"{period} {column.text}".strip() if column.text.isascii() and not column.quarter else column.text


def _rows(text: str, table: Table) -> Iterator[_Row]:
    """The rows that have figures, with labels that run over several lines put together."""
    above: list[tuple[int, str]] = []
    at = table.first
    for line in text[table.first : table.end].split("\n"):
        spans = [(at + a, at + b) for a, b in cell_spans(line)]
        if spans and (is_row(line) or is_bare(line)) and not says_when(line):
            label, start = text[at : spans[0][0]].strip(), at
            wrapped = not label or label[:1].islower()
            if wrapped:
                for begin, words in reversed(above[-_LABEL_LINES:]):
                    if words.rstrip().endswith((":", "：")):
                        break
                    label, start = f"{words} {label}", begin
                    if words[:1].isupper():
                        break
            if label.strip():
                yield _Row(start, at + len(line.rstrip()), " ".join(label.split()), part_of(text, table, start), tuple(spans))
            above = []
        elif line.strip():
            above.append((at, line.strip()))
        at += len(line) + 1


def _fits(question: str, rows: Sequence[_Row]) -> list[float]:
    """0 to 1 for each row: how much of its label is asked for, and how much of what is asked for it says."""
    labels = [set(_words(row.label)) for row in rows]
    parts = [set(_words(row.part)) for row in rows]
    spread = Counter(word for label in labels for word in label)

    def weight(word: str) -> float:
        return (0.25 if word in _LIGHT else 1.0) * log(1 + (len(rows) + 1) / (spread[word] + 0.5))

    def total(words: set[str]) -> float:
        return sum(weight(word) for word in words)

    asked = without_statements(question)
    found = [0.0] * len(rows)
    variants = [(set(_words(asked)), set[str]())]
    for said, names in named(asked):
        rest = set(_words(asked.replace(said, " ")))
        variants += [(rest | set(_words(name)), set(_words(name))) for name in (said, *names)]
    anywhere = set().union(*labels, *parts)
    for words, core in variants:
        local = words & anywhere
        for i, (label, part) in enumerate(zip(labels, parts, strict=True)):
            held = label & words
            if not held - _LIGHT or (core and total(core & label) < 0.7 * total(core)):
                continue
            precision = total(held) / total(label)
            recall = total((label | part) & local) / total(local)
            found[i] = max(found[i], precision * (0.6 + 0.4 * recall))
    return found


def _context(question: str, around: str) -> float:
    """The share of the question's words that a cell's surroundings hold."""
    asked = set(_words(question))
    return len(asked & set(tokens(around))) / len(asked) if asked else 0.0


def _words(text: str) -> list[str]:
    return [
        word
        for word in tokens(re.sub(r"[(（]notes? [^)]*[)）]", " ", text, flags=re.IGNORECASE))
        if word not in ASKING and word not in _UNITS and not word[0].isdigit() and not ASKING_HAN.fullmatch(word)
    ]
