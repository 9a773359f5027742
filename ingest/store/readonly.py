"""A library in a folder that cannot be written: what is searched is copied to a private place, the PDFs stay.

SQLite and Chroma write while they read, so neither opens where nothing can be written.
"""

import os
import shutil
import tempfile
from pathlib import Path

_COPIED = ("catalogue.sqlite3", "catalogue.sqlite3-wal", "chroma.seal", "chroma")


def is_read_only(folder: Path) -> bool:
    """Whether there is a library that this process may read and not write."""
    return (folder / _COPIED[0]).is_file() and not os.access(folder, os.W_OK)


def private_copy(folder: Path) -> Path:
    """All of a library but the PDFs, in a new folder for this process alone. Raises OSError."""
    place = Path(tempfile.mkdtemp(prefix="pagewise-"))
    try:
        for name in _COPIED:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, place / name)  # with their times, which the seal of Chroma's names
            elif (folder / name).exists():
                shutil.copyfile(folder / name, place / name)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return place
