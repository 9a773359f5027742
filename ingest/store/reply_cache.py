"""Finished replies of models, kept so that none is paid for twice: dumb about what was asked, and of whom.

A file of SQLite beside the library's others, committed reply by reply, so that a kill at any moment loses only what was
still being written. A reply names the documents that it was written from and goes with the first of them that leaves
the library. A `scope` is one piece of work, whose replies can be dropped together.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ingest.notices import Notices
from ingest.store.sidecar import harmless, opened, removing

FILE = "replies.sqlite3"
_PURPOSE = "replies of models that were paid for once"
_MOST_BYTES = 64_000_000  # of text; of 40,000 notes of a page each
_A_DAY = 86_400.0  # seconds
_OLDEST = 30 * _A_DAY  # since a reply was last used
_BUSY_SECONDS = 30.0
_SCHEMA = """
DROP TABLE IF EXISTS replies; -- of an earlier shape, in which nobody finds anything any more
CREATE TABLE IF NOT EXISTS kept (
    key BLOB PRIMARY KEY, scope BLOB NOT NULL, used REAL NOT NULL, cut INTEGER NOT NULL, tokens INTEGER NOT NULL,
    read INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS owners (key BLOB NOT NULL, document TEXT NOT NULL, PRIMARY KEY (key, document));
CREATE INDEX IF NOT EXISTS kept_scope ON kept (scope);
CREATE INDEX IF NOT EXISTS owners_document ON owners (document);
"""
_OF_DOCUMENT = "DELETE FROM kept WHERE key IN (SELECT key FROM owners WHERE document = ?)"
_UNOWNED = "DELETE FROM owners WHERE key NOT IN (SELECT key FROM kept)"


@dataclass(frozen=True)
class Kept:
    """A whole reply. `cut`: it ended at its longest. Tokens by its writer's own count, 0: not known."""

    text: str
    cut: bool
    tokens: int = 0  # of it
    read: int = 0  # of what it was told


class Replies:
    """The replies in one library's folder. Safe for threads and processes.

    `holds`: whether a document is in the library now; a reply that is written while its document leaves goes too.
    """

    def __init__(
        self, folder: Path, holds: Callable[[str], object], notices: Notices, most_bytes: int = _MOST_BYTES
    ) -> None:
        self._file = folder / FILE
        self._notices = notices
        self._holds = holds
        self._most = most_bytes

    def get(self, key: bytes) -> Kept | None:
        if not self._file.exists():
            return None
        with harmless(self._file, _PURPOSE, self._notices), self._opened() as db:
            row = db.execute("SELECT text, cut, tokens, read FROM kept WHERE key = ?", (key,)).fetchone()
            if row is not None:
                now = time.time()  # to the day: a write for each reply would make going on slow
                db.execute("UPDATE kept SET used = ? WHERE key = ? AND used < ?", (now, key, now - _A_DAY))
                return Kept(str(row[0]), bool(row[1]), int(row[2]), int(row[3]))
        return None

    def put(self, key: bytes, scope: bytes, kept: Kept, documents: Collection[str]) -> None:
        """Keeps a reply that was written from these documents."""
        with harmless(self._file, _PURPOSE, self._notices), self._opened() as db:
            text = kept.text.encode("utf-8", "replace").decode()
            row = (key, scope, time.time(), kept.cut, kept.tokens, kept.read, text)
            db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            db.executemany("INSERT OR IGNORE INTO owners VALUES (?, ?)", ((key, document) for document in documents))
        # Written first and looked at afterwards: a removal either sees this row, or is seen here.
        for document in documents:
            if not self._holds(document):
                with harmless(self._file, _PURPOSE, self._notices):
                    self._forget(document)

    def count(self, scope: bytes) -> int:
        """How many replies of a piece of work there are."""
        found = 0
        if self._file.exists():
            with harmless(self._file, _PURPOSE, self._notices), self._opened() as db:
                (found,) = db.execute("SELECT count(*) FROM kept WHERE scope = ?", (scope,)).fetchone()
        return found

    def drop(self, scope: bytes) -> None:
        """Forgets a piece of work, so that it is really done again."""
        if self._file.exists():
            with harmless(self._file, _PURPOSE, self._notices), self._opened() as db:
                db.execute("DELETE FROM kept WHERE scope = ?", (scope,))
                db.execute(_UNOWNED)

    def of(self, document: str) -> int:
        """How many replies were written from a document."""
        found = 0
        if self._file.exists():
            with harmless(self._file, _PURPOSE, self._notices), self._opened() as db:
                (found,) = db.execute("SELECT count(*) FROM owners WHERE document = ?", (document,)).fetchone()
        return found

    def forget(self, document: str) -> None:
        """Drops all that was written from a document that leaves the library. Raises StorageFailed."""
        if self._file.exists():
            with removing(self._file, _PURPOSE, self._notices):
                self._forget(document)

    def tidy(self, documents: Sequence[str] | None = None) -> None:
        """Drops what is too old or beyond the room there is, and what is of none of these documents (None: any)."""
        if not self._file.exists():
            return
        with harmless(self._file, _PURPOSE, self._notices), self._opened() as db:
            db.execute("DELETE FROM kept WHERE used < ?", (time.time() - _OLDEST,))
            if documents is not None:
                owners = {str(owner) for (owner,) in db.execute("SELECT DISTINCT document FROM owners")}
                for stranger in owners.difference(documents):
                    db.execute(_OF_DOCUMENT, (stranger,))
            (size,) = db.execute("SELECT coalesce(sum(length(text)), 0) FROM kept").fetchone()
            if size > self._most:
                for key, length in db.execute("SELECT key, length(text) FROM kept ORDER BY used, key").fetchall():
                    db.execute("DELETE FROM kept WHERE key = ?", (key,))
                    size -= length
                    if size <= self._most:
                        break
            db.execute(_UNOWNED)

    def _forget(self, document: str) -> None:
        with self._opened() as db:
            db.execute(_OF_DOCUMENT, (document,))
            db.execute(_UNOWNED)

    def _opened(self) -> AbstractContextManager[sqlite3.Connection]:
        return opened(self._file, _SCHEMA, _BUSY_SECONDS)
