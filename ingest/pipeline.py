"""load → split → embed → library for many files, telling how it goes. One Result a file; a bad one stops no other.

Files are read and embedded ahead by a crew; they are told of, stored and ended one after the other, in their order.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Literal

from ingest.document import Page, display_name
from ingest.errors import BlankPages, Broken, FileUnreadable, NoText, NothingRecognised, PagewiseError
from ingest.pdf import extract, ocr
from ingest.pdf.backends import BLANK
from ingest.pdf.sandbox import Limits
from ingest.prefetch import Crew, Job, Step
from ingest.safe_open import leads_outside
from ingest.store.library import Library

# How much may wait, read, until the document before it is stored: enough to keep all cores at work.
_AHEAD = 4  # documents, for each reader
_HELD = 8_000_000  # characters of text; 2,000 pages
_REMEDY = (
    "Pictures are read where text recognition is installed (pip install 'pagewise[ocr]'): then remove and add it again."
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """A file to take in: the name to show, and where its bytes are.

    `id`: of the document, where the file is a copy of it without its password; else it is the hash of the bytes.
    `folder`: what it was found in and must lie in when it is opened; None for a file that somebody named.
    """

    name: str
    path: Path
    id: str = ""
    folder: Path | None = None


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


@dataclass
class _Entry:
    """A file on its way: the work that was begun for it, if any was, or what made that impossible.

    `copy`: the file is a copy of the document without its password, so that its bytes are not those of `id`.
    """

    name: str
    path: Path
    id: str
    copy: bool
    job: Job | None = None
    error: PagewiseError | None = None


def ingest(files: Iterable[Upload], library: Library, limits: Limits) -> Generator[Progress | Result, None, None]:
    """Takes the files in, in their order. Closing the iterator stops the work; whole documents stay."""
    seen: dict[str, Result] = {}  # by content: the first file of this run that had it
    coming = iter(files)
    waiting: deque[_Entry] = deque()
    with closing(Crew(library, limits)) as crew:
        while True:
            while _has_room(waiting, crew.readers) and (upload := next(coming, None)):
                waiting.append(_entry(upload, library, limits, seen, waiting, crew))
            if not waiting:
                return
            entry = waiting.popleft()
            try:
                result = yield from _taken_in(entry, library, limits, seen, crew)
            except PagewiseError as error:
                result = _failed(entry.name, entry.id, error)
            except Exception as error:  # a fault of ours in one file is no reason to lose the others
                _log.exception("ingest of one file failed")
                result = _failed(entry.name, entry.id, Broken(detail=f"{type(error).__name__}: {error}"[:300]))
            if entry.id:
                seen.setdefault(entry.id, result)
            yield result


def find_pdfs(
    paths: Iterable[Path], follow_links: bool = False, on_left_out: Callable[[Path], None] = lambda link: None
) -> list[Upload]:
    """The files as given, whatever their endings, and every PDF in the folders; sorted by path, none twice.

    `follow_links`: also what links lead to outside the folder; else `on_left_out` hears of each such link, to a file
    or to a folder. A link that stays inside needs no rule: what it leads to is found anyway.
    Raises FileUnreadable for a path that is not there, or a folder that cannot be listed.
    """
    found: dict[str, Upload] = {}
    for path in paths:
        if path.is_dir():
            for file in _pdfs_inside(path, follow_links, on_left_out):
                found[os.path.abspath(file)] = Upload(file.name, file, folder=None if follow_links else path)
        elif os.path.lexists(path):
            found[os.path.abspath(path)] = Upload(path.name, path)
        else:
            raise FileUnreadable(detail=f"there is no {str(path)!r}")
    return [upload for _, upload in sorted(found.items())]


def _pdfs_inside(root: Path, follow_links: bool, on_left_out: Callable[[Path], None]) -> Iterator[Path]:
    followed: set[str] = set()  # real paths of linked folders: each is walked once, so that no circle is endless
    for folder, subfolders, names in os.walk(root, onerror=_raise_unreadable, followlinks=True):
        for link in [Path(folder, name) for name in subfolders if Path(folder, name).is_symlink()]:
            real, is_outside = os.path.realpath(link), leads_outside(link, root)
            if follow_links and is_outside and real not in followed:
                followed.add(real)
                continue
            subfolders.remove(link.name)
            if is_outside and not follow_links:
                on_left_out(link)
        for file in [Path(folder, name) for name in names if name.lower().endswith(".pdf")]:
            if follow_links or not leads_outside(file, root):
                yield file
            else:
                on_left_out(file)


def _has_room(waiting: Sequence[_Entry], readers: int) -> bool:
    return len(waiting) < _AHEAD * readers and sum(entry.job.held for entry in waiting if entry.job) < _HELD


def _entry(
    upload: Upload, library: Library, limits: Limits, seen: Mapping[str, Result], waiting: Iterable[_Entry], crew: Crew
) -> _Entry:
    """A file with its work begun, where there is any: not for bytes that are there, or that are on their way."""
    entry = _Entry(display_name(upload.name), upload.path, upload.id, copy=bool(upload.id))
    try:
        entry.id = upload.id or extract.fingerprint(upload.path, limits, upload.folder)
        if not _known(entry, library, seen) and all(entry.id != other.id for other in waiting):
            entry.job = crew.begin(entry.id, entry.name, entry.path, entry.copy)
    except PagewiseError as error:
        entry.error = error
    return entry


def _taken_in(
    entry: _Entry, library: Library, limits: Limits, seen: Mapping[str, Result], crew: Crew
) -> Generator[Progress, None, Result]:
    """One file, from what is known of its bytes to the library; its Result is the value of the generator."""
    if entry.error:
        raise entry.error
    if entry.job is None:
        if known := _known(entry, library, seen):
            return known
        entry.job = crew.begin(entry.id, entry.name, entry.path, entry.copy)  # it was there a moment ago
    job = entry.job
    while (told := job.told.get()) != "ready":
        if not isinstance(told, Step):
            raise told
        yield Progress(entry.name, told.stage, told.done, told.total)
    assert job.document is not None
    pages, without = job.document.pages, job.document.pages_without_text
    if not job.chunks:
        return _failed(entry.name, entry.id, _no_text(pages, limits), len(pages), without)
    yield Progress(entry.name, "storing", 0, 1)
    record = library.add(job.document, job.chunks, job.vectors, entry.path, job.content, limits.file_mb)
    yield Progress(entry.name, "storing", 1, 1)
    reason = _without_text(pages, limits) if without else ""
    return Result(entry.name, entry.id, record.status, record.pages, record.without_text, record.chunks, reason)


def _known(entry: _Entry, library: Library, seen: Mapping[str, Result]) -> Result | None:
    """The result for bytes that are there already, or that failed in this run; None for new ones."""
    id, name = entry.id, entry.name
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


def _no_text(pages: Sequence[Page], limits: Limits) -> PagewiseError:
    if all(page.problem == BLANK for page in pages):
        return BlankPages(pages=len(pages))
    kind = NothingRecognised if ocr.available(limits) else NoText
    return kind(pages=len(pages))


def _without_text(pages: Sequence[Page], limits: Limits) -> str:
    """Pages 3, 7–9 gave no text (picture only): which pages, by why; and what would help."""
    silent = sorted((page.problem or "no text", page.number) for page in pages if not page.text.strip())
    told = []
    for problem, group in groupby(silent, key=lambda item: item[0]):
        numbers = [number for _, number in group]
        told.append(f"{'Page' if len(numbers) == 1 else 'Pages'} {_ranges(numbers)} gave no text ({problem}).")
    if any(map(ocr.wanted, pages)) and not ocr.available(limits):
        told.append(_REMEDY if limits.ocr else "Text recognition is switched off (PAGEWISE_OCR).")
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
