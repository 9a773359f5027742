"""Answers are measured as SQuAD and CMRC define it, and their citations and refusals against the gold pages."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import composition
from chains.errors import KeyRefused, ModelFailed
from chains.events import Answer, Citation
from chains.model import Usage
from chains.prompt import Language
from evals import __main__ as evals
from evals.datasets import NoQuestions, Question, read, sample
from evals.scoring import figures, judge
from evals.text_overlap import Overlap, overlap, units
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.pdfs import make_pdf

TEXT = st.text(alphabet="ab Ten the,.-%12 河流德国，。\n", max_size=30)
LANGUAGES: st.SearchStrategy[Language] = st.sampled_from(["en", "zh"])


@pytest.mark.parametrize(
    ("said", "gold", "expected"),
    [
        # The same but for case, an article and punctuation.
        ("The Rhine.", ["rhine"], Overlap(1, 1, 1)),
        # 2 words in common of 4 said and 3 gold: P = 1/2, R = 2/3, F1 = 4/7.
        ("The year was October 1973", ["in October 1973"], Overlap(0, 4 / 7, 0)),
        # Words count as often as both have them: 1 of 3 said, 1 of 1 gold.
        ("no no no", ["no"], Overlap(0, 2 / 4, 1)),
        # "12" does not stand in "1,312", nor "$12" in it: signs are taken out and not parted at.
        ("1,312 dollars", ["$12"], Overlap(0, 0, 0)),
        ("nearly $12 a barrel", ["12"], Overlap(0, 2 / 4, 1)),  # three words, for "a" is an article
        # Each figure is of the gold answer that is best for it.
        ("October 1973", ["1973", "October 1973", "the year 1973"], Overlap(1, 1, 1)),
        # The order counts for containment alone.
        ("1973 October", ["October 1973"], Overlap(0, 1, 0)),
        ("", ["Rhine"], Overlap(0, 0, 0)),
        ("the", ["a"], Overlap(1, 1, 1)),  # nothing is left of either
    ],
)
def test_english_is_compared_as_squad_defines_it(said: str, gold: list[str], expected: Overlap) -> None:
    found = overlap(said, gold, "en")
    assert (found.exact, found.contains) == (expected.exact, expected.contains)
    assert found.f1 == pytest.approx(expected.f1)


@pytest.mark.parametrize(
    ("said", "gold", "expected"),
    [
        ("“光荣和ω-force”。", ["光荣和Ω-Force"], Overlap(1, 1, 1)),
        # The longest run in common is 十五亿元: 4 of 9 said, 4 of 4 gold; F1 = 8/13.
        ("营业收入为十五亿元", ["十五亿元"], Overlap(0, 8 / 13, 1)),
        # 北京 and 大学 are two runs of 2; only one counts: 2 of 5 said, 2 of 4 gold; F1 = 4/9.
        ("北京的大学", ["北京大学"], Overlap(0, 4 / 9, 0)),
        # What is not Chinese is a unit as a whole: iphone 6 is two, 年 2014 two: 1 of 2 said, 1 of 3 gold.
        ("iPhone 7", ["iphone 6s 年"], Overlap(0, 2 / 5, 0)),
        ("十五\n亿元", ["十五亿元"], Overlap(1, 1, 1)),  # a line's end on a page
        ("", ["十五亿元"], Overlap(0, 0, 0)),
    ],
)
def test_chinese_is_compared_as_cmrc_defines_it(said: str, gold: list[str], expected: Overlap) -> None:
    found = overlap(said, gold, "zh")
    assert (found.exact, found.contains) == (expected.exact, expected.contains)
    assert found.f1 == pytest.approx(expected.f1)


@given(TEXT, st.lists(TEXT, min_size=1, max_size=3), LANGUAGES)
def test_the_figures_keep_their_order(said: str, gold: list[str], language: Language) -> None:
    found = overlap(said, gold, language)
    assert 0 <= found.f1 <= 1 and found.exact in (0, 1) and found.contains in (0, 1)
    assert found.exact <= found.contains and found.exact <= found.f1
    assert found.contains == 0 or found.f1 > 0
    assert overlap(said, [*gold, said], language) == Overlap(1, 1, 1)
    for one in gold:  # another gold answer takes nothing away, and F1 knows no sides
        alone = overlap(said, [one], language)
        assert alone.exact <= found.exact and alone.f1 <= found.f1 and alone.contains <= found.contains
        assert alone.f1 == pytest.approx(overlap(one, [said], language).f1)


@given(TEXT, TEXT, TEXT, LANGUAGES)
def test_what_is_said_around_an_answer_does_not_hide_it(before: str, gold: str, after: str, language: Language) -> None:
    said = f"{before} {gold} {after}"
    if units(gold, language):
        assert overlap(said, [gold], language).contains == 1


@given(TEXT, TEXT, LANGUAGES)
def test_case_and_punctuation_change_nothing(said: str, gold: str, language: Language) -> None:
    plain = overlap(said, [gold], language)
    assert overlap(said.upper() + "?!", ['"' + gold.title()], language) == plain


def cited(document: str, page: int, match: Any) -> Citation:
    return Citation(1, document, "name", page, str(page), "words", match, 0, 5)


def answer(text: str, *citations: Citation, refused: bool = False, seconds: float = 1.0) -> Answer:
    return Answer(
        "?", text, citations, (), refused, "stuff", "model", 2, seconds, Usage(100, 20) if citations else Usage()
    )


RIVER = Question("1", "Which river?", "rivers", (2, 3), ("Rhine",))
NOBODY = Question("2", "Who froze it?", "rivers", (2,), (), answerable=False)


def test_citations_and_refusals_are_shares_of_what_they_are_about() -> None:
    verdicts = [
        # Two of three citations lead to a gold page; the other to that page of another document.
        judge(
            RIVER, "d", answer("Rhine [1][1][1]", cited("d", 2, "exact"), cited("d", 3, "near"), cited("e", 2, "none"))
        ),
        # Answered, and cited beside the page.
        judge(RIVER, "d", answer("The Elbe. [1]", cited("d", 1, "exact"), seconds=3.0)),
        judge(RIVER, "d", answer("Not in these documents.", refused=True, seconds=2.0)),
        judge(NOBODY, "d", answer("Not in these documents.", refused=True)),
        # Its gold page means nothing: no page answers it.
        judge(NOBODY, "d", answer("Rhine [1]", cited("d", 2, "exact"))),
        judge(NOBODY, "d", answer("", seconds=10.0)),  # broken off before the first word is no refusal
    ]
    found = figures(verdicts)
    assert (found.exact, found.f1, found.contains) == (1 / 3, 1 / 3, 1 / 3)  # a refusal's words count for nothing
    assert found.citations == 5
    assert (found.precision, found.recall) == (2 / 4, 1 / 2)
    assert (found.verified, found.near, found.none) == (3 / 5, 1 / 5, 1 / 5)
    assert (found.refused_rightly, found.refused_wrongly) == (1 / 3, 1 / 3)
    assert (found.calls, found.tokens) == (2, (100, 20))
    assert found.seconds[0] == 1.5 and 3 < found.seconds[1] <= 10


def test_a_share_of_nothing_is_not_zero() -> None:
    found = figures([judge(Question("1", "?", "d", (1,)), "d", answer("Rhine"))])
    assert (found.exact, found.precision, found.verified, found.refused_rightly, found.tokens) == (None,) * 5
    assert (found.recall, found.refused_wrongly) == (0, 0)


SQUAD = {
    "data": [
        {
            "title": "Rivers_of_Europe",
            "paragraphs": [
                {
                    "context": "The Elbe flows through Hamburg. Ships sail on it.",
                    "qas": [
                        {"id": "1", "question": "Where does the Elbe flow through?", "answers": [{"text": "Hamburg"}]}
                    ],
                },
                {
                    "context": "The Rhine flows through Cologne.",
                    "qas": [
                        {
                            "id": "2",
                            "question": "Which river flows through Cologne?",
                            "answers": [{"text": "Rhine"}, {"text": "Rhine"}, {"text": "The Rhine"}],
                        },
                        {"id": "3", "question": "What flows through Cologne?", "answers": [{"text": "Rhine"}]},
                        {
                            "id": "4",
                            "question": "Who painted the Sistine ceiling?",
                            "answers": [],
                            "is_impossible": True,
                        },
                    ],
                },
            ],
        },
        {
            "paragraphs": [
                {
                    "context": "公司的营业收入为十五亿元。",
                    "qas": [{"id": "5", "question": "公司的营业收入是多少？", "answers": [{"text": "十五亿元"}]}],
                }
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


def test_the_answerable_are_those_that_retrieval_measures_and_the_others_come_beside_them(small: Path) -> None:
    with_others = read(small, 1, unanswerable=True)[0]
    assert [(q.id, q.answerable) for q in with_others] == [("1", True), ("2", True), ("4", False), ("5", True)]
    assert [q for q in with_others if q.answerable] == read(small, 1)[0]
    assert [q.answers for q in with_others] == [("Hamburg",), ("Rhine", "The Rhine"), (), ("十五亿元",)]


def test_lines_have_one_gold_answer_or_many_or_none(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    base = {"question": "?", "document": "a.pdf"}
    lines = [
        {"id": 1, **base, "pages": [1], "answer": 42},
        {"id": 2, **base, "pages": [1], "answers": ["x", "x", "y", ""]},
        {"id": 3, **base, "pages": [1], "answer": None},
        {"id": 4, **base, "answerable": False},
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    assert [q.answers for q in read(file, 0, unanswerable=True)[0]] == [("42",), ("x", "y"), (), ()]
    file.write_text(json.dumps({"id": 1, **base}), encoding="utf-8")  # answerable, and nobody knows where
    with pytest.raises(NoQuestions, match="pages"):
        read(file, 0)
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(NoQuestions):
        read(file, 0)


@given(st.integers(0, 30), st.integers(0, 30), st.integers())
def test_a_sample_is_of_the_set_in_its_order_and_the_same_again(size: int, limit: int, seed: int) -> None:
    questions = [Question(str(n), "?", "d", (1,)) for n in range(size)]
    chosen = sample(questions, limit, seed)
    assert len(chosen) == (min(size, limit) or size)
    assert chosen == sorted(set(chosen), key=questions.index)
    assert chosen == sample(questions, limit, seed)


def test_english_and_chinese_answers_are_measured_from_end_to_end(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["answers", "--questions", str(small), "--data", str(tmp_path / "kept"), "--chain", "map_rerank"]
    assert evals.main([*args, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["questions"], found["unanswerable"], found["documents"]) == (4, 1, 2)
    assert (found["model"], found["failed"]) == ("extractive", [])
    for mode in ("all", "one"):
        assert set(found[mode]) == {"map_rerank"}
        one = found[mode]["map_rerank"]
        # It quotes the one sentence: in English 1 word of 4 is the answer, twice; in Chinese 4 characters of 12.
        assert one["f1"] == pytest.approx((2 / 5 + 2 / 5 + 8 / 16) / 3, abs=1e-4)
        assert (one["exact"], one["contains"], one["broken"]) == (0, 1, 0)
        assert one["refused"] == {"rightly": 1, "wrongly": 0}
        assert one["citations"] == {"count": 3, "precision": 1, "recall": 1, "verified": 1, "near": 0, "none": 0}
        assert one["calls"] >= 1 and min(one["tokens"].values()) > 0
        assert 0 < one["seconds"]["median"] <= one["seconds"]["p95"]
    assert evals.main([*args, "--searched", "one", "--limit", "2"]) == 0
    printed = capsys.readouterr().out
    assert "questions: 2, documents: 2" in printed and "model: extractive" in printed
    header, _, row = printed.strip().splitlines()[-3:]
    assert header.startswith("| searched | chain | EM | F1 | contains |") and row.startswith(
        "| one | map_rerank | 0.000 |"
    )
    assert header.count("|") == row.count("|")


def test_all_chains_answer_from_pdfs(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pdfs"
    folder.mkdir()
    make_pdf(folder / "rivers.pdf", ["The Elbe flows through Hamburg.", "The Rhine flows through Cologne."])
    questions = tmp_path / "questions.jsonl"
    line = {"id": "a", "question": "Which river flows through Cologne?", "document": "rivers.pdf", "pages": [2]}
    questions.write_text(json.dumps({**line, "answer": "The Rhine flows through Cologne"}), encoding="utf-8")
    args = ["answers", "--questions", str(questions), "--pdfs", str(folder), "--searched", "all", "--json"]
    assert evals.main(args) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["all"]) == ["stuff", "map_reduce", "refine", "map_rerank"]
    assert all(chain["contains"] == chain["citations"]["recall"] == 1 for chain in found["all"].values())


def test_an_answer_that_breaks_off_is_counted_and_told(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = {1: ModelFailed(model="scripted", detail="it broke")}
    monkeypatch.setattr(composition, "model", lambda *_: ScriptedModel(lambda prompt: "Rhine [1].", fails=fails))
    args = ["answers", "--questions", str(small), "--chain", "stuff", "--searched", "one", "--json"]
    assert evals.main(args) == 1
    captured = capsys.readouterr()
    stuff = json.loads(captured.out)["one"]["stuff"]
    assert stuff["broken"] == 1 and "question 1 broke off" in captured.err
    # Of the three answerable ones: nothing had come, then the very words, then words that are wrong.
    assert stuff["exact"] == pytest.approx(1 / 3, abs=1e-4)
    assert stuff["refused"] == {"rightly": 0, "wrongly": 0}


def test_a_key_that_is_refused_ends_it_at_the_first_question(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedModel(lambda prompt: "Rhine [1].", fails={1: KeyRefused(url="http://127.0.0.1:1")})
    monkeypatch.setattr(composition, "model", lambda *_: model)
    assert evals.main(["answers", "--questions", str(small)]) == 1
    captured = capsys.readouterr()
    assert "refused the key" in captured.err and captured.out == ""
    assert model.calls == 1


def test_a_model_that_cannot_be_is_wrong_use(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evals.main(["answers", "--questions", str(small), "--model", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        evals.main(["answers", "--questions", str(small), "--limit", "-1"])
    assert end.value.code == 2
