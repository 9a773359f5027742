"""Vectors that Chroma has lost, made anew from the catalogue: a deleted folder, an emptied server."""

from collections.abc import Callable

from ingest.document import Chunk, Record
from ingest.embedding.embedder import Embedder
from ingest.store.catalogue import Catalogue
from ingest.store.shared_vectors import SharedVectors

_BATCH = 64  # chunks that are embedded at once


def rebuild_vectors(
    catalogue: Catalogue, vectors: SharedVectors, embedder: Embedder, indexed_text: Callable[[str, Chunk], str]
) -> None:
    """Brings the vectors into step with the catalogue, under the write lock. Raises LibraryError, EmbedderError."""
    there = vectors.ids()
    vectors.remove(sorted(there - catalogue.chunk_ids()))
    for record in catalogue.records():
        _rebuild_document(record, there, catalogue, vectors, embedder, indexed_text)


def _rebuild_document(
    record: Record,
    there: set[str],
    catalogue: Catalogue,
    vectors: SharedVectors,
    embedder: Embedder,
    indexed_text: Callable[[str, Chunk], str],
) -> None:
    """Those of a document's chunks that are not `there`: kept by the catalogue, else embedded anew."""
    kept = catalogue.vectors(record.id)
    if kept is not None:
        lost = [i for i, id in enumerate(kept[0]) if id not in there]
        if lost:
            vectors.add([kept[0][i] for i in lost], record.id, kept[1][lost])
        return
    chunks = [p.chunk for p in catalogue.all_passages(record.id) if p.chunk.id not in there]
    for at in range(0, len(chunks), _BATCH):
        some = chunks[at : at + _BATCH]
        rows = embedder.documents([indexed_text(record.title, chunk) for chunk in some])
        vectors.add([chunk.id for chunk in some], record.id, rows)
