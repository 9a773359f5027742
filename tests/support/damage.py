"""Damages a library's stores in every way and counts what that cost: `python -m tests.support.damage --tries 100`.

Each store's file is removed, emptied, cut off, and overwritten with random bytes. After each damage a person lists,
searches, looks at the app, adds and removes, each with the library opened anew. No stored PDF may be lost or changed,
everything that went wrong has to be a sentence of ours, and `repair` has to bring every document back.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.conversations import Conversations
from ingest.errors import PagewiseError
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Result, Upload, ingest
from ingest.repair import replace_damaged_catalogue, take_in_unlisted_files
from ingest.store.catalogue_mark import FILE as MARK
from ingest.store.library import CATALOGUE, Library
from ingest.store.reply_cache import Kept
from tests.support.entries import entry
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf

EMBEDDER = HashingEmbedder()
LIMITS = Limits()
TEXTS = {
    "foxes.pdf": ["A fox ran over the hill.", "Foxes sleep in dens."],
    "年报 2020.pdf": ["公司2020年的营业收入是1577万元。"],
    "ships.pdf": [f"Ship number {n} sailed to harbour {n * 7}." for n in range(12)],
}


@dataclass(frozen=True)
class Shelf:
    """A library's folder, filled once, and the PDFs that are in it by id."""

    folder: Path
    bytes_of: dict[str, bytes]
    names: set[str]


def fill_library(place: Path) -> Shelf:
    """A library in `place` with three documents, closed."""
    folder = place / "library"
    with Library(folder, EMBEDDER) as library:
        files = [make_pdf(place / f"{n}.pdf", pages) for n, pages in enumerate(TEXTS.values())]
        uploads = [Upload(name, file) for name, file in zip(TEXTS, files, strict=True)]
        results = [event for event in ingest(uploads, library, LIMITS) if isinstance(event, Result)]
        assert [result.status for result in results] == ["added"] * 3
        for result in results:
            library.places.keep(result.id)
            library.replies.put(result.id.encode(), b"scope", Kept("A reply.", False), [result.id])
        Conversations(folder).put("c", entry())
        library.nearest(EMBEDDER.query("fox"), 1)
        return Shelf(folder, {r.id: library.file(r.id).read_bytes() for r in library.records()}, set(TEXTS))


def copy_library(shelf: Shelf, target: Path) -> Shelf:
    copy = shutil.copytree(shelf.folder, target, ignore=shutil.ignore_patterns("*.sock", "lock*"))
    return Shelf(copy, shelf.bytes_of, shelf.names)


def assert_nothing_is_lost(shelf: Shelf) -> None:
    for id, content in shelf.bytes_of.items():
        assert (shelf.folder / "files" / f"{id}.pdf").read_bytes() == content


def repair(folder: Path) -> list[Result]:
    replace_damaged_catalogue(folder)
    with Library(folder, EMBEDDER) as library:
        results = [event for event in take_in_unlisted_files(library, LIMITS) if isinstance(event, Result)]
        library.check_vectors()
    return results


def assert_all_is_back(shelf: Shelf) -> None:
    """Every document, with its name, its bytes, and what is found by words and by meaning."""
    with Library(shelf.folder, EMBEDDER) as library:
        assert library.notices.list_all() == ()
        assert {record.name for record in library.records()} == shelf.names
        assert {record.id for record in library.records()} == set(shelf.bytes_of)
        for record in library.records():
            for passage in library.all_passages(record.id):
                vector = EMBEDDER.query(library.indexed_text(record.title, passage.chunk))
                assert passage.chunk.id in {id for id, _ in library.nearest(vector, 3)}
        assert {library.passages({id: 1.0})[0].name for id, _ in library.keywords(["fox"], 1)} == {"foxes.pdf"}
        assert library.list_unlisted_files() == []
    assert_nothing_is_lost(shelf)


def use_everything(folder: Path, new_file: Path, told: list[str]) -> None:
    """What a person does after the damage, each command on its own: list, search, ingest, remove what came last."""

    def search(library: Library) -> None:
        library.nearest(EMBEDDER.query("fox"), 3)
        for id, _ in library.keywords(["fox"], 3):
            library.passages({id: 1.0})

    def add(library: Library) -> None:
        for event in ingest([Upload(new_file.name, new_file)], library, LIMITS):
            if isinstance(event, Result) and event.error is not None:
                told.append(str(event.error))

    def remove(library: Library) -> None:
        for record in library.records():
            if record.name == new_file.name:
                library.remove(record.id)

    def look_at_screen(library: Library) -> None:
        conversations = Conversations(folder)
        conversations.entries("c")
        library.replies.get(b"unknown")
        library.places.all()
        told.extend(str(notice) for notice in conversations.notices.list_all())

    steps: list[Callable[[Library], object]] = [Library.records, search, look_at_screen, add, remove, Library.records]
    for step in steps:
        try:
            with Library(folder, EMBEDDER, listener=lambda notice: told.append(str(notice))) as library:
                step(library)
        except PagewiseError as error:  # anything else would be a traceback
            told.append(str(error))


def damages(content: bytes, chance: random.Random) -> Iterator[tuple[str, bytes | None]]:
    """Removed, emptied, cut at ten places, overwritten whole and in parts."""
    yield "removed", None
    yield "emptied", b""
    for tenth in range(10):
        yield f"cut at {tenth}/10", content[: len(content) * tenth // 10 + 1]
    yield "random", chance.randbytes(len(content))
    for _ in range(3):
        at = chance.randrange(max(1, len(content) - 64))
        size = chance.choice((16, 512, 4096))
        yield f"{size} random bytes at {at}", content[:at] + chance.randbytes(size) + content[at + size :]


STORES = (
    *(CATALOGUE, MARK, "places.sqlite3", "vectors.sqlite3", "replies.sqlite3", "conversations.db"),
    *("chroma/chroma.sqlite3", "chroma/*/data_level0.bin", "chroma/*/header.bin", "chroma/*/length.bin"),
)


def find_store(folder: Path, store: str) -> Path:
    """The file of a store; Chroma's are in a folder with a random name."""
    (file,) = folder.glob(store)
    return file


def survive_damage(shelf: Shelf, store: str, damaged: bytes | None, new_file: Path) -> list[str]:
    """Damages a store, uses the library, repairs it. Returns what the person was told. Raises AssertionError."""
    file = find_store(shelf.folder, store)
    if damaged is None:
        file.unlink()
    else:
        file.write_bytes(damaged)
    told: list[str] = []
    use_everything(shelf.folder, new_file, told)
    assert_nothing_is_lost(shelf)
    repair(shelf.folder)
    with Library(shelf.folder, EMBEDDER) as library:
        for record in library.records():
            if record.name == new_file.name:
                library.remove(record.id)
    assert_all_is_back(shelf)
    return told


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.damage", description="Damage stores at random.")
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    lost = sentences = 0
    with tempfile.TemporaryDirectory() as place:
        shelf = fill_library(Path(place))
        new_file = make_pdf(Path(place) / "late.pdf", ["A late page about otters."])
        tries = [(s, what, d) for s in STORES for what, d in damages(find_store(shelf.folder, s).read_bytes(), chance)]
        for number in range(args.tries):
            store, what, damaged = tries[number] if number < len(tries) else chance.choice(tries)
            copy = copy_library(shelf, Path(place) / f"try-{number}")
            try:
                told = survive_damage(copy, store, damaged, new_file)
            except AssertionError as error:
                lost += 1
                print(f"LOST: {store}, {what}: {error}", flush=True)
            else:
                sentences += bool(told)
                print(f"{number + 1}: {store}, {what}: {told[0] if told else 'nothing to tell'}", flush=True)
            shutil.rmtree(copy.folder)
    print(f"{args.tries} tries: {lost} lost a document or could not be repaired; {sentences} were told.")
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
