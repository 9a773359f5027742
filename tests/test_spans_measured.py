"""`evals spans` counts what it says, and `training spans` writes weights that the finder reads."""

import json
from pathlib import Path

import pytest

from chains.reader.chinese import span_finder
from evals import __main__ as evals
from tests.support.pdfs import make_pdf
from training import __main__ as training

PASSAGES = [
    (
        "青石桥位于柳州镇，建于1652年，由石匠王大石主持修建。桥长48米。",
        [("青石桥建于哪一年？", "1652年"), ("青石桥由谁主持修建？", "王大石")],
    ),
    (
        "白鹭湖面积约12平方公里，湖中盛产鲤鱼。每年五月举行龙舟比赛。",
        [("白鹭湖面积有多大？", "12平方公里"), ("湖中盛产什么？", "鲤鱼")],
    ),
]
SQUAD = {
    "data": [
        {
            "title": f"第{n}篇",
            "paragraphs": [
                {
                    "context": text,
                    "qas": [
                        {"id": f"{n}-{k}", "question": question, "answers": [{"text": answer}]}
                        for k, (question, answer) in enumerate(asked)
                    ],
                }
            ],
        }
        for n, (text, asked) in enumerate(PASSAGES)
    ]
}
TABLE = """Statements of Income
(in millions)
Years ended December 31, 2018 2017
Net sales $ 5,120 $ 4,870
Cost of sales 2,010 1,930"""


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    file = tmp_path / "squad.json"
    file.write_text(json.dumps(SQUAD), encoding="utf-8")
    return file


def test_the_words_are_measured_beside_the_sentence(squad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evals.main(["spans", "--questions", str(squad), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["zh span"]["questions"] == found["zh sentence"]["questions"] == 4
    assert found["zh span"]["f1"] > found["zh sentence"]["f1"]
    assert evals.main(["spans", "--questions", str(squad)]) == 0
    assert "zh     span" in capsys.readouterr().out


def test_a_cell_is_right_where_it_is_the_gold_number_in_some_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pdfs"
    folder.mkdir()
    make_pdf(folder / "report.pdf", [TABLE])
    asked = [
        ("What were net sales in 2018?", "$5.12"),  # billions of a table in millions
        ("What was the cost of sales in 2017?", "$1930.00"),
        ("What was goodwill in 2018?", "2,010"),  # on the page, but of another row
        ("What was the margin in 2018?", "61%"),  # not on the page: not counted
    ]
    lines = [
        {"id": str(n), "question": question, "answer": answer, "document": "report.pdf", "pages": [1]}
        for n, (question, answer) in enumerate(asked)
    ]
    questions = tmp_path / "questions.jsonl"
    questions.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert evals.main(["spans", "--questions", str(questions), "--pdfs", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["table cell"]
    assert (found["questions"], found["exact"], found["silent"]) == (3, 0.6667, 0.3333)


def test_trained_weights_are_read_and_raise_what_answers(
    squad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "weights.json"
    assert training.main(["spans", "--data", str(squad), "--out", str(out), "--epochs", "30"]) == 0
    monkeypatch.setattr(span_finder, "WEIGHTS", out)
    span_finder._weights.cache_clear()
    try:
        for text, asked in PASSAGES:
            for question, answer in asked:
                span = span_finder.find(question, text)[0]
                assert answer in text[span.start : span.end]
    finally:
        span_finder._weights.cache_clear()


def test_the_same_seed_gives_the_same_weights(squad: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "one.json", tmp_path / "two.json"]
    for out in outs:
        assert training.main(["spans", "--data", str(squad), "--out", str(out), "--epochs", "2", "--seed", "3"]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_wrong_use_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert training.main([]) == 2
    assert training.main(["unknown"]) == 2
    missing = tmp_path / "missing.json"
    assert training.main(["spans", "--data", str(missing), "--out", str(tmp_path / "out.json")]) == 1
    assert "missing.json" in capsys.readouterr().err
