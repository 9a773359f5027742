"""Vectors that were computed before, by model and text: a text that stands twice, or comes again, is embedded once.

A file of SQLite beside the library's others. It holds hashes and vectors, never a text, and says of each vector which
document needed it last: with a document its vectors go. It is a convenience: without it everything works, slower, so
nothing that goes wrong here stops an ingest; only that a removal could not be done is said.
"""

import hashlib
import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.notices import Notices
from ingest.store.sidecar import harmless, opened, removing

FILE = "vectors.sqlite3"
_PURPOSE = "vectors that were computed once"
_MOST_BYTES = 512_000_000  # of vectors; 330,000 of 384 numbers
_ORPHANED_SECONDS = 7 * 86_400  # a document whose ingest was cut short may be tried again within that
_BUSY_SECONDS = 30.0
_AT_ONCE = 10_000  # keys in one statement
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY, document TEXT NOT NULL, used REAL NOT NULL, numbers BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS vectors_document ON vectors (document);
CREATE INDEX IF NOT EXISTS vectors_used ON vectors (used);
"""


class VectorCache:
    """The vectors of one embedder in one library's folder. For one thread at a time; any number may open the file."""

    def __init__(
        self, folder: Path, embedder: str, dimensions: int, notices: Notices, most_bytes: int = _MOST_BYTES
    ) -> None:
        self._file = folder / FILE
        self._notices = notices
        self._embedder = embedder
        self._dimensions = dimensions
        self._most = max(1, most_bytes // (4 * dimensions))

    def key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self._embedder}\0{text}".encode("utf-8", "surrogatepass")).digest()

    def get(self, keys: Sequence[bytes], document: str) -> dict[bytes, NDArray[np.float32]]:
        """Those vectors (dimensions,) that are known; from now on they belong to `document`."""
        found: dict[bytes, NDArray[np.float32]] = {}
        with harmless(self._file, _PURPOSE, self._notices), _opened(self._file) as db:
            for at in range(0, len(keys), _AT_ONCE):
                some = keys[at : at + _AT_ONCE]
                marks = ",".join("?" * len(some))
                for key, numbers in db.execute(f"SELECT key, numbers FROM vectors WHERE key IN ({marks})", some):
                    row = np.frombuffer(numbers, np.float32)
                    if row.shape == (self._dimensions,) and abs(float(row @ row) - 1) < 0.01:  # as it was put in
                        found[key] = row
            now = time.time()
            db.executemany(
                "UPDATE vectors SET document = ?, used = ? WHERE key = ?", ((document, now, key) for key in found)
            )
        return found

    def put(self, rows: Mapping[bytes, NDArray[np.float32]], document: str) -> None:
        """Keeps vectors (dimensions,) by key, for `document`; those that were not used for longest give way."""
        with harmless(self._file, _PURPOSE, self._notices), _opened(self._file) as db:
            now = time.time()
            db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)",
                ((key, document, now, row.astype(np.float32).tobytes()) for key, row in rows.items()),
            )
            (count,) = db.execute("SELECT count(*) FROM vectors").fetchone()
            if count > self._most:
                db.execute(
                    "DELETE FROM vectors WHERE key IN (SELECT key FROM vectors ORDER BY used, key LIMIT ?)",
                    (count - self._most,),
                )


def forget_strangers(
    folder: Path, documents: Collection[str], notices: Notices, seconds: float = _ORPHANED_SECONDS
) -> None:
    """Drops what is older than `seconds` and belongs to none of these documents: of an ingest that never ended."""
    if not (folder / FILE).exists():
        return
    with harmless(folder / FILE, _PURPOSE, notices), _opened(folder / FILE) as db:
        owners = {str(owner) for (owner,) in db.execute("SELECT DISTINCT document FROM vectors")}
        db.executemany(
            "DELETE FROM vectors WHERE document = ? AND used < ?",
            ((owner, time.time() - seconds) for owner in owners.difference(documents)),
        )


def forget(folder: Path, document: str, notices: Notices) -> None:
    """Drops the vectors of a document that leaves the library in `folder`. Raises StorageFailed."""
    file = folder / FILE
    if not file.exists():
        return
    with removing(file, _PURPOSE, notices), _opened(file) as db:
        db.execute("DELETE FROM vectors WHERE document = ?", (document,))


def _opened(file: Path) -> AbstractContextManager[sqlite3.Connection]:
    return opened(file, _SCHEMA, _BUSY_SECONDS)
