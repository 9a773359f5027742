"""Kills Pagewise at random moments and counts what that cost: `python -m tests.support.kills --kills 100`.

Real processes take in, remove and search small real PDFs; one of them is killed with SIGKILL: the script, the reader
of a PDF, the app that has the library open while a script writes, or that script. After each kill every document that
was reported as added has to be there with its file, all its text, tokens and vectors, once, and nothing else may be.
Every few kills a run that nobody disturbs has to finish the folder.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path

from ingest.document import Chunk
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Progress, Result, find_pdfs
from ingest.store.library import Library
from ingest.sync.folder import Folder
from ingest.text.search_tokens import tokens
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf

FILES, WHO = 8, ("script", "reader", "app", "guest")
_LONGEST = 1.5  # seconds from a process's first word to the kill
_FINISH_EVERY = 5  # kills
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["chromadb", "ingest.sync.folder"])


@dataclass
class Cost:
    """What was found after the kills; each zero but the first."""

    kills: int = 0
    lost: int = 0
    doubled: int = 0
    half: int = 0
    unfinished: int = 0  # runs after which not every document was there
    notes: list[str] = field(default_factory=list)


class Told:
    """What the processes have said to be there, and what may or may not be because they were at it."""

    def __init__(self) -> None:
        self.there: set[str] = set()

    def hear(self, pipe: Connection) -> None:
        """All that was said before the end of it."""
        with suppress(EOFError, OSError):
            while pipe.poll():
                match pipe.recv():
                    case "added", id:
                        self.there.add(id)
                    case "removing", id:
                        self.there.discard(id)


def _work(folder: Path, shelf: Path, seed: int, pipe: Connection) -> None:
    """Takes the folder in, removes some of it, and again, until it is killed."""
    chance = random.Random(seed)
    with Library(folder, HashingEmbedder()) as library:
        pipe.send(("ready", ""))
        while True:
            for event in Folder([shelf], library, Limits()).sync(find_pdfs([shelf])):
                if isinstance(event, Result) and event.status != "failed":
                    pipe.send(("added", event.id))
            for record in chance.sample(library.records(), chance.randrange(1, FILES)):
                library.nearest(library.embedder.query(record.name), 3)
                pipe.send(("removing", record.id))
                library.remove(record.id)


def _search(folder: Path, pipe: Connection) -> None:
    """As the app: has the library open and searches."""
    with Library(folder, HashingEmbedder()) as library:
        library.nearest(library.embedder.query("ready"), 1)
        pipe.send(("ready", ""))
        while True:
            library.nearest(library.embedder.query("the volume about elks"), 3)
            time.sleep(0.01)


def run(kills: int, seed: int, place: Path) -> Cost:
    """`place`: an empty folder for all files."""
    chance, cost, told = random.Random(seed), Cost(), Told()
    shelf, folder = place / "shelf", place / "library"
    shelf.mkdir()
    for number in range(FILES):
        words = [f"{''.join(chance.choices('abcdefghij', k=6))}{number}" for _ in range(40)]
        pages = [
            "\n".join(f"Volume {number} is about {word}." for word in words[at : at + 10]) for at in (0, 10, 20, 30)
        ]
        make_pdf(shelf / f"{number}.pdf", pages)
    whole = _reference(shelf, place / "reference")
    while cost.kills < kills:
        who = WHO[cost.kills % len(WHO)]
        _one_kill(who, chance, folder, shelf, told)
        cost.kills += 1
        with Library(folder, HashingEmbedder()) as library:
            _count(library, whole, told.there, cost, f"kill {cost.kills} ({who})")
            if cost.kills % _FINISH_EVERY == 0 or cost.kills == kills:
                results = [
                    e for e in Folder([shelf], library, Limits()).sync(find_pdfs([shelf])) if isinstance(e, Result)
                ]
                told.there = set(whole)
                before = (cost.lost, cost.half)
                _count(library, whole, told.there, cost, f"the run after kill {cost.kills}")
                if before != (cost.lost, cost.half) or any(result.status == "failed" for result in results):
                    cost.unfinished += 1
                    cost.notes += [f"{result.name}: {result.reason}" for result in results if result.status == "failed"]
        print(f"{cost.kills} of {kills}", end="\r", file=sys.stderr, flush=True)
    return cost


def _one_kill(who: str, chance: random.Random, folder: Path, shelf: Path, told: Told) -> None:
    """Starts what has to run, kills `who` at a random moment, and ends the others."""
    running, pipes = [], []
    work: list[tuple[Callable[..., None], tuple[object, ...]]] = [(_work, (folder, shelf, chance.randrange(1 << 30)))]
    if who in ("app", "guest"):
        work.insert(0, (_search, (folder,)))
    for target, arguments in work:
        here, there = _PROCESSES.Pipe(duplex=False)
        process = _PROCESSES.Process(target=target, args=(*arguments, there), daemon=True)
        process.start()
        there.close()
        assert here.recv() == ("ready", "")
        running.append(process)
        pipes.append(here)
    time.sleep(chance.uniform(0, _LONGEST))
    if who == "reader":
        until = time.monotonic() + 5
        while not (readers := _children(running[-1].pid or 0)) and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.3))
        for reader in readers:
            with suppress(ProcessLookupError):
                os.kill(reader, signal.SIGKILL)
    else:
        victim = running[0] if who == "app" else running[-1]
        os.kill(victim.pid or 0, signal.SIGKILL)
    if who in ("app", "reader"):  # the script goes on without it, and is killed at another moment
        time.sleep(chance.uniform(0, _LONGEST))
    for process, pipe in zip(reversed(running), reversed(pipes), strict=True):
        process.kill()
        process.join()
        told.hear(pipe)
        pipe.close()


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def _reference(shelf: Path, folder: Path) -> dict[str, list[Chunk]]:
    """The chunks of each document, by an ingest that nobody disturbed."""
    with Library(folder, HashingEmbedder()) as library:
        events = [e for e in Folder([shelf], library, Limits()).sync(find_pdfs([shelf])) if not isinstance(e, Progress)]
        assert len(events) == FILES
        return {record.id: [p.chunk for p in library.all_passages(record.id)] for record in library.records()}


def _count(library: Library, whole: dict[str, list[Chunk]], due: set[str], cost: Cost, when: str) -> None:
    """Adds to `cost` what is wrong now."""

    def wrong(what: str, detail: str) -> None:
        setattr(cost, what, getattr(cost, what) + 1)
        cost.notes.append(f"{when}: {what}: {detail}")

    records = library.records()
    ids = [record.id for record in records]
    for id in due - set(ids):
        wrong("lost", id[:8])
    if len(set(ids)) < len(ids) or len({record.name for record in records}) < len(records):
        wrong("doubled", "a document stands there twice")
    library.nearest(library.embedder.query("x"), 1)  # what a damaged index had is made anew at the first search
    for record in records:
        chunks = whole[record.id]
        if [passage.chunk for passage in library.all_passages(record.id)] != chunks:
            wrong("half", f"{record.name}: its text")
        if library._vectors.count_document(record.id) != len(chunks):
            wrong("half", f"{record.name}: its vectors")
        if sha256(library.file(record.id).read_bytes()).hexdigest() != record.id:
            wrong("half", f"{record.name}: its file")
        for chunk in chunks:
            vector = library.embedder.query(library.indexed_text(record.title, chunk))
            for searched in (library, library._vectors):  # by the catalogue's vectors, and by Chroma's
                found = searched.nearest(vector, 1, [record.id])
                if not found or found[0][1] < 0.999:
                    wrong("half", f"{record.name}: a chunk is not found by its meaning")
            words = tokens(chunk.text.split()[-1])
            if chunk.id not in {id for id, _ in library.keywords(words, 5, [record.id])}:
                wrong("half", f"{record.name}: a chunk is not found by its words")
    stored, text = library._vectors.ids(), library._catalogue.chunk_ids()
    if stored != text or library._vectors.count() != len(text):
        wrong("doubled" if stored > text else "half", f"{len(stored)} vectors for {len(text)} chunks")
    if left := library._catalogue.unfinished():
        wrong("half", f"{len(left)} still on their way")
    names = {file.name for file in (library.folder / "files").glob("*.pdf")}
    if names != {f"{id}.pdf" for id in ids}:
        wrong("half", "files without a document, or the other way round")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.kills", description="Kill Pagewise at random moments."
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20)
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="pagewise-kills-"))
    try:
        cost = run(args.kills, args.seed, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(json.dumps(asdict(cost)))
    return int(any((cost.lost, cost.doubled, cost.half, cost.unfinished)))


if __name__ == "__main__":
    sys.exit(main())
