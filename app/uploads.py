"""Uploaded files into the library: to disk under names of our own, through ingest, off the disk again. No Streamlit."""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest.document import display_name
from ingest.errors import Encrypted, PagewiseError, StorageFailed, WrongPassword
from ingest.pdf.decrypt import unlock
from ingest.pdf.extract import fingerprint
from ingest.pdf.extract_worker import Limits
from ingest.pipeline import Progress, Result, Upload, ingest
from ingest.store.incoming import (
    claim_uploads,
    create_upload,
    list_waiting,
    remove_copies,
    remove_files,
    write_manifest,
)
from ingest.store.library import Library
from ingest.sync.folder import failure

_NAME = 32  # of a file's hash, in its name here
SAMPLE = Path(__file__).parent / "sample" / "pagewise.pdf"


class File(Protocol):
    """What a browser sent. The name is text to show and never a path."""

    @property
    def name(self) -> str: ...

    def getbuffer(self) -> memoryview: ...


def receive(files: Sequence[File], folder: Path) -> list[Upload]:
    """The files on disk, in a new folder of their own inside `folder`, each named by the hash of its content.

    Raises StorageFailed; then nothing is kept.
    """
    try:
        with create_upload(folder) as place:
            uploads = []
            for number, file in enumerate(files):
                content = file.getbuffer()
                path = place / f"{number}-{hashlib.sha256(content).hexdigest()[:_NAME]}.pdf"
                path.write_bytes(content)
                uploads.append(Upload(file.name, path))
            write_manifest(place, {upload.path.name: display_name(upload.name) for upload in uploads})
            return uploads
    except OSError as error:
        raise StorageFailed(folder=folder, detail=error.strerror or str(error)) from None


def waiting(folder: Path) -> list[Upload]:
    """Received files on which nobody works: their app was killed, or they want a password that nobody gave."""
    return [Upload(name, path) for path, name in list_waiting(folder).items()]


def take_in(
    uploads: Sequence[Upload], library: Library, limits: Limits, temporary: bool, password: str = ""
) -> Iterator[Progress | Result]:
    """Ingest's events. `temporary`: a file is removed when its result is there, all are when the work is stopped.

    What wants a password stays, and so does what a fault of the whole run left undone. Raises UploadBusy.
    """
    folders = {upload.path.parent for upload in uploads} if temporary else set[Path]()
    wanting: set[str] = set()
    has_failed = False
    with claim_uploads(folders):
        try:
            opened = (
                (yield from _unlocked(uploads, password, limits, wanting)) if password else [(u, u) for u in uploads]
            )
            originals = iter([original for original, _ in opened])
            with closing(ingest([copy for _, copy in opened], library, limits)) as events:
                for event in events:
                    if isinstance(event, Result):
                        original = next(originals)
                        if event.status != "failed":
                            library.places.keep(event.id)  # whoever uploads it wants it, whatever becomes of a file
                        if wants_password(event):
                            wanting.add(event.id)
                        elif temporary:
                            original.path.unlink(missing_ok=True)
                    yield event
        except Exception:
            has_failed = True
            raise
        finally:
            for folder in folders:
                remove_copies(folder)
            if temporary and not has_failed:
                discard([upload for upload in uploads if not _is_one_of(upload, wanting)])


def wants_password(result: Result) -> bool:
    return isinstance(result.error, Encrypted | WrongPassword)


def locked(events: Sequence[Progress | Result], uploads: Sequence[Upload]) -> list[Upload]:
    """Those of the received files that wait for a password."""
    wanting = {event.id for event in events if isinstance(event, Result) and wants_password(event)}
    return [upload for upload in uploads if _is_one_of(upload, wanting)]


def discard(uploads: Sequence[Upload]) -> None:
    """Removes received files, with the copies made of them and the folders that are empty then."""
    remove_files([upload.path for upload in uploads])


def discard_waiting(uploads: Sequence[Upload]) -> None:
    """The same of files on which nobody works. Raises UploadBusy; then they stay."""
    with claim_uploads({upload.path.parent for upload in uploads}):
        discard(uploads)


def _unlocked(
    uploads: Sequence[Upload], password: str, limits: Limits, wanting: set[str]
) -> Generator[Result, None, list[tuple[Upload, Upload]]]:
    """Each file with itself, or with a copy without its password beside it; a Result for each that it does not open."""
    opened = []
    for upload in uploads:
        id = ""
        try:
            id = fingerprint(upload.path, limits)
            copy = unlock(upload.path, [password], limits, upload.path.parent)
            opened.append((upload, Upload(upload.name, copy, id) if copy else upload))
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
