"""A second look: the reader's, and a real tiny cross-encoder's; what happens to one that may not be loaded."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.retrieval.rerank import CrossEncoderReranker, ReadAgain, RerankerError, open_reranker
from tests.support.fakes import SharingReader
from tests.support.tiny import tiny_cross_encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder(tmp_path_factory.mktemp("cross-encoder"))


def test_it_gives_each_text_a_score_from_0_to_1(folder: Path) -> None:
    reranker = CrossEncoderReranker(str(folder))
    texts = ["The bridge was opened in 1884.", "这座桥于一八八四年通车。", ""]
    scores = reranker.scores("When was the bridge opened?", texts)
    assert len(scores) == 3
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert scores == pytest.approx(reranker.scores("When was the bridge opened?", texts), abs=1e-6)


def test_a_cross_encoder_comes_before_the_reader_and_without_both_there_is_none(folder: Path) -> None:
    assert open_reranker(" ") is None
    assert isinstance(open_reranker("", SharingReader()), ReadAgain)
    assert isinstance(open_reranker(str(folder), SharingReader()), CrossEncoderReranker)


TEXTS = ["The bridge was opened in 1884 by the mayor.", "The bridge is long.", "Bread is baked daily."]


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_the_reader_s_look_is_mixed_with_the_search_s(found: list[float]) -> None:
    scores = ReadAgain(SharingReader()).scores("When was the bridge opened?", TEXTS, found)
    assert scores is not None and all(0.0 <= score <= 1.0 for score in scores)
    alike = ReadAgain(SharingReader()).scores("When was the bridge opened?", TEXTS, [0.5] * 3)
    assert alike is not None and alike == sorted(alike, reverse=True)
    again = ReadAgain(SharingReader()).scores("When was the bridge opened?", TEXTS[:1] * 3, found)
    assert again is not None and [again[i] for i in sorted(range(3), key=lambda i: found[i])] == sorted(again)


def test_a_question_in_a_language_that_the_reader_does_not_know_is_left_as_it_was_found() -> None:
    assert ReadAgain(SharingReader()).scores("大桥何时通车？", TEXTS, [0.1, 0.2, 0.3]) is None


def test_pickles_and_what_is_not_there_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    for spec in (str(tmp_path), "nobody/nothing"):
        with pytest.raises(RerankerError, match="could not be used"):
            CrossEncoderReranker(spec).scores("?", ["text"])
