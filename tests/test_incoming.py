"""An upload whose app was killed is not lost and not forgotten: it is named, and then added or discarded."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import cached_resources
from app import uploads as uploads_module
from app.i18n import TEXTS
from ingest.errors import StorageFailed, UploadBusy
from ingest.pdf.extract_worker import Limits
from ingest.pipeline import Result
from ingest.store.catalogue import Catalogue
from ingest.store.incoming import LOCK, MANIFEST, claim_uploads, create_upload, list_waiting, sweep_incoming
from ingest.store.library import Library
from settings import load_settings
from tests.support.browsing import WAIT, chromium, running
from tests.support.commands import command, value
from tests.support.fakes import HashingEmbedder
from tests.support.pages import keys, press, small, start, texts
from tests.support.pdfs import encrypted_pdf, make_pdf
from tests.test_app_library import draw_library

SECRET = "sesame"
NAMES = ["bridge.pdf", "大桥.pdf", "mill.pdf", "<b>toll.pdf"]


@dataclass
class Sent:
    """A file as the browser sends it."""

    name: str
    content: bytes

    def getbuffer(self) -> memoryview:
        return memoryview(self.content)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from small(monkeypatch)


@pytest.fixture
def incoming() -> Path:
    return load_settings().data / "incoming"


def sent(folder: Path, names: list[str], password: str = "") -> list[Sent]:
    made = []
    for n, name in enumerate(names):
        pages = [f"The text of number {n} is about the bridge."]
        path = encrypted_pdf(folder / f"{n}", pages, password) if password else make_pdf(folder / f"{n}", pages)
        made.append(Sent(name, path.read_bytes()))
    return made


def kill_in_the_middle(tmp_path: Path, data: Path, how: str) -> None:
    """A process that receives files and runs `how`, which ends it with SIGKILL."""
    code = f"""
        import os
        from pathlib import Path
        from app import uploads as intake
        from ingest.store.library import Library
        from ingest.pipeline import Result
        from ingest.pdf.decrypt import unlock
        from ingest.pdf.sandbox import Limits
        from tests.support.fakes import HashingEmbedder
        from tests.test_incoming import NAMES, SECRET, sent
        folder, data = Path({str(tmp_path)!r}), Path({str(data)!r})
        {how}
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL


KILLED_INGEST = """
        uploads = intake.receive(sent(folder, NAMES), data / "incoming")
        with Library(data, HashingEmbedder()) as library:
            for event in intake.take_in(uploads, library, Limits(), temporary=True):
                if isinstance(event, Result):
                    os.kill(os.getpid(), 9)
"""


def drawn(language: str = "en") -> AppTest:
    at = AppTest.from_function(draw_library, kwargs={"language": language}, default_timeout=60).run()
    assert not at.exception
    return at


def wait_for_job(at: AppTest) -> AppTest:
    at.session_state["intake"][0].join(60)
    at.run()
    assert not at.exception
    return at


def test_after_a_kill_the_files_are_named_and_added_with_a_click(tmp_path: Path, incoming: Path) -> None:
    kill_in_the_middle(tmp_path, load_settings().data, KILLED_INGEST)
    at = drawn()
    said = [warning.value for warning in at.warning]
    assert len(said) == 1 and "3 uploaded files were not added yet" in said[0]
    assert "大桥" in said[0] and "<b>" not in said[0] and "bridge" not in said[0]  # that one was added before the kill
    at = wait_for_job(press(at, "waiting-add"))
    assert sorted(record.name for record in cached_resources.library(load_settings()).records()) == sorted(NAMES)
    assert not at.warning and not keys(at, "waiting-") and list(incoming.iterdir()) == []


def test_discarded_files_leave_nothing(tmp_path: Path, incoming: Path) -> None:
    kill_in_the_middle(tmp_path, load_settings().data, KILLED_INGEST)
    at = press(drawn("zh"), "waiting-discard")
    assert not at.warning and list(incoming.iterdir()) == []
    assert [record.name for record in cached_resources.library(load_settings()).records()] == NAMES[:1]


def test_an_empty_library_s_first_page_tells_of_them_too(tmp_path: Path, incoming: Path) -> None:
    uploads_module.receive(sent(tmp_path, NAMES[:1]), incoming)
    at = start(lang="zh")
    assert TEXTS["zh"]["waiting.about.one"].format(n=1, names="bridge") in texts(at).replace("\\", "").replace(
        ".pdf", ""
    )
    at = wait_for_job(press(at, "waiting-add"))
    assert [record.name for record in cached_resources.library(load_settings()).records()] == NAMES[:1]


def test_a_complete_upload_stays_however_old_it_is(tmp_path: Path, incoming: Path) -> None:
    uploads = uploads_module.receive(sent(tmp_path, NAMES), incoming)
    long_ago = time.time() - 40 * 86_400
    os.utime(uploads[0].path.parent, (long_ago, long_ago))
    with Library(incoming.parent, HashingEmbedder()):
        pass
    assert [(upload.name, upload.path) for upload in uploads_module.waiting(incoming)] == [
        (upload.name, upload.path) for upload in uploads
    ]


def test_a_half_written_upload_goes_at_the_next_start(tmp_path: Path, incoming: Path) -> None:
    how = """
        first, *rest = sent(folder, NAMES)
        class Killing:
            name = "last.pdf"
            def getbuffer(self): os.kill(os.getpid(), 9)
        intake.receive([first, Killing()], data / "incoming")
"""
    kill_in_the_middle(tmp_path, incoming.parent, how)
    assert len(list(incoming.rglob("*.pdf"))) == 1 and uploads_module.waiting(incoming) == []
    with Library(incoming.parent, HashingEmbedder()):
        assert list(incoming.iterdir()) == []


def test_an_upload_that_cannot_be_written_leaves_nothing(incoming: Path) -> None:
    class Full:
        name = "a.pdf"

        def getbuffer(self) -> memoryview:
            raise OSError(28, "No space left on device")

    with pytest.raises(StorageFailed):
        uploads_module.receive([Full()], incoming)
    assert list(incoming.iterdir()) == []


def test_a_copy_without_its_password_goes_after_a_kill_and_the_file_stays(tmp_path: Path, incoming: Path) -> None:
    how = """
        (upload,) = intake.receive(sent(folder, ["locked.pdf"], SECRET), data / "incoming")
        assert unlock(upload.path, [SECRET], Limits(), upload.path.parent)
        os.kill(os.getpid(), 9)
"""
    kill_in_the_middle(tmp_path, incoming.parent, how)
    assert len(list(incoming.rglob("*.pdf"))) == 2
    with Library(incoming.parent, HashingEmbedder()):
        (left,) = uploads_module.waiting(incoming)
    assert left.name == "locked.pdf" and list(incoming.rglob("*.pdf")) == [left.path]


def test_a_file_that_waits_for_its_password_is_told_of_in_another_tab_and_can_be_opened_there(
    tmp_path: Path, incoming: Path
) -> None:
    uploads, opened = (
        uploads_module.receive(sent(tmp_path, ["locked.pdf"], SECRET), incoming),
        cached_resources.library(load_settings()),
    )
    for _ in uploads_module.take_in(uploads, opened, Limits(), temporary=True):
        pass  # in a tab that was closed then
    at = wait_for_job(press(drawn(), "waiting-add"))
    assert not keys(at, "waiting-")  # a field for its password is there instead
    at.text_input(key=f"password-{uploads[0].path.stem}").set_value(SECRET)
    at.button[[button.label for button in at.button].index("Open")].click().run()
    wait_for_job(at)
    assert [record.name for record in opened.records()] == ["locked.pdf"] and list(incoming.iterdir()) == []


def test_what_somebody_is_adding_is_neither_listed_nor_added_twice_nor_discarded(
    tmp_path: Path, incoming: Path
) -> None:
    uploads = uploads_module.receive(sent(tmp_path, NAMES), incoming)
    with Library(incoming.parent, HashingEmbedder()) as library:
        work = uploads_module.take_in(uploads, library, Limits(), temporary=True)
        next(work)
        assert uploads_module.waiting(incoming) == []
        with pytest.raises(UploadBusy):
            uploads_module.discard_waiting(uploads)
        with pytest.raises(UploadBusy):
            next(uploads_module.take_in(uploads, library, Limits(), temporary=True))
        sweep_incoming(incoming)
        assert all(upload.path.exists() for upload in uploads)
        assert [event.status for event in work if isinstance(event, Result)] == ["added"] * len(NAMES)
    assert list(incoming.iterdir()) == []


def test_a_fault_of_the_whole_run_leaves_what_it_did_not_reach(
    tmp_path: Path, incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = uploads_module.receive(sent(tmp_path, NAMES), incoming)
    with Library(incoming.parent, HashingEmbedder()) as library:

        def fail(id: str) -> None:
            raise StorageFailed(folder=incoming, detail="the disk is full")

        monkeypatch.setattr(library.places, "keep", fail)
        with pytest.raises(StorageFailed):
            list(uploads_module.take_in(uploads, library, Limits(), temporary=True))
    assert [upload.name for upload in uploads_module.waiting(incoming)] == NAMES


def test_a_stopped_upload_leaves_nothing(tmp_path: Path, incoming: Path) -> None:
    uploads = uploads_module.receive(sent(tmp_path, NAMES), incoming)
    with Library(incoming.parent, HashingEmbedder()) as library:
        work = uploads_module.take_in(uploads, library, Limits(), temporary=True)
        next(work)
        work.close()  # type: ignore[attr-defined]
    assert list(incoming.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"../../x.pdf": "x.pdf"}', '{"gone.pdf": "x"}', "\udcff"])
def test_a_manifest_that_is_damaged_names_no_file(content: str, incoming: Path) -> None:
    outside = incoming.parent / "x.pdf"
    with create_upload(incoming) as folder:
        (folder / MANIFEST).write_text(content, encoding="utf-8", errors="surrogateescape")
        outside.write_bytes(b"%PDF-1")
    assert list_waiting(incoming) == {}
    sweep_incoming(incoming)
    assert list(incoming.iterdir()) == [] and outside.exists()


def test_a_claim_makes_no_folder_that_is_gone(incoming: Path) -> None:
    with claim_uploads([incoming / "upload-gone"]):
        assert not (incoming / "upload-gone" / LOCK).exists() and not incoming.exists()


def test_the_command_line_says_on_stderr_that_files_wait(
    tmp_path: Path, incoming: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = command(monkeypatch, capfd)
    assert "not added yet" not in run("list")[2]
    uploads_module.receive(sent(tmp_path, NAMES), incoming)
    listed = run("list", "--json")
    assert value(listed) == {"documents": []} and "not added yet: 4 uploaded files" in listed[2]
    file = make_pdf(tmp_path / "other.pdf", ["Another text."])
    assert "not added yet: 4 uploaded files" in run("ingest", file)[2]


@pytest.mark.browser
def test_an_app_that_is_killed_while_it_adds_tells_of_it_at_its_next_start(tmp_path: Path) -> None:
    """A real server, killed with SIGKILL in the middle of an upload, and a real browser."""
    from playwright.sync_api import expect

    files = [make_pdf(tmp_path / f"volume-{n}.pdf", [f"Page {p} of volume {n}." for p in range(20)]) for n in range(12)]
    incoming = tmp_path / "library" / "incoming"
    with chromium() as browser:
        with running(tmp_path, {}) as app:
            page = browser.new_page(locale="en-GB")
            page.set_default_timeout(WAIT)
            page.goto(app.url)
            page.locator("[data-testid=stMain] input[type=file]").set_input_files([str(file) for file in files])
            until = time.monotonic() + 120
            while not list(incoming.glob(f"*/{MANIFEST}")) and time.monotonic() < until:
                time.sleep(0.01)
            app.process.kill()
            app.process.wait(30)
            page.close()
        left = len(list_waiting(incoming))
        assert 0 < left <= len(files)
        with running(tmp_path, {}) as app:
            page = browser.new_page(locale="en-GB")
            page.set_default_timeout(WAIT)
            page.goto(f"{app.url}/library")
            expect(page.get_by_text(f"{left} uploaded files were not added yet")).to_be_visible(timeout=WAIT)
            page.locator(".st-key-waiting-add button").click()
            expect(page.get_by_text("volume-11.pdf: added")).to_be_visible(timeout=WAIT)
            expect(page.locator(".st-key-waiting")).to_have_count(0)
            page.close()
    with closing(Catalogue(tmp_path / "library" / "catalogue.sqlite3")) as catalogue:
        assert sorted(record.name for record in catalogue.records()) == sorted(file.name for file in files)
    assert list(incoming.iterdir()) == []
