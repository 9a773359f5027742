"""A folder again: only what is new or changed is worked on, what moved is recognised, what is gone goes when asked."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.uploads import take_in
from ingest.__main__ import run
from ingest.errors import EmptiedFolder
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Progress, Result, Upload, find_pdfs
from ingest.store.library import Library
from ingest.sync.folder import Folder, Removed
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf, not_a_pdf, truncated_pdf

EMBEDDER, LIMITS = HashingEmbedder(), Limits()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "library", EMBEDDER) as opened:
        yield opened


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Three PDFs, old enough to be taken at their time's word."""
    for name in ("a.pdf", "b.pdf", "deep/c.pdf"):
        put(tmp_path / "shelf" / name, f"The text of {name}.")
    return tmp_path / "shelf"


def put(path: Path, text: str, age: float = 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    make_pdf(path, [text])
    then = time.time() - age + len(text) / 1000  # a change of text is a change of time
    os.utime(path, (then, then))
    return path


def ended(library: Library, *paths: Path, prune: bool = False) -> list[Result | Removed]:
    folder = Folder(paths, library, LIMITS, prune=prune)
    return [event for event in folder.sync(find_pdfs(paths)) if not isinstance(event, Progress)]


def told(events: list[Result | Removed]) -> dict[str, str]:
    return {event.name: event.reason if isinstance(event, Removed) else event.status for event in events}


def names(library: Library) -> list[str]:
    return [record.name for record in library.records()]


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Fails where a file is opened for its hash, a page read or a text embedded."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("work was done")

    for name in ("ingest.sync.folder._identify", "ingest.sync.folder.ingest", "ingest.pdf.extract.read"):
        monkeypatch.setattr(name, never)
    return monkeypatch


def test_the_same_again_opens_no_file(library: Library, shelf: Path, request: pytest.FixtureRequest) -> None:
    assert told(ended(library, shelf)) == {"a.pdf": "added", "b.pdf": "added", "c.pdf": "added"}
    request.getfixturevalue("asleep")
    again = ended(library, shelf)
    assert set(told(again).values()) == {"already there"} and [event.reason for event in again] == [""] * 3
    assert all(isinstance(event, Result) and event.chunks == 1 for event in again)


def test_the_same_again_in_a_process_of_its_own_loads_neither_chroma_nor_torch(shelf: Path, tmp_path: Path) -> None:
    with Library(tmp_path / "library", EMBEDDER) as library:
        ended(library, shelf)
    code = f"""
        import sys
        from pathlib import Path
        from app.cli import main as cli
        from tests.support.fakes import HashingEmbedder
        import app.composition
        app.composition.open_embedder = lambda *_, **__: HashingEmbedder()
        code = cli.main(["ingest", {str(shelf)!r}, "--json", "--data", {str(tmp_path / "library")!r}])
        assert not {{"torch", "chromadb", "transformers"}} & set(sys.modules), "something heavy was loaded"
        sys.exit(code)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [one["status"] for one in json.loads(done.stdout)["documents"]] == ["already there"] * 3


def test_only_the_changed_file_is_read_and_it_replaces_its_former_version(library: Library, shelf: Path) -> None:
    ended(library, shelf)
    old = library.find("b.pdf").id
    put(shelf / "b.pdf", "Another text altogether.")
    events = ended(library, shelf)
    assert told([event for event in events if event.id != old]) == {
        "a.pdf": "already there",
        "b.pdf": "added",
        "c.pdf": "already there",
    }
    assert [(event.id, event.reason) for event in events if isinstance(event, Removed)] == [(old, "replaced")]
    assert library.holds(old) is None and library.keywords(["altogeth"], 5) and names(library).count("b.pdf") == 1


def test_a_change_back_and_files_that_change_places_lose_nothing(library: Library, shelf: Path) -> None:
    ended(library, shelf)
    before = {record.id for record in library.records()}
    (shelf / "a.pdf").rename(shelf / "x")
    (shelf / "b.pdf").rename(shelf / "a.pdf")
    (shelf / "x").rename(shelf / "b.pdf")
    assert set(told(ended(library, shelf)).values()) == {"already there"}
    assert {record.id for record in library.records()} == before


def test_a_broken_new_version_leaves_the_former_one(library: Library, shelf: Path) -> None:
    ended(library, shelf)
    old = library.find("a.pdf").id
    truncated_pdf(shelf / "a.pdf", ["A text that only half arrived."])
    result = next(event for event in ended(library, shelf) if event.name == "a.pdf")
    assert isinstance(result, Result) and result.status == "failed" and "former version stays" in result.reason
    assert library.holds(old)
    put(shelf / "a.pdf", "It arrived whole.")
    assert told(ended(library, shelf))["a.pdf"] in ("added", "replaced") and library.holds(old) is None


def test_a_killed_replacement_is_finished_by_the_next_run(library: Library, shelf: Path) -> None:
    ended(library, shelf)
    old = library.find("a.pdf").id
    put(shelf / "a.pdf", "The new version.")
    folder = Folder([shelf], library, LIMITS)
    events = folder.sync(find_pdfs([shelf]))
    for event in events:
        if isinstance(event, Result) and event.status == "added":
            break
    events.close()
    assert library.holds(old), "the old one was removed before everything else was done"
    assert [event.id for event in ended(library, shelf) if isinstance(event, Removed)] == [old]


def test_a_moved_and_a_renamed_file_are_recognised_and_a_copy_is_a_copy(library: Library, shelf: Path) -> None:
    ended(library, shelf)
    (shelf / "a.pdf").rename(shelf / "deep" / "a.pdf")
    (shelf / "b.pdf").rename(shelf / "B 2.pdf")
    shutil.copy2(shelf / "deep" / "c.pdf", shelf / "copy of c.pdf")
    results = {event.name: event for event in ended(library, shelf, prune=True)}
    assert {getattr(event, "status", "") for event in results.values()} == {"already there"}
    assert f"moved here from {shelf}" in results["a.pdf"].reason
    assert results["B 2.pdf"].reason == "It was renamed from b.pdf."
    assert results["copy of c.pdf"].reason == "It is in the library as c.pdf."
    assert names(library) == ["B 2.pdf", "a.pdf", "c.pdf"]
    assert all(not event.reason for event in ended(library, shelf)), "and the second time there is nothing to say"


def test_prune_takes_what_is_gone_and_nothing_else(library: Library, shelf: Path, tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere" / "twin.pdf", "The text of b.pdf.")
    other = put(tmp_path / "elsewhere" / "other.pdf", "Another.")
    uploaded = put(tmp_path / "uploaded.pdf", "The text of deep/c.pdf.")
    loose = put(tmp_path / "loose.pdf", "Only ever uploaded.")
    ended(library, shelf, elsewhere.parent)
    list(take_in([Upload("c.pdf", uploaded), Upload("loose.pdf", loose)], library, LIMITS, temporary=False))
    shutil.rmtree(shelf)
    other.unlink()  # in a folder that is not asked about
    shelf.mkdir()
    (shelf / "notes.txt").write_text("It is not empty.")
    assert not [event for event in ended(library, shelf) if isinstance(event, Removed)], "only where it is asked for"
    gone = [event for event in ended(library, shelf, prune=True) if isinstance(event, Removed)]
    assert told(list(gone)) == {"a.pdf": "gone"}
    assert names(library) == ["c.pdf", "loose.pdf", "other.pdf", "twin.pdf"]
    assert told(ended(library, elsewhere.parent, prune=True)) == {"twin.pdf": "already there", "other.pdf": "gone"}


def test_an_empty_folder_may_be_a_drive_that_is_away(library: Library, shelf: Path) -> None:
    ended(library, shelf)
    shelf.rename(shelf.with_name("away"))
    shelf.mkdir()
    with pytest.raises(EmptiedFolder, match="3 documents"):
        ended(library, shelf, prune=True)
    assert len(names(library)) == 3


def test_a_name_goes_with_the_file_that_had_it(library: Library, shelf: Path) -> None:
    put(shelf / "deep" / "twin.pdf", "The text of a.pdf.")
    ended(library, shelf)
    swapped = {"a.pdf": "b.pdf", "b.pdf": "a.pdf"}
    texts = {name: library.pages(library.find(name).id)[0].text for name in swapped}
    for old in swapped:
        (shelf / old).rename(shelf / f"{old}.tmp")
    for old, new in swapped.items():
        (shelf / f"{old}.tmp").rename(shelf / new)
    ended(library, shelf)
    assert library.pages(library.find("a.pdf").id)[0].text == texts["b.pdf"]
    assert library.pages(library.find("b.pdf").id)[0].text == texts["a.pdf"]
    (shelf / "b.pdf").unlink()  # which has the text of a.pdf now, as its twin does
    ended(library, shelf, prune=True)
    assert names(library) == ["a.pdf", "c.pdf", "twin.pdf"]


def test_what_was_uploaded_before_its_folder_was_known_stays(library: Library, shelf: Path) -> None:
    list(take_in([Upload("up.pdf", shelf / "a.pdf")], library, LIMITS, temporary=False))
    ended(library, shelf)
    (shelf / "a.pdf").unlink()
    assert ended(library, shelf, prune=True)
    assert "up.pdf" in names(library)


def test_a_removed_document_leaves_no_path_behind_and_comes_again(library: Library, shelf: Path) -> None:
    ended(library, shelf)
    id = library.find("a.pdf").id
    library.remove(id)
    assert library.places.paths(id) == []
    assert told(ended(library, shelf))["a.pdf"] == "added"


def test_a_file_as_young_as_the_look_at_it_is_looked_at_again(library: Library, tmp_path: Path) -> None:
    file = tmp_path / "shelf" / "young.pdf"
    put(file, "One text.", age=0)
    stamp = file.stat()
    ended(library, file.parent)
    first = library.find("young.pdf").id
    make_pdf(file, ["Two text."])
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert file.stat().st_size == stamp.st_size, "the same size, time and inode: only the content tells"
    ended(library, file.parent)
    assert library.find("young.pdf").id != first


def test_the_library_s_own_copies_are_not_taken_in(tmp_path: Path) -> None:
    with Library(tmp_path / "shelf" / "library", EMBEDDER) as library:
        put(tmp_path / "shelf" / "a.pdf", "A text.")
        assert len(ended(library, tmp_path / "shelf")) == 1
        assert len(ended(library, tmp_path / "shelf")) == 1


def test_a_file_that_failed_is_tried_again_by_the_next_run_but_by_a_watcher_only_when_it_changed(
    library: Library, shelf: Path
) -> None:
    not_a_pdf(shelf / "bad.pdf")
    os.utime(shelf / "bad.pdf", (1e9, 1e9))
    folder = Folder([shelf], library, LIMITS, patient=True)

    def again() -> dict[str, str]:
        return told([event for event in folder.sync(find_pdfs([shelf])) if not isinstance(event, Progress)])

    assert again()["bad.pdf"] == "failed" and again() == {}
    assert told(ended(library, shelf))["bad.pdf"] == "failed"
    put(shelf / "bad.pdf", "It is one now.")
    assert again() == {"bad.pdf": "added"}


def test_a_watcher_leaves_a_file_alone_while_it_is_written(
    library: Library, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.sync.folder.SETTLED", 30_000_000_000)  # nanoseconds: a busy machine may be slow to look
    put(shelf / "growing.pdf", "Growing.", age=1)
    folder = Folder([shelf], library, LIMITS, patient=True)
    list(folder.sync(find_pdfs([shelf])))
    assert folder.waiting and "growing.pdf" not in names(library)
    put(shelf / "growing.pdf", "Growing.", age=60)
    list(folder.sync(find_pdfs([shelf])))
    assert not folder.waiting and "growing.pdf" in names(library)


def test_the_script_tells_what_it_removed(shelf: Path, tmp_path: Path) -> None:
    def script() -> tuple[int, Any, str]:
        out, err = io.StringIO(), io.StringIO()
        opened = lambda: Library(tmp_path / "library", EMBEDDER)  # noqa: E731
        code = run([shelf], opened, LIMITS, as_json=True, out=out, err=err, prune=True)
        return code, json.loads(out.getvalue()), err.getvalue()

    _, first, _ = script()
    (shelf / "a.pdf").unlink()
    put(shelf / "b.pdf", "A new version of b.")
    code, second, err = script()
    ids = {one["document"]: one["id"] for one in first["documents"]}
    assert code == 0 and second["removed"] == [
        {"document": "b.pdf", "id": ids["b.pdf"], "reason": "replaced"},
        {"document": "a.pdf", "id": ids["a.pdf"], "reason": "gone"},
    ]
    assert "a.pdf: removed (its file is gone)" in err and "removed" not in first


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_watch_keeps_the_folder_in_step_until_ctrl_c(shelf: Path, tmp_path: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from ingest.__main__ import run
        from ingest.store.library import Library
        from ingest.pdf.sandbox import Limits
        from tests.support.fakes import HashingEmbedder
        opened = lambda: Library(Path({str(tmp_path / "library")!r}), HashingEmbedder())
        how = dict(as_json=True, out=sys.stdout, err=sys.stderr, prune=True, watch=True)
        sys.exit(run([Path({str(shelf)!r})], opened, Limits(), **how))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None

        def line() -> dict[str, str]:
            value = json.loads(process.stdout.readline())  # type: ignore[union-attr]
            removed = {one["document"]: one["reason"] for one in value.get("removed", [])}
            return {one["document"]: one["status"] for one in value["documents"]} | removed

        assert line() == {"a.pdf": "added", "b.pdf": "added", "c.pdf": "added"}
        whole = make_pdf(tmp_path / "whole.pdf", ["It comes in two pieces."]).read_bytes()
        with (shelf / "new.pdf").open("wb") as file:
            file.write(whole[:500])
            file.flush()
            time.sleep(0.5)
            file.write(whole[500:])
        assert line() == {"new.pdf": "added"}, "a half file was never told"
        (shelf / "a.pdf").unlink()
        assert line() == {"a.pdf": "gone"}
        shelf.rename(tmp_path / "away")
        time.sleep(3)  # a drive that is away for a moment takes nothing along
        put(tmp_path / "away" / "late.pdf", "It came meanwhile.")
        (tmp_path / "away").rename(shelf)
        assert line() == {"late.pdf": "added"}
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130 and process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
