"""Conversations: an entry comes back as it was, older ones too, and a conversation goes whole."""

import json
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import model_choice
from app.conversations import Conversations, Problem, from_json, new_id, to_json
from chains.compare import NAMES
from chains.events import Figure, Step
from chains.options import PLAIN, Ways
from chains.prompt import Example
from ingest.errors import StorageFailed
from tests.support.entries import answer, entry


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_an_entry_comes_back_as_it_was(asked: str, text: str, documents: list[str]) -> None:
    before = entry(
        asked,
        documents=tuple(documents),
        steps=(Step("read", 1, 2, text),),
        answer=answer(text),
        problem=Problem("X", text, {"a": 1, "b": text}),
    )
    assert from_json(to_json(before)) == before


def test_the_words_that_answer_come_back_and_older_citations_have_none() -> None:
    citation = replace(answer().citations[0], span="so")
    before = entry(answer=answer(citations=(citation,)))
    assert from_json(to_json(before)) == before
    old = json.loads(to_json(before))
    del old["answer"]["citations"][0]["span"]  # as it was kept before words were told apart
    assert from_json(json.dumps(old)) == replace(before, answer=answer())


def test_a_quotes_further_pages_come_back_and_older_citations_have_none() -> None:
    before = entry(answer=answer(citations=(replace(answer().citations[0], goes_on=((3, 6),)),)))
    assert from_json(to_json(before)) == before
    old = json.loads(to_json(before))
    del old["answer"]["citations"][0]["goes_on"]  # as it was kept when a quote ended with its page
    assert from_json(json.dumps(old)) == replace(before, answer=answer())


def test_an_answers_figures_come_back_and_older_answers_have_none() -> None:
    figures = (Figure("5", 0, 1, "found", 1, 2), Figure("6%", 4, 6, "computed", 1, 2, "3 ÷ 50"))
    before = entry(answer=answer(figures=figures))
    assert from_json(to_json(before)) == before
    old = json.loads(to_json(before))
    del old["answer"]["figures"]  # as it was kept before figures were looked up
    assert from_json(json.dumps(old)) == replace(before, answer=answer())


def test_an_answers_sentences_without_a_source_come_back_and_older_answers_have_none() -> None:
    before = entry(answer=answer(unsourced=((0, 9), (12, 20))))
    assert from_json(to_json(before)) == before
    old = json.loads(to_json(before))
    del old["answer"]["unsourced"]  # as it was kept before they were looked for
    assert from_json(json.dumps(old)) == replace(before, answer=answer())


def test_how_it_was_asked_and_what_was_reasoned_come_back_and_older_entries_have_none() -> None:
    ways = Ways(True, False, True, (Example("Who?", "Holm.", "short"),))
    before = entry(ways=ways, answer=answer(reasoning=("So it is.", "Or not.")))
    assert from_json(to_json(before)) == before
    old = json.loads(to_json(before))
    del old["ways"], old["answer"]["reasoning"]
    assert from_json(json.dumps(old)) == replace(before, ways=PLAIN, answer=answer())


def test_of_many_examples_those_that_suit_a_question_are_kept_with_it() -> None:
    many = tuple(Example(f"How deep is lake {n}?", "x") for n in range(100))
    kept = model_choice.suited(many, "How deep is lake 77?")
    assert len(kept) == 12 and kept[0].question == "How deep is lake 77?"


def test_a_comparison_comes_back_with_all_its_parts() -> None:
    parts = tuple(entry("Is it?", id=f"x-{n}", answer=answer(f"{n} [1].", chain=n)) for n in NAMES)
    broken = replace(parts[1], problem=Problem("StreamCut", "It broke off.", {"detail": "reset"}))
    before = entry(kind="compare", chain="", steps=(Step("searched", 1, 1),), parts=(parts[0], broken, *parts[2:]))
    assert from_json(to_json(before)) == before and before.over
    old = json.loads(to_json(entry()))
    del old["parts"]  # as it was kept before there were comparisons
    assert from_json(json.dumps(old)).parts == ()


def test_a_conversation_survives_and_is_deleted_whole(tmp_path: Path) -> None:
    one, other = new_id(), new_id()
    first, second = entry("first\nline"), entry("second")
    store = Conversations(tmp_path)
    store.put(one, first)
    store.put(one, second)
    store.put(other, entry("elsewhere"))
    store.finish(one, replace(first, answer=answer()))
    again = Conversations(tmp_path)
    assert again.entries(one) == [replace(first, answer=answer()), second]
    assert {listed.title for listed in again.listed()} == {"first line", "elsewhere"}
    assert again.listed()[0].changed <= datetime.now(UTC)
    again.delete(one)
    assert again.entries(one) == []
    again.finish(one, first)  # an answer that comes too late
    assert again.entries(one) == []
    assert [listed.title for listed in again.listed()] == ["elsewhere"]
    assert b"first" not in b"".join(file.read_bytes() for file in tmp_path.glob("*.db"))


def test_ids_cannot_be_guessed() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000 and min(map(len, ids)) >= 22


def test_a_store_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed):
        Conversations(tmp_path / "file")


def test_damaged_conversations_are_kept_aside_and_told(tmp_path: Path) -> None:
    store = Conversations(tmp_path)
    for n in range(50):
        store.put(f"c{n}", entry(f"Question {n}?", answer=answer("An answer. " * 50)))
    file = tmp_path / "conversations.db"
    whole = file.read_bytes()
    assert Conversations(tmp_path).notices.list_all() == ()
    chance = random.Random(4)
    for damaged in (whole[: len(whole) // 2], chance.randbytes(len(whole)), b"no database " * 100):
        file.write_bytes(damaged)
        again = Conversations(tmp_path)
        (notice,) = again.notices.list_all()
        assert str(file) in str(notice) and "No document is lost" in str(notice)
        assert again.listed() == []
        again.put("new", entry())
        assert len(again.entries("new")) == 1
    kept = sorted(tmp_path.glob("conversations.db.damaged-*"))
    assert len([aside for aside in kept if aside.suffix not in ("-wal", "-shm")]) == 3


def test_an_entry_that_cannot_be_read_costs_itself_alone(tmp_path: Path) -> None:
    store = Conversations(tmp_path)
    for n in range(3):
        store.put("c", replace(entry(f"Question {n}?"), id=f"e{n}"))
    with closing(sqlite3.connect(tmp_path / "conversations.db")) as db, db:
        db.execute("UPDATE entries SET body = 'no json' WHERE id = 'e1'")
    assert [found.asked for found in store.entries("c")] == ["Question 0?", "Question 2?"]
    assert [notice.key for notice in store.notices.list_all()] == ["EntryUnreadableNotice"]
