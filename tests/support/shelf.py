"""Books to put into a library, processes that may be killed while they do so, and whether all of it is whole then."""

import multiprocessing
import random
import re
from pathlib import Path

import pytest

from ingest.store.library import Library
from ingest.text.search_tokens import tokens
from tests.support.books import Book, make_book
from tests.support.fakes import HashingEmbedder

EMBEDDER = HashingEmbedder()
# Chroma takes seconds to import: the processes that these tests kill are forks of one that has done so.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["chromadb", "tests.support.shelf"])


def book(folder: Path, name: str = "a.pdf", *pages: str) -> Book:
    return make_book(folder / "books", name, pages or ("A fox ran.", "", "A dog slept."), EMBEDDER)


def big_book(folder: Path, number: int) -> Book:
    """About 130 chunks; nine of them are more than the 1,000 rows after which Chroma writes its index anew."""
    words = [f"{chr(97 + number % 26)}{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}word" for i in range(130)]
    return book(folder, f"{number}.pdf", *(f"Page of {word}, volume {number}, is about {word}." for word in words))


def assert_whole(library: Library, expected: dict[str, Book]) -> None:
    """What is listed is all there, in every store, and nothing else is in any of them."""
    records = library.records()
    store = library._vectors
    ids: set[str] = set()
    if records:  # what Chroma lost is made anew at the first search of all
        library.nearest(expected[records[0].id].vectors[0], 1)
    for record in records:
        original = expected[record.id]
        passages = library.all_passages(record.id)
        assert [passage.chunk for passage in passages] == original.chunks and record.chunks == len(passages)
        assert [library.page(record.id, page.number) for page in original.document.pages] == list(
            original.document.pages
        )
        assert library.file(record.id).read_bytes() == original.file.read_bytes()
        for i in random.sample(range(len(passages)), min(5, len(passages))):
            for searched in (library, store):  # by the catalogue's vectors, and by Chroma's
                [(_, cosine)] = searched.nearest(original.vectors[i], 1, [record.id])
                assert cosine == pytest.approx(1, abs=1e-4)
            word = tokens(re.findall(r"\w+", passages[i].text)[-1])
            assert passages[i].chunk.id in {id for id, _ in library.keywords(word, 200, [record.id])}
        ids |= {passage.chunk.id for passage in passages}
    assert store.ids() == ids == library._catalogue.chunk_ids() and store.count() == len(ids)
    assert library._catalogue.unfinished() == []
    expected_files = {f"{record.id}.{kind}" for record in records for kind in ("pdf", "json")}
    assert {file.name for file in (library.folder / "files").iterdir()} == expected_files
    assert library.list_unlisted_files() == []
