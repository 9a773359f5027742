"""Documents that were never a PDF, for tests of what comes after reading: any bytes, and the pages they "have"."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.document import Chunk, Document, Heading, Page, Record, Span, context_line
from ingest.embedding.embedder import Embedder
from ingest.store.library import Library


@dataclass(frozen=True)
class Book:
    """All that Library.add takes."""

    document: Document
    chunks: list[Chunk]
    vectors: NDArray[np.float32]
    file: Path

    def put(self, library: Library) -> Record:
        return library.add(self.document, self.chunks, self.vectors, self.file)


def make_book(
    folder: Path,
    name: str,
    pages: Sequence[str],
    embedder: Embedder,
    *,
    title: str = "",
    outline: Sequence[Heading] = (),
) -> Book:
    """A book whose bytes are its pages' text, in a file of its own under `folder`; "" is a page without text.

    A chunk a page, whatever ingest/chunk.py would do with them.
    """
    data = "\f".join([name, *pages]).encode()
    id = hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{id[:12]}.book"
    file.write_bytes(data)
    read = tuple(Page(n, str(n), text, "" if text else "blank") for n, text in enumerate(pages, 1))
    document = Document(id, name, title or name.removesuffix(".pdf"), read, tuple(outline))
    chunks: list[Chunk] = []
    for page, start in zip(read, document.page_starts, strict=True):
        if page.text:
            end = start + len(page.text)
            chunk_id = hashlib.sha256(f"{id}-{start}-{end}".encode()).hexdigest()[:32]
            heading = " › ".join(entry.title for entry in outline if entry.page <= page.number)
            place = Span(page.number, page.label, 0, len(page.text))
            chunks.append(Chunk(chunk_id, id, len(chunks), start, end, page.text, heading, (place,)))
    texts = [f"{context_line(document.title, chunk.heading)}\n{chunk.text}" for chunk in chunks]
    return Book(document, chunks, embedder.documents(texts), file)
