"""A library whose catalogue is lost or damaged, made whole again from the PDFs that it stores.

Nothing is deleted here. The damaged catalogue is renamed and stays; a stored file that cannot be read stays too.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.document import display_name
from ingest.errors import CatalogueError, ReadError, ReadOnlyLibrary, StorageFailed, WriterBusy
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Progress, Result, Upload, ingest
from ingest.store.catalogue import Catalogue
from ingest.store.catalogue_mark import delete_mark, read_mark
from ingest.store.chroma import FOLDER as CHROMA
from ingest.store.index_seal import break_seal
from ingest.store.library import CATALOGUE, LOCK, WRITE_LOCK, Library
from ingest.store.pdf_files import StoredFile
from ingest.store.process_lock import OwnedLock
from ingest.store.readonly import is_read_only
from ingest.store.sqlite_damage import set_aside
from ingest.sync.folder import failure

_LOCK_SECONDS = 2.0  # for a process that is just ending


class StoredFileDamagedError(ReadError):
    text = "The stored copy {file} is not what was stored: its bytes have changed. It is kept."
    remedy = "Add the document's own file again."


@dataclass(frozen=True)
class CatalogueReplaced:
    """The catalogue was lost or damaged and is made anew. `aside`: where the old one is kept; None: there was none."""

    aside: Path | None


def replace_damaged_catalogue(folder: Path) -> CatalogueReplaced | None:
    """Reads the whole catalogue of the library in `folder`, and makes a new one where it is not whole.

    The vectors are checked when the library is opened next. Returns None for a whole catalogue. Raises LibraryBusy
    while another process has the library open, ReadOnlyLibrary, StorageFailed, NewerLibrary.
    """
    if is_read_only(folder):
        raise ReadOnlyLibrary(folder=folder)
    file = folder / CATALOGUE
    try:
        owner, writer = OwnedLock(folder / LOCK), OwnedLock(folder / WRITE_LOCK, WriterBusy)
        owner.take(_LOCK_SECONDS)
        try:
            writer.take(_LOCK_SECONDS)
            try:
                break_seal(folder / CHROMA)
                return _replace(folder, file) if not _is_whole(file) else None
            finally:
                writer.release()
        finally:
            owner.release()
    except OSError as error:
        raise StorageFailed(folder=folder, detail=error.strerror or str(error)) from error


def _is_whole(file: Path) -> bool:
    try:
        catalogue = Catalogue(file, stored_count=1)
        try:
            return not catalogue.find_damage() and catalogue.meta("library") is not None
        finally:
            catalogue.close()
    except CatalogueError:
        return False


def _replace(folder: Path, file: Path) -> CatalogueReplaced:
    mark = read_mark(folder)
    delete_mark(folder)
    had_content = os.path.lexists(file) and not (file.is_file() and file.stat().st_size == 0)
    aside = set_aside(file)
    if not had_content:
        aside.unlink(missing_ok=True)
    catalogue = Catalogue(file)
    try:
        if mark is not None:  # Chroma's collection has the library's id in its name: its vectors are used again
            catalogue.remember({"library": mark.library})
    finally:
        catalogue.close()
    return CatalogueReplaced(aside if had_content else None)


def take_in_unlisted_files(library: Library, limits: Limits) -> Iterator[Progress | Result]:
    """Reads the stored PDFs that the catalogue does not list, and stores them as whole documents again.

    One Result a file, as for any ingest. Closing the iterator stops the work; what is not taken in yet stays stored.
    Raises LibraryError.
    """
    uploads: list[Upload] = []
    for stored in library.list_unlisted_files():
        name = _find_name(stored, library)
        try:
            uploads.append(_check_stored_file(stored, name))
        except ReadError as error:
            yield failure(name, stored.id, error)
    yield from ingest(uploads, library, limits)


def _find_name(stored: StoredFile, library: Library) -> str:
    """The document's name: from the file's label, else from the file that it once came from, else of its id."""
    paths = library.places.paths(stored.id)
    return display_name(stored.name or (Path(paths[0]).name if paths else f"{stored.id[:12]}.pdf"))


def _check_stored_file(stored: StoredFile, name: str) -> Upload:
    """The file as something to take in. Raises StoredFileDamagedError, StorageFailed."""
    try:
        with stored.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageFailed(folder=stored.path.parent, detail=error.strerror or str(error)) from error
    if found != (stored.sha256 or stored.id):
        raise StoredFileDamagedError(file=stored.path)
    # A copy without its password has other bytes than the document, whose id is the hash of the original.
    return Upload(name, stored.path, "" if found == stored.id else stored.id)
