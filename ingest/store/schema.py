"""Rows of the catalogue → the data that travel, and what of them is written as JSON or cleaned on the way in.

The catalogue's tables, and what becomes of those that an older Pagewise made.
"""

import json
import sqlite3
import uuid
from datetime import datetime
from pathlib import Path

from ingest.document import Chunk, Line, Page, Passage, Record, Span, health_counts, with_duplicates
from ingest.errors import CatalogueLostError, LibraryError
from ingest.store import bm25

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


FORMAT = 3
# float16: a cosine changes by some .00001, and 1,000 chunks take 0.8 MB.
_VECTORS = "CREATE TABLE vectors (document TEXT PRIMARY KEY REFERENCES documents (id), numbers BLOB NOT NULL)"
_SCHEMA = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, title TEXT NOT NULL, added TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('arriving', 'whole', 'leaving')),
    pages INTEGER NOT NULL, without_text TEXT NOT NULL, chunks INTEGER NOT NULL, health TEXT NOT NULL DEFAULT '{{}}'
) WITHOUT ROWID;
CREATE TABLE pages (
    document TEXT NOT NULL REFERENCES documents (id), number INTEGER NOT NULL, label TEXT NOT NULL,
    text TEXT NOT NULL, problem TEXT NOT NULL, duplicate_of INTEGER NOT NULL DEFAULT 0,
    lines TEXT NOT NULL DEFAULT '[]', PRIMARY KEY (document, number)
);
CREATE TABLE headings (
    document TEXT NOT NULL REFERENCES documents (id), place INTEGER NOT NULL, title TEXT NOT NULL,
    level INTEGER NOT NULL, page INTEGER NOT NULL, PRIMARY KEY (document, place)
) WITHOUT ROWID;
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL REFERENCES documents (id),
    place INTEGER NOT NULL, "start" INTEGER NOT NULL, "end" INTEGER NOT NULL, text TEXT NOT NULL,
    heading TEXT NOT NULL, spans TEXT NOT NULL, UNIQUE (document, place)
);
{_VECTORS};
{bm25.SCHEMA.strip()}
PRAGMA user_version = {FORMAT};
"""


class NewerLibrary(LibraryError):
    text = "The library in {folder} was written by a newer Pagewise (format {found}; this one reads up to {known})."
    remedy = "Install that version, or choose another folder with PAGEWISE_DATA."


def prepare(db: sqlite3.Connection, file: Path, stored_count: int) -> None:
    """Makes the tables, or those of an older format into today's.

    Raises NewerLibrary; CatalogueLostError where there are none although PDFs are stored.
    """
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    if found > FORMAT:
        raise NewerLibrary(folder=file.parent, found=found, known=FORMAT)
    if found == 0 and stored_count:
        raise CatalogueLostError(file=file, count=stored_count)
    if found == 1:
        _from_format_1(db)
    if found in (1, 2):
        db.execute(_VECTORS)  # of what is there already, Chroma alone has them
        db.execute(f"PRAGMA user_version = {FORMAT}")
    if found == 0:
        for statement in _SCHEMA.split(";\n"):
            db.execute(statement)
        db.execute("INSERT INTO meta VALUES ('library', ?), ('version', '0')", (uuid.uuid4().hex,))
    bm25.adopt(db)


def _from_format_1(db: sqlite3.Connection) -> None:
    """Format 1 knew no health of pages. What their texts tell of it is added; no text is read or indexed anew."""
    db.execute("ALTER TABLE documents ADD COLUMN health TEXT NOT NULL DEFAULT '{}'")
    db.execute("ALTER TABLE pages ADD COLUMN duplicate_of INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE pages ADD COLUMN lines TEXT NOT NULL DEFAULT '[]'")
    for (id,) in db.execute("SELECT id FROM documents WHERE state = 'whole'").fetchall():
        pages = with_duplicates(page_of(row) for row in db.execute(f"{SELECT_PAGE} ORDER BY number", (id,)))
        db.executemany(
            "UPDATE pages SET duplicate_of = ? WHERE document = ? AND number = ?",
            ((page.duplicate_of, id, page.number) for page in pages if page.duplicate_of),
        )
        db.execute("UPDATE documents SET health = ? WHERE id = ?", (json.dumps(health_counts(pages)), id))
