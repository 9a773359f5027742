"""A file of SQLite beside the library's own: something that may be lost, but must go with its document.

Without it everything works, slower or dearer, so nothing that goes wrong here stops anything; only that a removal could
not be done, or that a damaged file was begun anew, is said.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ingest.errors import FileResetNotice, StorageFailed
from ingest.notices import Notices
from ingest.store.sqlite_damage import check_regular, delete_database, is_damage

_log = logging.getLogger(__name__)


@contextmanager
def opened(file: Path, schema: str, busy: float) -> Iterator[sqlite3.Connection]:
    """A connection in a transaction, opened for each use. `busy`: seconds that another writer is waited for."""
    check_regular(file)
    with closing(sqlite3.connect(file, timeout=busy, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten, not only unlinked
        db.executescript(schema)
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")


@contextmanager
def harmless(file: Path, purpose: str, notices: Notices) -> Iterator[None]:
    """A use of the file that may fail. A damaged file is taken away. `purpose`: what the file saves, for the notice."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        _log.warning("%s could not be used (%s)", file, error)
        if is_damage(error):
            reset(file, purpose, notices)


@contextmanager
def removing(file: Path, purpose: str, notices: Notices) -> Iterator[None]:
    """A removal from the file, which must be done. Raises StorageFailed."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if not is_damage(error):
            raise StorageFailed(folder=file.parent, detail=str(error)) from error
        reset(file, purpose, notices)


def reset(file: Path, purpose: str, notices: Notices) -> None:
    """Takes a damaged file away, so that the next use begins it anew, and says so. Raises StorageFailed."""
    try:
        delete_database(file)
    except OSError as error:
        raise StorageFailed(folder=file.parent, detail=error.strerror or str(error)) from error
    notices.add(FileResetNotice(file=file, purpose=purpose))
