"""Keyword search: the scores of BM25 as its formula has them, over any library, and nothing of what was removed."""

import math
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.store import bm25 as store_bm25
from ingest.store.catalogue import Catalogue
from ingest.text.search_tokens import tokens
from tests.support.books import make_book
from tests.support.fakes import HashingEmbedder

WORDS = st.sampled_from(["the", "of", "cat", "dog", "年报", "收入", "2020", "rare", "\ud800", ""])
CHUNK = st.lists(WORDS, max_size=12)
DOCUMENTS = st.lists(st.lists(CHUNK, min_size=1, max_size=6), min_size=1, max_size=5)
Chunks = dict[int, Sequence[str]]  # by number


def filled(documents: Sequence[Sequence[Sequence[str]]]) -> tuple[sqlite3.Connection, Chunks, list[range]]:
    """An index in memory, its chunks, and the numbers of each document's."""
    db = sqlite3.connect(":memory:")
    for statement in store_bm25.SCHEMA.split(";\n"):
        db.execute(statement)
    chunks: Chunks = {}
    ranges = []
    for document in documents:
        first = len(chunks) + 1
        store_bm25.put(db, first, document)
        chunks.update(enumerate(document, first))
        ranges.append(range(first, first + len(document)))
    return db, chunks, ranges


def bm25(chunks: Chunks, weights: Mapping[str, float]) -> dict[int, float]:
    """The formula, one chunk and one word at a time; only chunks that have any of the words."""
    average = max(1.0, sum(len(chunk) for chunk in chunks.values()) / len(chunks))
    scores: dict[int, float] = {}
    for word, weight in weights.items():
        having = sum(word in chunk for chunk in chunks.values())
        rarity = max(1e-6, math.log((len(chunks) - having + 0.5) / (having + 0.5)))
        for number, chunk in chunks.items():
            if count := Counter(chunk)[word]:
                share = count * 2.2 / (count + 1.2 * (0.25 + 0.75 * len(chunk) / average))
                scores[number] = scores.get(number, 0.0) + weight * rarity * share
    return scores


def search(
    db: sqlite3.Connection, weights: Mapping[str, float], k: int, within: Sequence[range] | None = None
) -> list[tuple[int, float]]:
    places = None if within is None else [(numbers.start, numbers.stop) for numbers in within]
    return store_bm25.search(db, store_bm25.corpus(db, "1"), weights, k, places)


def same(found: Sequence[tuple[int, float]], expected: Mapping[int, float], k: int) -> None:
    """`found` are the `k` best of `expected`, but for scores that are as good as equal."""
    assert len(found) == min(k, len(expected))
    assert all(score == pytest.approx(expected[number], abs=1e-4) for number, score in found)
    assert [-score for _, score in found] == sorted(-score for _, score in found)
    best = sorted(expected.values(), reverse=True)[:k]
    assert [score for _, score in found] == pytest.approx(best, abs=1e-4)


@given(DOCUMENTS, st.dictionaries(WORDS, st.sampled_from([1.0, 2.0]), max_size=5), st.integers(1, 20))
def test_the_best_are_those_of_the_formula(documents: list[list[list[str]]], weights: dict[str, float], k: int) -> None:
    db, chunks, _ = filled(documents)
    same(search(db, weights, k), bm25(chunks, weights), k)


@given(DOCUMENTS, st.lists(WORDS, max_size=4), st.data())
def test_some_documents_are_searched_with_the_scores_that_all_give(
    documents: list[list[list[str]]], words: list[str], data: st.DataObject
) -> None:
    db, chunks, ranges = filled(documents)
    chosen = [ranges[i] for i in sorted(data.draw(st.sets(st.integers(0, len(ranges) - 1))))]
    weights = dict.fromkeys(words, 1.0)
    expected = {n: score for n, score in bm25(chunks, weights).items() if any(n in numbers for numbers in chosen)}
    same(search(db, weights, 50, chosen), expected, 50)


@given(DOCUMENTS, st.data())
def test_what_is_removed_leaves_an_index_as_if_it_had_never_come(
    documents: list[list[list[str]]], data: st.DataObject
) -> None:
    db, _, ranges = filled(documents)
    gone = data.draw(st.sets(st.integers(0, len(ranges) - 1)))
    kept = sqlite3.connect(":memory:")
    for statement in store_bm25.SCHEMA.split(";\n"):
        kept.execute(statement)
    for i, (document, numbers) in enumerate(zip(documents, ranges, strict=True)):
        if i in gone:
            store_bm25.drop(db, numbers.start)
        else:
            store_bm25.put(kept, numbers.start, document)
    assert list(db.iterdump()) == list(kept.iterdump())


def test_equal_chunks_keep_their_order_and_common_words_still_find() -> None:
    db, _, _ = filled([[["the", "cat"]] * 3, [["the", "dog"]] * 2, [["the", "cat"]] * 2])
    assert [number for number, _ in search(db, {"cat": 1.0}, 4)] == [1, 2, 3, 6]
    found = search(db, {"the": 1.0}, 10)
    assert [number for number, _ in found] == [1, 2, 3, 4, 5, 6, 7] and found[0][1] < 1e-5
    assert [number for number, _ in search(db, {"the": 1.0, "dog": 1.0}, 3)] == [4, 5, 1]


def test_a_word_that_stands_a_thousand_times_counts_as_one_that_stands_255_times() -> None:
    db, _, _ = filled([[["cat"] * 1000, ["dog"]], [["fox"]] * 2])
    expected = bm25({1: ["cat"] * 1000, 2: ["dog"], 3: ["fox"], 4: ["fox"]}, {"cat": 1.0})[1]
    ((number, score),) = search(db, {"cat": 1.0}, 5)
    assert number == 1 and score == pytest.approx(expected, rel=0.02)


@given(DOCUMENTS, st.lists(WORDS, min_size=1, max_size=20), st.integers(0, 12))
def test_what_is_kept_of_earlier_searches_changes_none_and_stays_small(
    documents: Sequence[Sequence[Sequence[str]]], asked: Sequence[str], most: int
) -> None:
    db, _, _ = filled(documents)
    about = store_bm25.corpus(db, "1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_bm25, "_KEPT", most)
        for word in asked:
            weights = {word: 1.0, "cat": 1.0}
            assert store_bm25.search(db, about, weights, 3) == search(db, weights, 3)
            assert sum(len(numbers) for numbers, _ in about.kept.values()) <= most


def test_an_index_of_fts5_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite3"
    catalogue = Catalogue(file)
    for name, pages in (("a.pdf", ["One fox.", "Two dogs."]), ("年报.pdf", ["营业收入", "A fox and a fox."])):
        book = make_book(tmp_path, name, pages, HashingEmbedder())
        catalogue.announce(book.document)
        catalogue.complete(book.document, book.chunks, [tokens(chunk.text) for chunk in book.chunks], book.vectors)
    asked = [catalogue.keywords(tokens(text), 5) for text in ("a fox", "收入", "dogs")]
    catalogue.close()
    with sqlite3.connect(file) as db:
        db.execute("DROP TABLE postings")
        db.execute("DROP TABLE lengths")
        db.execute("CREATE VIRTUAL TABLE words USING fts5 (tokens)")
        for number, text in db.execute("SELECT number, text FROM chunks").fetchall():
            db.execute("INSERT INTO words (rowid, tokens) VALUES (?, ?)", (number, " ".join(tokens(text))))
    again = Catalogue(file)
    assert [again.keywords(tokens(text), 5) for text in ("a fox", "收入", "dogs")] == asked
    assert all(asked)
