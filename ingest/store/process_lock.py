"""A lock among processes that knows who has it. The operating system holds it, so a dead process cannot keep it."""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from ingest.errors import LibraryBusy


class OwnedLock:
    """A lock on a file; the owner's process id stands beside it, for the message to others. One thread at a time."""

    def __init__(self, file: Path, error: type[LibraryBusy] = LibraryBusy) -> None:
        """`error`: what is said to those who wait in vain."""
        self._folder = file.parent
        self._owner = file.with_name(f"{file.name}.owner")
        self._lock = FileLock(file, thread_local=False)  # whichever thread closes may release it
        self._error = error

    def take(self, seconds: float) -> None:
        """Waits up to `seconds`. Taking it twice is harmless. Raises LibraryBusy, OSError."""
        try:
            self._lock.acquire(timeout=seconds)
        except Timeout as error:
            raise self.busy() from error
        try:
            self._owner.write_text(str(os.getpid()))
        except OSError:
            self._lock.release()
            raise

    def release(self) -> None:
        """Gives back what `take` took last; without one, nothing."""
        self._lock.release()

    def busy(self) -> LibraryBusy:
        """The error that names who has it."""
        try:
            owner = self._owner.read_text().strip() or "unknown"
        except OSError:
            owner = "unknown"
        return self._error(folder=self._folder, owner=owner)
