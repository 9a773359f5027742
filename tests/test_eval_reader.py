"""Given the passage: the words that are found, whether they are there, and what a refusal is worth."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.__main__ import main
from evals.datasets import read
from evals.reader import Read, area, evaluate, outcome
from tests.support.fakes import SharingReader

WHO = "Who founded the harbour of Hamburg?"
ENGLISH = {
    "context": "The harbour of Hamburg was founded by Barbarossa. The Elbe is long.",
    "qas": [
        {"id": "1", "question": WHO, "answers": [{"text": "Barbarossa"}]},
        {"id": "2", "question": WHO, "answers": [{"text": "The Elbe"}]},
        {"id": "3", "question": "Why do whales sing at night?", "answers": [], "is_impossible": True},
    ],
}
CHINESE = {
    "context": "陶街位于越秀区。",
    "qas": [{"id": "4", "question": "陶街位于何地？", "answers": [{"text": "越秀区"}]}],
}
SET = {"data": [{"title": "Hamburg", "paragraphs": [ENGLISH, CHINESE]}]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "set.json"
    path.write_text(json.dumps(SET), encoding="utf-8")
    return path


def test_the_words_found_are_compared_and_refusals_are_worth_what_they_are(file: Path) -> None:
    questions, documents = read(file, 0, unanswerable=True)
    found = evaluate(questions, documents, [SharingReader()])
    assert (found.exact, found.f1, found.auc) == (0.5, 0.5, 1.0)  # the Chinese question is not this reader's
    assert found.exact_with_refusals == pytest.approx(2 / 3)
    assert (found.refused_rightly, found.refused_wrongly) == (1.0, 0.0)


def test_a_refusal_is_right_only_where_there_is_no_answer() -> None:
    found = [Read(True, p, 1.0, 1.0) for p in (0.9, 0.4)] + [Read(False, p, 0.0, 0.0) for p in (0.8, 0.2)]
    one = outcome(found, 0.5, 0.1)
    assert (one.exact, one.exact_with_refusals, one.auc) == (1.0, 0.5, 0.75)
    assert (one.refused_rightly, one.refused_wrongly) == (0.5, 0.5)
    assert outcome(found[:2], 0.5, 0.1).f1_with_refusals is None  # nothing to refuse: the measure is another one


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_the_area_counts_the_pairs_in_the_right_order(higher: list[int], lower: list[int]) -> None:
    pairs = [(a > b) + 0.5 * (a == b) for a in higher for b in lower]
    assert area([float(a) for a in higher], [float(b) for b in lower]) == pytest.approx(sum(pairs) / len(pairs))


def test_the_command_measures_the_readers_of_the_program(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reader", "--questions", str(file), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["questions"], value["unanswerable"], value["reader"]) == (4, 1, "built-in")
    assert 0 <= value["f1"] <= 1 and 0 <= value["auc"] <= 1
    assert main(["reader", "--questions", str(file)]) == 0
    assert "| EM | F1 | AUC |" in capsys.readouterr().out
