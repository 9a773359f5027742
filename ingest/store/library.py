"""The catalogue and the vectors as one: documents come whole, go whole, and are searched only while they are whole.

The order of every change makes a kill at any moment harmless. In: the document is announced, its file and its
vectors are written, and last, in one transaction, its text, tokens and state. Out: first that transaction, then
vectors and file. What is announced but not whole is cleared by the next who writes, and by the next who opens.

A stored PDF may be the only copy there is. So it is deleted only for a row that says so, in a catalogue that is whole
and belongs to this folder (see catalogue_mark.py). A file without a row is kept and told; repair.py takes it in again.

An embedded Chroma answers wrongly when a second process writes to it, so one process owns the vectors, by a lock of
the operating system, which a dead process cannot keep, and answers for the others (see shared_vectors.py); or a Chroma
server does. So any number of processes share the folder, and only the writing of a document excludes another's.
"""

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ingest.document import Chunk, Document, Page, Passage, Record, context_line
from ingest.embedding.embedder import Embedder
from ingest.errors import (
    CatalogueDamagedError,
    MadePrivateNotice,
    Notice,
    OpenFolderNotice,
    PagewiseError,
    ReadOnlyLibrary,
    StorageFailed,
    UnknownPage,
    UnlistedFilesNotice,
    VectorsRebuiltNotice,
    WriterBusy,
    WrongEmbedder,
)
from ingest.notices import Notices
from ingest.pdf.sandbox import Limits
from ingest.store import embedding_cache
from ingest.store.catalogue import Catalogue
from ingest.store.catalogue_mark import CatalogueMark, delete_mark, read_mark, write_mark
from ingest.store.chroma import FOLDER as CHROMA
from ingest.store.chroma import Vectors
from ingest.store.document_lookup import named, unknown
from ingest.store.pdf_files import Files, StoredFile
from ingest.store.private_files import make_private
from ingest.store.process_lock import OwnedLock
from ingest.store.readonly import is_read_only, private_copy
from ingest.store.rebuild_vectors import rebuild_vectors
from ingest.store.reply_cache import Replies
from ingest.store.shared_vectors import SharedVectors
from ingest.store.tracked_files import Places
from ingest.store.vector_search import nearest
from ingest.text.search_tokens import tokens

CATALOGUE, LOCK, WRITE_LOCK = "catalogue.sqlite3", "lock", "write.lock"
_WAIT_TO_WRITE = 60.0  # seconds; storing one document takes a few at most
_REBUILDS = 3  # of vectors that fail again and again, for one search
_A_MOMENT = 2.0  # seconds in which another process that only looks gives the owner's lock back


@dataclass(frozen=True)
class Receipt:
    """What was removed with a document; `left`: what every store, asked again, still has of it."""

    record: Record
    rows: int  # of the catalogue
    vectors: int
    tokens: int  # in the index of words
    left: int


class Library:
    """A folder of documents. A context manager; safe for threads."""

    def __init__(
        self,
        folder: Path,
        embedder: Embedder,
        chroma_url: str = "",
        listener: Callable[[Notice], None] | None = None,
        *,
        allow_link_local: bool = False,
    ) -> None:
        """Opens the library in `folder`, or makes one there. `listener` hears of each notice as it comes.

        Raises LibraryBusy, WrongEmbedder, StorageFailed, NewerLibrary, CatalogueError; with `chroma_url`
        ChromaUnreachable and, unless `allow_link_local`, BlockedAddressError too.
        """
        self.folder = folder
        self.notices = Notices(listener)
        self.embedder = embedder
        self._url, self._allow_link_local = chroma_url, allow_link_local
        self._writer = threading.RLock()  # among the threads of this process, what the write lock is among processes
        self._compared = (0, -1)  # times the vectors were opened, and the catalogue's version, at the last comparison
        self._closed = False
        self._copy: Path | None = None  # of what is searched, where the folder itself can only be read
        with self._disk():
            if is_read_only(folder):
                self._copy = private_copy(folder)
            else:
                folder.mkdir(0o700, parents=True, exist_ok=True)
                self._make_private()
            self._files = Files(folder)
        self._own = place = self._copy or folder
        self.places = Places(place / "places.sqlite3", self.notices)  # of the files that documents were taken from
        self.replies = Replies(place, self.holds, self.notices)  # of models, written from its documents
        try:
            with self._disk():
                owner_lock = OwnedLock(place / LOCK)
                self._write_lock = OwnedLock(place / WRITE_LOCK, WriterBusy)
                if chroma_url:
                    owner_lock.take(_A_MOMENT)  # only to see that no embedded owner is at work
                    owner_lock.release()
            with self._disk():
                stored_count = len(self._files.list_ids())
            self._catalogue = Catalogue(place / CATALOGUE, stored_count)
            with self._disk():
                self._vectors = SharedVectors(
                    None if chroma_url else owner_lock, place / "lock.socket", self._open_vectors, embedder.name
                )
            self._tidy()
            if chroma_url:
                self._compare()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the folder free. Closing twice is harmless."""
        with self._writer:
            if self._closed:
                return
            self._closed = True
            self.places.close()
            try:
                if hasattr(self, "_vectors"):
                    self._vectors.close()
            finally:
                if hasattr(self, "_catalogue"):
                    self._catalogue.close()
                if self._copy is not None:
                    shutil.rmtree(self._copy, ignore_errors=True)
                else:
                    with suppress(OSError):  # gone, or full; the next opening does it
                        make_private(self.folder)

    # -- documents come and go

    def add(
        self,
        document: Document,
        chunks: Sequence[Chunk],
        vectors: NDArray[np.float32],
        file: Path,
        content: str = "",
        max_mb: int = Limits.file_mb,
    ) -> Record:
        """Stores a document whole, with a copy of its file; `vectors` is (len(chunks), dimensions).

        `content`: the SHA-256 of the file's bytes, where it is not the id: of a copy without its password. `max_mb`:
        the most that is copied. A document that is already there is left as it is. Raises FileUnreadable, EmptyFile,
        TooLarge, StorageFailed, LibraryBusy, ChromaUnreachable; then nothing of it is kept.
        """
        with self._writing():
            there = self._catalogue.record(document.id)
            if there:
                return there
            if self._catalogue.meta("embedder") != self.embedder.name:  # it was empty, and another process took it over
                raise WrongEmbedder(stored=self._catalogue.meta("embedder"), wanted=self.embedder.name)
            with self._disk():
                # Its file is stored already: a lost catalogue is made anew. Whatever becomes of this, the file stays.
                is_stored = self._files.path(document.id).exists()
                if is_stored:
                    delete_mark(self._own)
            self._catalogue.announce(document)
            try:
                with self._disk():
                    self._files.put(document.id, file, content or document.id, document.name, max_mb)
                self._vectors.add([chunk.id for chunk in chunks], document.id, vectors)
                indexed = (tokens(self.indexed_text(document.title, chunk)) for chunk in chunks)
                self._catalogue.complete(document, chunks, indexed, vectors)
            except BaseException:
                with suppress(PagewiseError):  # on a full disk this fails too, and the next who writes does it
                    self._clear(document.id, keeps_file=is_stored)
                raise
            return self._record(document.id)

    def remove(self, id: str) -> Receipt:
        """Takes a document out: text, tokens, vectors, file; and asks every store again for what is left of it.

        Raises UnknownDocument, StorageFailed, LibraryBusy.
        """
        with self._writing():
            record = self._catalogue.record(id)
            if record is None:
                raise unknown(self.records(), id)
            rows, tokens, first = self._catalogue.holdings(id)
            vectors = self._vectors.count_document(id)
            # First: what fails or is killed here has taken nothing away.
            embedding_cache.forget(self.folder, id, self.notices)
            self.replies.forget(id)
            self._catalogue.dismiss(id)
            self._clear(id)
            self.places.forget(id)
            self.replies.forget(id)  # what was written meanwhile
            left = self._catalogue.left(id, first) + self._vectors.count_document(id)
            left += self._files.path(id).exists() + len(self.places.paths(id)) + self.replies.of(id)
            return Receipt(record, rows, vectors, tokens, left)

    def rename(self, id: str, name: str) -> None:
        """Another name to show. Its title, which is indexed with it, stays. Raises StorageFailed, LibraryBusy."""
        with self._writing(), self._disk():
            self._catalogue.rename(id, name)
            self._files.rename(id, name)

    def version(self) -> int:
        """Changes whenever a document comes or goes, also by another process."""
        return self._catalogue.version()

    # -- what there is

    def holds(self, id: str) -> Record | None:
        return self._catalogue.record(id)

    def records(self) -> list[Record]:
        """The documents, by name."""
        return self._catalogue.records()

    def find(self, name_or_id: str) -> Record:
        """The document of this name or id, or whose id begins so. Raises UnknownDocument, AmbiguousDocument."""
        return named(self.records(), name_or_id)

    def page(self, document: str, number: int) -> Page:
        """Raises UnknownDocument, UnknownPage."""
        page = self._catalogue.page(document, number)
        if page is None:
            record = self._record(document)
            raise UnknownPage(name=record.name, page=number, pages=record.pages)
        return page

    def pages(self, document: str) -> list[Page]:
        """All pages of a document, in order. Raises UnknownDocument."""
        return self._catalogue.pages(self._record(document).id)

    def file(self, document: str) -> Path:
        """Where the document's own bytes lie. Raises UnknownDocument."""
        return self._files.path(self._record(document).id)

    def list_unlisted_files(self) -> list[StoredFile]:
        """Stored PDFs that no row of the catalogue knows: what `repair` takes in again. Raises StorageFailed."""
        with self._disk():
            stored = self._files.list_ids()
            known = {record.id for record in self.records()} | set(self._catalogue.unfinished())
            return [self._files.read_label(id) for id in sorted(stored - known)]

    def check_vectors(self) -> None:
        """Opens the vectors and brings them into step with the catalogue. Raises LibraryError, EmbedderError."""
        self._compare()

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A folder for copies on their way in. It is gone afterwards; after a kill, when a library is opened next.

        Raises StorageFailed.
        """
        with self._disk():
            place = self._files.workplace()
        with place as folder:
            yield folder

    # -- search

    def keywords(
        self, tokens: Sequence[str] | Mapping[str, float], k: int, documents: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The `k` best chunks by BM25: (chunk id, score), higher is better. `documents`: ids; None: all.

        `tokens`: each counts once, or what the mapping says.
        """
        return self._catalogue.keywords(tokens, k, documents)

    def nearest(
        self, vector: NDArray[np.float32], k: int, documents: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The `k` nearest chunks: (chunk id, cosine), nearest first. `documents`: ids; None: all."""
        for _ in range(_REBUILDS):
            found = nearest(self._catalogue, self._vectors, vector, k, documents, self._compare)
            if self._vectors.opened == self._compared[0]:
                break
            # Chroma failed in the middle and was begun anew: it is filled, and asked once more.
        return found

    def passages(self, scores: Mapping[str, float]) -> list[Passage]:
        """The chunks of these ids with their scores, best first; those that are gone meanwhile are left out."""
        found = self._catalogue.passages(list(scores))
        scored = [replace(passage, score=float(scores[passage.chunk.id])) for passage in found]
        return sorted(scored, key=lambda passage: -passage.score)

    def all_passages(self, document: str) -> list[Passage]:
        """Every chunk of a document, in order."""
        return self._catalogue.all_passages(document)

    @staticmethod
    def indexed_text(title: str, chunk: Chunk) -> str:
        """What is embedded and indexed for a chunk: its context line, then its text."""
        return f"{context_line(title, chunk.heading)}\n{chunk.text}"

    # -- inside

    def _make_private(self) -> None:
        was_open, is_open = make_private(self.folder)
        if is_open:
            self.notices.add(OpenFolderNotice(folder=self.folder))
        elif was_open:
            self.notices.add(MadePrivateNotice(folder=self.folder))

    def _record(self, id: str) -> Record:
        record = self._catalogue.record(id)
        if record is None:
            raise unknown(self.records(), id)
        return record

    def _clear(self, id: str, keeps_file: bool = False) -> None:
        """Removes whatever there is of a document that is not whole; its row last, so that it can be done again."""
        self._vectors.remove_document(id)
        if not keeps_file:
            with self._disk():
                self._files.drop(id)
        self._catalogue.forget(id)

    def _sweep(self) -> None:
        """Clears what killed runs left. Only under the write lock: then nobody is at work on what is unfinished.

        Raises CatalogueDamagedError where a row would take its file along, and the catalogue is not whole.
        """
        unfinished = self._catalogue.unfinished()
        if not unfinished:
            return
        if damage := self._catalogue.find_damage():
            raise CatalogueDamagedError(file=self._own / CATALOGUE, detail=damage)
        is_behind = self._read_state().is_behind(read_mark(self._own))
        for id in unfinished:
            self._catalogue.dismiss(id)
            self._clear(id, keeps_file=is_behind)
        with self._disk():
            self._files.sweep()
        self._write_mark()

    def _read_state(self) -> CatalogueMark:
        return CatalogueMark(self._catalogue.meta("library") or "", self._catalogue.version())

    def _write_mark(self) -> None:
        state = self._read_state()
        if read_mark(self._own) != state:
            with self._disk():
                write_mark(self._own, state)

    def _tidy(self) -> None:
        """Checks whose embedder filled the library, and clears what killed runs left, unless somebody writes now.

        Whoever writes has done so, and so will the next who writes.
        """
        fresh = self._catalogue.meta("embedder") is None
        try:
            with self._locked(_WAIT_TO_WRITE if fresh else 0):
                self._adopt_embedder()
                if self._copy is not None:
                    return
                self._sweep()
                with self._disk():
                    self._files.sweep()
                self._write_mark()
                self.replies.tidy([record.id for record in self._catalogue.records()])
                if unlisted := self.list_unlisted_files():
                    self.notices.add(UnlistedFilesNotice(count=len(unlisted), files=self._files.folder))
        except WriterBusy:
            if fresh or self._catalogue.meta("embedder") != self.embedder.name:
                raise

    def _adopt_embedder(self) -> None:
        """Raises WrongEmbedder where another one filled the library. An empty library takes any, if nobody has it."""
        stored, wanted = self._catalogue.meta("embedder"), self.embedder.name
        if stored is not None and stored != wanted:
            if self._catalogue.records() or not self._vectors.owned:
                raise WrongEmbedder(stored=stored, wanted=wanted)
            store = self._connect()
            try:
                store.drop()
            finally:
                store.close()
        if stored != wanted:
            self._catalogue.remember({"embedder": wanted})

    def _connect(self) -> Vectors:
        folder = self._own / CHROMA

        def tell_rebuilt() -> None:
            self.notices.add(VectorsRebuiltNotice(folder=folder))

        collection = f"pagewise-{self._catalogue.meta('library')}"
        return Vectors(folder, self._url, collection, tell_rebuilt, allow_link_local=self._allow_link_local)

    def _open_vectors(self) -> Vectors:
        """Chroma, opened at the first need: listing documents does not wait for it."""
        store = self._connect()
        try:
            store.open(self.embedder.name, self.embedder.dimensions)
        except BaseException:
            store.close()
            raise
        return store

    def _compare(self) -> None:
        """Makes anew what the catalogue has chunks for and Chroma no vectors: a deleted folder, an emptied server.

        More vectors than chunks are no loss: they are on their way in or out, and no search returns them. Only at
        the first time they are looked at, because a server may finish what a killed process had asked of it; whoever
        asks an owner leaves that to the owner.
        """
        version = self._catalogue.version()
        if (self._vectors.opened, version) == self._compared:
            return
        due, stored = self._catalogue.chunk_count(), self._vectors.count()  # in this order: vectors come first, go last
        first = self._vectors.owned and self._vectors.opened != self._compared[0]
        if stored < due or (stored > due and first):
            with self._locked(0) if self._copy else self._writing():
                version = self._catalogue.version()
                rebuild_vectors(self._catalogue, self._vectors, self.embedder, self.indexed_text)
        self._compared = (self._vectors.opened, version)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The right to change the library; what a killed writer left is cleared before."""
        if self._copy is not None:
            raise ReadOnlyLibrary(folder=self.folder)
        with self._locked(_WAIT_TO_WRITE):
            self._sweep()
            yield
            with suppress(PagewiseError):  # a mark that was not written keeps files, and loses none
                self._write_mark()

    @contextmanager
    def _locked(self, wait: float) -> Iterator[None]:
        """The write lock, among threads and processes."""
        with self._writer:
            with self._disk():
                self._write_lock.take(wait)
            try:
                yield
            finally:
                self._write_lock.release()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageFailed(folder=self.folder, detail=error.strerror or str(error)) from error
