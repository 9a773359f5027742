"""The benchmarks run, and print what they promise to."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.synthetic_library import Synthetic
from ingest.text.search_tokens import tokens


def test_a_query_benchmark_of_a_tiny_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["query", "--chunks", "60", "--questions", "2", "--without-embedding", "--keep", str(tmp_path)]
    assert main([*arguments, "--json", "--plot", str(tmp_path / "plot.svg")]) == 0
    (first,) = json.loads(capsys.readouterr().out)
    assert first["chunks"] == 60 and first["documents"] == 1 and first["questions"] == 2
    for name in ("hybrid", "keywords", "vectors", "one_document", "half_of_the_documents"):
        assert 0 < first[name]["p50"] <= first[name]["p95"] <= first[name]["max"]
    assert first["peak_rss_mb"] > 0 and "</svg>" in (tmp_path / "plot.svg").read_text()
    assert main([*arguments, "--json"]) == 0
    (again,) = json.loads(capsys.readouterr().out)
    assert set(again) == set(first) and again["fill_vectors_s"] == 0, "what is kept is used"
    assert main(arguments) == 0 and "| 60 | hybrid |" in capsys.readouterr().out


def test_the_made_up_library_is_the_same_each_time_and_its_words_are_their_own_tokens() -> None:
    one, other = (Synthetic(30).part(0, 30) for _ in range(2))
    assert one.document == other.document and one.chunks == other.chunks and np.array_equal(one.vectors, other.vectors)
    for chunk, found in zip(one.chunks, one.tokens, strict=True):
        assert one.document.text[chunk.start : chunk.end] == chunk.text
        assert tokens(f"{one.document.title}\n{chunk.text}") == found
    assert np.linalg.norm(one.vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
