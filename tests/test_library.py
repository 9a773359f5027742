"""The library's promises: whole or absent whatever fails, its own embedder alone, nothing left of the removed."""

import os
import random
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ingest.document import Heading
from ingest.errors import (
    AmbiguousDocument,
    FileUnreadable,
    StorageFailed,
    UnknownDocument,
    UnknownPage,
    WrongEmbedder,
)
from ingest.store.chroma import UntrustedVectors
from ingest.store.library import Library
from tests.support.books import Book, make_book
from tests.support.fakes import HashingEmbedder
from tests.support.shelf import EMBEDDER, assert_whole, big_book, book


def test_what_is_added_is_found_by_words_and_by_meaning_also_after_a_restart(tmp_path: Path) -> None:
    outline = [Heading("Part 1", 1, 1), Heading("Dogs", 2, 3)]
    one = make_book(tmp_path / "b", "a.pdf", ["A fox ran.", "", "A dog slept."], EMBEDDER, outline=outline)
    with Library(tmp_path / "library", EMBEDDER) as library:
        record = one.put(library)
        assert record.status == "partial" and record.without_text == (2,)
        assert one.put(library) == record  # a second time changes nothing
        version = library.version()
    with Library(tmp_path / "library", EMBEDDER) as library:
        assert library.version() == version and library.holds(record.id) == record and library.records() == [record]
        found = library.passages(dict(library.nearest(EMBEDDER.query("dog slept"), 2)))
        assert [passage.text for passage in found] == ["A dog slept.", "A fox ran."]
        assert found[0].score > found[1].score and found[0].page == 3 and found[0].chunk.heading == "Part 1 › Dogs"
        assert [id for id, _ in library.keywords(["fox"], 5)] == [one.chunks[0].id]
        assert library.keywords(["part"], 5), "the context line is searched too"
        assert library.passages({"unknown": 1.0}) == [] and library.nearest(EMBEDDER.query("x"), 5, []) == []
        assert library.file(record.id).read_bytes() == one.file.read_bytes()
        with pytest.raises(UnknownPage, match="3 pages"):
            library.page(record.id, 4)
        assert_whole(library, {record.id: one})


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    with Library(tmp_path / "new" / "library", EMBEDDER) as library:
        assert library.folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_was_there_keeps_its_permissions_and_its_files(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    thesis, script = tmp_path / "files" / "my thesis.pdf", tmp_path / "script.sh"
    for file in (thesis, script):
        file.write_text("precious")
        file.chmod(0o755)
    tmp_path.chmod(0o755)
    with Library(tmp_path, EMBEDDER) as library:
        assert [notice.key for notice in library.notices.list_all()] == ["OpenFolderNotice"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path, thesis, script)} == {0o755}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_files_of_a_library_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with Library(tmp_path / "library", EMBEDDER) as library:
            book(tmp_path).put(library)
            library.nearest(EMBEDDER.query("fox"), 1)
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "library").rglob("*")}
    assert modes and all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items()), modes


def test_a_library_that_others_could_read_is_made_private_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    with Library(folder, EMBEDDER) as library:
        book(tmp_path).put(library)
        library.nearest(EMBEDDER.query("fox"), 1)
        assert library.notices.list_all() == ()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("of somebody else")
    (folder / "chroma" / "link").symlink_to(elsewhere)
    for path in (folder, *folder.rglob("*"), elsewhere):
        path.chmod(0o777 if path.is_dir() else 0o666)
    with Library(folder, EMBEDDER) as library:
        assert [notice.key for notice in library.notices.list_all()] == ["MadePrivateNotice"]
    modes = {path: path.lstat().st_mode & 0o077 for path in (folder, *folder.rglob("*")) if not path.is_symlink()}
    assert not any(modes.values()), modes
    assert elsewhere.stat().st_mode & 0o777 == 0o666


def test_names_ids_and_beginnings_of_ids_find_a_document(tmp_path: Path) -> None:
    with Library(tmp_path / "library", EMBEDDER) as library:
        first = book(tmp_path, "Caf\u00e9 Report.pdf", "One.").put(library)
        second = book(tmp_path, "b.pdf", "Two.").put(library)
        twin = book(tmp_path, "b.pdf", "Three.").put(library)
        for wanted in ("Café Report.pdf", "cafe\u0301 report.PDF", first.id, first.id[:8]):
            assert library.find(wanted) == first
        with pytest.raises(AmbiguousDocument, match=twin.id[:8]):
            library.find("b.pdf")
        assert library.find(second.id) == second
        for wrong in (first.id[:7], "", "x"):
            with pytest.raises(UnknownDocument):
                library.find(wrong)
        with pytest.raises(UnknownDocument, match="first 8 characters"):
            library.find(first.id[:7])
        with pytest.raises(UnknownDocument, match=r"nearest there is: Café Report\.pdf"):
            library.find("Cafe Report.pdf")
        with pytest.raises(UnknownDocument) as caught:
            library.find("Cafe Report")
        assert caught.value.params["nearest"] == ("Café Report.pdf",)


def test_searches_stay_within_the_documents_that_were_named(tmp_path: Path) -> None:
    with Library(tmp_path / "library", EMBEDDER) as library:
        books = [book(tmp_path, f"{n}.pdf", "The same words.", f"And {n}.") for n in range(5)]
        records = [one.put(library) for one in books]
        inside = {chunk.id for one in books[1:3] for chunk in one.chunks}
        ids = [record.id for record in records[1:3]]
        assert {id for id, _ in library.nearest(EMBEDDER.query("same words"), 50, ids)} == inside
        assert {id for id, _ in library.keywords(["same", "and"], 50, ids)} == inside
        assert len(library.nearest(EMBEDDER.query("same words"), 50)) == 10


@pytest.mark.parametrize("most", [0, 20_000], ids=["by Chroma's filter", "by all of their vectors"])
def test_chosen_documents_give_their_nearest_whichever_way(
    tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.store.vector_search._EXACT", most)
    books = [
        book(tmp_path, f"{n}.pdf", *(f"Page {p} of {n} {'fox' * (p % 3)} {p * n}" for p in range(30))) for n in "abc"
    ]
    asked = EMBEDDER.query("Page 7 fox 77")
    with Library(tmp_path / "library", EMBEDDER) as library:
        for one in books:
            one.put(library)
        first, second = books[0], books[1]
        cosines = {
            chunk.id: float(row @ asked)
            for one in (first, second)
            for chunk, row in zip(one.chunks, one.vectors, strict=True)
        }
        found = library.nearest(asked, 12, [second.document.id, first.document.id])
        assert [score for _, score in found] == pytest.approx(sorted(cosines.values(), reverse=True)[:12], abs=1e-3)
        assert all(cosines[id] == pytest.approx(score, abs=1e-3) for id, score in found)
        library.remove(first.document.id)
        again = library.nearest(asked, 60, [first.document.id, second.document.id, "nobody"])
        assert {id for id, _ in again} == {chunk.id for chunk in second.chunks}
        assert library.nearest(asked, 5, [first.document.id]) == []


def test_a_filter_that_lets_most_through_gives_the_nearest_of_what_it_lets_through(tmp_path: Path) -> None:
    chance = random.Random(4)
    words = [f"word{n}" for n in range(30)]
    with Library(tmp_path / "library", EMBEDDER) as library:
        books = [
            book(tmp_path, f"{n}.pdf", *(" ".join(chance.choices(words, k=9)) for _ in range(40))) for n in range(3)
        ]
        ids = [one.put(library).id for one in books][:2]
        vectors = np.concatenate([one.vectors for one in books[:2]])
        for _ in range(10):
            asked = EMBEDDER.query(" ".join(chance.choices(words, k=4)))
            found = library.nearest(asked, 3, ids)
            assert {passage.document for passage in library.passages(dict(found))} <= set(ids)
            assert [cosine for _, cosine in found] == pytest.approx(sorted(vectors @ asked)[:-4:-1], abs=1e-3)


def test_removing_leaves_nothing_and_another_document_in_peace(tmp_path: Path) -> None:
    with Library(tmp_path / "library", EMBEDDER) as library:
        keep, gone = book(tmp_path, "keep.pdf", "A fox ran."), book(tmp_path, "gone.pdf", "A wombat ran far away.")
        keep.put(library)
        record, version = gone.put(library), library.version()
        receipt = library.remove(record.id)
        assert (receipt.record, receipt.vectors, receipt.left) == (record, len(gone.chunks), 0)
        # the document, its page, its chunk and the words of it; "gone › A wombat ran far away." has five that count
        assert receipt.rows > 4 and receipt.tokens >= 5
        assert library.version() != version and library.holds(record.id) is None
        assert library.keywords(["wombat"], 5) == [] and library.all_passages(record.id) == []
        assert [id for id, _ in library.nearest(gone.vectors[0], 5)] == [keep.chunks[0].id]
        for call in (library.remove, library.file, library.find):
            with pytest.raises(UnknownDocument):
                call(record.id)
        assert_whole(library, {keep.document.id: keep})
        gone.put(library)  # and it can come again
        assert_whole(library, {keep.document.id: keep, gone.document.id: gone})


def test_a_failure_while_storing_leaves_nothing(tmp_path: Path) -> None:
    with Library(tmp_path / "library", EMBEDDER) as library:
        good, bad = book(tmp_path, "good.pdf"), book(tmp_path, "bad.pdf")
        good.put(library)
        with pytest.raises(StorageFailed):  # Chroma refuses vectors of another length
            library.add(bad.document, bad.chunks, np.ones((len(bad.chunks), 3), np.float32), bad.file)
        bad.file.write_bytes(b"other bytes now")
        with pytest.raises(FileUnreadable, match="changed"):
            bad.put(library)
        bad.file.unlink()
        with pytest.raises(FileUnreadable):
            bad.put(library)
        assert_whole(library, {good.document.id: good})


def test_a_library_remembers_its_embedder_until_it_is_empty(tmp_path: Path) -> None:
    other = HashingEmbedder(dimensions=32, name="other")
    one = book(tmp_path)
    with Library(tmp_path / "library", EMBEDDER) as library:
        one.put(library)
    with pytest.raises(WrongEmbedder, match=r"'hashing'.*'other'.*PAGEWISE_EMBEDDER=hashing"):
        Library(tmp_path / "library", other)
    with Library(tmp_path / "library", EMBEDDER) as library:
        library.remove(one.document.id)
    with Library(tmp_path / "library", other) as library:
        mine = make_book(tmp_path / "books", "m.pdf", ["A fox."], other)
        mine.put(library)
        assert len(library.nearest(other.query("fox"), 5)) == 1


def test_the_same_name_with_vectors_of_another_length_is_another_embedder(tmp_path: Path) -> None:
    with Library(tmp_path / "library", EMBEDDER) as library:
        book(tmp_path).put(library)
    other = HashingEmbedder(dimensions=32)
    with Library(tmp_path / "library", other) as library, pytest.raises(WrongEmbedder):
        library.nearest(other.query("fox"), 1)


@pytest.mark.parametrize("kept", [True, False], ids=["kept in the catalogue", "of format 2"])
def test_lost_vectors_are_made_anew(tmp_path: Path, kept: bool) -> None:
    books = {one.document.id: one for one in (book(tmp_path), book(tmp_path, "b.pdf", "Another one."))}
    with Library(tmp_path / "library", EMBEDDER) as library:
        for one in books.values():
            one.put(library)
    shutil.rmtree(tmp_path / "library" / "chroma")
    if not kept:
        with closing(sqlite3.connect(tmp_path / "library" / "catalogue.sqlite3")) as db, db:
            db.execute("DELETE FROM vectors")
    with Library(tmp_path / "library", EMBEDDER) as library:
        late = book(tmp_path, "late.pdf", "Added before the loss was noticed.")
        late.put(library)
        library.nearest(EMBEDDER.query("fox"), 1)
        assert_whole(library, books | {late.document.id: late})


@pytest.mark.parametrize("killed", [True, False], ids=["by a kill", "after it was closed"])
def test_an_index_that_is_cut_off_is_made_anew(tmp_path: Path, killed: bool) -> None:
    books = {one.document.id: one for one in (big_book(tmp_path, number) for number in range(9))}
    with Library(tmp_path / "library", EMBEDDER) as library:
        for one in books.values():
            one.put(library)
        library.nearest(EMBEDDER.query("x"), 1)
        seal = library.folder / "chroma.seal"
        assert not seal.exists()
    assert seal.exists()
    (index,) = (tmp_path / "library" / "chroma").rglob("data_level0.bin")
    with index.open("rb+") as file:
        file.truncate(index.stat().st_size // 2)
    if killed:
        seal.unlink()
    with Library(tmp_path / "library", EMBEDDER) as library:
        library.nearest(EMBEDDER.query("x"), 1)
        assert_whole(library, books)


def test_a_stored_configuration_that_builds_a_model_is_refused(tmp_path: Path) -> None:
    import chromadb
    from chromadb.utils.embedding_functions import DefaultEmbeddingFunction

    with Library(tmp_path / "library", EMBEDDER) as library:
        book(tmp_path).put(library)
        name = f"pagewise-{library._catalogue.meta('library')}"
    client = chromadb.PersistentClient(str(tmp_path / "hostile"))
    client.create_collection(
        name,
        embedding_function=DefaultEmbeddingFunction(),  # type: ignore[arg-type]
        metadata={"embedder": EMBEDDER.name, "dimensions": EMBEDDER.dimensions},
    )
    client.close()  # type: ignore[attr-defined]
    shutil.rmtree(tmp_path / "library" / "chroma")
    shutil.move(tmp_path / "hostile", tmp_path / "library" / "chroma")
    with Library(tmp_path / "library", EMBEDDER) as library, pytest.raises(UntrustedVectors, match="default"):
        library.nearest(EMBEDDER.query("fox"), 1)


def test_a_file_where_the_folder_should_be_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "library").write_text("in the way")
    with pytest.raises(StorageFailed):
        Library(tmp_path / "library", EMBEDDER)




def test_threads_may_add_search_and_remove_at_once(tmp_path: Path) -> None:
    books = [book(tmp_path, f"{n}.pdf", *(f"Page {p} of {n}." for p in range(8))) for n in range(6)]
    faults: list[BaseException] = []
    with Library(tmp_path / "library", EMBEDDER) as library:

        def work(mine: list[Book]) -> None:
            try:
                for one in mine:
                    one.put(library)
                    for id, _ in library.nearest(EMBEDDER.query("page 3"), 5) + library.keywords(["page"], 5):
                        for passage in library.passages({id: 1.0}):
                            assert passage.text.startswith("Page")
                library.remove(mine[0].document.id)
            except BaseException as fault:
                faults.append(fault)

        threads = [threading.Thread(target=work, args=(books[i::3],)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == []
        assert len(library.records()) == 3
        assert_whole(library, {one.document.id: one for one in books})
