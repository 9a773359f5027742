"""SQLite: which documents there are and in which state, their pages and chunks, and keyword search.

Chunks, pages and tokens stand here exactly while their document is whole; so whatever is searched is whole, without
a condition in any query. What is only on its way in or out is a bare row in `documents`. Knows no vectors and no files.
"""

import json
import queue
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ingest.document import Chunk, Document, Page, Passage, Record, Span
from ingest.errors import LibraryError, StorageFailed

FORMAT = 1
_BUSY_SECONDS = 30.0
_SMALL = 1000  # chunks
# The tokens are ours, one space between two: every printable sign but the space belongs to its token.
_SIGNS = "".join(chr(c) for c in range(33, 127) if not chr(c).isalnum()).replace("'", "''''").replace('"', '""')
_SCHEMA = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, title TEXT NOT NULL, added TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('arriving', 'whole', 'leaving')),
    pages INTEGER NOT NULL, without_text TEXT NOT NULL, chunks INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE pages (
    document TEXT NOT NULL REFERENCES documents (id), number INTEGER NOT NULL, label TEXT NOT NULL,
    text TEXT NOT NULL, problem TEXT NOT NULL, PRIMARY KEY (document, number)
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
CREATE VIRTUAL TABLE words USING fts5 (tokens, tokenize = "ascii tokenchars '{_SIGNS}'");
PRAGMA user_version = {FORMAT};
"""
_SELECT_PASSAGE = """
SELECT c.id, c.document, c.place, c."start", c."end", c.text, c.heading, c.spans, d.name, d.title
FROM chunks c JOIN documents d ON d.id = c.document
"""
_AMONG = "IN (SELECT value FROM json_each(?))"  # a list of any length is one variable


class NewerLibrary(LibraryError):
    text = "The library in {folder} was written by a newer Pagewise (format {found}; this one reads up to {known})."
    remedy = "Install that version, or choose another folder with PAGEWISE_DATA."


class Catalogue:
    """One database file. Safe for threads and for processes: readers never wait for a writer."""

    def __init__(self, file: Path) -> None:
        """Opens or creates it. Raises StorageFailed, NewerLibrary."""
        self._file = file
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._common: tuple[str, dict[str, bool]] = ("", {})  # the version that it is true of; token → common
        with self._writing() as db:
            found = int(db.execute("PRAGMA user_version").fetchone()[0])
            if found > FORMAT:
                raise NewerLibrary(folder=file.parent, found=found, known=FORMAT)
            if found == 0:
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute("INSERT INTO meta VALUES ('library', ?), ('version', '0')", (uuid.uuid4().hex,))

    def close(self) -> None:
        while not self._idle.empty():
            self._idle.get().close()

    # -- what the library remembers of itself

    def meta(self, name: str) -> str | None:
        with self._reading() as db:
            row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def remember(self, values: Mapping[str, str]) -> None:
        with self._writing() as db:
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def version(self) -> int:
        return int(self.meta("version") or 0)

    # -- documents come and go

    def announce(self, document: Document) -> None:
        """Says that a document is about to come, so that what a killed run leaves of it elsewhere can be found."""
        with self._writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, '', 'arriving', 0, '[]', 0)",
                (document.id, sound(document.name), sound(document.title)),
            )

    def complete(self, document: Document, chunks: Sequence[Chunk], tokens: Iterable[Sequence[str]]) -> None:
        """Writes all of an announced document and makes it whole, in one transaction. `tokens`: one list a chunk."""
        with self._writing() as db:
            db.executemany(
                "INSERT INTO pages VALUES (?, ?, ?, ?, ?)",
                ((document.id, p.number, sound(p.label), sound(p.text), sound(p.problem)) for p in document.pages),
            )
            db.executemany(
                "INSERT INTO headings VALUES (?, ?, ?, ?, ?)",
                ((document.id, i, sound(h.title), h.level, h.page) for i, h in enumerate(document.outline)),
            )
            first = int(db.execute("SELECT coalesce(max(number), 0) + 1 FROM chunks").fetchone()[0])
            db.executemany(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (number, c.id, c.document, c.index, c.start, c.end, sound(c.text), sound(c.heading), _spans_json(c))
                    for number, c in enumerate(chunks, first)
                ),
            )
            db.executemany(
                "INSERT INTO words (rowid, tokens) VALUES (?, ?)",
                ((number, " ".join(_token(t) for t in found)) for number, found in enumerate(tokens, first)),
            )
            db.execute(
                "UPDATE documents SET state = 'whole', added = ?, pages = ?, without_text = ?, chunks = ? WHERE id = ?",
                (
                    datetime.now(UTC).isoformat(),
                    len(document.pages),
                    json.dumps(document.pages_without_text),
                    len(chunks),
                    document.id,
                ),
            )
            _count_up(db)

    def rename(self, id: str, name: str) -> None:
        with self._writing() as db:
            db.execute("UPDATE documents SET name = ? WHERE id = ?", (sound(name), id))
            _count_up(db)

    def holdings(self, id: str) -> tuple[int, int, list[int]]:
        """What there is of a document: its rows in all tables, its tokens, and the numbers of its chunks."""
        with self._reading() as db:
            numbers = [int(n) for (n,) in db.execute("SELECT number FROM chunks WHERE document = ?", (id,))]
            (tokens,) = db.execute(
                f"""SELECT coalesce(sum(length(tokens) - length(replace(tokens, ' ', '')) + 1), 0) FROM words
                WHERE rowid {_AMONG} AND tokens <> ''""",
                (json.dumps(numbers),),
            ).fetchone()
        return self.left(id, numbers), int(tokens), numbers

    def left(self, id: str, numbers: Sequence[int]) -> int:
        """The rows that are there of a document whose chunks have, or had, these numbers."""
        with self._reading() as db:
            (rows,) = db.execute(
                f"""SELECT (SELECT count(*) FROM documents WHERE id = :id)
                + (SELECT count(*) FROM pages WHERE document = :id)
                + (SELECT count(*) FROM headings WHERE document = :id)
                + (SELECT count(*) FROM chunks WHERE document = :id)
                + (SELECT count(*) FROM words WHERE rowid {_AMONG.replace("?", ":numbers")})""",
                {"id": id, "numbers": json.dumps(list(numbers))},
            ).fetchone()
        return int(rows)

    def dismiss(self, id: str) -> None:
        """Takes everything of a document out but its row, which stays as `leaving` until `forget`."""
        with self._writing() as db:
            db.execute("DELETE FROM words WHERE rowid IN (SELECT number FROM chunks WHERE document = ?)", (id,))
            gone = db.execute("DELETE FROM chunks WHERE document = ?", (id,)).rowcount
            db.execute("DELETE FROM pages WHERE document = ?", (id,))
            db.execute("DELETE FROM headings WHERE document = ?", (id,))
            db.execute("UPDATE documents SET state = 'leaving' WHERE id = ?", (id,))
            if gone:
                # The index only marks what is deleted; this writes it anew, so that no removed word stays in the file.
                db.execute("INSERT INTO words (words) VALUES ('optimize')")
                _count_up(db)

    def forget(self, id: str) -> None:
        """Drops the row of a document that is not whole."""
        with self._writing() as db:
            db.execute("DELETE FROM documents WHERE id = ? AND state <> 'whole'", (id,))
        with self._reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # the log still holds what was deleted

    def unfinished(self) -> list[str]:
        """The ids of documents on their way in or out."""
        with self._reading() as db:
            return [str(id) for (id,) in db.execute("SELECT id FROM documents WHERE state <> 'whole' ORDER BY id")]

    # -- what there is

    def records(self) -> list[Record]:
        with self._reading() as db:
            rows = db.execute(f"{_SELECT_RECORD} ORDER BY name, added, id").fetchall()
        return [_record(row) for row in rows]

    def record(self, id: str) -> Record | None:
        with self._reading() as db:
            row = db.execute(f"{_SELECT_RECORD} AND id = ?", (id,)).fetchone()
        return _record(row) if row else None

    def page(self, document: str, number: int) -> Page | None:
        with self._reading() as db:
            row = db.execute(
                "SELECT number, label, text, problem FROM pages WHERE document = ? AND number = ?", (document, number)
            ).fetchone()
        return Page(*row) if row else None

    def passages(self, ids: Sequence[str]) -> list[Passage]:
        """The chunks of these ids that there are, in the order that they were added in."""
        with self._reading() as db:
            rows = db.execute(f"{_SELECT_PASSAGE} WHERE c.id {_AMONG} ORDER BY c.number", (_list(ids),)).fetchall()
        return [_passage(row) for row in rows]

    def all_passages(self, document: str) -> list[Passage]:
        with self._reading() as db:
            rows = db.execute(f"{_SELECT_PASSAGE} WHERE c.document = ? ORDER BY c.place", (document,)).fetchall()
        return [_passage(row) for row in rows]

    def chunk_ids(self, among: Sequence[str] | None = None) -> set[str]:
        """The ids of all chunks, or of those `among` them."""
        with self._reading() as db:
            if among is None:
                return {str(id) for (id,) in db.execute("SELECT id FROM chunks")}
            return {str(id) for (id,) in db.execute(f"SELECT id FROM chunks WHERE id {_AMONG}", (_list(among),))}

    def chunk_count(self) -> int:
        with self._reading() as db:
            return int(db.execute("SELECT coalesce(sum(chunks), 0) FROM documents").fetchone()[0])

    # -- keyword search

    def keywords(
        self, tokens: Sequence[str], k: int, documents: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The best `k` chunks by BM25: (chunk id, score), higher is better, ties in the order of adding."""
        wanted = list(dict.fromkeys(cleaned for token in tokens if (cleaned := _token(token))))
        if not wanted or k < 1 or (documents is not None and not documents):
            return []
        with self._reading() as db:
            rare = [token for token in wanted if not self._is_common(db, token)]
            found = _matching(db, rare, k, documents) if 0 < len(rare) < len(wanted) else []
            return found if len(found) == k else _matching(db, wanted, k, documents)

    def _is_common(self, db: sqlite3.Connection, token: str) -> bool:
        """Whether more than half of the chunks have it: then BM25 gives it no weight, and it costs the most time.

        Leaving it out changes no score by more than a millionth. Not worth asking in a small library.
        """
        version, chunks = db.execute(
            "SELECT (SELECT value FROM meta WHERE name = 'version'), (SELECT sum(chunks) FROM documents)"
        ).fetchone()
        if (chunks or 0) < _SMALL:
            return False
        known, common = self._common
        if known != version:
            known, common = self._common = (version, {})
        if token not in common:
            db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.spread USING fts5vocab (main, words, row)")
            row = db.execute("SELECT doc FROM temp.spread WHERE term = ?", (_folded(token),)).fetchone()
            common[token] = row is not None and 2 * int(row[0]) > chunks
        return common[token]

    # -- connections

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one thread for a moment. Raises StorageFailed for whatever SQLite raises inside."""
        try:
            try:
                db = self._idle.get_nowait()
            except queue.Empty:
                db = self._connect()
            try:
                yield db
            except BaseException:
                db.close()
                raise
            self._idle.put(db)
        except sqlite3.Error as error:
            raise StorageFailed(folder=self._file.parent, detail=str(error)) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The same in a transaction: all of it or nothing."""
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # with WAL, anything less may lose the last documents with the power
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")  # a removed document is overwritten, not only unlinked
        return db


def sound(text: str) -> str:
    """`text` as UTF-8 can hold it: half a surrogate pair, which broken PDFs give, becomes "?". Same length."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _token(token: str) -> str:
    """A token without what the index takes for a space: control characters and spaces themselves."""
    return "".join(c for c in sound(token) if c > " " and c != "\x7f")


def _folded(token: str) -> str:
    """As the index keeps it: ASCII letters small."""
    return "".join(c.lower() if c.isascii() else c for c in token)


def _matching(
    db: sqlite3.Connection, tokens: Sequence[str], k: int, documents: Sequence[str] | None
) -> list[tuple[str, float]]:
    match = " OR ".join('"' + token.replace('"', '""') + '"' for token in tokens)
    within = "" if documents is None else f"AND c.document {_AMONG}"
    rows = db.execute(
        f"""SELECT c.id, -bm25(words) FROM words JOIN chunks c ON c.number = words.rowid
        WHERE words MATCH ? {within} ORDER BY bm25(words), c.number LIMIT ?""",
        (match, k) if documents is None else (match, _list(documents), k),
    ).fetchall()
    return [(str(id), float(score)) for id, score in rows]


def _count_up(db: sqlite3.Connection) -> None:
    db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'version'")


def _list(values: Sequence[str]) -> str:
    return json.dumps(list(values))


def _spans_json(chunk: Chunk) -> str:
    return json.dumps([(s.page, s.label, s.start, s.end) for s in chunk.spans])


_SELECT_RECORD = "SELECT id, name, title, pages, without_text, chunks, added FROM documents WHERE state = 'whole'"


def _record(row: tuple[str, str, str, int, str, int, str]) -> Record:
    id, name, title, pages, without, chunks, added = row
    numbers = tuple(json.loads(without))
    when = datetime.fromisoformat(added)
    return Record(id, name, title, "partial" if numbers else "added", pages, numbers, chunks, when)


def _passage(row: tuple[str, str, int, int, int, str, str, str, str, str]) -> Passage:
    id, document, place, start, end, text, heading, spans, name, title = row
    places = tuple(Span(*span) for span in json.loads(spans))
    return Passage(Chunk(id, document, place, start, end, text, heading, places), name, title)
