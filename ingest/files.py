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

from ingest.errors import FileUnreadable

_FORGOTTEN = 86_400.0  # seconds; what lies among the incoming files longer than that was left by a kill
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

    def incoming(self) -> Path:
        """A folder for files on their way in, whatever becomes of them."""
        self._incoming.mkdir(0o700, exist_ok=True)
        return self._incoming

    def sweep(self, known: Collection[str]) -> None:
        """Removes the copies of unknown documents and half copies; nothing that was not named by us.

        And uploads that no running Pagewise can still be waiting for.
        """
        names = {self.path(id).name for id in known}
        for file in self._folder.iterdir():
            if _OURS.fullmatch(file.name) and file.name not in names:
                file.unlink(missing_ok=True)
        for left in self._incoming.iterdir() if self._incoming.is_dir() else ():
            if time.time() - left.stat().st_mtime > _FORGOTTEN:
                shutil.rmtree(left, ignore_errors=True)

    def _sync(self) -> None:
        """Makes the new name as lasting as the bytes."""
        if os.name == "posix":
            handle = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
