"""The library's promises beside other processes: kills, and a Chroma server that two of them share."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ingest.document import Record
from ingest.errors import ChromaUnreachable, LibraryBusy, WrongEmbedder
from ingest.store.chroma import Vectors
from ingest.store.library import Library
from tests.support.fakes import HashingEmbedder
from tests.support.shelf import EMBEDDER, PROCESSES, assert_whole, big_book, book


def _add_and_remove(folder: Path, books: Path, url: str, seed: int, ready: Connection | None) -> None:
    """Adds what is missing; where nothing is, removes something: never idle."""
    chance = random.Random(seed)
    mine = [big_book(books, number) for number in range(seed % 2 if url else 0, 9, 2 if url else 1)]
    with Library(folder, HashingEmbedder(), url) as library:
        if ready is not None:
            library.nearest(EMBEDDER.query("x"), 1)  # Chroma is open
            ready.send("open")
        while True:
            chance.shuffle(mine)
            for one in mine:
                one.put(library)
            if ready is None:
                return
            for one in mine[: chance.randrange(1, len(mine))]:
                library.remove(one.document.id)


def test_a_kill_at_any_moment_leaves_every_document_whole_or_absent(tmp_path: Path) -> None:
    folder, chance = tmp_path / "library", random.Random(20)
    expected = {one.document.id: one for one in (big_book(tmp_path, number) for number in range(9))}
    for seed in range(10):
        here, there = PROCESSES.Pipe()
        process = PROCESSES.Process(target=_add_and_remove, args=(folder, tmp_path, "", seed, there))
        process.start()
        assert here.recv() == "open"
        time.sleep(chance.uniform(0, 1.2))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with Library(folder, EMBEDDER) as library:
            assert_whole(library, expected)
    _add_and_remove(folder, tmp_path, "", 0, None)  # the next run finishes
    with Library(folder, EMBEDDER) as library:
        assert len(library.records()) == 9
        assert_whole(library, expected)


# -- a Chroma server


@pytest.fixture(scope="module")
def chroma_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, "--path", str(folder / "data")], stdout=log, stderr=log)
    try:
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while True:
            try:
                Vectors(folder, url, "probe-probe").close()
                break
            except ChromaUnreachable:
                assert server.poll() is None and time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.2)
        yield url
    finally:
        server.kill()
        server.wait()


def test_two_processes_write_through_a_server_while_a_third_reads(tmp_path: Path, chroma_url: str) -> None:
    folder = tmp_path / "library"
    expected = {one.document.id: one for one in (big_book(tmp_path, number) for number in range(9))}
    writers = [
        PROCESSES.Process(target=_add_and_remove, args=(folder, tmp_path, chroma_url, seed, None)) for seed in (0, 1)
    ]
    with Library(folder, EMBEDDER, chroma_url) as library:
        for writer in writers:
            writer.start()
        seen: list[Record] = []
        while any(writer.is_alive() for writer in writers):
            whole = {record.id for record in library.records()}
            vector = random.choice(list(expected.values())).vectors[0]
            for passage in library.passages(dict(library.nearest(vector, 3))):
                assert passage.chunk in expected[passage.document].chunks
            assert whole <= {record.id for record in library.records()}
            time.sleep(0.05)
        assert [writer.exitcode for writer in writers] == [0, 0]
        seen = library.records()
        assert len(seen) == 9
        assert_whole(library, expected)
    with pytest.raises(WrongEmbedder):
        Library(folder, HashingEmbedder(name="other"), chroma_url)


def test_a_writer_killed_in_server_mode_is_cleared_by_the_next_writer(tmp_path: Path, chroma_url: str) -> None:
    folder = tmp_path / "library"
    expected = {one.document.id: one for one in (big_book(tmp_path, number) for number in range(9))}
    with Library(folder, EMBEDDER, chroma_url) as library:
        for seed in range(4):
            here, there = PROCESSES.Pipe()
            process = PROCESSES.Process(target=_add_and_remove, args=(folder, tmp_path, chroma_url, seed * 2, there))
            process.start()
            assert here.recv() == "open"
            time.sleep(0.3 + seed * 0.17)
            process.kill()
            process.join()
            time.sleep(0.5)  # the server finishes what the dead had asked of it
            one = big_book(tmp_path, 8)
            one.put(library)
            library.remove(one.document.id)
            with Library(folder, EMBEDDER, chroma_url) as fresh:
                assert_whole(fresh, expected)


def test_two_libraries_share_a_server_without_mixing(tmp_path: Path, chroma_url: str) -> None:
    with (
        Library(tmp_path / "one" / "library", EMBEDDER, chroma_url) as first,
        Library(tmp_path / "two" / "library", EMBEDDER, chroma_url) as second,
    ):
        mine, other = book(tmp_path, "a.pdf", "The fox."), book(tmp_path, "b.pdf", "The fox ran.")
        mine.put(first)
        other.put(second)
        assert [id for id, _ in first.nearest(EMBEDDER.query("fox"), 5)] == [mine.chunks[0].id]


def test_a_folder_with_an_embedded_owner_is_not_opened_through_a_server(tmp_path: Path, chroma_url: str) -> None:
    with Library(tmp_path / "library", EMBEDDER), pytest.raises(LibraryBusy):
        Library(tmp_path / "library", EMBEDDER, chroma_url)


def test_no_server_is_said_with_its_address(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(ChromaUnreachable, match=url):
            Library(tmp_path / "library", EMBEDDER, url)
