"""The evaluation measures what it says: trec_eval's numbers, the right pages, and a library that is used again."""

import json
from pathlib import Path

import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from app import composition
from evals import __main__ as evals
from evals.datasets import read
from evals.metrics import DEPTHS, rank, scores
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf

PAGES = st.sampled_from([f"p{n}" for n in range(40)])
RUNS = st.lists(st.tuples(st.lists(PAGES, max_size=30), st.sets(PAGES, min_size=1, max_size=4)), min_size=1, max_size=8)


@given(RUNS)
def test_recall_and_mrr_are_those_of_trec_eval(runs: list[tuple[list[str], set[str]]]) -> None:
    ours = scores([rank(found, right) for found, right in runs])
    measures = {"recip_rank", "success_" + ",".join(str(k) for k in DEPTHS)}
    judge = pytrec_eval.RelevanceEvaluator(
        {str(n): dict.fromkeys(right, 1) for n, (_, right) in enumerate(runs)}, measures
    )
    told = {
        # Best first as a score; trec_eval knows no ties here.
        str(n): {page: float(-place) for place, page in enumerate(dict.fromkeys(found))} or {"nothing": 0.0}
        for n, (found, _) in enumerate(runs)
    }
    theirs = judge.evaluate(told)
    for k in DEPTHS:
        assert ours.recall[k] == pytest.approx(sum(theirs[q][f"success_{k}"] for q in told) / len(runs))
    assert ours.mrr == pytest.approx(sum(theirs[q]["recip_rank"] for q in told) / len(runs))


def test_of_no_questions_nothing_is_right() -> None:
    assert scores([]).as_dict() == {"recall@1": 0, "recall@5": 0, "recall@10": 0, "recall@20": 0, "mrr": 0}


SQUAD = {
    "data": [
        {
            "title": "Rivers_of_Europe",
            "paragraphs": [
                {"context": "The Elbe flows through Hamburg.", "qas": [{"id": "1", "question": "Where is the Elbe?"}]},
                {
                    "context": "The Rhine flows through Cologne.",
                    "qas": [
                        {"id": "2", "question": "Which river flows through Cologne?"},
                        {"id": "3", "question": "What flows through Cologne?"},
                        {"id": "4", "question": "Does the Rhine freeze?", "is_impossible": True},
                    ],
                },
            ],
        },
        {
            "paragraphs": [
                {"context": "公司的营业收入为十五亿元。", "qas": [{"id": "5", "question": "营业收入是多少？"}]}
            ]
        },
    ]
}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SQuAD file, and an embedder without weights behind the doors."""
    monkeypatch.setattr(composition, "embedder", lambda settings: HashingEmbedder())
    file = tmp_path / "squad.json"
    file.write_text(json.dumps(SQUAD), encoding="utf-8")
    return file


def test_a_squad_passage_is_a_page_and_the_unanswerable_are_left_out(small: Path) -> None:
    questions, documents = read(small, 1)
    assert [(q.id, q.document, q.pages) for q in questions] == [
        ("1", "Rivers of Europe 0", (1,)),
        ("2", "Rivers of Europe 0", (2,)),
        ("5", "article 1 1", (1,)),
    ]
    assert [len(document.pages) for document in documents] == [2, 1]
    assert [q.id for q in read(small, 0)[0]] == ["1", "2", "3", "5"]


def test_plain_passages_are_measured_and_the_library_is_used_again(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ["retrieval", "--questions", str(small), "--data", str(tmp_path / "kept"), "--json"]
    assert evals.main(args) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["questions"], first["documents"], first["pages"]) == (3, 2, 3)
    for mode in ("all", "one"):
        assert first[mode]["page"]["recall@1"] == 1.0
        assert first[mode]["document"]["mrr"] == 1.0
    monkeypatch.setattr(HashingEmbedder, "documents", None)  # nothing is embedded a second time
    assert evals.main(args) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["all"]["page"] == first["all"]["page"]


def test_pdfs_are_measured_with_their_questions(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pdfs"
    folder.mkdir()
    make_pdf(folder / "rivers.pdf", ["The Elbe flows through Hamburg.", "The Rhine flows through Cologne."])
    questions = tmp_path / "questions.jsonl"
    lines = [
        {"id": "a", "question": "Which river flows through Cologne?", "document": "rivers.pdf", "pages": [2]},
        {"id": "b", "question": "What is not there?", "document": "rivers.pdf", "pages": [1], "answerable": False},
    ]
    questions.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    assert evals.main(["retrieval", "--questions", str(questions), "--pdfs", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "questions: 1, documents: 1, pages: 2" in printed
    assert "| all | page | 1.000 |" in printed


def test_a_library_with_other_documents_is_refused(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "kept"
    assert evals.main(["retrieval", "--questions", str(small), "--data", str(data), "--json"]) == 0
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"data": SQUAD["data"][:1]}), encoding="utf-8")
    assert evals.main(["retrieval", "--questions", str(other), "--data", str(data)]) == 1
    assert "article 1" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "{}", '{"data": 3}', '{"data": []}', "\udcff"])
def test_what_is_no_set_of_questions_is_said(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert evals.main(["retrieval", "--questions", str(file)]) == 1
    assert "is no set of questions" in capsys.readouterr().err
