"""What the chains cost beside the model's own time, on a loopback server that takes the same time for every call.

Turn by turn, on one server: ours, a bare client (for map_reduce: the same calls with nothing around them), and with
--against LangChain's old chains. Times are medians over the rounds, by the monotonic clock that all processes share.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.chain_stacks import PACKAGES
from benchmarks.plot import Line, plot
from benchmarks.synthetic_library import Synthetic
from chains.answer import CHAINS
from chains.compare import NAMES

_ROOT = Path(__file__).resolve().parents[1]
_WINDOW, _SMALL = 32_768, 4_000  # tokens; the small one, in which bytes prove little, is for counting
_SHORT, _LONG = 30, 310  # tokens of a reply; the long one is as long as a source, for counting
_SAME = 2  # texts of the made-up library in a source
Row = dict[str, Any]


class Failed(Exception):
    """Something did not come to its end; says why in a sentence."""


class Process:
    """A script of this folder that is told JSON, a line each, and tells as much."""

    def __init__(self, python: str, script: str, argument: str, path: bool) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        if path:
            environment["PYTHONPATH"] = str(_ROOT)
        self._name = argument if script == "chain_stacks" else script
        self._process = subprocess.Popen(
            [python, "-P", str(_ROOT / "benchmarks" / f"{script}.py"), argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=_ROOT,
        )

    def tell(self, message: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Its next line, after it was told `message`. Raises Failed."""
        process = self._process
        assert process.stdin and process.stdout and process.stderr
        try:
            if message is not None:
                process.stdin.write(json.dumps(message) + "\n")
                process.stdin.flush()
            told: dict[str, Any] = json.loads(process.stdout.readline())
        except (OSError, ValueError):
            process.kill()
            raise Failed(f"{self._name} broke off: {process.stderr.read().strip()[-500:]}") from None
        if missing := told.get("missing"):
            raise Failed(
                f"{self._name} cannot run ({missing}). Install into a virtual environment of its own: "
                f"pip install {PACKAGES.get(self._name, '')}; and name its Python with --peer-python."
            )
        return told

    def end(self) -> None:
        self._process.communicate()  # ends its input, which ends it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--counting", action="store_true", help="only count tokens; time nothing")
    parser.add_argument("--sources", default="8,32,128", help="how many sources, a comma between two (8,32,128)")
    parser.add_argument("--latency", type=float, default=0.2, metavar="SECONDS", help="of a call (default: 0.2)")
    parser.add_argument("--room", type=int, default=8, help="calls that the server takes at once (default: 8)")
    parser.add_argument("--against", choices=sorted(PACKAGES), help="the stack to compare with; without it: ours alone")
    parser.add_argument("--peer-python", default=sys.executable, metavar="PATH", help="the Python that has that stack")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is asked (default: 3)")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw how map_reduce's time grows with sources")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")


def run(args: argparse.Namespace) -> int:
    sizes = [int(size) for size in args.sources.split(",")]
    texts = _texts(max(sizes))
    try:
        with _stacks(args, texts) as (server, stacks):
            times = [] if args.counting else [(n, chain) for n in sizes for chain in NAMES]
            timed = [row for n, chain in times for row in _turns(server, stacks, chain, n, args)]
            counted = [row for task in ("question", "summary") for row in _counting(server, stacks, task, sizes[-1])]
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    result = {"latency": args.latency, "room": args.room, "timed": timed, "counted": counted}
    if args.plot:
        args.plot.write_text(_plot(timed), encoding="utf-8")
    print(json.dumps(result) if args.json else table(result))
    return 0


def _texts(count: int) -> list[str]:
    """Made-up texts of some 350 words; 128 of them are a little more than 40,000 tokens."""
    made = [chunk.text for part in Synthetic(_SAME * count).parts() for chunk in part.chunks]
    return [" ".join(made[_SAME * n : _SAME * (n + 1)]) + "." for n in range(count)]


@contextmanager
def _stacks(args: argparse.Namespace, texts: Sequence[str]) -> Iterator[tuple[httpx.Client, dict[str, Process]]]:
    settings = {"latency": args.latency, "room": args.room, "window": _WINDOW, "words": _SHORT}
    with ExitStack() as stack:

        def started(*command: Any) -> Process:
            process = Process(*command)
            stack.callback(process.end)
            return process

        url = started(sys.executable, "fake_llm_server", json.dumps(settings), True).tell()["url"]
        stacks = {name: started(sys.executable, "chain_stacks", name, True) for name in ("ours", "bare")}
        if args.against:
            stacks[args.against] = started(args.peer_python, "chain_stacks", args.against, False)
        for process in stacks.values():
            process.tell({"url": url, "texts": texts, "room": args.room})
            process.tell(_job("map_reduce", 1))  # what is imported or opened with the first question
        yield stack.enter_context(httpx.Client(base_url=url, timeout=60, trust_env=False)), stacks


def _job(chain: str, sources: int, **more: Any) -> dict[str, Any]:
    return {"chain": chain, "sources": sources, "task": "question", "window": _WINDOW, **more}


def _turns(
    server: httpx.Client, stacks: Mapping[str, Process], chain: str, n: int, args: argparse.Namespace
) -> list[Row]:
    """A row for each stack that has this chain."""
    runs: dict[str, list[Row]] = {}
    for _ in range(max(1, args.rounds)):
        for name, process in stacks.items():
            if name != "bare" or chain == "map_reduce":
                runs.setdefault(name, []).append(_timed(server, process, _job(chain, n), args))
        runs["ours"][-1]["screen_ms"] = _timed(server, stacks["ours"], _job(chain, n, app=True), args)["first_ms"]
    rows = []
    for name, taken in runs.items():
        medians = {key: statistics.median(one[key] for one in taken) for key in taken[0]}
        rows.append({"chain": chain, "sources": n, "stack": name, **{k: round(v, 3) for k, v in medians.items()}})
        _say(f"{chain}, {n} sources, {name}: {medians['wall_s']:.2f} s")
    return rows


def _timed(server: httpx.Client, process: Process, job: Mapping[str, Any], args: argparse.Namespace) -> Row:
    server.post("/reset", json={"words": _SHORT}).raise_for_status()
    told = process.tell(job)
    calls = server.get("/log").json()["calls"]
    critical = critical_path(str(job["chain"]), int(job["sources"]), len(calls), args.room) * args.latency
    _, first, _ = max(calls)  # the call that began last writes the answer, or shows that the draft is one
    shown = min((at for at in told["shown"] if at >= first), default=math.nan)
    return {
        "calls": len(calls),
        "wall_s": told["wall"],
        "span_s": max(end for _, _, end in calls) - min(begin for begin, _, _ in calls),
        "critical_s": critical,
        "overhead_ms": 1000 * (told["wall"] - critical) / len(calls),
        "first_ms": 1000 * (shown - first),
    }


def critical_path(chain: str, sources: int, calls: int, room: int) -> int:
    """Calls that must follow one another: the calls of the sources in rounds of `room`, all others in a row."""
    at_once = min(sources, calls) if chain in ("map_reduce", "map_rerank") else 0
    return math.ceil(at_once / room) + calls - at_once


def _counting(server: httpx.Client, stacks: Mapping[str, Process], task: str, n: int) -> list[Row]:
    """A row for each stack and chain: tokens counted for the tokens that are there. Latency is of no account here."""
    server.post("/reset", json={"latency": 0.002}).raise_for_status()
    rows = []
    for name, process in stacks.items():
        for chain in (chain.name for chain in CHAINS.values() if task in chain.tasks):
            # LangChain's stuff counts nothing and sends everything; its reranking and refining count nothing either.
            if name == "ours" or (name != "bare" and chain == "map_reduce"):
                server.post("/reset", json={"words": _LONG}).raise_for_status()
                told = process.tell(_job(chain, n, task=task, window=_SMALL, fresh=True))
                counted = told["counted"] + server.get("/log").json()["counted"]
                row = {"task": task, "chain": chain, "sources": n, "stack": name, "there": told["there"]}
                rows.append({**row, "counted": counted, "times": round(counted / told["there"], 2)})
                _say(f"counting, {task}, {chain}, {name}: {rows[-1]['times']} times")
    return rows


def table(result: Mapping[str, Any]) -> str:
    """As Markdown."""
    lines = [
        "| chain | sources | stack | calls | wall s | first call to last s | critical path s | overhead ms a call | "
        "first token ms | first token in the app ms |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in result["timed"]:
        screen = f"{row['screen_ms']:.0f}" if "screen_ms" in row else ""
        lines.append(
            f"| {row['chain']} | {row['sources']} | {row['stack']} | {row['calls']:.0f} | {row['wall_s']:.3f} | "
            f"{row['span_s']:.3f} | {row['critical_s']:.2f} | {row['overhead_ms']:.1f} | {row['first_ms']:.0f} | "
            f"{screen} |"
        )
    lines += ["", "| task | chain | stack | tokens there | tokens counted | times |", "|---|---|---|---:|---:|---:|"]
    for row in result["counted"]:
        there, counted = f"{row['there']:,}", f"{row['counted']:,}"
        lines.append(f"| {row['task']} | {row['chain']} | {row['stack']} | {there} | {counted} | {row['times']} |")
    return "\n".join(lines)


def _plot(timed: Sequence[Row]) -> str:
    """map_reduce's seconds by sources, each stack's below the other's."""
    charts = []
    for stack in dict.fromkeys(row["stack"] for row in timed):
        rows = [row for row in timed if row["stack"] == stack and row["chain"] == "map_reduce"]
        line = Line(f"{stack}: seconds", [(0.0, 0.0), *((float(row["sources"]), row["wall_s"]) for row in rows)])
        charts.append(("sources", line))
    return plot(charts)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
