"""A long summary that is killed on the way and started again: `python -m tests.support.resuming --pdf FILE [--kills
3]`.

Each start is a process of its own, killed with SIGKILL after some more calls; the last one is left alone. Every process
writes into one log which prompt it has begun and which it has finished. With --pdf the model is a tiny local one of
4,000 tokens; the figures are printed as JSON.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chains.answer import summarize
from chains.cost import FREE
from chains.events import Answer, Step
from chains.execution.limits import Spending
from chains.execution.llm_calls import closed
from chains.execution.throughput import Speeds
from chains.model import Finish, Model, Piece
from chains.models import open_model
from chains.prompt import Prompt
from chains.prompting.render import render
from ingest.pdf.extract_worker import Limits
from ingest.pipeline import Upload, ingest
from ingest.store.library import Library
from tests.support.fakes import HashingEmbedder

CONTEXT, PARALLEL = 4000, 2


class Logged:
    """A Model that writes down what it is asked, and what it has answered to the end."""

    def __init__(self, model: Model, log: Path) -> None:
        self._model, self._log = model, log
        self.name, self.context, self.parallel = model.name, model.context, model.parallel

    def count(self, prompt: Prompt) -> int:
        return self._model.count(prompt)

    def stream(self, prompt: Prompt) -> Iterator[Piece]:
        told = render(prompt)
        name = hashlib.sha256(f"{told.system}\0{told.user}\0{prompt.max_tokens}".encode()).hexdigest()
        pages = sorted({span.page for source in prompt.sources for span in source.passage.chunk.spans})
        self._write({"begun": name, "role": prompt.role, "notes": len(prompt.notes), "pages": pages})
        with closed(self._model.stream(prompt)) as stream:
            for piece in stream:
                yield piece
                if isinstance(piece, Finish):  # whoever reads it has kept the reply by now
                    self._write({"done": name})

    def size(self, *texts: str) -> int:
        return self._model.size(*texts)

    def at_most(self, text: str) -> int:
        return self._model.at_most(text)

    def _write(self, line: dict[str, Any]) -> None:
        handle = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, (json.dumps(line) + "\n").encode())  # one write, so that a kill leaves no half line
        os.close(handle)


@dataclass(frozen=True)
class Outcome:
    """Of all starts together."""

    announced: int  # calls, at most, as the first start said
    starts: list[tuple[int, int]]  # what each start announced, and how many calls it began
    begun: int
    finished: int
    again: int  # prompts that were begun again after they were finished
    cut: int  # calls that a kill cut off
    read_twice: int  # parts of the document whose call was finished more than once
    pages: int  # that were read
    joins: list[int]  # notes in each call that joined some
    levels: list[str]  # notes of each level
    answer: dict[str, Any]  # of the last start


def child(folder: Path, spec: str, url: str, log: Path) -> None:
    """One start: sums up the only document in the library."""
    with Library(folder, HashingEmbedder()) as library:
        (record,) = library.records()
        model = Logged(open_model(spec, api_base=url, context=CONTEXT, parallel=PARALLEL, seconds=30), log)
        spending = Spending(price=FREE, speeds=Speeds(folder / "speeds.json"), replies=library.replies)
        levels = []
        for event in summarize(record.id, library, model, chain="recursive", spending=spending):
            if isinstance(event, Step) and event.name == "planned":
                model._write({"announced": event.total})
            elif isinstance(event, Step) and event.name == "level":
                levels.append(event.text)
            elif isinstance(event, Answer):
                told: dict[str, Any] = {"calls": event.calls, "kept": event.kept, "seconds": round(event.seconds, 1)}
                told |= {"characters": len(event.text), "error": str(event.error or ""), "pages": record.pages}
                told |= {"tokens_in": event.usage.input_tokens, "tokens_out": event.usage.output_tokens}
                model._write({"answer": told, "levels": levels})


def run(folder: Path, spec: str, url: str, log: Path, kills: int, every: int) -> Outcome:
    """`every`: calls that are finished between two kills."""
    for start in range(kills + 1):
        arguments = [sys.executable, "-m", "tests.support.resuming", "--child", str(folder), spec, url, str(log)]
        process = subprocess.Popen(arguments)
        while process.poll() is None:
            if start < kills and _finished(log) >= (start + 1) * every:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.02)
        assert process.returncode == (0 if start == kills else -signal.SIGKILL), process.returncode
    return read(log)


def read(log: Path) -> Outcome:
    lines = _lines(log)
    begun, done = [line for line in lines if "begun" in line], Counter(line["done"] for line in lines if "done" in line)
    again, finished = 0, set[str]()
    for line in lines:
        again += line.get("begun") in finished
        finished |= {line["done"]} if "done" in line else set()
    starts: list[tuple[int, int]] = []
    for line in lines:
        if "announced" in line:
            starts.append((line["announced"], 0))
        elif "begun" in line:
            starts[-1] = (starts[-1][0], starts[-1][1] + 1)
    reads = {line["begun"]: line["pages"] for line in begun if line["role"] == "map"}
    joins = {line["begun"]: line["notes"] for line in begun if line["role"] == "reduce"}
    last = next(line for line in reversed(lines) if "answer" in line)
    return Outcome(
        announced=starts[0][0],
        starts=starts,
        begun=len(begun),
        finished=sum(done.values()),
        again=again,
        cut=len(begun) - sum(done.values()),
        read_twice=sum(done[name] > 1 for name in reads),
        pages=len({page for pages in reads.values() for page in pages}),
        joins=list(joins.values()),
        levels=last["levels"],
        answer=last["answer"],
    )


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _finished(log: Path) -> int:
    return sum("done" in line for line in _lines(log))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.resuming", description="Kill a long summary on the way."
    )
    parser.add_argument("--pdf", type=Path)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--every", type=int, default=60, help="calls between two kills")
    parser.add_argument("--data", type=Path, help="the folder for everything; else a new one")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        folder, spec, url, log = args.child
        child(Path(folder), spec, url, Path(log))
        return 0
    from tests.support.tiny import tiny

    place = args.data or Path(tempfile.mkdtemp(prefix="pagewise-resuming-"))
    spec = f"local:{tiny(place / 'model', CONTEXT, vocabulary=4000)}"
    with Library(place / "library", HashingEmbedder()) as library:
        list(ingest([Upload(args.pdf.name, args.pdf)], library, Limits()))
    outcome = run(place / "library", spec, "", place / "log.jsonl", args.kills, args.every)
    print(json.dumps(vars(outcome)))
    lost = outcome.cut > args.kills * PARALLEL  # calls that failed, beyond those that a kill cut off
    beyond = [start for start in outcome.starts if start[1] > start[0]] or outcome.finished > outcome.announced
    return int(bool(outcome.again or outcome.read_twice or lost or beyond))


if __name__ == "__main__":
    sys.exit(main())
