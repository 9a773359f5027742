"""SQLite: which documents there are and in which state, their pages, chunks and vectors, and keyword search.

Chunks, pages and tokens stand here exactly while their document is whole; so whatever is searched is whole, without
a condition in any query. What is only on its way in or out is a bare row in `documents`. Knows no files.

Chroma finds the nearest of all vectors. Those of one document stand here as well, in one piece: a few documents are
compared whole, which Chroma's filter takes ten times as long for, and a lost index is made anew without the embedder.
"""

import json
import queue
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.document import Chunk, Document, Page, Passage, Record, health_counts
from ingest.errors import CatalogueDamagedError, StorageFailed
from ingest.store import bm25
from ingest.store.schema import (
    SELECT_PAGE,
    SELECT_PASSAGE,
    SELECT_RECORD,
    lines_json,
    page_of,
    passage_of,
    prepare,
    record_of,
    sound,
    spans_json,
)
from ingest.store.sqlite_damage import check_regular, is_damage

_BUSY_SECONDS = 30.0
# What decoding a damaged row raises.
_NOT_OURS = (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, RecursionError)
_AMONG = "IN (SELECT value FROM json_each(?))"  # a list of any length is one variable
_RANGES = f"""SELECT c.number, c.number + d.chunks FROM documents d JOIN chunks c ON c.document = d.id AND c.place = 0
WHERE d.id {_AMONG}"""


class Catalogue:
    """One database file. Safe for threads and for processes: readers never wait for a writer.

    Every method raises CatalogueDamagedError where the file is not what was written to it.
    """

    def __init__(self, file: Path, stored_count: int = 0) -> None:
        """Opens it, or creates it where no PDF is stored yet, which a new one would not list.

        Raises StorageFailed, NewerLibrary, CatalogueLostError.
        """
        self._file = file
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._corpus: bm25.Corpus | None = None  # this and the records are kept for as long as nothing changes
        self._records: tuple[str, list[Record]] = ("", [])
        with self._writing() as db:
            prepare(db, file, stored_count)

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
        with self._decoding() as db:
            return int(_version(db))

    def find_damage(self) -> str:
        """Reads the whole file, some 400 MB a second; what is wrong with it, "" where nothing is."""
        try:
            with self._reading() as db:
                found = [str(line) for (line,) in db.execute("PRAGMA quick_check(1)")]
        except CatalogueDamagedError as error:
            return str(error.params["detail"])
        return "" if found == ["ok"] else found[0] if found else "the check said nothing"

    # -- documents come and go

    def announce(self, document: Document) -> None:
        """Says that a document is about to come, so that what a killed run leaves of it elsewhere can be found."""
        with self._writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, '', 'arriving', 0, '[]', 0, '{}')",
                (document.id, sound(document.name), sound(document.title)),
            )

    def complete(
        self,
        document: Document,
        chunks: Sequence[Chunk],
        tokens: Iterable[Sequence[str]],
        vectors: NDArray[np.float32],
    ) -> None:
        """Writes all of an announced document and makes it whole, in one transaction.

        `tokens`: one list a chunk; `vectors`: (len(chunks), dimensions), unit rows.
        """
        with self._writing() as db:
            db.executemany(
                "INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        document.id,
                        p.number,
                        sound(p.label),
                        sound(p.text),
                        sound(p.problem),
                        p.duplicate_of,
                        lines_json(p),
                    )
                    for p in document.pages
                ),
            )
            db.executemany(
                "INSERT INTO headings VALUES (?, ?, ?, ?, ?)",
                ((document.id, i, sound(h.title), h.level, h.page) for i, h in enumerate(document.outline)),
            )
            first = int(db.execute("SELECT coalesce(max(number), 0) + 1 FROM chunks").fetchone()[0])
            db.executemany(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (number, c.id, c.document, c.index, c.start, c.end, sound(c.text), sound(c.heading), spans_json(c))
                    for number, c in enumerate(chunks, first)
                ),
            )
            bm25.put(db, first, tokens)
            db.execute("INSERT INTO vectors VALUES (?, ?)", (document.id, vectors.astype(np.float16).tobytes()))
            db.execute(
                """UPDATE documents SET state = 'whole', added = ?, pages = ?, without_text = ?, chunks = ?, health = ?
                WHERE id = ?""",
                (
                    datetime.now(UTC).isoformat(),
                    len(document.pages),
                    json.dumps(document.pages_without_text),
                    len(chunks),
                    json.dumps(health_counts(document.pages)),
                    document.id,
                ),
            )
            _count_up(db)

    def rename(self, id: str, name: str) -> None:
        with self._writing() as db:
            db.execute("UPDATE documents SET name = ? WHERE id = ?", (sound(name), id))
            _count_up(db)

    def holdings(self, id: str) -> tuple[int, int, int]:
        """What there is of a document: its rows in all tables, its tokens, and the number of its first chunk."""
        with self._reading() as db:
            (first,) = db.execute("SELECT coalesce(min(number), 0) FROM chunks WHERE document = ?", (id,)).fetchone()
            _, tokens = bm25.held(db, first)
        return self.left(id, first), tokens, int(first)

    def left(self, id: str, first: int) -> int:
        """The rows that are there of a document whose first chunk has, or had, this number."""
        with self._reading() as db:
            (rows,) = db.execute(
                """SELECT (SELECT count(*) FROM documents WHERE id = :id)
                + (SELECT count(*) FROM pages WHERE document = :id)
                + (SELECT count(*) FROM headings WHERE document = :id)
                + (SELECT count(*) FROM chunks WHERE document = :id)
                + (SELECT count(*) FROM vectors WHERE document = :id)""",
                {"id": id},
            ).fetchone()
            indexed, _ = bm25.held(db, first)
        return int(rows) + indexed

    def dismiss(self, id: str) -> None:
        """Takes everything of a document out but its row, which stays as `leaving` until `forget`."""
        with self._writing() as db:
            first = db.execute("SELECT min(number) FROM chunks WHERE document = ?", (id,)).fetchone()[0]
            if first is not None:
                bm25.drop(db, first)
            db.execute("DELETE FROM chunks WHERE document = ?", (id,))
            db.execute("DELETE FROM pages WHERE document = ?", (id,))
            db.execute("DELETE FROM headings WHERE document = ?", (id,))
            db.execute("DELETE FROM vectors WHERE document = ?", (id,))
            if db.execute("UPDATE documents SET state = 'leaving' WHERE id = ? AND state = 'whole'", (id,)).rowcount:
                _count_up(db)
            db.execute("UPDATE documents SET state = 'leaving' WHERE id = ?", (id,))

    def forget(self, id: str) -> None:
        """Drops the row of a document that is not whole."""
        with self._writing() as db:
            db.execute("DELETE FROM documents WHERE id = ? AND state <> 'whole'", (id,))
        with self._reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # the log still holds what was deleted

    def unfinished(self) -> list[str]:
        """The ids of documents on their way in or out."""
        with self._reading() as db:
            rows = db.execute("SELECT id FROM documents WHERE state IN ('arriving', 'leaving') ORDER BY id")
            return [str(id) for (id,) in rows]

    # -- what there is

    def records(self) -> list[Record]:
        with self._decoding() as db:
            version = _version(db)  # read first: what is newer than it says is read again
            if self._records[0] != version:
                rows = db.execute(f"{SELECT_RECORD} ORDER BY name, added, id").fetchall()
                self._records = version, [record_of(row) for row in rows]
            return list(self._records[1])

    def record(self, id: str) -> Record | None:
        with self._decoding() as db:
            row = db.execute(f"{SELECT_RECORD} AND id = ?", (id,)).fetchone()
            return record_of(row) if row else None

    def page(self, document: str, number: int) -> Page | None:
        with self._decoding() as db:
            row = db.execute(f"{SELECT_PAGE} AND number = ?", (document, number)).fetchone()
            return page_of(row) if row else None

    def pages(self, document: str) -> list[Page]:
        """All pages of a whole document, in order."""
        with self._decoding() as db:
            rows = db.execute(f"{SELECT_PAGE} ORDER BY number", (document,)).fetchall()
            return [page_of(row) for row in rows]

    def passages(self, ids: Sequence[str]) -> list[Passage]:
        """The chunks of these ids that there are, in the order that they were added in."""
        with self._decoding() as db:
            rows = db.execute(f"{SELECT_PASSAGE} WHERE c.id {_AMONG} ORDER BY c.number", (_list(ids),)).fetchall()
            return [passage_of(row) for row in rows]

    def vectors(self, document: str) -> tuple[list[str], NDArray[np.float32]] | None:
        """The ids of a document's chunks, and their vectors (chunks, dimensions), unit rows.

        None where there are none: the document is gone, or came with format 2, which did not keep them here.
        """
        with self._decoding() as db:
            db.execute("BEGIN")  # both as they are at one moment
            try:
                kept = db.execute("SELECT numbers FROM vectors WHERE document = ?", (document,)).fetchone()
                chunks = db.execute("SELECT id FROM chunks WHERE document = ? ORDER BY place", (document,)).fetchall()
            finally:
                db.execute("COMMIT")
            if kept is None or not chunks:
                return None
            rows = np.frombuffer(kept[0], np.float16).reshape(len(chunks), -1).astype(np.float32)
            return [id for (id,) in chunks], rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def all_passages(self, document: str) -> list[Passage]:
        with self._decoding() as db:
            rows = db.execute(f"{SELECT_PASSAGE} WHERE c.document = ? ORDER BY c.place", (document,)).fetchall()
            return [passage_of(row) for row in rows]

    def chunk_ids(self, among: Sequence[str] | None = None, documents: Sequence[str] | None = None) -> set[str]:
        """The ids of all chunks, or of those `among` them, or of those of some documents."""
        conditions, values = [], []
        for column, listed in (("id", among), ("document", documents)):
            if listed is not None:
                conditions.append(f"{column} {_AMONG}")
                values.append(_list(listed))
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        with self._decoding() as db:
            return {str(id) for (id,) in db.execute(f"SELECT id FROM chunks {where}", values)}

    def chunk_count(self, documents: Sequence[str] | None = None) -> int:
        """Of all documents, or of these."""
        where, values = ("", ()) if documents is None else (f"WHERE id {_AMONG}", (_list(documents),))
        with self._decoding() as db:
            return int(db.execute(f"SELECT coalesce(sum(chunks), 0) FROM documents {where}", values).fetchone()[0])

    # -- keyword search

    def keywords(
        self, tokens: Sequence[str] | Mapping[str, float], k: int, documents: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The best `k` chunks by BM25: (chunk id, score), higher is better, ties in the order of adding.

        `tokens`: each counts once, or what the mapping says.
        """
        weights = tokens if isinstance(tokens, Mapping) else dict.fromkeys(tokens, 1.0)
        if not weights or k < 1 or (documents is not None and not documents):
            return []
        with self._decoding() as db:
            db.execute("BEGIN")  # all that follows sees one state of the library
            version = _version(db)
            corpus = self._corpus
            if corpus is None or corpus.version != version:
                corpus = self._corpus = bm25.corpus(db, version)
            within = None if documents is None else db.execute(_RANGES, (_list(documents),)).fetchall()
            found = dict(bm25.search(db, corpus, weights, k, within))
            rows = db.execute(f"SELECT number, id FROM chunks WHERE number {_AMONG}", (_list(list(found)),))
            ids = dict(rows.fetchall())
            db.execute("COMMIT")
            return [(ids[number], score) for number, score in found.items()]

    # -- connections

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one thread for a moment. SQLite's errors, and values that are none of ours, become ours."""
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
            if is_damage(error):
                raise self._damaged(str(error)) from error
            raise StorageFailed(folder=self._file.parent, detail=str(error)) from error

    @contextmanager
    def _decoding(self) -> Iterator[sqlite3.Connection]:
        """The same for rows that are turned into values: what cannot be one was not written by us."""
        with self._reading() as db:
            try:
                yield db
            except _NOT_OURS as error:
                raise self._damaged(f"a row cannot be read: {type(error).__name__}") from error

    def _damaged(self, detail: str) -> CatalogueDamagedError:
        return CatalogueDamagedError(file=self._file, detail=detail)

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
        check_regular(self._file)
        db = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            # With WAL, anything less may lose the last documents with the power.
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA secure_delete = ON")  # a removed document is overwritten, not only unlinked
        except BaseException:
            db.close()
            raise
        return db


def _version(db: sqlite3.Connection) -> str:
    return str(db.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()[0])


def _count_up(db: sqlite3.Connection) -> None:
    db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'version'")


def _list(values: Sequence[str | int]) -> str:
    return json.dumps(list(values))
