"""load → split → embed → library for many files, telling how it goes. One Result a file; a bad one stops no other."""

import hashlib
import logging
import os
import queue
import threading
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np

from ingest import sandbox
from ingest.document import Document, Page, display_name
from ingest.errors import Broken, FileUnreadable, NoText, PagewiseError
from ingest.library import Library
from ingest.split import split
from ingest.worker import Limits

_EMBED_BATCH = 64  # texts between two tellings of progress
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """A file to take in: the name to show, and where its bytes are.

    `id`: of the document, where the file is a copy of it without its password; else it is the hash of the bytes.
    """

    name: str
    path: Path
    id: str = ""


@dataclass(frozen=True)
class Progress:
    """`done` of `total` pages (reading), chunks (embedding) or documents (storing)."""

    name: str
    stage: Literal["reading", "embedding", "storing"]
    done: int
    total: int


@dataclass(frozen=True)
class Result:
    """How it ended for one file. `id` is "" where the file could not even be read as bytes."""

    name: str
    id: str
    status: Literal["added", "already there", "partial", "failed"]
    pages: int
    without_text: tuple[int, ...]
    chunks: int
    reason: str = ""
    error: PagewiseError | None = None


def ingest(files: Iterable[Upload], library: Library, limits: Limits) -> Generator[Progress | Result, None, None]:
    """Takes the files in, one after the other. Closing the iterator stops the work; whole documents stay."""
    seen: dict[str, Result] = {}  # by content: the first file of this run that had it
    for upload in files:
        name = display_name(upload.name)
        id = ""
        try:
            id = upload.id or _digest(upload.path, limits)
            result = _known(id, name, library, seen)
            if result is None:
                result = yield from _take_in(replace(upload, name=name), id, library, limits)
        except PagewiseError as error:
            result = _failed(name, id, error)
        except Exception as error:  # a fault of ours in one file is no reason to lose the others
            _log.exception("ingest of one file failed")
            result = _failed(name, id, Broken(detail=f"{type(error).__name__}: {error}"[:300]))
        if id:
            seen.setdefault(id, result)
        yield result


def find_pdfs(paths: Iterable[Path]) -> list[Upload]:
    """The files as given, whatever their endings, and every PDF in the folders; sorted by path, none twice.

    Raises FileUnreadable for a path that is not there, or a folder that cannot be listed.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            for folder, _, names in os.walk(path, onerror=_raise_unreadable):
                found |= {
                    os.path.abspath(file): file
                    for name in names
                    if name.lower().endswith(".pdf")
                    for file in [Path(folder, name)]
                }
        elif os.path.lexists(path):
            found[os.path.abspath(path)] = path
        else:
            raise FileUnreadable(detail=f"there is no {str(path)!r}")
    return [Upload(path.name, path) for _, path in sorted(found.items())]


def _take_in(upload: Upload, id: str, library: Library, limits: Limits) -> Generator[Progress, None, Result]:
    """One new file, from its bytes to the library; its Result is the value of the generator."""
    document = yield from _read(upload, limits)
    content = document.id
    if content != id and not upload.id:
        raise FileUnreadable(detail="it changed while it was being read")
    document = replace(document, id=id)
    without = document.pages_without_text
    embedder = library.embedder
    chunks = split(document, embedder.count, embedder.window) if len(without) < len(document.pages) else []
    if not chunks:
        return _failed(upload.name, id, NoText(pages=len(document.pages)), len(document.pages), without)
    vectors = np.zeros((len(chunks), embedder.dimensions), np.float32)
    # By length over the whole document, so that a batch has little padding.
    order = sorted(range(len(chunks)), key=lambda i: len(chunks[i].text))
    for at in range(0, len(order), _EMBED_BATCH):
        yield Progress(upload.name, "embedding", at, len(chunks))
        some = order[at : at + _EMBED_BATCH]
        vectors[some] = embedder.documents([library.indexed_text(document.title, chunks[i]) for i in some])
    yield Progress(upload.name, "embedding", len(chunks), len(chunks))
    yield Progress(upload.name, "storing", 0, 1)
    record = library.add(document, chunks, vectors, upload.path, content)
    yield Progress(upload.name, "storing", 1, 1)
    reason = _without_text(document.pages) if without else ""
    return Result(upload.name, id, record.status, record.pages, record.without_text, record.chunks, reason)


def _read(upload: Upload, limits: Limits) -> Generator[Progress, None, Document]:
    """Reads in a worker process, watched by a thread, so that the pages can be told as they come."""
    told: queue.SimpleQueue[Progress | Document | BaseException] = queue.SimpleQueue()
    stopped = threading.Event()

    def on_page(done: int, total: int) -> None:
        if stopped.is_set():
            raise _Stopped  # the sandbox ends the worker
        told.put(Progress(upload.name, "reading", done, total))

    def work() -> None:
        try:
            told.put(sandbox.read(upload.path, upload.name, limits, on_page=on_page))
        except BaseException as error:
            told.put(error)

    threading.Thread(target=work, name="reading", daemon=True).start()
    try:
        while True:
            item = told.get()
            if isinstance(item, Progress):
                yield item
            elif isinstance(item, Document):
                return item
            else:
                raise item
    finally:
        stopped.set()


class _Stopped(Exception):
    """Nobody listens any more."""


def _known(id: str, name: str, library: Library, seen: Mapping[str, Result]) -> Result | None:
    """The result for bytes that are there already, or that failed in this run; None for new ones."""
    if first := seen.get(id):
        if first.status == "failed":
            return replace(first, name=name)
        return replace(first, name=name, status="already there", reason=f"The same file as {first.name}.")
    if record := library.holds(id):
        reason = "" if record.name == name else f"It is in the library as {record.name}."
        return Result(name, id, "already there", record.pages, record.without_text, record.chunks, reason)
    return None


def _failed(name: str, id: str, error: PagewiseError, pages: int = 0, without_text: tuple[int, ...] = ()) -> Result:
    return Result(name, id, "failed", pages, without_text, 0, str(error), error)


def _digest(path: Path, limits: Limits) -> str:
    """The SHA-256 of a file's bytes. Raises FileUnreadable, EmptyFile, TooLarge; never waits on a pipe or device."""
    sandbox.check_file(path, limits)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileUnreadable(detail=error.strerror or str(error)) from error


def _without_text(pages: Iterable[Page]) -> str:
    """Pages 3, 7–9 gave no text (picture only): which pages, by why."""
    silent = sorted((page.problem or "no text", page.number) for page in pages if not page.text.strip())
    told = []
    for problem, group in groupby(silent, key=lambda item: item[0]):
        numbers = [number for _, number in group]
        told.append(f"{'Page' if len(numbers) == 1 else 'Pages'} {_ranges(numbers)} gave no text ({problem}).")
    return " ".join(told)


def _ranges(numbers: Iterable[int]) -> str:
    """1, 2, 3, 7 → "1–3, 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def _raise_unreadable(error: OSError) -> None:
    raise FileUnreadable(detail=f"{str(error.filename)!r}: {error.strerror}") from error
