"""Question → passages: each side weighed by what it knows of the language, and never out of the chosen documents."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chains.retrieval.hybrid import VECTOR_WEIGHT, Scope, find, fuse, retrieve, vector_weight, word_weights
from ingest.store.library import Library
from tests.support.books import make_book
from tests.support.fakes import HashingEmbedder

SCORES = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 50))
COSINES = st.dictionaries(st.sampled_from("abcdef"), st.floats(-1, 1))


class EnglishOnly(HashingEmbedder):
    """Knows English; any other language is noise to it, and it is to count for nothing there."""

    def __init__(self) -> None:
        super().__init__()
        self.languages = frozenset({"en"})
        self.asked: list[str] = []

    def query(self, text: str) -> NDArray[np.float32]:
        self.asked.append(text)
        return super().query(text)


RIVERS = ["The Elbe flows through Hamburg.", "The Rhine flows through Cologne."]
COMPANY = ["公司的营业收入为十五亿元。", "研发投入占营业收入的比例。", "董事会由九名董事组成。"]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    embedder = EnglishOnly()
    with Library(tmp_path / "library", embedder) as opened:
        for name, pages in (("rivers.pdf", RIVERS), ("公司.pdf", COMPANY)):
            make_book(tmp_path / "files", name, pages, embedder).put(opened)
        yield opened


def test_an_embedder_counts_only_in_the_languages_it_knows() -> None:
    assert vector_weight("营业收入是多少？", frozenset({"en"})) == 0.0
    assert vector_weight("What was the revenue?", frozenset({"en"})) == VECTOR_WEIGHT
    assert vector_weight("营业收入是多少？", None) == VECTOR_WEIGHT


def test_chinese_is_found_by_its_words_alone(library: Library) -> None:
    embedder = library.embedder
    assert isinstance(embedder, EnglishOnly)
    embedder.asked.clear()
    found = retrieve("营业收入是多少？", library, 3)
    assert [(p.name, p.page) for p in found[:1]] == [("公司.pdf", 1)]
    assert embedder.asked == []


def test_passages_come_best_first_with_scores_from_0_to_1(library: Library) -> None:
    found = retrieve("Which river flows through Cologne?", library, 10)
    assert found[0].name == "rivers.pdf"
    assert found[0].page == 2
    scores = [p.score for p in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)


def test_only_the_chosen_documents_are_searched(library: Library) -> None:
    rivers = library.find("rivers.pdf").id
    assert {p.document for p in retrieve("营业收入 Hamburg", library, 10, [rivers])} == {rivers}
    assert retrieve("Hamburg", library, 10, []) == []
    assert retrieve("Hamburg", library, 0) == []


@given(SCORES, COSINES, st.floats(0, 1))
def test_a_fused_score_is_from_0_to_1_and_never_falls_when_both_sides_rise(
    words: dict[str, float], near: dict[str, float], weight: float
) -> None:
    fused = fuse(words, near, weight)
    assert set(fused) == {*words, *near}
    assert all(0.0 <= score <= 1.0 + 1e-9 for score in fused.values())
    for a in words.keys() & near.keys():
        for b in words.keys() & near.keys():
            if words[a] >= words[b] and near[a] >= near[b]:
                assert fused[a] >= fused[b]


REPORTS = {
    "ACME_2019_10K.pdf": ["Acme annual report for 2019", "Net sales were 100 million.", "Net sales 90 95 100 102 7 8"],
    "ACME_2020_10K.pdf": ["Acme annual report for 2020", "Net sales were 120 million.", "The board met often."],
    "BOLT_2020_10K.pdf": ["Bolt annual report for 2020", "Net sales were 300 million.", "Acme is a rival of ours."],
    "notes.pdf": ["Nothing of a company.", "Net sales in general are sales less returns.", "More about nothing."],
}


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[Library]:
    embedder = HashingEmbedder()
    with Library(tmp_path / "reports", embedder) as opened:
        for name, pages in REPORTS.items():
            make_book(tmp_path / "files", name, pages, embedder).put(opened)
        yield opened


def test_the_named_document_comes_first_and_is_said_to_be_named(reports: Library) -> None:
    found = find("What were the net sales of Acme in FY2020?", reports, 6)
    assert (found[0].passage.name, found[0].passage.page) == ("ACME_2020_10K.pdf", 2)
    assert set(found[0].why.named_by) >= {"Acme", "2020"}
    assert found[0].why.document > max(f.why.document for f in found if f.passage.name == "ACME_2019_10K.pdf")
    assert {"net", "sale"} <= set(found[0].matched)


def test_a_question_that_names_none_has_no_document_before_others(reports: Library) -> None:
    assert {f.why.document for f in find("What were the net sales?", reports, 6)} == {0.0}


def test_pages_and_years_narrow_the_search(reports: Library) -> None:
    def where(scope: Scope) -> set[tuple[str, int]]:
        return {(p.name, p.page) for p in retrieve("net sales", reports, 20, None, scope)}

    assert {page for _, page in where(Scope(pages=(2, 2)))} == {2}
    assert {name for name, _ in where(Scope(since=2020))} == {"ACME_2020_10K.pdf", "BOLT_2020_10K.pdf"}
    assert {name for name, _ in where(Scope(until=2019))} == {"ACME_2019_10K.pdf"}
    assert where(Scope(since=2020, until=2020, pages=(1, 1))) <= {("ACME_2020_10K.pdf", 1), ("BOLT_2020_10K.pdf", 1)}
    assert where(Scope(since=1990, until=1991)) == set()
    notes = reports.find("notes.pdf").id
    assert retrieve("net sales", reports, 5, [notes], Scope(since=1990)) == []  # it names no year


def test_a_table_comes_before_prose_where_a_figure_is_asked_for(reports: Library) -> None:
    acme = [reports.find("ACME_2019_10K.pdf").id]
    pages = {f.passage.page: f for f in find("How much net sales?", reports, 6, acme)}
    assert pages[3].why.figures > pages[2].why.figures > 0
    assert {f.why.figures for f in find("Who met the board?", reports, 6)} == {0.0}


class Backwards:
    """A re-ranker for which the longest text is the best."""

    def scores(self, question: str, texts: Sequence[str], found: Sequence[float]) -> list[float]:
        return [len(text) / 1000 for text in texts]


def test_a_reranker_has_the_last_word_on_the_first_candidates(reports: Library) -> None:
    found = find("What were the net sales of Acme in FY2020?", reports, 6, reranker=Backwards())
    lengths = [len(f.passage.text) for f in found if f.why.joined == 1]
    assert lengths == sorted(lengths, reverse=True)
    assert all(f.why.reranked is not None for f in found)


class Silent:
    """A re-ranker that does not know the question's language."""

    def scores(self, question: str, texts: Sequence[str], found: Sequence[float]) -> list[float] | None:
        return None


def test_where_the_reranker_says_nothing_the_search_decides(reports: Library) -> None:
    question = "What were the net sales of Acme in FY2020?"
    with_it, without = find(question, reports, 12, reranker=Silent()), find(question, reports, 12)
    assert [(f.passage, f.why) for f in with_it] == [(f.passage, f.why) for f in without]
    assert all(f.why.reranked is None for f in with_it)


def test_the_same_page_in_two_documents_is_found_once(tmp_path: Path) -> None:
    embedder = HashingEmbedder()
    with Library(tmp_path / "twins", embedder) as opened:
        for name, last in (("one.pdf", "One."), ("two.pdf", "Two.")):
            make_book(tmp_path / "files", name, ["The tide turns at noon.", last], embedder).put(opened)
        found = find("When does the tide turn?", opened, 5)
        assert [f.why.folded for f in found if "tide" in f.passage.text] == [1]


def test_what_comes_and_goes_is_named_and_forgotten(reports: Library, tmp_path: Path) -> None:
    question = "What were the net sales of Zebra Holdings?"
    assert find(question, reports, 3)[0].why.document == 0.0
    record = make_book(tmp_path / "late", "ZEBRAHOLDINGS.pdf", ["Net sales."], reports.embedder).put(reports)
    assert find(question, reports, 3)[0].passage.document == record.id
    reports.remove(record.id)
    assert all(f.passage.document != record.id for f in find(question, reports, 9))


@pytest.mark.parametrize("question", ["", "?", "sales", "net", "多少", "…", "Was?", "2020", "10K", "'; DROP TABLE"])
def test_a_question_without_a_subject_is_no_error(question: str, reports: Library) -> None:
    scores = [p.score for p in retrieve(question, reports, 5)]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)


def test_words_that_name_a_document_count_half() -> None:
    weights = word_weights("net sales of Acme", "net sales of")
    assert weights["acm"] == weights["sale"] / 2
    assert word_weights("the income statement", "the income statement").keys() >= {"oper", "earn", "statement"}
