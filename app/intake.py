"""Uploaded files into the library: to disk under names of our own, through ingest, off the disk again. No Streamlit."""

import hashlib
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest.errors import Encrypted, PagewiseError, StorageFailed, WrongPassword
from ingest.folder import failure
from ingest.library import Library
from ingest.load import Limits
from ingest.pipeline import Progress, Result, Upload, ingest
from ingest.safe_open import open_regular_file
from ingest.unlock import unlock

_NAME = 32  # of a file's hash, in its name here
SAMPLE = Path(__file__).parent / "sample" / "pagewise.pdf"


class File(Protocol):
    """What a browser sent. The name is text to show and never a path."""

    @property
    def name(self) -> str: ...

    def getbuffer(self) -> memoryview: ...


def receive(files: Sequence[File], folder: Path) -> list[Upload]:
    """The files on disk, in a new folder of their own inside `folder`, each named by the hash of its content."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="upload-", dir=folder))
        uploads = []
        for number, file in enumerate(files):
            content = file.getbuffer()
            path = place / f"{number}-{hashlib.sha256(content).hexdigest()[:_NAME]}.pdf"
            path.write_bytes(content)
            uploads.append(Upload(file.name, path))
        return uploads
    except OSError as error:
        raise StorageFailed(folder=folder, detail=error.strerror or str(error)) from None


def take_in(
    uploads: Sequence[Upload], library: Library, limits: Limits, temporary: bool, password: str = ""
) -> Iterator[Progress | Result]:
    """Ingest's events. `temporary`: the files are removed however it ends, but for those that want a password."""
    wanting: set[str] = set()
    try:
        opened = (yield from _unlocked(uploads, password, limits, wanting)) if password else uploads
        with closing(ingest(opened, library, limits)) as events:
            for event in events:
                if isinstance(event, Result) and event.status != "failed":
                    library.places.keep(event.id)  # whoever uploads a document wants it, whatever becomes of a file
                if isinstance(event, Result) and wants_password(event):
                    wanting.add(event.id)
                yield event
    finally:
        if temporary:
            discard([upload for upload in uploads if not _is_one_of(upload, wanting)])


def wants_password(result: Result) -> bool:
    return isinstance(result.error, Encrypted | WrongPassword)


def locked(events: Sequence[Progress | Result], uploads: Sequence[Upload]) -> list[Upload]:
    """Those of the received files that wait for a password."""
    wanting = {event.id for event in events if isinstance(event, Result) and wants_password(event)}
    return [upload for upload in uploads if _is_one_of(upload, wanting)]


def discard(uploads: Sequence[Upload]) -> None:
    """Removes received files, with the copies made of them and the folders that are empty then."""
    for upload in uploads:
        upload.path.unlink(missing_ok=True)
    for folder in {upload.path.parent for upload in uploads}:
        for copy in folder.glob("unlocked-*"):
            copy.unlink(missing_ok=True)
        with suppress(OSError):  # another one still waits there
            folder.rmdir()


def _unlocked(
    uploads: Sequence[Upload], password: str, limits: Limits, wanting: set[str]
) -> Generator[Result, None, list[Upload]]:
    """The files, or copies of them without their password beside them; a Result for each that it does not open."""
    opened = []
    for upload in uploads:
        with open_regular_file(upload.path) as file:
            id = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            copy = unlock(upload.path, [password], limits, upload.path.parent)
            opened.append(Upload(upload.name, copy, id) if copy else upload)
        except PagewiseError as error:
            result = failure(upload.name, id, error)
            if wants_password(result):
                wanting.add(id)
            yield result
    return opened


def _is_one_of(upload: Upload, ids: set[str]) -> bool:
    return any(id[:_NAME] in upload.path.stem for id in ids if id)


@dataclass(frozen=True)
class State:
    """How far it is, from the events so far."""

    results: tuple[Result, ...]
    now: Progress | None  # what is being done to the file after the results
    share: float  # of all files, 0 to 1


_PART = {"reading": (0.0, 0.375), "embedding": (0.375, 0.5), "storing": (0.875, 0.125)}  # of one file: begins at, size


def state(events: Sequence[Progress | Result], files: int) -> State:
    results = tuple(event for event in events if isinstance(event, Result))
    last = events[-1] if events else None
    now = last if isinstance(last, Progress) else None
    part = 0.0
    if now is not None:
        begin, size = _PART[now.stage]
        part = begin + size * (now.done / now.total if now.total else 0.0)
    return State(results, now, min(1.0, (len(results) + part) / max(1, files)))
