"""Which file of this machine is which document: path, size, time and inode of what was taken in. Opens no file itself.

A row is written before its document is added, and counts only while the library holds that document; so whatever is
killed and when, a file is at worst looked at again. It lies beside the catalogue in a database of its own, because
losing it costs nothing but that.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.errors import StorageFailed
from ingest.notices import Notices
from ingest.store.sidecar import reset
from ingest.store.sqlite_damage import check_regular, is_damage

_BUSY_SECONDS = 30.0
_PURPOSE = "which file is which document; the next ingest reads the files once more"
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
    """One database file, made at the first need, and made anew where it is damaged.

    Safe for threads and processes. Raises StorageFailed.
    """

    def __init__(self, file: Path, notices: Notices) -> None:
        self._file = file
        self._notices = notices
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        with self._lock:
            self._close()

    def all(self) -> dict[str, list[Place]]:
        """Every path with the documents that its file is or was: two while a changed file replaces its former one."""
        rows = self._run("SELECT path, document, size, modified, inode, seen FROM places")
        found: dict[str, list[Place]] = {}
        try:
            for path, document, size, modified, inode, seen in rows:
                place = Place(str(document), Stamp(int(size), int(modified), int(inode)), int(seen))
                found.setdefault(os.fsdecode(path), []).append(place)
        except (TypeError, ValueError):  # random bytes in a row that SQLite itself can read
            with self._lock:
                self._begin_anew()
            return {}
        return found

    def paths(self, document: str) -> list[str]:
        rows = self._run("SELECT path FROM places WHERE document = ? ORDER BY path", document)
        return [os.fsdecode(path) for (path,) in rows]

    def put(self, path: str, document: str, stamp: Stamp, steady: bool) -> None:
        """`steady`: the file had that stamp before and after it was read."""
        row = (os.fsencode(path), document, stamp.size, stamp.modified, str(stamp.inode))
        self._run("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?, ?)", *row, time.time_ns() * steady)

    def drop(self, path: str, document: str) -> None:
        self._run("DELETE FROM places WHERE path = ? AND document = ?", os.fsencode(path), document)

    def keep(self, document: str) -> None:
        """It came by another way than a folder (too): no file that goes takes it along."""
        self._run("INSERT OR IGNORE INTO kept VALUES (?)", document)

    def is_kept(self, document: str) -> bool:
        return bool(self._run("SELECT 1 FROM kept WHERE document = ?", document))

    def forget(self, document: str) -> None:
        """All of a document that is removed."""
        if self._db is None and not self._file.exists():
            return
        self._run("DELETE FROM places WHERE document = ?", document)
        self._run("DELETE FROM kept WHERE document = ?", document)

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of one statement. A damaged file is begun anew, and then the statement runs on the new one."""
        with self._lock:
            try:
                return self._execute(statement, values)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise StorageFailed(folder=self._file.parent, detail=str(error)) from error
            self._begin_anew()
            try:
                return self._execute(statement, values)
            except sqlite3.Error as error:
                raise StorageFailed(folder=self._file.parent, detail=str(error)) from error

    def _begin_anew(self) -> None:
        self._close()
        reset(self._file, _PURPOSE, self._notices)

    def _execute(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        if self._db is None:
            check_regular(self._file)
            db = sqlite3.connect(self._file, _BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")  # a row lost with the power is a file looked at again
                db.execute("PRAGMA secure_delete = ON")
                db.executescript(_SCHEMA)
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db.execute(statement, values).fetchall()

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
