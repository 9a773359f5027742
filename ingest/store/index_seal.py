"""Says whether an embedded Chroma's files are as they were when it was closed, without reading them.

A damaged index gives wrong vectors, or none, or ends the process by a segmentation fault (each seen with files that
were cut off). So one that was not closed, or whose files changed since, is checked before it is opened.
"""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ingest.text_file import TextFileError, read_json_file

_MOST_BYTES = 1_000_000  # an entry takes about 100; Chroma has six files a collection


def _path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.seal")


def is_sealed(folder: Path) -> bool:
    """Whether every file in `folder` has the size and the time of change that it had at `seal`."""
    with suppress(TextFileError, OSError):
        return bool(read_json_file(_path(folder), _MOST_BYTES) == _read_stats(folder))
    return False


def seal(folder: Path) -> None:
    """Notes the files in `folder` as they are. Raises OSError."""
    _path(folder).write_text(json.dumps(_read_stats(folder)))


def break_seal(folder: Path) -> None:
    """From here on the files may change; after a kill there is no seal. Raises OSError."""
    delete_tree(_path(folder))


def delete_tree(path: Path) -> None:
    """Deletes a file, a folder with all in it, or of a link the link. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _read_stats(folder: Path) -> dict[str, list[int]]:
    """Size in bytes and time of the last change in ns, by path."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            about = os.stat(os.path.join(parent, name), follow_symlinks=False)
            found[os.path.relpath(os.path.join(parent, name), folder)] = [about.st_size, about.st_mtime_ns]
    return found
