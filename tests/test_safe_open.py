"""A file that is no longer what was listed: nothing waits for it, nothing outside is taken in, no limit is passed."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from ingest import safe_open
from ingest.__main__ import run
from ingest.errors import FileUnreadable, OutsideLinkError, ReadError, TooLarge
from ingest.pdf.decrypt import is_encrypted
from ingest.pdf.sandbox import Limits, in_worker
from ingest.pipeline import Progress, Result, Upload, find_pdfs
from ingest.safe_open import hash_file, open_document, open_regular_file
from ingest.store.library import Library
from ingest.sync.folder import Folder
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf

LIMITS = Limits(ocr=False)
PATIENCE = 30.0  # seconds; what hangs would hang for ever


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "library", HashingEmbedder()) as opened:
        yield opened


def finish(work: Callable[[], Any]) -> Any:
    """What `work` returns; fails where it hangs."""
    done: list[Any] = []

    def run_it() -> None:
        try:
            done.append(work())
        except BaseException as error:
            done.append(error)

    thread = threading.Thread(target=run_it, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert done, "it hangs"
    if isinstance(done[0], BaseException):
        raise done[0]
    return done[0]


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def become_link_to_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


KINDS = [become_pipe, become_folder, become_socket, become_link_to_device]


def sync(library: Library, folder: Path, before: Callable[[Progress], None] = lambda progress: None) -> Result:
    """How it ended for the one PDF in `folder`; `before` hears of each step before it is done."""
    for event in Folder([folder], library, LIMITS).sync(find_pdfs([folder])):
        if isinstance(event, Progress):
            before(event)
        elif isinstance(event, Result):
            return event
    raise AssertionError("nothing was told")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    make_pdf(tmp_path / "in" / "a.pdf", ["Some text."])
    return tmp_path / "in"


@pytest.mark.parametrize("become", KINDS)
def test_a_file_that_is_none_when_it_is_opened_is_refused(folder: Path, become: Callable[[Path], None]) -> None:
    become(folder / "a.pdf")
    with pytest.raises(FileUnreadable, match="not a regular file"):
        finish(lambda: open_document(folder / "a.pdf"))


@pytest.mark.parametrize("become", KINDS)
def test_a_change_between_the_first_look_and_the_opening_is_seen_on_the_open_file(
    folder: Path, become: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = safe_open._require_regular
    looks: list[os.stat_result] = []

    def check_then_change(about: os.stat_result) -> None:
        check(about)
        looks.append(about)
        if len(looks) == 1:
            become(folder / "a.pdf")

    monkeypatch.setattr(safe_open, "_require_regular", check_then_change)
    with pytest.raises(OSError):
        finish(lambda: open_regular_file(folder / "a.pdf").read(1))
    assert len(looks) == 1


@pytest.mark.parametrize("become", KINDS)
def test_a_file_that_changes_its_kind_after_it_was_listed_fails_alone(
    library: Library, folder: Path, become: Callable[[Path], None]
) -> None:
    listed = find_pdfs([folder])
    become(folder / "a.pdf")
    folder_sync = Folder([folder], library, LIMITS).sync(listed)
    (result,) = finish(lambda: [event for event in folder_sync if isinstance(event, Result)])
    assert result.status == "failed" and isinstance(result.error, ReadError)


@pytest.mark.parametrize("become", KINDS)
def test_a_file_that_changes_its_kind_before_it_is_stored_leaves_the_library_free_to_write(
    library: Library, folder: Path, become: Callable[[Path], None]
) -> None:
    def change_at_last(progress: Progress) -> None:
        if (progress.stage, progress.done) == ("storing", 0):
            become(folder / "a.pdf")

    result = finish(lambda: sync(library, folder, change_at_last))
    assert result.status == "failed" and isinstance(result.error, FileUnreadable)
    assert not library.records() and not list((library.folder / "files").iterdir())
    make_pdf(folder / "b.pdf", ["Other text."])
    (folder / "a.pdf").rename(folder / "a")
    assert finish(lambda: sync(library, folder)).status == "added"


JOBS: dict[str, dict[str, Any]] = {
    "ingest.pdf.extract_worker:serve": {
        "name": "a",
        "limits": {},
        "start": 1,
        "avoid": [],
        "alone": False,
        "password": "",
    },
    "ingest.pdf.page_image_worker:serve": {"page": 1, "quotes": [], "width": 100, "password": ""},
    "ingest.pdf.decrypt:serve": {"passwords": ["x"]},
}


@pytest.mark.parametrize("become", KINDS)
@pytest.mark.parametrize("function", JOBS)
def test_a_worker_refuses_what_is_no_file_any_more(folder: Path, function: str, become: Callable[[Path], None]) -> None:
    become(folder / "a.pdf")
    job = {"path": str(folder / "a.pdf"), **JOBS[function]}
    with pytest.raises(FileUnreadable, match="not a regular file"):
        list(in_worker(function, job, LIMITS))


def test_a_file_that_grows_past_the_limit_while_it_is_read_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"x" * 900_000)
    with open_document(path, 1) as file:
        with path.open("ab") as more:
            more.write(b"x" * 900_000)
        with pytest.raises(TooLarge):
            hash_file(file, 1)
    with pytest.raises(TooLarge):
        open_document(path, 1)


def test_no_more_than_the_limit_is_copied_of_a_file_that_grew_before_it_is_stored(
    library: Library, folder: Path
) -> None:
    def grow(progress: Progress) -> None:
        if (progress.stage, progress.done) == ("storing", 0):
            os.truncate(folder / "a.pdf", (LIMITS.file_mb + 100) * 1_000_000)  # a hole, which takes no room here

    result = finish(lambda: sync(library, folder, grow))
    assert isinstance(result.error, TooLarge) and not list((library.folder / "files").iterdir())


def test_the_word_that_a_file_is_encrypted_is_found_across_two_pieces(tmp_path: Path) -> None:
    for before in ((1 << 20) - 4, 0, (1 << 20) - 8, 1 << 20):
        (tmp_path / "a.pdf").write_bytes(b"x" * before + b"/Encrypt" + b"x" * 10)
        assert is_encrypted(tmp_path / "a.pdf", LIMITS)
    (tmp_path / "a.pdf").write_bytes(b"x" * 2_000_000)
    assert not is_encrypted(tmp_path / "a.pdf", LIMITS)


# -- links


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A folder with a PDF, links to what lies outside it, and links to what lies inside it."""
    for folder in ("elsewhere/deep", "in/deep", "private"):
        (tmp_path / folder).mkdir(parents=True)
    make_pdf(tmp_path / "elsewhere" / "deep" / "far.pdf", ["Far text."])
    make_pdf(tmp_path / "outside.pdf", ["Outside text."])
    make_pdf(tmp_path / "in" / "deep" / "a.pdf", ["Some text."])
    (tmp_path / "in" / "secret.pdf").symlink_to(tmp_path / "outside.pdf")
    (tmp_path / "in" / "shelf").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "same.pdf").symlink_to("deep/a.pdf")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "in"


def names(uploads: list[Upload]) -> list[str]:
    return [upload.name for upload in uploads]


def test_a_link_out_of_the_folder_is_left_out_and_told_whether_it_leads_to_a_file_or_a_folder(links: Path) -> None:
    left_out: list[Path] = []
    assert names(find_pdfs([links], on_left_out=left_out.append)) == ["a.pdf", "same.pdf"]
    assert sorted(left_out) == [links / "secret.pdf", links / "shelf"]


def test_links_are_followed_once_where_that_is_asked_for(links: Path) -> None:
    left_out: list[Path] = []
    found = names(find_pdfs([links], follow_links=True, on_left_out=left_out.append))
    assert found == ["a.pdf", "same.pdf", "secret.pdf", "far.pdf"] and not left_out


def test_a_link_that_somebody_names_is_followed(links: Path) -> None:
    left_out: list[Path] = []
    assert names(find_pdfs([links / "secret.pdf", links / "shelf"], on_left_out=left_out.append)) == [
        "secret.pdf",
        "far.pdf",
    ]
    assert not left_out


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_that_becomes_a_link_out_of_the_folder_after_it_was_listed_is_not_read(
    library: Library, links: Path, what: str
) -> None:
    listed = [upload for upload in find_pdfs([links]) if upload.name == "a.pdf"]
    make_pdf(links.parent / "private" / "a.pdf", ["Private text."])
    if what == "file":
        (links / "deep" / "a.pdf").unlink()
        (links / "deep" / "a.pdf").symlink_to(links.parent / "private" / "a.pdf")
    else:
        (links / "deep").rename(links / "other")
        (links / "deep").symlink_to(links.parent / "private")
    (result,) = [event for event in Folder([links], library, LIMITS).sync(listed) if isinstance(event, Result)]
    assert isinstance(result.error, OutsideLinkError) and not library.records()


@pytest.mark.parametrize("follow", [False, True])
def test_ingest_tells_each_link_that_it_leaves_out_and_how_to_take_it_in(
    tmp_path: Path, links: Path, follow: bool
) -> None:
    def open_library() -> Library:
        return Library(tmp_path / "library", HashingEmbedder())

    out, err = StringIO(), StringIO()
    assert run([links], open_library, LIMITS, as_json=False, out=out, err=err, follow_links=follow) == 0
    assert err.getvalue().count("--follow-links") == (0 if follow else 2)
    assert ("far.pdf: added" in err.getvalue()) == follow
