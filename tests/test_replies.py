"""Replies that are kept: bounded in size and age, gone with their document, and never in the way."""

import sqlite3
from pathlib import Path

import pytest

from app import composition
from chains.execution.throughput import Speeds
from ingest.errors import StorageFailed
from ingest.notices import Notices
from ingest.server_url import place
from ingest.store.library import Library
from ingest.store.reply_cache import FILE, Kept, Replies
from settings import Settings
from tests.support.fakes import HashingEmbedder


@pytest.fixture
def replies(tmp_path: Path) -> Replies:
    return Replies(tmp_path, lambda document: document != "gone", Notices())


def test_a_reply_comes_back_as_it_was_and_goes_with_any_of_its_documents(replies: Replies, tmp_path: Path) -> None:
    replies.put(b"1", b"work", Kept("It is so \ud800 [1].", True, 5), ["a", "b"])
    replies.put(b"2", b"work", Kept("secret words", False), ["b"])
    replies.put(b"3", b"other", Kept("x", False), ["c"])
    assert replies.get(b"1") == Kept("It is so ? [1].", True, 5) and replies.get(b"9") is None
    assert replies.count(b"work") == 2 and replies.of("b") == 2
    replies.forget("b")
    assert [replies.get(key) for key in (b"1", b"2")] == [None, None] and replies.get(b"3") is not None
    assert replies.of("a") == 0 and b"secret words" not in (tmp_path / FILE).read_bytes()
    replies.drop(b"other")
    assert replies.get(b"3") is None and replies.of("c") == 0


def test_a_reply_of_a_document_that_is_not_there_is_not_kept(replies: Replies) -> None:
    replies.put(b"1", b"work", Kept("x", False), ["a", "gone"])
    assert replies.get(b"1") is None and replies.of("a") == replies.of("gone") == 0


def test_what_is_old_too_much_or_a_strangers_is_dropped(tmp_path: Path) -> None:
    replies = Replies(tmp_path, lambda document: True, Notices(), most_bytes=25)
    for n in range(4):
        replies.put(bytes([n]), b"work", Kept(10 * str(n), False), ["a" if n else "stranger"])
    replies.tidy()
    assert [replies.get(bytes([n])) is not None for n in range(4)] == [False, False, True, True], "the oldest give way"
    replies.put(b"s", b"work", Kept("x", False), ["stranger"])
    replies.tidy(["a"])
    assert replies.get(b"s") is None and replies.of("stranger") == 0 and replies.get(b"\x03") is not None
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE kept SET used = used - 31 * 86400 WHERE key = ?", (b"\x02",))
    replies.tidy()
    assert replies.get(b"\x02") is None and replies.get(b"\x03") is not None


def test_a_broken_or_busy_file_stops_nothing_but_a_removal(
    replies: Replies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database, but long enough to be taken for one" * 200)
    assert replies.get(b"1") is None
    replies.put(b"1", b"work", Kept("x", False), ["a"])
    assert replies.get(b"1") == Kept("x", False)
    monkeypatch.setattr("ingest.store.reply_cache._BUSY_SECONDS", 0.0)
    writer = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert replies.get(b"1") is None and replies.count(b"work") == 0
    with pytest.raises(StorageFailed):
        replies.forget("a")
    writer.close()
    assert replies.get(b"1") == Kept("x", False)


def test_what_an_earlier_version_kept_is_gone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("CREATE TABLE replies (key BLOB PRIMARY KEY, scope BLOB, used REAL, cut INTEGER, text TEXT)")
        db.execute("INSERT INTO replies VALUES (x'01', x'02', 0, 0, 'Blue water.')")
    db.close()
    replies = Replies(tmp_path, lambda document: True, Notices())
    replies.put(b"1", b"work", Kept("x", False, 1), ["a"])
    assert replies.get(b"1") == Kept("x", False, 1)
    assert b"Blue water" not in (tmp_path / FILE).read_bytes()


def test_two_servers_that_call_a_model_by_the_same_name_share_no_replies(tmp_path: Path) -> None:
    """And what may be a secret in an address names nothing."""

    def variant(settings: str, asked: str | None = None) -> str:
        with Library(tmp_path / "library", HashingEmbedder()) as library:
            known = Settings(data=tmp_path, model="openai:m", api_base=settings)
            return composition.spending(known, library, "openai:m", Speeds(tmp_path / "s"), api_base=asked).variant

    one = variant("http://localhost:8000/v1")
    assert one == variant("http://localhost:8000/v1/") == place("http://you:secret@LOCALHOST:8000/v1?key=secret")
    assert len({one, variant("http://localhost:8001/v1"), variant("http://localhost:8000/v2"), variant("")}) == 4
    assert variant("http://elsewhere/v1", "localhost:8000/v1") == one
