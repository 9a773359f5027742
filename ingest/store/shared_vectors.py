"""The vectors of a folder, whoever has them open: this process, another one of the same user, or a Chroma server.

An embedded Chroma belongs to one process, which holds the folder's lock and answers for the others (see
vector_socket.py). When the owner ends in the middle of a question, whoever asked becomes the owner, or asks the new
one; every question may be asked twice.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ingest.errors import LibraryBusy, PagewiseError, StorageFailed
from ingest.store.process_lock import OwnedLock
from ingest.store.vector_socket import POSSIBLE, Guest, Host, OwnerGone, Store

_PATIENCE = 15.0  # seconds for an owner that has just begun to listen, or for the lock of one that is ending
_T = TypeVar("_T")


class SharedVectors:
    """A Store that finds its owner. `opened` counts how often, so that whoever compares knows when to do so again."""

    def __init__(self, lock: OwnedLock | None, address: Path, open_own: Callable[[], Store], embedder: str) -> None:
        """`lock`: None where a server has the vectors. Raises LibraryBusy where the system cannot share; OSError."""
        self._lock, self._address, self._open_own, self._embedder = lock, address, open_own, embedder
        self._opening = RLock()
        self._store: Store | None = None
        self._host: Host | None = None
        self._owned = lock is None
        self._closed = False
        self.opened = 0
        if not self._owns() and not POSSIBLE:
            assert lock is not None
            lock.take(0)

    @property
    def owned(self) -> bool:
        """Whether this process has them open itself, or a server."""
        return self._owned

    def close(self) -> None:
        if self._host is not None:
            self._host.close()
        with self._opening:
            self._closed = True
            if self._store is not None:
                self._store.close()
                self._store = None
            if self._lock is not None and self._owned:
                self._owned = False
                self._lock.release()

    def add(self, ids: Sequence[str], document: str, vectors: NDArray[np.float32]) -> None:
        self._asked(lambda store: store.add(ids, document, vectors))

    def remove_document(self, document: str) -> None:
        self._asked(lambda store: store.remove_document(document))

    def remove(self, ids: Sequence[str]) -> None:
        self._asked(lambda store: store.remove(ids))

    def count(self) -> int:
        return self._asked(lambda store: store.count())

    def count_document(self, document: str) -> int:
        return self._asked(lambda store: store.count_document(document))

    def ids(self) -> set[str]:
        return self._asked(lambda store: store.ids())

    def nearest(
        self, vector: NDArray[np.float32], k: int, documents: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        return self._asked(lambda store: store.nearest(vector, k, documents))

    def _asked(self, question: Callable[[Store], _T]) -> _T:
        until = time.monotonic() + _PATIENCE
        has_failed = False
        while True:
            store: Store | None = None
            try:
                store = self._current()
                return question(store)
            except StorageFailed:
                # After a full disk the same Chroma client hung for good at a later upsert: it is opened anew. That
                # checks an index whose last use failed, and clears a damaged one; so it is asked once more.
                is_own = self._owned and self._lock is not None and not self._closed
                if is_own and store is not None:
                    with suppress(PagewiseError):
                        self._drop(store)
                if has_failed or not is_own:
                    raise
                has_failed = True
            except OwnerGone:
                assert store is not None
                self._drop(store)
                if time.monotonic() > until:
                    raise self._busy() from None

    def _drop(self, store: Store) -> None:
        with self._opening:
            if self._store is store:
                self._store = None
                store.close()

    def _current(self) -> Store:
        """The store that is open, or the one that can be opened now: our own, or the owner's."""
        with self._opening:
            if self._closed:
                raise StorageFailed(folder=self._address.parent, detail="it has been closed")
            until = time.monotonic() + _PATIENCE
            while self._store is None:
                try:
                    self._store = self._open_own() if self._owns() else Guest(self._address, self._embedder)
                    self.opened += 1
                except OwnerGone:  # it has just begun, or is just ending
                    if time.monotonic() > until:
                        raise self._busy() from None
                    time.sleep(0.05)
            return self._store

    def _owns(self) -> bool:
        """Whether this process is the owner, or has become it now."""
        if not self._owned:
            assert self._lock is not None
            try:
                self._lock.take(0)
            except LibraryBusy:
                return False
            self._owned = True
            with suppress(OSError):  # no place for a socket: the others are told that this process cannot be asked
                self._host = Host(self._address, self._current, self._embedder) if POSSIBLE else None
        return True

    def _busy(self) -> LibraryBusy:
        assert self._lock is not None
        return self._lock.busy()
