"""Vectors kept by text: found again, bounded, gone with their document, and never in the way."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ingest.errors import StorageFailed
from ingest.notices import Notices
from ingest.store.embedding_cache import FILE, VectorCache, forget, forget_strangers

Row = NDArray[np.float32]


def rows(*texts: str, cache: VectorCache) -> dict[bytes, Row]:
    return {cache.key(text): unit(text) for text in texts}


def unit(text: str) -> Row:
    row = np.random.default_rng(len(text) * 1000 + sum(map(ord, text))).normal(size=8).astype(np.float32)
    return np.asarray(row / np.linalg.norm(row), np.float32)


def known(cache: VectorCache, *texts: str, document: str = "a") -> list[str]:
    found = cache.get([cache.key(text) for text in texts], document)
    return [text for text in texts if cache.key(text) in found]


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path, "model", 8, Notices())


def test_a_vector_comes_back_as_it_was(cache: VectorCache, tmp_path: Path) -> None:
    assert known(cache, "one", "two") == []
    cache.put(rows("one", "two", "\ud800", cache=cache), "a")
    again = VectorCache(tmp_path, "model", 8, Notices())
    found = again.get([again.key("one"), again.key("three")], "a")
    assert list(found) == [again.key("one")] and (found[again.key("one")] == unit("one")).all()


@given(st.text(), st.text(), st.text(max_size=5), st.text(max_size=5))
def test_another_text_or_another_model_is_another_key(one: str, two: str, model: str, other: str) -> None:
    first, second = VectorCache(Path(), model, 8, Notices()), VectorCache(Path(), other, 8, Notices())
    assert (first.key(one) == first.key(two)) == (one == two)
    if "\0" not in model + other:
        assert (first.key(one) == second.key(one)) == (model == other)


def test_vectors_of_another_length_or_that_are_no_directions_are_not_given(cache: VectorCache, tmp_path: Path) -> None:
    cache.put(rows("one", cache=cache) | {cache.key("none"): np.zeros(8, np.float32)}, "a")
    assert known(cache, "none") == []
    assert known(VectorCache(tmp_path, "model", 4, Notices()), "one") == []


def test_those_that_were_not_used_for_longest_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = VectorCache(tmp_path, "model", 8, Notices(), most_bytes=3 * 8 * 4)
    for second, text in enumerate(["one", "two", "three"]):
        monkeypatch.setattr("time.time", lambda second=second: float(second))
        cache.put(rows(text, cache=cache), "a")
    monkeypatch.setattr("time.time", lambda: 9.0)
    assert known(cache, "one") == ["one"]  # used again
    cache.put(rows("four", cache=cache), "a")
    assert known(cache, "one", "two", "three", "four") == ["one", "three", "four"]


def test_what_a_document_had_goes_with_it_and_leaves_no_trace(cache: VectorCache, tmp_path: Path) -> None:
    cache.put(rows("mine", "ours", cache=cache), "a")
    cache.put(rows("yours", cache=cache), "b")
    assert known(cache, "ours", document="b") == ["ours"]
    forget(tmp_path, "a", Notices())
    assert known(cache, "mine", "ours", "yours", document="b") == ["ours", "yours"]
    content = (tmp_path / FILE).read_bytes()
    assert unit("mine").tobytes() not in content and unit("ours").tobytes() in content
    forget(tmp_path, "a", Notices())
    forget(tmp_path / "nowhere", "a", Notices())


def test_no_text_is_written(cache: VectorCache, tmp_path: Path) -> None:
    cache.put(rows("a secret that nobody may read", cache=cache), "a")
    assert b"secret" not in (tmp_path / FILE).read_bytes()


def test_of_documents_that_never_came_only_fresh_vectors_are_kept(cache: VectorCache, tmp_path: Path) -> None:
    cache.put(rows("one", cache=cache), "there")
    cache.put(rows("two", cache=cache), "stranger")
    forget_strangers(tmp_path, ["there"], Notices())
    assert known(cache, "one", document="there") == ["one"]
    assert known(cache, "two", document="stranger") == ["two"]
    forget_strangers(tmp_path, ["there"], Notices(), seconds=-1)
    assert known(cache, "one", "two") == ["one"]


def test_a_broken_file_is_begun_anew_and_stops_nothing(cache: VectorCache, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database, but long enough to be taken for one" * 200)
    assert known(cache, "one") == []
    cache.put(rows("one", cache=cache), "a")
    assert known(cache, "one") == ["one"]
    (tmp_path / FILE).write_bytes(b"nor is this" * 1000)
    forget(tmp_path, "a", Notices())
    assert not (tmp_path / FILE).exists()


def test_a_removal_that_could_not_be_done_is_said(
    cache: VectorCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put(rows("one", cache=cache), "a")
    monkeypatch.setattr("ingest.store.embedding_cache._BUSY_SECONDS", 0.0)
    writer = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert known(cache, "one") == [], "an ingest goes on without it"
    with pytest.raises(StorageFailed):
        forget(tmp_path, "a", Notices())
    writer.close()
    assert known(cache, "one") == ["one"]
