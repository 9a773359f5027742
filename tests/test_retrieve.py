"""Question → passages: each side weighed by what it knows of the language, and never out of the chosen documents."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chains.retrieve import VECTOR_WEIGHT, fuse, retrieve, vector_weight
from ingest.library import Library
from tests.books import make_book
from tests.fakes import HashingEmbedder

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
