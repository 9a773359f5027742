"""Uploaded files into the library: to disk under names of our own, through ingest, off the disk again. No Streamlit."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest.errors import StorageFailed
from ingest.library import Library
from ingest.load import Limits
from ingest.pipeline import Progress, Result, Upload, ingest

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
            path = place / f"{number}-{hashlib.sha256(content).hexdigest()[:32]}.pdf"
            path.write_bytes(content)
            uploads.append(Upload(file.name, path))
        return uploads
    except OSError as error:
        raise StorageFailed(folder=folder, detail=error.strerror or str(error)) from None


def take_in(
    uploads: Sequence[Upload], library: Library, limits: Limits, temporary: bool
) -> Iterator[Progress | Result]:
    """Ingest's events. `temporary`: the files are removed however it ends."""
    try:
        with closing(ingest(uploads, library, limits)) as events:
            for event in events:
                if isinstance(event, Result) and event.status != "failed":
                    library.places.keep(event.id)  # whoever uploads a document wants it, whatever becomes of a file
                yield event
    finally:
        if temporary:
            for folder in {upload.path.parent for upload in uploads}:
                shutil.rmtree(folder, ignore_errors=True)


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
