"""How fast PDFs are taken in, beside LangChain's or LlamaIndex's defaults.

The same files and the same embedding weights; ours and the other's turn by turn, each in a fresh process, so that a
machine that is slow for a while is slow for both; medians. Memory is what the whole tree of processes holds at once.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ingest_stacks import PACKAGES
from benchmarks.plot import Line, plot
from ingest.embedding.model_files import installed
from ingest.errors import PagewiseError
from ingest.pipeline import find_pdfs

_LOOK_SECONDS = 0.1
_ROOT = Path(__file__).resolve().parents[1]


class Failed(Exception):
    """A stack did not come to its end; says why in a sentence."""


@dataclass
class Memory:
    """What a process and all below it hold, looked at again and again while it runs."""

    pid: int
    looks: list[tuple[float, float]] = field(default_factory=list)  # seconds since it began, MB

    def watch(self, ended: threading.Event) -> None:
        started = time.monotonic()
        while not ended.wait(_LOOK_SECONDS):
            self.looks.append((time.monotonic() - started, tree_mb(self.pid)))

    @property
    def peak_mb(self) -> float:
        return max((mb for _, mb in self.looks), default=0.0)


def tree_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, in MB; pages that they share count for each. Linux; else 0."""
    parents: dict[int, list[int]] = {}
    held: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = status.read_text().rpartition(")")[2].split()
            number = int(status.parent.name)
        except (OSError, ValueError):
            continue  # it has ended meanwhile
        parents.setdefault(int(parts[1]), []).append(number)
        held[number] = int(parts[21]) * resource.getpagesize()
    total, due = 0, [pid]
    while due:
        one = due.pop()
        total += held.get(one, 0)
        due += parents.get(one, [])
    return total / 1_000_000


def run_stack(stack: str, python: str, weights: Path | str, files: list[Path]) -> dict[str, Any]:
    """One run in a fresh process, with "peak_mb" and "looks" added. Raises Failed."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        environment = os.environ | {
            "HF_HUB_OFFLINE": "1",
            "ANONYMIZED_TELEMETRY": "False",
            "TQDM_DISABLE": "1",
            "TOKENIZERS_PARALLELISM": "true",
        }
        if stack == "ours":
            environment["PYTHONPATH"] = str(_ROOT)
        else:
            environment.pop("PYTHONPATH", None)
        script = str(_ROOT / "benchmarks" / "ingest_stacks.py")
        command = [python, "-P", script, stack, str(weights), str(Path(folder, "store")), *map(str, files)]
        with open(Path(folder, "errors"), "w+") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=folder, text=True
            )
            memory, ended = Memory(process.pid), threading.Event()
            watcher = threading.Thread(target=memory.watch, args=(ended,), daemon=True)
            watcher.start()
            printed, _ = process.communicate()
            ended.set()
            watcher.join()
            errors.seek(0)
            told = errors.read()
    try:
        result: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise Failed(f"{stack} ended with code {process.returncode}: {told.strip()[-500:]}") from None
    if missing := result.get("missing"):
        raise Failed(
            f"{stack} cannot run ({missing}). Install into a virtual environment of its own: "
            f"pip install sentence-transformers {PACKAGES.get(stack, '')}; and name its Python with --peer-python."
        )
    return result | {"peak_mb": memory.peak_mb, "looks": memory.looks}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pdfs", type=Path, nargs="+", required=True, metavar="DIR", help="folders of PDFs, or files")
    parser.add_argument("--against", choices=sorted(PACKAGES), help="the stack to compare with; without it: ours alone")
    parser.add_argument("--peer-python", default=sys.executable, metavar="PATH", help="the Python that has that stack")
    parser.add_argument("--rounds", type=int, default=2, help="how often each runs (default: 2)")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw how our cost grows with pages")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")


def run(args: argparse.Namespace) -> int:
    try:
        files = [upload.path.resolve() for upload in find_pdfs(args.pdfs, follow_links=True)]
        if not files:
            raise Failed("There are no PDFs.")
        weights = installed()
        run_stack("ours", sys.executable, "", [])  # so that the model has been converted
        mine, peers = [], []
        for number in range(max(1, args.rounds)):
            mine.append(_told(run_stack("ours", sys.executable, "", files), "ours", number))
            if args.against:
                run_with = (args.against, args.peer_python, weights, files)
                peers.append(_told(run_stack(*run_with), args.against, number))
    except (Failed, PagewiseError) as error:
        print(error, file=sys.stderr)
        return 1
    result = summary(mine, peers)
    if args.plot:
        args.plot.write_text(_plot(mine[-1]), encoding="utf-8")
    print(json.dumps(result) if args.json else table(result, args.against or ""))
    return 0


def summary(mine: list[dict[str, Any]], peers: list[dict[str, Any]]) -> dict[str, Any]:
    """What is printed: medians of the runs; the ratio is that of the medians."""
    ours = statistics.median(taken["pages"] / taken["seconds"] for taken in mine)
    peer = statistics.median(taken["pages"] / taken["seconds"] for taken in peers) if peers else None
    return {
        "pages": mine[0]["pages"],
        "ours_pages_per_second": round(ours, 2),
        "peer_pages_per_second": round(peer, 2) if peer else None,
        "ratio": round(ours / peer, 2) if peer else None,
        "peak_rss_mb": round(max(taken["peak_mb"] for taken in mine)),
        "peer_peak_rss_mb": round(max(taken["peak_mb"] for taken in peers)) if peers else None,
        "ours_chunks": mine[0]["chunks"],
        "peer_chunks": peers[0]["chunks"] if peers else None,
    }


def table(result: dict[str, Any], peer: str) -> str:
    rows = [("", "pages/s", "chunks", "peak MB")]
    for name, key in (("ours", "ours"), (peer, "peer")):
        if result[f"{key}_pages_per_second"] is not None:
            peak = result["peak_rss_mb" if key == "ours" else "peer_peak_rss_mb"]
            rows.append((name, f"{result[f'{key}_pages_per_second']:.2f}", str(result[f"{key}_chunks"]), str(peak)))
    lines = [f"{name:<12}{speed:>10}{chunks:>10}{peak:>10}" for name, speed, chunks, peak in rows]
    ratio = f"; {result['ratio']} times as fast" if result["ratio"] else ""
    return "\n".join([*lines, f"{result['pages']} pages{ratio}"])


def _told(taken: dict[str, Any], stack: str, number: int) -> dict[str, Any]:
    speed = taken["pages"] / taken["seconds"]
    told = f"{stack}, run {number + 1}: {taken['pages']} pages, {taken['chunks']} chunks in {taken['seconds']:.1f} s"
    print(f"{told}, {speed:.2f} pages/s, peak {taken['peak_mb']:.0f} MB", file=sys.stderr, flush=True)
    return taken


def _plot(taken: dict[str, Any]) -> str:
    """Seconds by pages, and below it memory by seconds."""
    seconds = Line("seconds", [(0.0, 0.0), *((float(pages), float(at)) for pages, at in taken["steps"])])
    memory = Line("MB of all processes", taken["looks"])
    return plot([("pages", seconds), ("seconds since its start", memory)])
