"""The nearest chunks to a vector, among all documents or some, looked for in the way that is quickest for these."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ingest.store.catalogue import Catalogue
from ingest.store.shared_vectors import SharedVectors

# Chunks of the chosen documents that are all looked at: 1,000 take 2 ms. Chroma's filter to 1,000 of 100,000 takes ten
# times as long as a search through all of these.
_EXACT = 20_000
_TO_BE_SURE = 1.5  # so many times the neighbours that would do if the chosen documents had their even share

Scored = list[tuple[str, float]]  # chunk id and cosine, nearest first


def nearest(
    catalogue: Catalogue,
    vectors: SharedVectors,
    vector: NDArray[np.float32],
    k: int,
    documents: Sequence[str] | None,
    ready: Callable[[], None],
) -> Scored:
    """At most `k` chunks of whole documents. `documents`: ids; None: all. `ready()` comes before Chroma is asked."""
    total = catalogue.chunk_count()
    chosen = total if documents is None else catalogue.chunk_count(documents)
    if k < 1 or not chosen:
        return []
    if documents is not None and chosen <= _EXACT:
        exact = _exactly(catalogue, vector, k, documents)
        if exact is not None:
            return exact
    ready()
    if chosen < total:
        # Chroma lists all that a filter lets through before it searches. Where that is more work than to look at
        # so many more of the nearest, those are looked at, and the filter comes after.
        likely = math.ceil(_TO_BE_SURE * k * total / chosen)
        if 2 * likely < chosen:
            kept = _whole(catalogue, vectors.nearest(vector, likely), documents)
            if len(kept) >= k:
                return kept[:k]
    asked = k
    while True:
        found = vectors.nearest(vector, asked, documents if chosen < total else None)
        kept = _whole(catalogue, found, documents)[:k]
        if len(kept) == k or len(found) < asked:
            return kept
        asked *= 2


def _exactly(catalogue: Catalogue, vector: NDArray[np.float32], k: int, documents: Sequence[str]) -> Scored | None:
    """The same by every vector of these documents. None where the catalogue has not got them all."""
    scored: Scored = []
    for document in dict.fromkeys(documents):
        kept = catalogue.vectors(document)
        if kept is not None:
            scored.extend(zip(kept[0], np.clip(kept[1] @ vector, -1.0, 1.0).tolist(), strict=True))
        elif catalogue.chunk_count([document]):
            return None
    return sorted(scored, key=lambda one: -one[1])[:k]


def _whole(catalogue: Catalogue, found: Sequence[tuple[str, float]], documents: Sequence[str] | None) -> Scored:
    """Without what another process is in the middle of adding, and what is not of these documents."""
    ids = catalogue.chunk_ids([id for id, _ in found], documents)
    return [(id, score) for id, score in found if id in ids]
