"""The documents' own bytes, each under its id, so that a page can be shown when the original is gone. No names here.

Beside them, a folder for files that are on their way in.
"""

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from filelock import FileLock, Timeout

from ingest.errors import FileUnreadable

_FORGOTTEN = 86_400.0  # seconds; what lies among the incoming files longer than that was left by a kill
_LOCK = "lock"
_OURS = re.compile(r"[0-9a-f]{64}\.pdf|incoming-.*\.part")


class Files:
    """`files/<id>.pdf` and `incoming` in a library's folder. Raises OSError where the disk does."""

    def __init__(self, library: Path) -> None:
        self._folder = library / "files"
        self._folder.mkdir(0o700, exist_ok=True)
        self._incoming = library / "incoming"

    def path(self, id: str) -> Path:
        return self._folder / f"{id}.pdf"

    def put(self, id: str, file: Path, content: str) -> None:
        """Copies a document's file to its place, whole or not at all. `content`: the SHA-256 that its bytes must have.

        Raises FileUnreadable if it is another one.
        """
        handle, name = tempfile.mkstemp(dir=self._folder, prefix="incoming-", suffix=".part")
        temporary = Path(name)
        try:
            digest = hashlib.sha256()
            with os.fdopen(handle, "wb") as target:
                try:
                    source = file.open("rb")
                except OSError as error:
                    raise FileUnreadable(detail=error.strerror or str(error)) from error
                with source:
                    while piece := source.read(1 << 20):
                        digest.update(piece)
                        target.write(piece)
                target.flush()
                os.fsync(target.fileno())
            if digest.hexdigest() != content:
                raise FileUnreadable(detail="it changed while it was being read")
            temporary.replace(self.path(id))
            self._sync()
        finally:
            temporary.unlink(missing_ok=True)

    def drop(self, id: str) -> None:
        self.path(id).unlink(missing_ok=True)

    def workplace(self) -> "Workplace":
        """A new folder for copies on their way in, as a context manager."""
        self._incoming.mkdir(0o700, exist_ok=True)
        return Workplace(self._incoming)

    def sweep(self, known: Collection[str]) -> None:
        """Removes the copies of unknown documents and half copies; nothing that was not named by us.

        And what a killed run left of its work: copies without their password, uploads that nobody can be waiting for.
        """
        names = {self.path(id).name for id in known}
        for file in self._folder.iterdir():
            if _OURS.fullmatch(file.name) and file.name not in names:
                file.unlink(missing_ok=True)
        for left in self._incoming.iterdir() if self._incoming.is_dir() else ():
            if _is_left(left):
                shutil.rmtree(left, ignore_errors=True)

    def _sync(self) -> None:
        """Makes the new name as lasting as the bytes."""
        if os.name == "posix":
            handle = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


class Workplace:
    """A folder that is there while it is used. A lock of the operating system in it tells others that it is."""

    def __init__(self, parent: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="work-", dir=parent))
        self._lock = FileLock(self.folder / _LOCK, thread_local=False)
        self._lock.acquire()

    def __enter__(self) -> Path:
        return self.folder

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_left(place: Path) -> bool:
    """Whether a folder among what is on its way in belongs to a run that has ended without clearing it."""
    try:
        if not (place / _LOCK).exists():  # an upload, or a workplace in the moment in which it is made
            return time.time() - place.stat().st_mtime > _FORGOTTEN
        with FileLock(place / _LOCK, timeout=0):
            return True
    except (Timeout, OSError):
        return False
