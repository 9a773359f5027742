"""Says whether an embedded Chroma's files are as they were when it was closed, without reading them.

A damaged index gives wrong vectors, or none, or ends the process by a segmentation fault (each seen with files that
were cut off). So one that was not closed, or whose files changed since, is checked before it is opened.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

_MOST_BYTES = 1_000_000  # an entry takes about 100; Chroma has six files a collection


def _path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.seal")


def is_sealed(folder: Path) -> bool:
    """Whether every file in `folder` has the size and the time of change that it had at `seal`."""
    with suppress(OSError, ValueError), _path(folder).open("rb") as file:
        return bool(json.loads(file.read(_MOST_BYTES)) == _read_stats(folder))
    return False


def seal(folder: Path) -> None:
    """Notes the files in `folder` as they are. Raises OSError."""
    _path(folder).write_text(json.dumps(_read_stats(folder)))


def break_seal(folder: Path) -> None:
    """From here on the files may change; after a kill there is no seal. Raises OSError."""
    _path(folder).unlink(missing_ok=True)


def _read_stats(folder: Path) -> dict[str, list[int]]:
    """Size in bytes and time of the last change in ns, by path."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            about = os.stat(os.path.join(parent, name), follow_symlinks=False)
            found[os.path.relpath(os.path.join(parent, name), folder)] = [about.st_size, about.st_mtime_ns]
    return found
