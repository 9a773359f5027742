"""The documents' own bytes, each under its id, so that a page can be shown when the original is gone.

Beside each file stands a label with what only the catalogue knows otherwise: the document's name and the hash of the
stored bytes. So a lost catalogue can be made anew from this folder alone. A stored file is deleted only by `drop`.
In a folder of their own, files that are on their way in.
"""

import hashlib
import json
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import FileUnreadable
from ingest.safe_open import open_document, read_pieces
from ingest.store.incoming import Workplace, sweep_incoming
from ingest.text_file import TextFileError, read_json_file

_HASH = re.compile(r"[0-9a-f]{64}")
_HALF_COPY = re.compile(r"incoming-.*\.part")
_LABEL_BYTES = 10_000  # a name of 150 characters and a hash take less than 1,000


@dataclass(frozen=True)
class StoredFile:
    """A PDF in the store. `name` and `sha256` (of its bytes) are "" where its label is lost."""

    id: str
    path: Path
    name: str = ""
    sha256: str = ""


class Files:
    """`files/<id>.pdf` with its label `<id>.json`, and `incoming`, in a library's folder.

    Raises OSError where the disk does.
    """

    def __init__(self, library: Path) -> None:
        self._folder = library / "files"
        self._folder.mkdir(0o700, exist_ok=True)
        self._incoming = library / "incoming"

    @property
    def folder(self) -> Path:
        return self._folder

    def path(self, id: str) -> Path:
        """Where a document's file is. Raises ValueError for an `id` that is no SHA-256 in hex, so never a path."""
        if not _HASH.fullmatch(id):
            raise ValueError(f"{id[:80]!r} is not the id of a document")
        return self._folder / f"{id}.pdf"

    def put(self, id: str, file: Path, content: str, name: str, max_mb: int) -> None:
        """Copies a document's file to its place, whole or not at all. `content`: the SHA-256 that its bytes must have.

        Raises FileUnreadable if it is another one, TooLarge if it has more than `max_mb`.
        """
        handle, part = tempfile.mkstemp(dir=self._folder, prefix="incoming-", suffix=".part")
        temporary = Path(part)
        try:
            digest = hashlib.sha256()
            with os.fdopen(handle, "wb") as target, open_document(file, max_mb) as source:
                for piece in read_pieces(source, max_mb):
                    digest.update(piece)
                    target.write(piece)
                target.flush()
                os.fsync(target.fileno())
            if digest.hexdigest() != content:
                raise FileUnreadable(detail="it changed while it was being read")
            self._write_label(id, name, content)
            temporary.replace(self.path(id))
            self._sync()
        finally:
            temporary.unlink(missing_ok=True)

    def rename(self, id: str, name: str) -> None:
        """Changes the name on the label of a stored file."""
        self._write_label(id, name, self.read_label(id).sha256)

    def drop(self, id: str) -> None:
        self.path(id).unlink(missing_ok=True)
        self._label(id).unlink(missing_ok=True)

    def list_ids(self) -> set[str]:
        """The ids of all stored files."""
        return {f.stem for f in self._folder.iterdir() if f.suffix == ".pdf" and _HASH.fullmatch(f.stem)}

    def read_label(self, id: str) -> StoredFile:
        """A stored file with what its label says."""
        with suppress(TextFileError, TypeError, KeyError):
            label = read_json_file(self._label(id), _LABEL_BYTES)
            name, sha256 = str(label["name"]), str(label["sha256"])
            if _HASH.fullmatch(sha256):
                return StoredFile(id, self.path(id), name, sha256)
        return StoredFile(id, self.path(id))

    def _label(self, id: str) -> Path:
        return self.path(id).with_suffix(".json")

    def _write_label(self, id: str, name: str, sha256: str) -> None:
        label = json.dumps({"name": name.encode("utf-8", "replace").decode(), "sha256": sha256}, ensure_ascii=False)
        handle, part = tempfile.mkstemp(dir=self._folder, prefix="incoming-", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as target:
                target.write(label.encode())
            Path(part).replace(self._label(id))
        finally:
            Path(part).unlink(missing_ok=True)

    def workplace(self) -> Workplace:
        """A new folder for copies on their way in, as a context manager."""
        self._incoming.mkdir(0o700, exist_ok=True)
        return Workplace(self._incoming)

    def sweep(self) -> None:
        """Removes half copies and labels without a file, and nothing that was not named by us. Never a stored file.

        And what a killed run left of its work: copies without their password, half-written uploads.
        """
        stored = self.list_ids()
        for file in self._folder.iterdir():
            is_lone_label = file.suffix == ".json" and _HASH.fullmatch(file.stem) and file.stem not in stored
            if is_lone_label or _HALF_COPY.fullmatch(file.name):
                file.unlink(missing_ok=True)
        sweep_incoming(self._incoming)

    def _sync(self) -> None:
        """Makes the new name as lasting as the bytes."""
        if os.name == "posix":
            handle = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
