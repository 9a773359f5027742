"""Which file of this machine is which document: path, size, time and inode of what was taken in. Opens no file itself.

A row is written before its document is added, and counts only while the library holds that document; so whatever is
killed and when, a file is at worst looked at again. It lies beside the catalogue in a database of its own, because
losing it costs nothing but that.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import StorageFailed

_BUSY_SECONDS = 30.0
# A file system gives two changes within one tick of its clock the same time: 2 s where it keeps whole seconds (FAT),
# 10 ms at most elsewhere. A file that was looked at within such a tick is looked at again.
_COARSE_TICK, _TICK = 2_000_000_000, 100_000_000  # ns
_SCHEMA = """
CREATE TABLE IF NOT EXISTS places (
    path BLOB NOT NULL, document TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL, inode TEXT NOT NULL,
    seen INTEGER NOT NULL, PRIMARY KEY (path, document)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS documents ON places (document);
CREATE TABLE IF NOT EXISTS kept (document TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Stamp:
    """What tells a file's states apart without reading it."""

    size: int
    modified: int  # ns
    inode: int

    @classmethod
    def of(cls, about: os.stat_result) -> "Stamp":
        return cls(about.st_size, about.st_mtime_ns, about.st_ino)


@dataclass(frozen=True)
class Place:
    document: str  # id
    stamp: Stamp
    seen: int  # ns; when the file had this stamp; 0: it changed while it was read

    def is_at(self, stamp: Stamp) -> bool:
        """Whether a file with `stamp` certainly is the one that was seen."""
        tick = _TICK if stamp.modified % 1_000_000_000 else _COARSE_TICK
        return self.stamp == stamp and stamp.modified + tick < self.seen


class Places:
    """One database file, made at the first need. Safe for threads and processes. Raises StorageFailed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def all(self) -> dict[str, list[Place]]:
        """Every path with the documents that its file is or was: two while a changed file replaces its former one."""
        found: dict[str, list[Place]] = {}
        with self._opened() as db:
            for path, document, size, modified, inode, seen in db.execute(
                "SELECT path, document, size, modified, inode, seen FROM places"
            ):
                place = Place(document, Stamp(size, modified, int(inode)), seen)
                found.setdefault(os.fsdecode(path), []).append(place)
        return found

    def paths(self, document: str) -> list[str]:
        with self._opened() as db:
            rows = db.execute("SELECT path FROM places WHERE document = ? ORDER BY path", (document,))
            return [os.fsdecode(path) for (path,) in rows]

    def put(self, path: str, document: str, stamp: Stamp, steady: bool) -> None:
        """`steady`: the file had that stamp before and after it was read."""
        row = (os.fsencode(path), document, stamp.size, stamp.modified, str(stamp.inode))
        with self._opened() as db:
            db.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?, ?)", (*row, time.time_ns() * steady))

    def drop(self, path: str, document: str) -> None:
        with self._opened() as db:
            db.execute("DELETE FROM places WHERE path = ? AND document = ?", (os.fsencode(path), document))

    def keep(self, document: str) -> None:
        """It came by another way than a folder (too): no file that goes takes it along."""
        with self._opened() as db:
            db.execute("INSERT OR IGNORE INTO kept VALUES (?)", (document,))

    def is_kept(self, document: str) -> bool:
        with self._opened() as db:
            return db.execute("SELECT 1 FROM kept WHERE document = ?", (document,)).fetchone() is not None

    def forget(self, document: str) -> None:
        """All of a document that is removed."""
        if self._db is None and not self._file.exists():
            return
        with self._opened() as db:
            db.execute("DELETE FROM places WHERE document = ?", (document,))
            db.execute("DELETE FROM kept WHERE document = ?", (document,))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._db is None:
                    db = sqlite3.connect(self._file, _BUSY_SECONDS, isolation_level=None, check_same_thread=False)
                    db.execute("PRAGMA journal_mode = WAL")
                    db.execute("PRAGMA synchronous = NORMAL")  # a row lost with the power is a file looked at again
                    db.execute("PRAGMA secure_delete = ON")
                    db.executescript(_SCHEMA)
                    self._db = db
                yield self._db
            except sqlite3.Error as error:
                raise StorageFailed(folder=self._file.parent, detail=str(error)) from error
