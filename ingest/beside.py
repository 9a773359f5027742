"""A file of SQLite beside the library's own: something that may be lost, but must go with its document.

Without it everything works, slower or dearer, so nothing that goes wrong here stops anything; only that a removal could
not be done is said.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ingest.errors import StorageFailed

_log = logging.getLogger(__name__)


@contextmanager
def opened(file: Path, schema: str, busy: float) -> Iterator[sqlite3.Connection]:
    """A connection in a transaction, opened for each use. `busy`: seconds that another writer is waited for."""
    with closing(sqlite3.connect(file, timeout=busy, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten, not only unlinked
        db.executescript(schema)
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")


@contextmanager
def harmless(file: Path) -> Iterator[None]:
    """A use of the file that may fail. A file that is no database any more is taken away."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        _log.warning("%s could not be used (%s)", file, error)
        if is_broken(error):
            delete(file)


@contextmanager
def removing(file: Path) -> Iterator[None]:
    """A removal from the file, which must be done. Raises StorageFailed."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if not is_broken(error):
            raise StorageFailed(folder=file.parent, detail=str(error)) from error
        delete(file)


def is_broken(error: Exception) -> bool:
    """Whether the file is no database of ours any more, rather than busy or on a full disk."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)


def delete(file: Path) -> None:
    for ending in ("", "-journal"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
