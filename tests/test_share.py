"""Several processes on one library: each works, none is told a wrong neighbour, and none waits for one that hangs."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from ingest.errors import LibraryBusy, StorageFailed, WrongEmbedder
from ingest.store.library import Library
from ingest.store.vector_socket import OwnerSilent
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf
from tests.support.shelf import EMBEDDER, PROCESSES, assert_whole, big_book, book


def _own(folder: Path, orders: Connection) -> None:
    """A Pagewise that does what it is told through a pipe: as the app, it has the library open all the time."""
    with Library(folder, HashingEmbedder()) as library:
        orders.send(library._vectors.owned)
        while True:
            match orders.recv():
                case "find", words:
                    found = library.nearest(EMBEDDER.query(words), 1)
                    orders.send([passage.text for passage in library.passages(dict(found))])
                case "names":
                    orders.send([record.name for record in library.records()])
                case "end":
                    return


def _write(folder: Path, books: Path, numbers: list[int], ready: Connection) -> None:
    """Adds books, removes each once and adds it again, and searches in between."""
    with Library(folder, HashingEmbedder()) as library:
        ready.send("open")
        for number in [*numbers, *numbers]:
            one = big_book(books, number)
            if library.holds(one.document.id):
                library.remove(one.document.id)
            one.put(library)
            ((id, cosine),) = library.nearest(one.vectors[0], 1, [one.document.id])
            assert id in {chunk.id for chunk in one.chunks} and cosine > 0.999  # some chunks have the same vector
    ready.send("done")


@contextmanager
def owner(folder: Path) -> Iterator[tuple[BaseProcess, Connection]]:
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_own, args=(folder, there))
    process.start()
    try:
        assert here.recv() is True
        yield process, here
    finally:
        process.kill()
        process.join()


def test_a_guest_adds_searches_and_removes_while_the_owner_has_it_open(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    one, two = book(tmp_path, "a.pdf", "The fox ran far."), book(tmp_path, "b.pdf", "A dog slept here.")
    with owner(folder) as (_, orders), Library(folder, EMBEDDER) as guest:
        assert not guest._vectors.owned
        one.put(guest)
        two.put(guest)
        assert [id for id, _ in guest.nearest(EMBEDDER.query("dog slept"), 1)] == [two.chunks[0].id]
        orders.send(("find", "fox ran"))
        assert orders.recv() == ["The fox ran far."]
        guest.remove(one.document.id)
        orders.send(("find", "fox ran"))
        assert orders.recv() == ["A dog slept here."], "the owner no longer finds what the guest removed"
        orders.send("names")
        assert orders.recv() == ["b.pdf"]
        assert_whole(guest, {two.document.id: two})


def test_the_socket_is_for_its_user_alone_and_goes_with_its_owner(tmp_path: Path) -> None:
    with Library(tmp_path / "library", EMBEDDER) as library:
        path = Path((library.folder / "lock.socket").read_text())
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists() and not (tmp_path / "library" / "lock.socket").exists()


def test_a_folder_with_a_long_name_is_shared_too(tmp_path: Path) -> None:
    folder = tmp_path / ("a very long name " * 8)
    one = book(tmp_path)
    with Library(folder, EMBEDDER) as library, Library(folder, EMBEDDER) as guest:
        path = Path((folder / "lock.socket").read_text())
        assert path.parent.stat().st_mode & 0o777 == 0o700 and path.parent != folder
        one.put(guest)
        assert len(library.nearest(one.vectors[0], 5)) == len(guest.nearest(one.vectors[0], 5)) == 2
    assert not path.parent.exists()


def test_another_embedder_and_another_user_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Library(tmp_path / "library", EMBEDDER) as library:
        with pytest.raises(WrongEmbedder):
            Library(tmp_path / "library", HashingEmbedder(name="other"))
        book(tmp_path).put(library)
        monkeypatch.setattr("ingest.store.vector_socket._same_user", lambda connection: False)
        monkeypatch.setattr("ingest.store.shared_vectors._PATIENCE", 0.2)
        with Library(tmp_path / "library", EMBEDDER) as guest:
            assert len(guest.records()) == 1
            with pytest.raises(LibraryBusy, match=rf"process {os.getpid()}"):
                guest.nearest(EMBEDDER.query("fox"), 1)


def test_where_the_system_cannot_share_a_second_process_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.store.shared_vectors.POSSIBLE", False)
    with (
        Library(tmp_path / "library", EMBEDDER),
        pytest.raises(LibraryBusy, match=rf"process {os.getpid()}.*chroma run.*PAGEWISE_CHROMA_URL"),
    ):
        Library(tmp_path / "library", EMBEDDER)


def test_an_error_of_the_owner_is_the_guest_s(tmp_path: Path) -> None:
    good, bad = book(tmp_path), book(tmp_path, "bad.pdf", "Another.")
    with Library(tmp_path / "library", EMBEDDER) as library, Library(tmp_path / "library", EMBEDDER) as guest:
        good.put(guest)
        with pytest.raises(StorageFailed, match="dimension"):  # Chroma refuses vectors of another length
            guest.add(bad.document, bad.chunks, np.ones((len(bad.chunks), 3), np.float32), bad.file)
        assert_whole(library, {good.document.id: good})


def test_what_is_no_message_ends_that_conversation_only(tmp_path: Path) -> None:
    one = book(tmp_path)
    with Library(tmp_path / "library", EMBEDDER) as library, Library(tmp_path / "library", EMBEDDER) as guest:
        one.put(guest)
        for sent in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\xff" * 64,
            b"\0\0\0\2\0\0\0\0[]",
            b"\0\0\0\x0d\0\0\0\0" + b'{"shape":[0]}',
        ):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect((library.folder / "lock.socket").read_text())
                stranger.sendall(sent)
                stranger.shutdown(socket.SHUT_WR)
                stranger.settimeout(20)
                with suppress(ConnectionResetError):
                    while stranger.recv(1000):
                        pass
        assert len(guest.nearest(one.vectors[0], 5)) == 2


def test_an_owner_that_hangs_is_said_and_nobody_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = book(tmp_path)
    with owner(tmp_path / "library") as (process, _), Library(tmp_path / "library", EMBEDDER) as guest:
        one.put(guest)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        monkeypatch.setattr("ingest.store.vector_socket.SILENCE", 0.5)
        with pytest.raises(OwnerSilent, match="said nothing"):
            guest.nearest(one.vectors[0], 1)
        assert [record.name for record in guest.records()] == ["a.pdf"], "what needs no vectors works"
        os.kill(process.pid, signal.SIGCONT)
        monkeypatch.setattr("ingest.store.vector_socket.SILENCE", 30.0)
        assert len(guest.nearest(one.vectors[0], 1)) == 1


def test_the_owner_may_end_at_any_time_and_a_guest_takes_its_place(tmp_path: Path) -> None:
    one, two = book(tmp_path), book(tmp_path, "b.pdf", "Another text.")
    library = Library(tmp_path / "library", EMBEDDER)
    with Library(tmp_path / "library", EMBEDDER) as guest:
        one.put(guest)
        library.close()
        two.put(guest)
        assert guest._vectors.owned
        with Library(tmp_path / "library", EMBEDDER) as late:
            assert not late._vectors.owned and len(late.nearest(two.vectors[0], 9)) == 3
        assert_whole(guest, {one.document.id: one, two.document.id: two})


def test_an_owner_killed_while_guests_write_costs_no_document(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    expected = {one.document.id: one for one in (big_book(tmp_path, number) for number in range(6))}
    with owner(folder) as (process, orders):
        pipes, guests = [], []
        for numbers in ([0, 2, 4], [1, 3, 5]):
            here, there = PROCESSES.Pipe()
            pipes.append(here)
            guests.append(PROCESSES.Process(target=_write, args=(folder, tmp_path, numbers, there)))
            guests[-1].start()
        assert [pipe.recv() for pipe in pipes] == ["open", "open"]
        time.sleep(0.7)
        orders.send(("find", "volume"))
        orders.recv()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        assert [pipe.recv() for pipe in pipes] == ["done", "done"]
        for guest in guests:
            guest.join()
    with Library(folder, EMBEDDER) as library:
        assert len(library.records()) == 6
        assert_whole(library, expected)


def _sharing() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "pagewise-share"}


def _wait_for_guests(before: set[threading.Thread]) -> None:
    """Waits until the owner has done what a guest that is gone had still asked for: no thread is there but `before`."""
    until = time.monotonic() + 30
    while _sharing() - before:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_guest_killed_while_it_writes_leaves_whole_documents_to_the_owner(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    expected = {one.document.id: one for one in (big_book(tmp_path, number) for number in range(4))}
    with Library(folder, EMBEDDER) as library:
        for pause in (0.1, 0.4, 0.8):
            before = _sharing()
            here, there = PROCESSES.Pipe()
            guest = PROCESSES.Process(target=_write, args=(folder, tmp_path, [0, 1, 2, 3], there))
            guest.start()
            assert here.recv() == "open"
            time.sleep(pause)
            guest.kill()
            guest.join()
            _wait_for_guests(before)
            one = book(tmp_path, "mine.pdf", "Another text.")
            one.put(library)
            library.remove(one.document.id)  # who writes next clears
            assert_whole(library, expected)


def test_the_command_works_while_the_app_has_the_library_open(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    make_pdf(tmp_path / "in" / "a.pdf", ["The harbour was founded in 1874."])
    code = """
        import sys
        import app.composition
        from app.cli import main as cli
        from tests.support.fakes import HashingEmbedder
        app.composition.open_embedder = lambda *_, **__: HashingEmbedder()
        code = cli.main(sys.argv[1:])
        assert "chromadb" not in sys.modules, "a guest opens no Chroma"
        sys.exit(code)
    """

    def command(*arguments: str) -> dict[str, object]:
        run = [sys.executable, "-c", textwrap.dedent(code), *arguments, "--json", "--data", str(tmp_path / "library")]
        done = subprocess.run(run, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        value: dict[str, object] = json.loads(done.stdout)
        return value

    stop, faults = threading.Event(), list[BaseException]()
    with Library(tmp_path / "library", EMBEDDER) as library:
        keep = book(tmp_path, "keep.pdf", "A lighthouse stood there.")
        keep.put(library)

        def ask_all_the_time() -> None:
            try:
                while not stop.is_set():
                    assert library.nearest(keep.vectors[0], 1)[0][0] == keep.chunks[0].id
            except BaseException as fault:
                faults.append(fault)

        asking = threading.Thread(target=ask_all_the_time)
        asking.start()
        try:
            assert command("ingest", str(tmp_path / "in"))["documents"][0]["status"] == "added"  # type: ignore[index]
            found = command("search", "When was the harbour founded?", "-k", "1")["passages"]
            assert found[0]["document"] == "a.pdf"  # type: ignore[index]
            assert "1874" in str(command("ask", "When was the harbour founded?")["answer"])
            assert [record.name for record in library.records()] == ["a.pdf", "keep.pdf"]
            assert command("remove", "a.pdf")["removed"] is True
        finally:
            stop.set()
            asking.join()
        assert faults == []
        assert_whole(library, {keep.document.id: keep})
