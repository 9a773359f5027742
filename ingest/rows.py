"""Rows of the catalogue → the data that travel, and what of them is written as JSON or cleaned on the way in."""

import json
from datetime import datetime

from ingest.document import Chunk, Line, Page, Passage, Record, Span

_GRID = 10_000  # where a line stands is kept in so many parts of the page
SELECT_RECORD = """
SELECT id, name, title, pages, without_text, chunks, added, health FROM documents WHERE state = 'whole'
"""
SELECT_PASSAGE = """
SELECT c.id, c.document, c.place, c."start", c."end", c.text, c.heading, c.spans, d.name, d.title
FROM chunks c JOIN documents d ON d.id = c.document
"""
SELECT_PAGE = "SELECT number, label, text, problem, duplicate_of, lines FROM pages WHERE document = ?"


def sound(text: str) -> str:
    """`text` as UTF-8 can hold it: half a surrogate pair, which broken PDFs give, becomes "?". Same length."""
    return text.encode("utf-8", "replace").decode("utf-8")


def record_of(row: tuple[str, str, str, int, str, int, str, str]) -> Record:
    id, name, title, pages, without, chunks, added, health = row
    numbers = tuple(json.loads(without))
    when = datetime.fromisoformat(added)
    return Record(id, name, title, "partial" if numbers else "added", pages, numbers, chunks, when, json.loads(health))


def page_of(row: tuple[int, str, str, str, int, str]) -> Page:
    number, label, text, problem, duplicate_of, lines = row
    found = tuple(
        Line(start, (left / _GRID, top / _GRID, right / _GRID, bottom / _GRID))
        for start, left, top, right, bottom in json.loads(lines)
    )
    return Page(number, label, text, problem, duplicate_of, found)


def passage_of(row: tuple[str, str, int, int, int, str, str, str, str, str]) -> Passage:
    id, document, place, start, end, text, heading, spans, name, title = row
    places = tuple(Span(*span) for span in json.loads(spans))
    return Passage(Chunk(id, document, place, start, end, text, heading, places), name, title)


def spans_json(chunk: Chunk) -> str:
    return json.dumps([(s.page, s.label, s.start, s.end) for s in chunk.spans])


def lines_json(page: Page) -> str:
    return json.dumps([(line.start, *(round(_GRID * at) for at in line.box)) for line in page.lines])
