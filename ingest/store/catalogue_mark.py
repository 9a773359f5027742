"""A small file that says which catalogue belongs to a library's folder, and how far it had come.

An older copy of the catalogue, one whose write-ahead log is lost, or another library's is whole in itself, and yet
takes stored documents for leftovers. Against the mark it shows.
"""

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ingest.store.sqlite_damage import set_aside
from ingest.text_file import TextFileError, read_json_file

FILE = "catalogue.mark"
_MOST_BYTES = 1000


@dataclass(frozen=True)
class CatalogueMark:
    library: str  # the random id that a catalogue gets when it is made
    version: int  # grows with every document that comes or goes

    def is_behind(self, mark: "CatalogueMark | None") -> bool:
        """Whether a catalogue in this state is not the one that the mark was last written for, or not sure to be."""
        return mark is None or mark.library != self.library or mark.version > self.version


def read_mark(folder: Path) -> CatalogueMark | None:
    """The mark in a library's folder; None where there is none that can be read."""
    with suppress(TextFileError, ValueError, TypeError, KeyError):
        value = read_json_file(folder / FILE, _MOST_BYTES)
        return CatalogueMark(str(value["library"]), int(value["version"]))
    return None


def write_mark(folder: Path, mark: CatalogueMark) -> None:
    """Replaces the mark, whole or not at all; a folder in its place is set aside. Raises OSError.

    It is not synced to the disk: a mark that is lost or older only keeps files that could have been cleared.
    """
    handle, part = tempfile.mkstemp(dir=folder, prefix=f"{FILE}-", suffix=".part")
    try:
        with os.fdopen(handle, "w") as target:
            json.dump(asdict(mark), target)
        if (folder / FILE).is_dir():
            set_aside(folder / FILE)
        Path(part).replace(folder / FILE)
    finally:
        Path(part).unlink(missing_ok=True)


def delete_mark(folder: Path) -> None:
    """Deletes the mark: until the next one, no stored file is taken for a leftover. Raises OSError."""
    if (folder / FILE).is_dir():
        set_aside(folder / FILE)
    (folder / FILE).unlink(missing_ok=True)
