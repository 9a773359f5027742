"""Reading and embedding ahead, for many documents at once. Knows nothing of the order in which they are stored.

Threads watch the workers that read; others give texts to the embedder, in slices that are filled across documents, so
that neither a small file nor the end of a large one leaves cores idle. Whoever wants a document listens to its Job.
"""

import queue
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ingest.chunk import split
from ingest.document import Chunk, Document
from ingest.embedding.openvino import usable_cores
from ingest.errors import FileUnreadable
from ingest.pdf import extract
from ingest.pdf.sandbox import Limits
from ingest.store.embedding_cache import VectorCache, forget_strangers
from ingest.store.library import Library

# Two slices are always on their way, so that the end of one is no pause; small ones, so that a stop does not wait long.
_EMBEDDING = 2
_SLICE = 64
_MOST_READERS = 8  # each is a process of 100 MB


@dataclass(frozen=True)
class Step:
    """`done` of `total` pages (reading) or chunks (embedding)."""

    stage: Literal["reading", "embedding"]
    done: int
    total: int


@dataclass
class Job:
    """One document on its way. `told` ends with READY, or with what went wrong; before READY the rest is not whole."""

    id: str
    name: str
    path: Path
    copy: bool  # of the document without its password: then its bytes are not those of `id`
    told: "queue.SimpleQueue[Step | Literal['ready'] | BaseException]" = field(default_factory=queue.SimpleQueue)
    document: Document | None = None
    content: str = ""  # the hash of the bytes that were read
    chunks: Sequence[Chunk] = ()
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    done: int = 0  # chunks that have their vector
    failed: bool = False

    @property
    def held(self) -> int:
        """Characters of text that it keeps in memory."""
        return sum(len(page.text) for page in self.document.pages) if self.document else 0


@dataclass(frozen=True)
class _Text:
    """A text to embed, for all the chunks of a job that have it."""

    job: Job
    text: str
    key: bytes
    places: list[int]


class Crew:
    """The threads of one ingest; they start at the first job."""

    def __init__(self, library: Library, limits: Limits) -> None:
        self.readers = max(2, min(_MOST_READERS, usable_cores()))
        self._library = library
        self._limits = limits
        self._unread: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._texts: deque[_Text] = deque()
        self._some = threading.Condition()  # there is a text, or the end
        self._stopped = threading.Event()
        self._embedding: list[threading.Thread] = []

    def begin(self, id: str, name: str, path: Path, copy: bool) -> Job:
        job = Job(id, name, path, copy)
        self._unread.put(job)
        if not self._embedding:
            known = [record.id for record in self._library.records()]
            forget_strangers(self._library.folder, known, self._library.notices)
            for _ in range(_EMBEDDING):
                self._embedding.append(threading.Thread(target=self._embed, name="embedding", daemon=True))
            reading = [threading.Thread(target=self._read, name="reading", daemon=True) for _ in range(self.readers)]
            for thread in (*self._embedding, *reading):
                thread.start()
        return job

    def close(self) -> None:
        """Stops the work. What is being read ends at its next page, what is being embedded within a slice."""
        self._stopped.set()
        for _ in range(self.readers):
            self._unread.put(None)
        with self._some:
            self._texts.clear()
            self._some.notify_all()
        for thread in self._embedding:
            thread.join(timeout=5)  # an interpreter that ends below a running model crashes; an API may take longer

    # -- reading

    def _read(self) -> None:
        while (job := self._unread.get()) is not None and not self._stopped.is_set():
            try:
                texts = self._prepared(job)
            except BaseException as error:
                job.told.put(error)
            else:
                with self._some:
                    self._texts.extend(texts)
                    self._some.notify_all()

    def _prepared(self, job: Job) -> list[_Text]:
        """Reads and splits a document; what is left to embed of it, by length, so that a slice has little padding."""

        def on_page(done: int, total: int) -> None:
            if self._stopped.is_set():
                raise _Stopped  # the sandbox ends the worker
            job.told.put(Step("reading", done, total))

        document = extract.read(job.path, job.name, self._limits, on_page=on_page)
        job.content = document.id
        if job.content != job.id and not job.copy:
            raise FileUnreadable(detail="it changed while it was being read")
        document = replace(document, id=job.id)
        embedder = self._library.embedder
        has_text = len(document.pages_without_text) < len(document.pages)
        job.chunks = split(document, embedder.count, embedder.window) if has_text else []
        job.document = document
        if not job.chunks:
            job.told.put("ready")
            return []
        job.vectors = np.zeros((len(job.chunks), embedder.dimensions), np.float32)
        job.told.put(Step("embedding", 0, len(job.chunks)))
        cache, texts = self._cache(), dict[bytes, _Text]()
        for place, chunk in enumerate(job.chunks):
            text = self._library.indexed_text(document.title, chunk)
            key = cache.key(text)
            texts.setdefault(key, _Text(job, text, key, [])).places.append(place)
        known = cache.get(list(texts), job.id)
        _keep([texts[key] for key in known], known)
        return sorted((text for key, text in texts.items() if key not in known), key=lambda text: len(text.text))

    # -- embedding

    def _embed(self) -> None:
        with suppress(Exception):  # it will be said of each document
            self._library.embedder.documents([])  # loads the model while the first document is read
        while some := self._slice():
            jobs = {text.job.id: text.job for text in some}
            try:
                self._embed_slice(some)
            except BaseException as error:
                for job in jobs.values():
                    own = [text for text in some if text.job is job]
                    if len(jobs) == 1:
                        _fail(job, error)
                    else:  # the fault of one document is none of the others
                        try:
                            self._embed_slice(own)
                        except BaseException as alone:
                            _fail(job, alone)

    def _slice(self) -> list[_Text]:
        """The next texts, once there are some; none when it is over."""
        with self._some:
            while True:
                self._some.wait_for(lambda: self._texts or self._stopped.is_set())
                if self._stopped.is_set():
                    return []
                some = [self._texts.popleft() for _ in range(min(_SLICE, len(self._texts)))]
                if some := [text for text in some if not text.job.failed]:
                    return some

    def _embed_slice(self, some: list[_Text]) -> None:
        rows = self._library.embedder.documents([text.text for text in some])
        for job in {text.job.id: text.job for text in some}.values():
            own = {text.key: row for text, row in zip(some, rows, strict=True) if text.job is job}
            self._cache().put(own, job.id)
            with self._some:
                _keep([text for text in some if text.job is job], own)

    def _cache(self) -> VectorCache:
        embedder = self._library.embedder
        return VectorCache(self._library.folder, embedder.name, embedder.dimensions, self._library.notices)


class _Stopped(Exception):
    """Nobody listens any more."""


def _keep(texts: Sequence[_Text], rows: dict[bytes, NDArray[np.float32]]) -> None:
    """Puts the vectors of one job's texts where they belong, and says how far it is."""
    for text in texts:
        text.job.vectors[text.places] = rows[text.key]
        text.job.done += len(text.places)
    if texts:
        job = texts[0].job
        job.told.put(Step("embedding", job.done, len(job.chunks)))
        if job.done == len(job.chunks):
            job.told.put("ready")


def _fail(job: Job, error: BaseException) -> None:
    job.failed = True
    job.told.put(error)
