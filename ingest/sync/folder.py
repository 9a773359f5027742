"""Files and folders, and a library that is kept in step with them: only what is new or changed is worked on.

Before the pipeline stands one question for each file: is it as it was (path, size, time and inode, without opening
it), or at least a content that is there already (its hash)? Only the rest is read. A changed file's former version is
removed when the new one is whole; a file that is gone takes its document along only where that is asked for, and
never a document that came another way, or that lies elsewhere too.
"""

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from time import time_ns
from typing import Literal

from ingest.document import Record, display_name
from ingest.errors import EmptiedFolder, PagewiseError, ReadError
from ingest.pdf.decrypt import is_encrypted, passwords_for, unlock
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Progress, Result, Upload, ingest
from ingest.safe_open import hash_file, open_document
from ingest.store.library import Library
from ingest.store.tracked_files import Place, Stamp

SETTLED = 2_000_000_000  # ns without a change, after which a watched file counts as wholly written


@dataclass(frozen=True)
class Removed:
    """A document that was taken out: its file changed and the new version is whole, or its file is gone."""

    name: str
    id: str
    reason: Literal["replaced", "gone"]


class Folder:
    """`paths`, given once, synced as often as one likes. Remembers what failed, and tries it again when it changed."""

    def __init__(
        self,
        paths: Sequence[Path],
        library: Library,
        limits: Limits,
        *,
        prune: bool = False,
        patient: bool = False,
        passwords: Sequence[tuple[str, str]] = (),
    ) -> None:
        """`prune`: documents go whose file was in one of the folders and is gone. `patient`: leave growing files.

        `passwords`: (file name or "", password) to try on files that ask for one.
        """
        self._folders = tuple(os.path.abspath(path) for path in paths if path.is_dir())
        self._own = os.path.join(os.path.abspath(library.folder), "")  # copies of documents, not documents
        self._library, self._places, self._limits = library, library.places, limits
        self._prune, self._patient, self._passwords = prune, patient, passwords
        self._failed: dict[str, Stamp] = {}
        self._syncs = 0
        self._known: dict[str, list[Place]] = {}  # as it was when the sync began
        self._due: list[tuple[str, str]] = []  # path and document: what else was known of the path is former
        self.waiting = False  # for a file that is still being written

    def sync(self, files: Iterable[Upload]) -> Generator[Progress | Result | Removed, None, None]:
        """Takes in what is new or changed among `files`, which are all there are now, and tells it.

        What is unchanged is told the first time only. Closing the iterator stops the work; whole documents stay.
        """
        self._known, self._due = self._places.all(), []
        whole = {record.id: record for record in self._library.records()}
        first, self.waiting, self._syncs = self._syncs == 0, False, self._syncs + 1
        new: list[Upload] = []
        there: set[str] = set()
        for upload in files:
            path = os.path.abspath(upload.path)
            if path.startswith(self._own):
                continue
            there.add(path)
            stamp = _stamp(path)
            known = [place.document for place in self._known.get(path, ()) if stamp and place.is_at(stamp)]
            record = next((whole[id] for id in known if id in whole), None)
            if record is not None:
                self._due.append((path, record.id))
                if first:
                    yield _there(upload, record, "")
            elif self._patient and stamp and 0 <= time_ns() - stamp.modified < SETTLED:
                self.waiting = True
            elif first or stamp is None or self._failed.get(path) != stamp:
                new.append(upload)
        if new:
            yield from self._take_in(new)
        for path, document in self._due:  # last, so that of files that changed places none is read again
            yield from self._settle(path, document)
        if self._prune:
            yield from self._take_out(there)

    def _take_in(self, new: Iterable[Upload]) -> Iterator[Progress | Result]:
        found: list[Result] = []  # for contents that are there already, or locked
        paths: dict[str, list[str]] = {}  # of the others, by document
        with (
            self._library.workplace() as place,
            closing(ingest(self._unknown(new, found, paths, place), self._library, self._limits)) as events,
        ):
            for event in events:
                while found:
                    yield found.pop(0)
                if isinstance(event, Result):
                    event = self._ended(event, paths.get(event.id, []))
                yield event
        yield from found

    def _unknown(
        self, new: Iterable[Upload], found: list[Result], paths: dict[str, list[str]], place: Path
    ) -> Iterator[Upload]:
        """Those whose content is not there; their places are remembered. The others go to `found`."""
        for upload in new:
            path = os.path.abspath(upload.path)
            try:
                id, stamp, steady = _identify(upload, self._limits)
            except ReadError:
                failed = _stamp(path)
                if failed:
                    self._failed[path] = failed
                yield upload  # the pipeline says what is wrong with it
                continue
            record = self._library.holds(id)
            if record is None:
                self._places.put(path, id, stamp, steady)
                paths.setdefault(id, []).append(path)
                if steady:
                    self._failed[path] = stamp  # until it is in
                try:
                    opened = self._opened(upload, id, place)
                except PagewiseError as error:
                    found.append(self._ended(failure(upload.name, id, error), [path]))
                else:
                    yield opened
                continue
            found.append(self._recognised(upload, path, record))
            self._places.put(path, id, stamp, steady)
            self._failed.pop(path, None)
            self._due.append((path, id))

    def _opened(self, upload: Upload, id: str, place: Path) -> Upload:
        """The file, or where it asks for a password, a copy in `place` that does not. Raises PagewiseError."""
        passwords = passwords_for(upload.name, self._passwords)
        locked = passwords and is_encrypted(upload.path, self._limits)
        copy = unlock(upload.path, passwords, self._limits, place) if locked else None
        return Upload(upload.name, copy, id) if copy else upload

    def _recognised(self, upload: Upload, path: str, record: Record) -> Result:
        """What is there under a name: moved where its former file is gone, else a copy, which changes nothing."""
        others = [other for other in self._places.paths(record.id) if other != path]
        if not others and not any(place.document == record.id for place in self._known.get(path, ())):
            self._places.keep(record.id)  # it came from elsewhere, by an upload
        name, kept = display_name(upload.name), self._places.is_kept(record.id)
        if kept or not others or any(os.path.lexists(other) for other in others):
            return _there(upload, record, "" if record.name == name else f"It is in the library as {record.name}.")
        for other in others:
            self._places.drop(other, record.id)
        if record.name == name:
            return _there(upload, record, f"It was moved here from {os.path.dirname(others[0])}.")
        self._library.rename(record.id, name)
        return _there(upload, record, f"It was renamed from {record.name}.")

    def _ended(self, result: Result, paths: Sequence[str]) -> Result:
        """Notes how it ended for a new content, which lies at `paths`."""
        if result.status != "failed":
            self._due.extend((path, result.id) for path in paths)
        if not isinstance(result.error, ReadError):  # it is in; or the disk is full, which the file is not to blame for
            for path in paths:
                self._failed.pop(path, None)
        former = [place.document for path in paths for place in self._known.get(path, ())]
        if result.status == "failed" and any(self._library.holds(id) for id in former):
            return replace(result, reason=f"{result.reason} Its former version stays in the library.")
        return result

    def _settle(self, path: str, document: str) -> Iterator[Removed]:
        """The file at `path` is `document` now, which is whole: what it was before goes."""
        for place in self._known.get(path, ()):
            if place.document != document:
                yield from self._leave(path, place.document, "replaced")

    def _take_out(self, there: set[str]) -> Iterator[Removed]:
        """What was under the folders and is gone. Raises EmptiedFolder: an empty folder may be a drive that is away."""
        for folder in self._folders:
            came = {path for path in self._places.all() if path.startswith(os.path.join(folder, ""))}
            if came and not os.listdir(folder):
                raise EmptiedFolder(folder=folder, count=len(came))
        for path, places in sorted(self._places.all().items()):
            inside = any(path.startswith(os.path.join(folder, "")) for folder in self._folders)
            if inside and path not in there and not os.path.lexists(path):
                for place in places:
                    yield from self._leave(path, place.document, "gone")

    def _leave(self, path: str, document: str, reason: Literal["replaced", "gone"]) -> Iterator[Removed]:
        """`document` lies at `path` no more; it goes, unless it lies elsewhere or came another way."""
        record = self._library.holds(document)
        others = [other for other in self._places.paths(document) if other != path]
        if record is None or self._places.is_kept(document) or others:
            self._places.drop(path, document)
            names = [display_name(os.path.basename(other)) for other in others]
            if record and names and record.name not in names and not self._places.is_kept(document):
                self._library.rename(document, names[0])  # its name went with this file
        else:
            self._library.remove(document)
            yield Removed(record.name, document, reason)


def failure(name: str, id: str, error: PagewiseError) -> Result:
    """How it ended for a file that did not even come to the pipeline."""
    return Result(display_name(name), id, "failed", 0, (), 0, str(error), error)


def _identify(upload: Upload, limits: Limits) -> tuple[str, Stamp, bool]:
    """The SHA-256 of a file's bytes, its stamp, and whether that stayed so. Raises as `open_document` does."""
    with open_document(upload.path, limits.file_mb, upload.folder) as file:
        before = Stamp.of(os.fstat(file.fileno()))
        id = hash_file(file, limits.file_mb)
        return id, before, Stamp.of(os.fstat(file.fileno())) == before


def _stamp(path: str) -> Stamp | None:
    try:
        return Stamp.of(os.stat(path))
    except (OSError, ValueError):
        return None


def _there(upload: Upload, record: Record, reason: str) -> Result:
    name = display_name(upload.name)
    return Result(name, record.id, "already there", record.pages, record.without_text, record.chunks, reason)
