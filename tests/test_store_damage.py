"""Whatever happens to a store's files, no document is lost: each damage is told, and `repair` brings all back."""

import json
import os
import pickle
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ingest.document import Chunk, Document, Page, Span
from ingest.errors import (
    CatalogueDamagedError,
    CatalogueError,
    CatalogueLostError,
    LibraryBusy,
    StorageFailed,
    UnlistedFilesNotice,
)
from ingest.pipeline import Upload, ingest
from ingest.repair import StoredFileDamagedError, replace_damaged_catalogue
from ingest.store.catalogue_mark import FILE as MARK
from ingest.store.library import CATALOGUE, Library
from tests.support.damage import (
    EMBEDDER,
    LIMITS,
    STORES,
    Shelf,
    assert_all_is_back,
    assert_nothing_is_lost,
    copy_library,
    damages,
    fill_library,
    find_store,
    repair,
    survive_damage,
)
from tests.support.pdfs import make_pdf
from tests.support.shelf import PROCESSES, big_book

_REMOVED, _CUT, _RANDOM = 0, 7, 12  # of those that `damages` makes


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return fill_library(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def shelf(filled: Shelf, tmp_path: Path) -> Shelf:
    return copy_library(filled, tmp_path / "library")


@pytest.mark.parametrize(
    ("store", "damage"),
    [(CATALOGUE, _REMOVED), (CATALOGUE, _CUT), *((store, _RANDOM) for store in STORES)],
)
def test_no_damage_of_a_store_loses_a_document(shelf: Shelf, tmp_path: Path, store: str, damage: int) -> None:
    """All damages of all stores: `python -m tests.support.damage`."""
    content = find_store(shelf.folder, store).read_bytes()
    what, damaged = list(damages(content, random.Random(store)))[damage]
    told = survive_damage(shelf, store, damaged, make_pdf(tmp_path / "late.pdf", ["A late page about otters."]))
    if store == CATALOGUE and what in ("removed", "random"):
        assert told and all(CATALOGUE in sentence and "repair" in sentence for sentence in told), what


REPLACED = [CATALOGUE, MARK, "places.sqlite3", "vectors.sqlite3", "replies.sqlite3", "chroma", "chroma.seal"]


@pytest.mark.parametrize("store", REPLACED)
@pytest.mark.parametrize("kind", ["folder", "pipe", "dead link"])
def test_something_else_in_the_place_of_a_store_is_damage_too(shelf: Shelf, store: str, kind: str) -> None:
    place = shelf.folder / store
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    if kind == "dead link":
        place.symlink_to(shelf.folder / "nowhere")
    else:
        place.mkdir() if kind == "folder" else os.mkfifo(place)
    if store == CATALOGUE:
        with pytest.raises(CatalogueDamagedError, match="not a regular file"):
            Library(shelf.folder, EMBEDDER)
    repair(shelf.folder)
    with Library(shelf.folder, EMBEDDER) as library:
        library.places.all()
        library.replies.get(b"unknown")
    assert_all_is_back(shelf)


def test_json_that_is_nested_without_end_costs_nothing(shelf: Shelf) -> None:
    for file in (shelf.folder / MARK, shelf.folder / "chroma.seal", *(shelf.folder / "files").glob("*.json")):
        file.write_text("[" * 200_000)
    with Library(shelf.folder, EMBEDDER) as library:
        assert len(library.records()) == 3
        assert library.list_unlisted_files() == []
        library.nearest(EMBEDDER.query("fox"), 1)
    assert_all_is_back(shelf)


@pytest.mark.parametrize("content", [None, b""], ids=["removed", "emptied"])
def test_a_lost_catalogue_is_told_and_nothing_is_begun_anew(shelf: Shelf, content: bytes | None) -> None:
    file = shelf.folder / CATALOGUE
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    for _ in range(2):
        with pytest.raises(CatalogueLostError, match=r"is missing or empty.*3 PDFs.*`pagewise repair`"):
            Library(shelf.folder, EMBEDDER)
    assert_nothing_is_lost(shelf)
    assert replace_damaged_catalogue(shelf.folder) is not None
    assert [result.status for result in repair(shelf.folder)] == ["added"] * 3
    assert_all_is_back(shelf)


def test_a_damaged_catalogue_is_kept_aside_and_named(shelf: Shelf) -> None:
    content = b"this is not a database" * 500
    (shelf.folder / CATALOGUE).write_bytes(content)
    with pytest.raises(CatalogueDamagedError, match=r"catalogue\.sqlite3 is damaged.*stored PDFs.*kept"):
        Library(shelf.folder, EMBEDDER)
    replaced = replace_damaged_catalogue(shelf.folder)
    assert replaced is not None and replaced.aside is not None and replaced.aside.read_bytes() == content
    assert replace_damaged_catalogue(shelf.folder) is None, "the new one is whole"
    repair(shelf.folder)
    assert_all_is_back(shelf)


def test_an_older_catalogue_takes_no_stored_file_for_a_leftover(shelf: Shelf) -> None:
    """As a lost write-ahead log leaves it: a document that is whole by now is still on its way in."""
    with closing(sqlite3.connect(shelf.folder / CATALOGUE)) as db, db:
        db.execute("UPDATE documents SET state = 'arriving' WHERE name = 'foxes.pdf'")
        db.execute("UPDATE meta SET value = CAST(value AS INTEGER) - 1 WHERE name = 'version'")
    with Library(shelf.folder, EMBEDDER) as library:
        (notice,) = library.notices.list_all()
        assert isinstance(notice, UnlistedFilesNotice) and "1 stored PDF" in str(notice) and "repair" in str(notice)
        assert [stored.name for stored in library.list_unlisted_files()] == ["foxes.pdf"]
        assert_nothing_is_lost(shelf)
    repair(shelf.folder)
    assert_all_is_back(shelf)


def test_the_catalogue_of_another_library_deletes_nothing(shelf: Shelf, tmp_path: Path) -> None:
    with Library(tmp_path / "other", EMBEDDER) as other:
        list(ingest([Upload("o.pdf", make_pdf(tmp_path / "o.pdf", ["Otters."]))], other, LIMITS))
        other._catalogue.announce(Document(next(iter(shelf.bytes_of)), "n.pdf", "n", (Page(1, "1", "Text."),)))
    shutil.copyfile(tmp_path / "other" / CATALOGUE, shelf.folder / CATALOGUE)
    with Library(shelf.folder, EMBEDDER) as library:
        assert len(library.list_unlisted_files()) == 3
    assert_nothing_is_lost(shelf)


def work_on_repair(folder: Path) -> None:
    while True:
        repair(folder)


def test_kills_while_repairing_lose_nothing(shelf: Shelf) -> None:
    (shelf.folder / CATALOGUE).unlink()
    chance = random.Random(3)
    for _ in range(6):
        process = PROCESSES.Process(target=work_on_repair, args=(shelf.folder,))
        process.start()
        process.join(chance.uniform(0.3, 2.5))
        process.kill()
        process.join()
        assert_nothing_is_lost(shelf)
    repair(shelf.folder)
    assert_all_is_back(shelf)


def test_a_repair_that_fails_keeps_the_stored_file(shelf: Shelf) -> None:
    """Its own file is the only copy: a full disk or a broken Chroma must not clear it away as a half document."""
    (shelf.folder / CATALOGUE).unlink()
    replace_damaged_catalogue(shelf.folder)
    with Library(shelf.folder, EMBEDDER) as library:
        stored, *_ = library.list_unlisted_files()
        document = Document(stored.id, stored.name, "t", (Page(1, "1", "Text."),))
        chunk = Chunk("c", stored.id, 0, 0, 5, "Text.", "", (Span(1, "1", 0, 5),))
        with pytest.raises(StorageFailed):  # Chroma refuses a vector of another length
            library.add(document, [chunk], np.ones((1, 3), np.float32), stored.path)
        assert_nothing_is_lost(shelf)
        assert len(library.list_unlisted_files()) == 3
    repair(shelf.folder)
    assert_all_is_back(shelf)


def test_a_stored_file_whose_bytes_changed_is_told_and_kept(shelf: Shelf) -> None:
    (shelf.folder / CATALOGUE).unlink()
    changed = next((shelf.folder / "files").glob("*.pdf"))
    changed.write_bytes(b"%PDF-1.4 something else")
    results = {result.status: result for result in repair(shelf.folder)}
    assert isinstance(results["failed"].error, StoredFileDamagedError) and str(changed) in results["failed"].reason
    assert changed.exists()


def test_a_lost_label_costs_the_name_at_most(shelf: Shelf, tmp_path: Path) -> None:
    for label in (shelf.folder / "files").glob("*.json"):
        label.write_bytes(b"\xff not json")
    (shelf.folder / CATALOGUE).unlink()
    assert [result.status for result in repair(shelf.folder)] == ["added"] * 3
    assert_nothing_is_lost(shelf)


def test_repair_waits_for_no_library_that_is_open(shelf: Shelf) -> None:
    with Library(shelf.folder, EMBEDDER), pytest.raises(LibraryBusy):
        replace_damaged_catalogue(shelf.folder)


def test_a_label_that_is_a_path_reaches_no_file(shelf: Shelf) -> None:
    with Library(shelf.folder, EMBEDDER) as library, pytest.raises(ValueError, match="not the id"):
        library._files.path("../../etc/passwd")


def test_rows_that_are_no_rows_are_damage_and_not_a_traceback(shelf: Shelf) -> None:
    with closing(sqlite3.connect(shelf.folder / CATALOGUE)) as db, db:
        db.execute("UPDATE documents SET health = 'no json'")
        db.execute("UPDATE pages SET lines = '[[1]]'")
        db.execute("UPDATE chunks SET spans = x'ff00'")
    for _ in range(2):
        with pytest.raises(CatalogueError, match="a row cannot be read"), Library(shelf.folder, EMBEDDER) as library:
            library.all_passages(next(iter(shelf.bytes_of)))
    assert_nothing_is_lost(shelf)


def test_a_hostile_pickle_in_chroma_is_never_unpickled(filled: Shelf, tmp_path: Path) -> None:
    """Chroma writes its index, and the pickle beside it, after 1,000 vectors."""
    folder = tmp_path / "library"
    with Library(folder, EMBEDDER) as library:
        books = [big_book(tmp_path, number) for number in range(9)]
        for one in books:
            one.put(library)
        library.nearest(EMBEDDER.query("x"), 1)
    canary = tmp_path / "canary"

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (canary,))

    for content in (pickle.dumps(Hostile()), b"", b"\x80\x04garbage", random.Random(1).randbytes(5000)):
        (metadata,) = (folder / "chroma").rglob("index_metadata.pickle")
        metadata.write_bytes(content)
        with Library(folder, EMBEDDER) as library:
            for one in books:  # each of their vectors is there again
                [(_, cosine)] = library.nearest(one.vectors[0], 1)
                assert cosine == pytest.approx(1, abs=1e-3)
            assert [notice.key for notice in library.notices.list_all()] == ["VectorsRebuiltNotice"]
            assert len(library._vectors.ids()) == library._catalogue.chunk_count()
        assert not canary.exists()


def test_a_label_says_what_the_catalogue_says(shelf: Shelf) -> None:
    with Library(shelf.folder, EMBEDDER) as library:
        record = library.find("ships.pdf")
        library.rename(record.id, "boats.pdf")
        label = json.loads((shelf.folder / "files" / f"{record.id}.json").read_text())
    assert label == {"name": "boats.pdf", "sha256": record.id}
