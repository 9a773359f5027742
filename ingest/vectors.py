"""Chroma: vectors by chunk id, and the nearest ones. The only file that knows Chroma.

Nothing but vectors goes in and comes out: Chroma is never given a text, and never builds a model. A collection whose
stored configuration asks it to build one is refused before it is used (CVE-2026-45829, CVE-2026-45833).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from ingest.errors import ChromaUnreachable, LibraryError, PagewiseError, StorageFailed, WrongEmbedder

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

_HARMLESS = (None, "legacy", "unknown")  # what Chroma writes where there is no embedding function
_PAGE = 5000  # ids fetched at once


class UntrustedVectors(LibraryError):
    text = "The Chroma collection {collection!r} would make this program build a model ({found})."
    remedy = "Pagewise never writes that. Delete the collection: its vectors are made anew from the stored text."


class Vectors:
    """One collection of unit vectors in cosine space. Safe for threads; embedded, for one process only."""

    def __init__(self, folder: Path, url: str, collection: str) -> None:
        """`folder`: of an embedded Chroma; `url`: of a server instead. Raises StorageFailed, ChromaUnreachable."""
        self._folder = folder
        self._url = url
        self._name = collection
        self._collection: Collection | None = None
        with self._border():
            self._client: Client = _server(url) if url else _embedded(folder)
            self._batch = int(self._client.get_max_batch_size())

    def close(self) -> None:
        with self._border():
            self._client.close()

    def open(self, embedder: str, dimensions: int) -> None:
        """Takes or makes the collection. Raises WrongEmbedder, UntrustedVectors, StorageFailed, ChromaUnreachable."""
        with self._border():
            found = self._client.get_or_create_collection(
                self._name,
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine"}},
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
            some = list(ids[at : at + self._batch])
            with self._border():
                self._opened.upsert(
                    ids=some, embeddings=vectors[at : at + self._batch], metadatas=[{"document": document}] * len(some)
                )

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
        where: Any = None
        if documents is not None:
            where = {"document": {"$in": list(documents)}}
        with self._border():
            found = self._opened.query(
                query_embeddings=vector[np.newaxis, :], n_results=k, where=where, include=["distances"]
            )
        distances = found["distances"]
        assert distances is not None
        return [(id, max(-1.0, min(1.0, 1.0 - d))) for id, d in zip(found["ids"][0], distances[0], strict=True)]

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
        except Exception as error:  # its bindings raise RuntimeError, ValueError and ones of their own
            from chromadb.errors import ChromaError

            detail = " ".join(str(error).split())[:300] or type(error).__name__
            if self._url and not isinstance(error, ChromaError):  # not an answer of the server, but none
                raise ChromaUnreachable(url=self._url, detail=detail) from error
            raise StorageFailed(folder=self._folder.parent, detail=f"Chroma: {detail}") from error
        except BaseException as error:
            if type(error).__name__ == "PanicException":  # a panic of its native part is no Exception
                raise StorageFailed(folder=self._folder.parent, detail=str(error)[:300]) from error
            raise


def _settings() -> Any:
    from chromadb.config import Settings

    # _env_file: a .env in the current folder is nobody's order to this program
    return Settings(anonymized_telemetry=False, _env_file=None)


def _embedded(folder: Path) -> "Client":
    import chromadb

    return cast("Client", chromadb.PersistentClient(str(folder), settings=_settings()))


def _server(url: str) -> "Client":
    import chromadb

    parts = urlsplit(url if "//" in url else f"//{url}")
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
