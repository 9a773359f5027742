"""`incoming` in a library's folder: files on their way in, those of each run in a folder of their own.

A lock of the operating system in it says that a process works there; a dead process cannot keep it. The folder of an
upload has a manifest as well, as soon as all its files are written: it has their names. So what a kill leaves can be
told apart: an upload with a manifest waits until somebody adds or discards it, everything else is removed.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ingest.errors import UploadBusy
from ingest.text_file import TextFileError, read_json_file

LOCK = "lock"
MANIFEST = "manifest.json"
UPLOAD = "upload-"  # how the name of an upload's folder begins
_COPIES = "*.pdf"
_FORGOTTEN = 86_400.0  # seconds; only a kill in the moment in which a folder is made leaves it without a lock
_PATIENCE = 2.0  # seconds; who only looks whether an upload waits has its lock for less
_A_LOOK = 0.05  # seconds


class Workplace:
    """A folder that is there while it is used. A lock of the operating system in it tells others that it is."""

    def __init__(self, parent: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="work-", dir=parent))
        self._lock = FileLock(self.folder / LOCK, thread_local=False)
        self._lock.acquire()

    def __enter__(self) -> Path:
        return self.folder

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def create_upload(incoming: Path) -> Iterator[Path]:
    """A new folder for an upload, locked while its files are written. It is gone if that fails. Raises OSError."""
    incoming.mkdir(0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=UPLOAD, dir=incoming))
    try:
        with FileLock(folder / LOCK, thread_local=False):
            yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def write_manifest(folder: Path, names: Mapping[str, str]) -> None:
    """Says that an upload is complete. `names`: file name in `folder` → name to show. Raises OSError."""
    temporary = folder / f"{MANIFEST}.part"
    temporary.write_text(json.dumps(names), encoding="utf-8")
    temporary.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> dict[Path, str]:
    """The files of an upload that are still there, and their names; none where it is not complete."""
    try:
        names = read_json_file(folder / MANIFEST)
    except TextFileError:
        return {}
    there = {file.name: file for file in folder.glob(_COPIES)}
    return {there[key]: str(name) for key, name in names.items() if key in there} if isinstance(names, dict) else {}


@contextmanager
def claim_uploads(folders: Collection[Path]) -> Iterator[None]:
    """Locks the folders, as whoever works on them does. Raises UploadBusy where somebody else has one of them."""
    with ExitStack() as locks:
        for folder in sorted(folders):
            if folder.is_dir():  # the lock would make it anew
                try:
                    locks.enter_context(FileLock(folder / LOCK, timeout=_PATIENCE, thread_local=False))
                except Timeout:
                    raise UploadBusy() from None
        yield


def list_waiting(incoming: Path) -> dict[Path, str]:
    """The files of complete uploads on which nobody works, and their names, oldest upload first."""
    waiting: dict[Path, str] = {}
    for folder in sorted(_folders(incoming, UPLOAD), key=lambda one: (_modified(one), one.name)):
        if files := read_manifest(folder):
            with suppress(Timeout, OSError), FileLock(folder / LOCK, timeout=_A_LOOK, poll_interval=0.01):
                waiting |= files
    return waiting


def remove_files(files: Collection[Path]) -> None:
    """Removes files of uploads, the copies that were made of them without their password, and what is empty then."""
    for file in files:
        file.unlink(missing_ok=True)
    for folder in {file.parent for file in files}:
        remove_copies(folder)
        if not any(folder.glob(_COPIES)):
            for name in (MANIFEST, LOCK):
                (folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # it is no folder of ours
                folder.rmdir()


def remove_copies(folder: Path) -> None:
    for copy in folder.glob("unlocked-*"):
        copy.unlink(missing_ok=True)


def sweep_incoming(incoming: Path) -> None:
    """Removes what killed runs left, but for the files of complete uploads."""
    for folder in _folders(incoming, ""):
        with suppress(Timeout, OSError):
            if (folder / LOCK).exists() or read_manifest(folder):
                with FileLock(folder / LOCK, timeout=0):
                    _sweep_one(folder)
            elif time.time() - folder.stat().st_mtime > _FORGOTTEN:
                shutil.rmtree(folder, ignore_errors=True)


def _sweep_one(folder: Path) -> None:
    files = read_manifest(folder)
    if not files:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for other in folder.iterdir():
        if other not in files and other.name not in (MANIFEST, LOCK):
            other.unlink(missing_ok=True)


def _folders(incoming: Path, begins: str) -> list[Path]:
    if not incoming.is_dir():
        return []
    return [folder for folder in incoming.iterdir() if folder.is_dir() and folder.name.startswith(begins)]


def _modified(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
