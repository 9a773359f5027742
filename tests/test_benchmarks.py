"""The benchmarks' own arithmetic, and one run of ours over a small file."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import main
from benchmarks.ingest import Failed, run_stack, summary, table, tree_mb
from benchmarks.plot import Line, _ticks, plot
from tests.support.pdfs import make_pdf


def taken(pages: int, seconds: float, peak: float) -> dict[str, object]:
    return {"pages": pages, "chunks": pages * 2, "seconds": seconds, "peak_mb": peak, "steps": [], "looks": []}


def test_the_ratio_is_that_of_the_medians_and_memory_the_highest() -> None:
    mine = [taken(300, 10, 500), taken(300, 100, 900), taken(300, 15, 400)]
    result = summary(mine, [taken(300, 100, 1000), taken(300, 50, 1200), taken(300, 150, 800)])
    assert (result["pages"], result["ours_pages_per_second"], result["peer_pages_per_second"]) == (300, 20.0, 3.0)
    assert (result["ratio"], result["peak_rss_mb"], result["peer_peak_rss_mb"]) == (6.67, 900, 1200)
    assert "6.67 times as fast" in table(result, "langchain")
    alone = summary(mine, [])
    assert alone["ratio"] is None and "times" not in table(alone, "")


def test_memory_is_that_of_the_whole_tree() -> None:
    program = "import subprocess, sys; a = bytearray(60_000_000); subprocess.run([sys.executable, '-c', sys.argv[1]])"
    child = "import sys; a = bytearray(60_000_000); print('ready', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout and process.stdout.readline() == "ready\n"
    held = tree_mb(process.pid)
    process.communicate("")
    assert 120 < held < 400 and tree_mb(process.pid) == 0
    assert tree_mb(os.getpid()) > 10


@given(st.floats(1e-3, 1e9))
def test_an_axis_has_a_few_round_numbers(end: float) -> None:
    ticks = _ticks(end)
    assert 4 <= len(ticks) <= 9 and ticks[0] > 0 and ticks[-1] <= end * 1.000001
    assert all(len(f"{tick:.6e}".partition("e")[0].rstrip("0")) <= 4 for tick in ticks), "two or three digits each"


def test_a_plot_is_well_formed_and_has_every_point() -> None:
    drawn = plot([("pages", Line("seconds & <more>", [(0, 0), (10, 5), (20, 7)])), ("x", Line("nothing", []))])
    lines = ElementTree.fromstring(drawn).findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2 and len((lines[0].get("points") or "").split()) == 3


def test_ours_runs_alone_and_prints_one_line_of_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    make_pdf(tmp_path / "in" / "a.pdf", ["Dogs bark at night.", "Cats sleep by day."])
    arguments = ["--pdfs", str(tmp_path / "in"), "--rounds", "1", "--json", "--plot", str(tmp_path / "cost.svg")]
    assert main(["ingest", *arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["pages"] == result["ours_chunks"] == 2 and result["ratio"] is None
    assert result["ours_pages_per_second"] > 0 and result["peak_rss_mb"] > 50
    ElementTree.fromstring((tmp_path / "cost.svg").read_text())


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    with pytest.raises(Failed, match=r"pip install .*langchain-chroma.* --peer-python"):
        run_stack("langchain", str(bare / "bin" / "python"), tmp_path, [])


def test_an_empty_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "--pdfs", str(tmp_path)]) == 1
    assert "no PDFs" in capsys.readouterr().err
