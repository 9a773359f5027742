"""The cross-encoder: real loading and reading of a tiny one, and what happens to a model that may not be loaded."""

from pathlib import Path

import pytest

from chains.rerank import CrossEncoderReranker, RerankerError, open_reranker
from tests.tiny import tiny_cross_encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder(tmp_path_factory.mktemp("cross-encoder"))


def test_it_gives_each_text_a_score_from_0_to_1(folder: Path) -> None:
    reranker = open_reranker(str(folder))
    assert reranker is not None
    texts = ["The bridge was opened in 1884.", "这座桥于一八八四年通车。", ""]
    scores = reranker.scores("When was the bridge opened?", texts)
    assert len(scores) == 3
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert scores == pytest.approx(reranker.scores("When was the bridge opened?", texts), abs=1e-6)


def test_no_name_is_no_reranker() -> None:
    assert open_reranker(" ") is None


def test_pickles_and_what_is_not_there_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    for spec in (str(tmp_path), "nobody/nothing"):
        with pytest.raises(RerankerError, match="could not be used"):
            CrossEncoderReranker(spec).scores("?", ["text"])
