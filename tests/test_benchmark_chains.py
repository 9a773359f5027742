"""The benchmark of the chains runs, and prints what it promises to."""

import json
import sys
from pathlib import Path

import httpx
import pytest

from benchmarks import chains
from benchmarks.__main__ import main
from chains.answer import CHAINS
from chains.compare import NAMES

PROBE = ["chains", "--sources", "2,4", "--latency", "0.01", "--room", "2", "--rounds", "1"]


def test_every_chain_is_timed_and_its_counting_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PROBE, "--json", "--plot", str(tmp_path / "plot.svg")]) == 0
    result = json.loads(capsys.readouterr().out)
    rows = {(row["chain"], row["sources"], row["stack"]): row for row in result["timed"]}
    assert set(rows) == {(c, n, "ours") for c in NAMES for n in (2, 4)} | {("map_reduce", n, "bare") for n in (2, 4)}
    assert rows["map_reduce", 4, "ours"]["calls"] == rows["map_reduce", 4, "bare"]["calls"] == 5
    for row in rows.values():
        assert row["wall_s"] >= row["span_s"] > 0 and row["critical_s"] > 0
        assert (row["stack"] == "ours") == ("screen_ms" in row)
    counted = {(row["task"], row["chain"]): row for row in result["counted"]}
    assert set(counted) == {(task, c.name) for c in CHAINS.values() for task in c.tasks}
    for row in counted.values():
        assert row["sources"] == 4 and row["there"] > 1000 and row["counted"] > 0
        assert row["times"] == pytest.approx(row["counted"] / row["there"], abs=0.01)
    assert "ours: seconds by sources" in (tmp_path / "plot.svg").read_text()
    printed = chains.table(result)
    assert "| map_reduce | 4 | ours | 5 |" in printed and "| summary | refine | ours |" in printed


def test_the_critical_path_is_what_must_follow_one_another() -> None:
    assert chains.critical_path("map_reduce", 128, 129, 8) == 17
    assert chains.critical_path("map_reduce", 8, 9, 8) == 2
    assert chains.critical_path("map_rerank", 9, 9, 8) == 2
    assert chains.critical_path("refine", 8, 3, 8) == 3
    assert chains.critical_path("stuff", 8, 1, 8) == 1


def test_a_stack_that_is_not_installed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PROBE, "--against", "langchain", "--peer-python", sys.executable]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and "pip install langchain-classic" in printed.err and "--peer-python" in printed.err


def test_a_stack_that_breaks_off_says_why() -> None:
    process = chains.Process(sys.executable, "chain_stacks", "ours", True)
    try:
        with pytest.raises(chains.Failed, match=r"ours broke off[^$]*'nothing'"):
            process.tell({"nothing": "it needs"})
    finally:
        process.end()


def test_the_server_ends_with_whoever_started_it() -> None:
    settings = json.dumps({"latency": 0.01, "room": 1, "window": 1000, "words": 30})
    process = chains.Process(sys.executable, "fake_llm_server", settings, True)
    url = process.tell()["url"]
    assert httpx.get(f"{url}/log", trust_env=False).json() == {"calls": [], "counted": 0}
    process.end()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/log", trust_env=False)
