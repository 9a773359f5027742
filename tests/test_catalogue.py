"""The catalogue: documents whole or nowhere in it, keyword search that takes any text, no trace of what was removed."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.document import Heading
from ingest.errors import CatalogueDamagedError
from ingest.store.catalogue import Catalogue
from ingest.store.schema import FORMAT, NewerLibrary
from ingest.text.search_tokens import tokens
from tests.support.books import Book, make_book
from tests.support.fakes import HashingEmbedder

EMBEDDER = HashingEmbedder()
NONE = np.zeros((0, EMBEDDER.dimensions), np.float32)


def put(catalogue: Catalogue, book: Book) -> None:
    catalogue.announce(book.document)
    catalogue.complete(book.document, book.chunks, [tokens(chunk.text) for chunk in book.chunks], book.vectors)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "catalogue.sqlite3")


def test_what_went_in_comes_out_after_a_restart(catalogue: Catalogue, tmp_path: Path) -> None:
    heading = Heading("Chapter 1 “安”", 1, 1)
    book = make_book(tmp_path, "a.pdf", ["One.", "", "第三页。營業收入"], EMBEDDER, title="T › t", outline=[heading])
    put(catalogue, book)
    catalogue.close()
    again = Catalogue(tmp_path / "catalogue.sqlite3")
    record = again.record(book.document.id)
    assert record is not None
    assert (record.name, record.title, record.pages, record.without_text) == ("a.pdf", "T › t", 3, (2,))
    assert record.status == "partial" and record.chunks == len(book.chunks) and record.added.tzinfo is not None
    assert [passage.chunk for passage in again.all_passages(book.document.id)] == book.chunks
    assert [again.page(book.document.id, page.number) for page in book.document.pages] == list(book.document.pages)
    assert again.page(book.document.id, 4) is None


def test_a_document_that_was_only_announced_is_nowhere(catalogue: Catalogue, tmp_path: Path) -> None:
    book = make_book(tmp_path, "a.pdf", ["One fox."], EMBEDDER)
    catalogue.announce(book.document)
    assert catalogue.records() == [] and catalogue.record(book.document.id) is None
    assert catalogue.unfinished() == [book.document.id]
    assert catalogue.version() == 0


def test_completing_is_all_or_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    book = make_book(tmp_path, "a.pdf", ["One fox."] * 3, EMBEDDER)
    catalogue.announce(book.document)

    def breaks_off() -> Iterator[list[str]]:
        yield ["one"]
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        catalogue.complete(book.document, book.chunks, breaks_off(), book.vectors)
    assert catalogue.chunk_ids() == set() and catalogue.keywords(["one"], 5) == []
    assert catalogue.page(book.document.id, 1) is None and catalogue.version() == 0
    put(catalogue, book)
    assert catalogue.chunk_ids() == {chunk.id for chunk in book.chunks}


def test_the_rarer_word_counts_more_and_ties_keep_their_order(catalogue: Catalogue, tmp_path: Path) -> None:
    pages = ["The cat sat.", "The cat ran.", "The dog barked.", "The cat sat."]
    book = make_book(tmp_path, "a.pdf", pages, EMBEDDER)
    put(catalogue, book)
    found = catalogue.keywords(tokens("cat dog"), 10)
    order = [book.chunks[2].id, book.chunks[0].id, book.chunks[1].id, book.chunks[3].id]
    assert [id for id, _ in found] == order
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True) and scores[1] == scores[2] == scores[3]
    assert catalogue.keywords(tokens("cat dog"), 2) == found[:2]


def test_keywords_stay_within_the_documents_that_were_named(catalogue: Catalogue, tmp_path: Path) -> None:
    first, second = (make_book(tmp_path, name, ["A shared word."], EMBEDDER) for name in ("a.pdf", "b.pdf"))
    put(catalogue, first)
    put(catalogue, second)
    assert {id for id, _ in catalogue.keywords(["share"], 9)} == {first.chunks[0].id, second.chunks[0].id}
    assert [id for id, _ in catalogue.keywords(["share"], 9, [second.document.id])] == [second.chunks[0].id]
    assert catalogue.keywords(["share"], 9, []) == [] and catalogue.keywords(["share"], 9, ["unknown"]) == []


def test_chinese_words_of_one_and_two_characters_and_numbers_are_found(catalogue: Catalogue, tmp_path: Path) -> None:
    book = make_book(tmp_path, "年报.pdf", ["公司2020年的营业收入是1,577.0万元。", "别的内容。"], EMBEDDER)
    put(catalogue, book)
    for question in ("营业收入", "收入", "2020", "1577.0"):
        assert [id for id, _ in catalogue.keywords(tokens(question), 1)] == [book.chunks[0].id], question


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("full")
    catalogue = Catalogue(folder / "catalogue.sqlite3")
    put(catalogue, make_book(folder, "a.pdf", ["One fox AND one dog. NOT near: c++ (x) 营业收入 *"], EMBEDDER))
    return catalogue


@given(st.lists(st.text(max_size=12), max_size=6), st.integers(-1, 3))
def test_no_token_whatever_is_in_it_is_syntax(full: Catalogue, given_tokens: list[str], k: int) -> None:
    found = full.keywords(given_tokens, k)
    assert len(found) <= max(0, k)


@given(st.text(alphabet=st.sampled_from("\"'()*:^+-{}[]<>=,.;%_\\\0 \tANDORTNE营业"), max_size=40))
def test_no_question_whatever_its_punctuation_raises(full: Catalogue, question: str) -> None:
    full.keywords(tokens(question), 5)
    full.keywords(question.split(" "), 5)


def test_half_a_surrogate_pair_is_stored_without_moving_any_offset(catalogue: Catalogue, tmp_path: Path) -> None:
    book = make_book(tmp_path, "a.pdf", ["placeholder"], EMBEDDER)
    page = book.document.pages[0].__class__(1, "\ud800", "ab\udc00cd")
    document = book.document.__class__(book.document.id, "n\ud800.pdf", "t", (page,))
    catalogue.announce(document)
    catalogue.complete(document, [], [], NONE)
    stored = catalogue.page(document.id, 1)
    assert stored is not None and stored.text == "ab?cd"
    assert catalogue.records()[0].name == "n?.pdf"


def test_a_removed_document_leaves_no_byte_of_its_text(catalogue: Catalogue, tmp_path: Path) -> None:
    keep = make_book(tmp_path, "keep.pdf", ["Harmless words stay."], EMBEDDER)
    secret = make_book(tmp_path, "secret.pdf", ["The zanzibarquux account is 8675309123."] * 40, EMBEDDER)
    put(catalogue, keep)
    put(catalogue, secret)
    version = catalogue.version()
    assert catalogue.keywords(tokens("zanzibarquux"), 1)
    catalogue.dismiss(secret.document.id)
    assert catalogue.unfinished() == [secret.document.id] and catalogue.keywords(tokens("zanzibarquux"), 1) == []
    catalogue.forget(secret.document.id)
    assert catalogue.unfinished() == [] and catalogue.version() != version
    assert catalogue.keywords(["stay"], 1)
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("catalogue.sqlite3*")).lower()
    stem = tokens("zanzibarquux")[0].encode()
    assert stem not in kept and b"8675309123" not in kept and b"secret.pdf" not in kept and b"harmless" in kept


def test_a_library_of_format_1_opens_and_says_what_its_pages_are(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite3"
    book = make_book(tmp_path, "a.pdf", ["Five foxes.", "", "Two  FOXES.", "five foxes."], EMBEDDER)
    catalogue = Catalogue(file)
    put(catalogue, book)
    catalogue.close()
    with sqlite3.connect(file) as db:
        db.execute("ALTER TABLE documents DROP COLUMN health")
        for column in ("duplicate_of", "lines"):
            db.execute(f"ALTER TABLE pages DROP COLUMN {column}")
        db.execute("DROP TABLE vectors")
        db.execute("PRAGMA user_version = 1")
    db.close()
    for _ in range(2):  # the second time there is nothing left to bring up to date
        again = Catalogue(file)
        (record,) = again.records()
        assert record.health == {"text": 2, "no text": 1, "garbled": 0, "ocr": 0, "duplicate": 1}
        assert [page.duplicate_of for page in again.pages(book.document.id)] == [0, 0, 0, 1]
        assert [passage.chunk for passage in again.all_passages(book.document.id)] == book.chunks
        assert [id for id, _ in again.keywords(["two"], 1)] == [book.chunks[1].id]
        assert again.vectors(book.document.id) is None  # Chroma alone has them
        again.close()
    put(Catalogue(file), make_book(tmp_path, "b.pdf", ["A later one."], EMBEDDER))


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite3"
    Catalogue(file).close()
    with sqlite3.connect(file) as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(NewerLibrary, match=f"format {FORMAT + 1}"):
        Catalogue(file)


def test_a_file_that_is_no_database_is_our_error(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite3"
    file.write_bytes(b"this is not a database, but it is long enough to be looked at" * 100)
    with pytest.raises(CatalogueDamagedError, match="not a database"):
        Catalogue(file)
