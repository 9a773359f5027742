"""Which errors of SQLite mean a damaged file, and how such a file is set aside or taken away.

A full disk, a busy writer or a missing permission pass; a damaged file does not, and is handled by whoever owns it.
"""

import os
import sqlite3
import time
from pathlib import Path

# https://www.sqlite.org/rescode.html. A file of ours never gives SQLITE_ERROR (no such table or column): our statements
# are fixed, so its schema is not ours any more.
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}
_PARTS = ("", "-wal", "-shm", "-journal")


def is_damage(error: BaseException) -> bool:
    """Whether the database file is not what was written to it, rather than busy, full or forbidden."""
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, sqlite3.ProgrammingError):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    # Without a code it comes from Python's own module: text that is no UTF-8, a value of the wrong type.
    return code is None or code & 0xFF in _DAMAGE


def check_regular(file: Path) -> None:
    """SQLite would wait for a pipe, and calls a folder a full disk. Raises sqlite3.DatabaseError, which is damage."""
    if os.path.lexists(file) and not file.is_file():  # a link that leads nowhere too
        raise sqlite3.DatabaseError("it is not a regular file")


def set_aside(file: Path) -> Path:
    """Renames a damaged database with its logs; its new path. Raises OSError."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    number, aside = 0, file.with_name(f"{file.name}.damaged-{stamp}")
    while os.path.lexists(aside):
        number += 1
        aside = file.with_name(f"{file.name}.damaged-{stamp}-{number}")
    for part in _PARTS[1:]:  # the database last: what is killed here is done again
        log = file.with_name(file.name + part)
        if log.exists():
            log.rename(aside.with_name(aside.name + part))
    if os.path.lexists(file):
        file.rename(aside)
    return aside


def delete_database(file: Path) -> None:
    """Deletes a database with its logs; a folder in its place is set aside. Raises OSError."""
    if file.is_dir():
        set_aside(file)
    for part in reversed(_PARTS):
        file.with_name(file.name + part).unlink(missing_ok=True)
