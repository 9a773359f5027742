"""Chroma: vectors by chunk id, and the nearest ones. The only file that knows Chroma.

Nothing but vectors goes in and comes out: Chroma is never given a text, and never builds a model. A collection whose
stored configuration asks it to build one is refused before it is used (CVE-2026-45829, CVE-2026-45833).
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from ingest import server_url
from ingest.blocked_addresses import check_resolved
from ingest.errors import ChromaUnreachable, LibraryError, PagewiseError, StorageFailed, WrongEmbedder
from ingest.store.index_seal import break_seal, delete_tree, is_sealed, seal

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.collection_configuration import CreateHNSWConfiguration
    from chromadb.api.models.Collection import Collection
    from chromadb.api.types import Metadata, QueryResult

FOLDER = "chroma"  # of an embedded Chroma in a library's folder
_HARMLESS = (None, "legacy", "unknown")  # what Chroma writes where there is no embedding function
# With Chroma's own 16 neighbours and 100 candidates, 92 of 1,170 look-alike vectors (pages of one form) were not found
# by themselves, and .87 of the ten nearest of 6,000 random ones; with these none and .998. Building takes a third more.
_INDEX: "CreateHNSWConfiguration" = {
    "space": "cosine",
    "max_neighbors": 32,
    "ef_construction": 200,
    "ef_search": 200,
}
# A server that has just been given a collection's first vectors cannot search them for about a tenth of a second.
_SETTLING_SECONDS = 5.0
_CHECKING_SECONDS = 600.0
_SEARCHES = 300
_PAGE = 5000  # ids fetched at once


class UntrustedVectors(LibraryError):
    text = "The Chroma collection {collection!r} would make this program build a model ({found})."
    remedy = "Pagewise never writes that. Delete the collection: its vectors are made anew from the stored text."


class Vectors:
    """One collection of unit vectors in cosine space. Safe for threads; embedded, for one process only.

    An embedded Chroma that failed, whose process was killed, or whose files were changed is checked when it is opened
    next, by reading all of it; what is damaged is deleted, and whoever opened it makes the vectors anew.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        collection: str,
        tell_rebuilt: Callable[[], None] = lambda: None,
        *,
        allow_link_local: bool = False,
    ) -> None:
        """`folder`: of an embedded Chroma; `url`: of a server instead. `tell_rebuilt`: called for a deleted folder.

        Raises StorageFailed, ChromaUnreachable, BlockedAddressError.
        """
        self._folder = folder
        self._has_failed = False
        self._url = url
        self._name = collection
        self._collection: Collection | None = None
        with self._border():
            if url:  # Chroma's client dials by itself; a redirect it does not follow
                check_resolved(url, allow_link_local=allow_link_local)
            else:
                if os.path.lexists(folder) and not (folder.is_dir() and (is_sealed(folder) or _sound(folder))):
                    delete_tree(folder)
                    tell_rebuilt()
                break_seal(folder)
            self._client: Client = _server(url) if url else _embedded(folder)
            self._batch = int(self._client.get_max_batch_size())

    def close(self) -> None:
        with self._border():
            self._client.close()
            if not self._url and not self._has_failed:
                seal(self._folder)

    def open(self, embedder: str, dimensions: int) -> None:
        """Takes or makes the collection. Raises WrongEmbedder, UntrustedVectors, StorageFailed, ChromaUnreachable."""
        with self._border():
            found = self._client.get_or_create_collection(
                self._name,
                embedding_function=None,
                configuration={"hnsw": _INDEX},
                metadata={"embedder": embedder, "dimensions": dimensions},
            )
        _refuse_models(self._name, found)
        stored = dict(found.metadata or {})
        if (stored.get("embedder"), stored.get("dimensions")) != (embedder, dimensions):
            raise WrongEmbedder(stored=stored.get("embedder"), wanted=embedder)
        self._collection = found

    def drop(self) -> None:
        """Deletes the collection, if there is one."""
        from chromadb.errors import NotFoundError

        self._collection = None
        with self._border(), suppress(NotFoundError):
            self._client.delete_collection(self._name)

    def add(self, ids: Sequence[str], document: str, vectors: NDArray[np.float32]) -> None:
        """Puts in, or replaces, the vectors (len(ids), dimensions) of chunks of one document."""
        for at in range(0, len(ids), self._batch):
            some, rows = list(ids[at : at + self._batch]), vectors[at : at + self._batch]
            # "first" is for the check after a kill: rows are safe in a transaction, the index is not.
            about: list[Metadata] = [{"document": document, "first": float(row[0])} for row in rows]
            with self._border():
                self._opened.upsert(ids=some, embeddings=rows, metadatas=about)

    def remove_document(self, document: str) -> None:
        with self._border():
            self._opened.delete(where={"document": document})

    def remove(self, ids: Sequence[str]) -> None:
        for at in range(0, len(ids), self._batch):
            with self._border():
                self._opened.delete(ids=list(ids[at : at + self._batch]))

    def count(self) -> int:
        with self._border():
            return int(self._opened.count())

    def count_document(self, document: str) -> int:
        with self._border():
            return len(self._opened.get(where={"document": document}, include=[])["ids"])

    def ids(self) -> set[str]:
        """All ids, of every document."""
        found: set[str] = set()
        while True:
            with self._border():
                some = self._opened.get(include=[], limit=_PAGE, offset=len(found))["ids"]
            if not some or found.issuperset(some):
                return found
            found.update(some)

    def nearest(
        self, vector: NDArray[np.float32], k: int, documents: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The `k` nearest: (chunk id, cosine), nearest first. Fewer where there are fewer."""
        where: Any = None if documents is None else {"document": {"$in": list(documents)}}
        with self._border():
            found = self._asked(vector, k, where)
        distances = found["distances"]
        assert distances is not None
        return [(id, max(-1.0, min(1.0, 1.0 - d))) for id, d in zip(found["ids"][0], distances[0], strict=True)]

    def _asked(self, vector: NDArray[np.float32], k: int, where: Any) -> "QueryResult":
        from chromadb.errors import InternalError

        until = time.monotonic() + _SETTLING_SECONDS
        while True:
            try:
                return self._opened.query(
                    query_embeddings=vector[np.newaxis, :], n_results=k, where=where, include=["distances"]
                )
            except InternalError as error:
                if "Nothing found on disk" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.05)

    @property
    def _opened(self) -> "Collection":
        assert self._collection is not None, "open() comes first"
        return self._collection

    @contextmanager
    def _border(self) -> Iterator[None]:
        """Chroma's errors, httpx's and SQLite's become ours here."""
        try:
            yield
        except PagewiseError:
            raise
        except BaseException as error:
            self._has_failed = self._has_failed or not isinstance(error, KeyboardInterrupt | GeneratorExit)
            self._raise_ours(error)
            raise

    def _raise_ours(self, error: BaseException) -> None:
        if isinstance(error, Exception):  # its bindings raise RuntimeError, ValueError and ones of their own
            from chromadb.errors import ChromaError

            detail = " ".join(str(error).split())[:300] or type(error).__name__
            if self._url and not isinstance(error, ChromaError):  # not an answer of the server, but none
                detail = server_url.unsigned(detail, self._url)
                raise ChromaUnreachable(url=server_url.shown(self._url), detail=detail) from error
            raise StorageFailed(folder=self._folder.parent, detail=f"Chroma: {detail}") from error
        if type(error).__name__ == "PanicException":  # a panic of its native part is no Exception
            raise StorageFailed(folder=self._folder.parent, detail=str(error)[:300]) from error


# A kill in the middle of the writing of Chroma's index leaves a damaged one (chroma issue 7238). Opening it may end the
# process, so another process reads every vector, compares it with what its row says of it, and searches for some.
_CHECK = f"""
import sys, chromadb
import numpy as np
from chromadb.config import Settings
client = chromadb.PersistentClient(sys.argv[1], settings=Settings(anonymized_telemetry=False, _env_file=None))
for collection in client.list_collections():
    count, seen, sample = collection.count(), 0, []
    while seen < count:
        rows = collection.get(include=["embeddings", "metadatas"], limit={_PAGE}, offset=seen)
        vectors = np.array(rows["embeddings"])
        first = np.array([row["first"] for row in rows["metadatas"]])
        assert len(vectors) and np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 0.01
        assert np.abs(vectors[:, 0] - first).max() < 0.001
        sample.extend(vectors[:: max(1, count // {_SEARCHES})])
        seen += len(vectors)
    lost = 0
    for vector in sample:
        found = collection.query(query_embeddings=[vector], n_results=1, include=["distances"])["distances"][0]
        lost += not found or found[0] > 0.001
    assert lost <= len(sample) // 50
"""


def _sound(folder: Path) -> bool:
    """Whether an embedded Chroma can be opened, and gives the vectors that were put in."""
    try:
        command = [sys.executable, "-P", "-c", _CHECK, str(folder)]
        ended = subprocess.run(command, capture_output=True, timeout=_CHECKING_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def _settings() -> Any:
    from chromadb.config import Settings

    # _env_file: a .env in the current folder is nobody's order to this program
    return Settings(anonymized_telemetry=False, _env_file=None)


def _embedded(folder: Path) -> "Client":
    import chromadb

    return cast("Client", chromadb.PersistentClient(str(folder), settings=_settings()))


def _server(url: str) -> "Client":
    import chromadb

    parts = urlsplit(server_url.plain(url) if "//" in url else f"//{server_url.plain(url)}")
    secure = parts.scheme == "https"
    client = chromadb.HttpClient(
        parts.hostname or "", parts.port or (443 if secure else 8000), ssl=secure, settings=_settings()
    )
    client.heartbeat()
    return cast("Client", client)


def _refuse_models(name: str, collection: "Collection") -> None:
    # Read as the plain JSON that it is: `collection.schema` and `.configuration` would already build what they name.
    stored = [collection.configuration_json, collection._model.serialized_schema]
    for function in _functions(stored):
        if not isinstance(function, dict) or function.get("type") not in _HARMLESS:
            raise UntrustedVectors(collection=name, found=str(function)[:100])


def _functions(node: object) -> Iterator[Any]:
    """Every value that stands under a key "embedding_function", however deep."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "embedding_function":
                if value is not None:
                    yield value
            else:
                yield from _functions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _functions(value)
