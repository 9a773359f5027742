"""A disk that is full and a folder that can only be read: nothing is lost or half, and everybody is told.

With disks of their own where this process may mount one, as root in a container; elsewhere the tests are skipped.
"""

import gc
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import ReadOnlyLibrary, StorageFailed
from ingest.store.library import Library
from tests.support.shelf import EMBEDDER, assert_whole, big_book, book


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """16 MB, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("NOTHING CAN BE MOUNTED HERE: a full and a read-only disk were not tried")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("room", [0, 20, 150, 400, 900], ids=lambda room: f"{room} KB")
def test_a_full_disk_loses_and_halves_nothing(disk: Path, tmp_path: Path, room: int) -> None:
    folder, filler = disk / "library", disk / "filler"
    books = {one.document.id: one for one in (big_book(tmp_path, number) for number in range(3))}
    first, *others = books.values()
    with Library(folder, EMBEDDER) as library:
        first.put(library)
        library.nearest(first.vectors[0], 1)
        free = os.statvfs(disk)
        with filler.open("wb") as file:
            file.write(b"x" * max(0, free.f_bavail * free.f_frsize - room * 1024))
        stored = [first.document.id]
        for one in others:
            try:
                stored.append(one.put(library).id)
            except StorageFailed as error:
                assert "disk" in str(error)
        assert sorted(stored) == sorted(record.id for record in library.records())
        filler.unlink()
        book(tmp_path, "b.pdf", "And more.").put(library)  # whoever writes next clears
        library.remove(book(tmp_path, "b.pdf", "And more.").document.id)
        for one in others:
            one.put(library)
    with Library(folder, EMBEDDER) as library:  # what Chroma refused and took in later all the same goes here
        library.nearest(first.vectors[0], 1)
        assert len(library.records()) == 3
        assert_whole(library, books)


def read_only(disk: Path) -> None:
    """From now on; Chroma's threads let go of their files a moment after it is closed."""
    command = ["mount", "-o", "remount,ro", str(disk)]
    until = time.monotonic() + 20
    while subprocess.run(command, check=False).returncode != 0:
        gc.collect()
        assert time.monotonic() < until, "the disk stays busy"
        time.sleep(0.1)


def test_a_library_that_can_only_be_read_is_searched_and_says_so_to_whoever_writes(disk: Path, tmp_path: Path) -> None:
    one, two = book(tmp_path, "a.pdf", "A fox ran."), book(tmp_path, "b.pdf", "A dog slept.")
    with Library(disk / "library", EMBEDDER) as library:
        one.put(library)
    read_only(disk)
    with Library(disk / "library", EMBEDDER) as library, Library(disk / "library", EMBEDDER) as second:
        for opened in (library, second):
            assert [record.name for record in opened.records()] == ["a.pdf"]
            assert [id for id, _ in opened.nearest(EMBEDDER.query("fox"), 3)] == [one.chunks[0].id]
            assert opened.keywords(["fox"], 3) and opened.file(one.document.id).read_bytes()
            with pytest.raises(ReadOnlyLibrary, match="searched but not changed"):
                two.put(opened)
            with pytest.raises(ReadOnlyLibrary):
                opened.remove(one.document.id)
        copies = [library._own, second._own]
    assert not any(copy.exists() for copy in copies)
    with pytest.raises(StorageFailed):
        Library(disk / "new", EMBEDDER)


def test_a_library_read_only_after_a_kill_is_searched_with_what_is_whole(disk: Path, tmp_path: Path) -> None:
    one = book(tmp_path, "a.pdf", "A fox ran.")
    with Library(disk / "library", EMBEDDER) as library:
        one.put(library)
        half = book(tmp_path, "b.pdf", "A dog slept.")
        library._catalogue.announce(half.document)
        library._vectors.add([half.chunks[0].id], half.document.id, half.vectors)
        shutil.copytree(disk / "library", disk / "killed", ignore=shutil.ignore_patterns("*.sock"))
    read_only(disk)
    with Library(disk / "killed", EMBEDDER) as library:
        assert [id for id, _ in library.nearest(EMBEDDER.query("dog slept"), 3)] == [one.chunks[0].id]
