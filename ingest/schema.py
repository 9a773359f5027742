"""The catalogue's tables, and what becomes of those that an older Pagewise made."""

import json
import sqlite3
import uuid
from pathlib import Path

from ingest import keywords
from ingest.document import health_counts, with_duplicates
from ingest.errors import CatalogueLostError, LibraryError
from ingest.rows import SELECT_PAGE, page_of

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
{keywords.SCHEMA.strip()}
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
    keywords.adopt(db)


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
