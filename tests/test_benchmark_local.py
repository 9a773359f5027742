"""The benchmark of models in this process runs, and prints what it promises to."""

import json

import pytest

from benchmarks.__main__ import main
from benchmarks.local import rate


def test_it_tells_how_fast_each_batch_is_in_each_number_of_bits(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["local", "--small", "--rows", "1,3", "--bits", "16,8", "--prompt", "20", "--reply", "4"]
    assert main([*arguments, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [(one["bits"], one["rows"]) for one in results] == [("16", 1), ("16", 3), ("8", 1), ("8", 3)]
    assert all(one["read"] > 0 and one["read_cpu"] > 0 for one in results)
    assert all(one["written"] >= 0 and one["written_cpu"] >= 0 for one in results)
    assert results[0]["gb"] > results[2]["gb"] > 0
    assert main(arguments) == 0 and "| 8 | 3 |" in capsys.readouterr().out


def test_wrong_bits_are_said() -> None:
    with pytest.raises(SystemExit, match="5"):
        main(["local", "--small", "--bits", "5"])


def test_a_rate_that_cannot_be_told_is_none() -> None:
    assert rate(10, 3.0, 1.0) == 5.0 and rate(10, 1.0, 1.5) == 0.0
