"""No file hangs, crashes or fills the process that asked for it, and none leaves anything running."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.errors import (
    Broken,
    EmptyFile,
    Encrypted,
    FileUnreadable,
    NoPages,
    NotAPdf,
    ReaderCrashed,
    ReadError,
    TooLarge,
    TooManyPages,
    TooMuchMemory,
    TooMuchText,
    TooSlow,
)
from ingest.pdf.extract import read
from ingest.pdf.extract_worker import Limits
from tests.support import pdfs

LIMITS = Limits(page_seconds=20, file_seconds=60)
HASTY = Limits(page_seconds=1, file_seconds=60)  # for those that hang


@pytest.fixture
def any_pdf(tmp_path: Path) -> Path:
    return pdfs.make_pdf(tmp_path / "any.pdf", ["Some text."])


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    # A zombie that nobody has waited for yet runs no more.
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def wait_until_gone(pid: int) -> bool:
    for _ in range(200):
        if not is_running(pid):
            return True
        time.sleep(0.05)
    return False


def test_reads_a_document_and_tells_its_progress(tmp_path: Path) -> None:
    path = pdfs.make_pdf(tmp_path / "a.pdf", ["First page.\nIts second line.", "Second page.", "第三页。"])
    heard: list[tuple[int, int]] = []
    document = read(path, "../shelf/A book.pdf", LIMITS, on_page=lambda done, total: heard.append((done, total)))
    assert [page.text for page in document.pages] == ["First page.\nIts second line.", "Second page.", "第三页。"]
    assert [page.number for page in document.pages] == [1, 2, 3]
    assert document.id == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (document.name, document.title) == ("A book.pdf", "A book")
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_reads_a_relative_path_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pdfs.make_pdf(tmp_path / "文件 ü.pdf", ["Here."])
    monkeypatch.chdir(tmp_path)
    assert read(Path("文件 ü.pdf"), "x.pdf", LIMITS).text == "Here."


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (pdfs.empty_file, EmptyFile),
        (pdfs.not_a_pdf, NotAPdf),
        (pdfs.garbage_pdf, Broken),
        (pdfs.truncated_pdf, Broken),
        (pdfs.encrypted_pdf, Encrypted),
        (pdfs.no_pages_pdf, NoPages),
    ],
)
def test_says_what_is_wrong_with_a_file(make: object, error: type[ReadError], tmp_path: Path) -> None:
    assert callable(make)
    with pytest.raises(error) as caught:
        read(make(tmp_path / "x.pdf"), "x.pdf", LIMITS)
    assert type(caught.value) is error
    assert "  " not in str(caught.value)


def test_says_that_a_file_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.pdf", tmp_path / "nul\0.pdf"):
        with pytest.raises(FileUnreadable):
            read(path, "x.pdf", LIMITS)


def test_keeps_to_the_limits_of_size(tmp_path: Path) -> None:
    path = pdfs.make_pdf(tmp_path / "a.pdf", ["word " * 15] * 5)
    with pytest.raises(TooManyPages, match="5 pages; the limit is 4"):
        read(path, "a.pdf", replace(LIMITS, pages=4))
    with pytest.raises(TooLarge):
        read(path, "a.pdf", replace(LIMITS, file_mb=0))
    with pytest.raises(TooMuchText):
        read(path, "a.pdf", replace(LIMITS, text_mb=0))
    cut = read(path, "a.pdf", replace(LIMITS, page_chars=20))
    assert all(0 < len(page.text) <= 20 for page in cut.pages)
    assert all("20 characters" in page.problem for page in cut.pages)


def test_opens_what_is_encrypted_without_a_password_of_its_user(tmp_path: Path) -> None:
    assert read(pdfs.unlocked_pdf(tmp_path / "a.pdf"), "a.pdf", LIMITS).text == "Nothing to hide."


def test_takes_a_password(tmp_path: Path) -> None:
    path = pdfs.encrypted_pdf(tmp_path / "a.pdf", password="open sesame")
    assert read(path, "a.pdf", LIMITS, password="open sesame").text == "A secret."
    with pytest.raises(Encrypted):
        read(path, "a.pdf", LIMITS, password="open barley")


@pytest.mark.parametrize(
    ("reader", "error", "says"),
    [
        ("hang", TooSlow, "longer than 1 second"),
        ("segfault", ReaderCrashed, "SIGSEGV"),
        ("exits", ReaderCrashed, "exit code 7"),
        ("raises", ReaderCrashed, "no such thing"),
        ("killed", TooMuchMemory, "memory"),
        ("asks_too_much", TooMuchMemory, "memory"),
        ("crashes_on_every_page", ReaderCrashed, "SIGSEGV"),
        ("floods", ReaderCrashed, "without end"),
        ("too_long_a_page", ReaderCrashed, "no sense"),
        ("too_many_pages", ReaderCrashed, "no sense"),
        ("wrong_number", ReaderCrashed, "no sense"),
        ("no_head", ReaderCrashed, "no sense"),
        ("odd_text", ReaderCrashed, "no sense"),
        ("odd_head", ReaderCrashed, "no sense"),
        ("ends_early", ReaderCrashed, "ended early"),
    ],
)
def test_outlives_its_worker(reader: str, error: type[ReadError], says: str, any_pdf: Path) -> None:
    with pytest.raises(error, match=says):
        read(any_pdf, "any.pdf", HASTY if reader == "hang" else LIMITS, reader=f"tests.support.workers:{reader}")


def test_stops_a_worker_that_swells_and_stays_small_itself(any_pdf: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooMuchMemory, match="more than 300 MB"):
        read(any_pdf, "any.pdf", replace(LIMITS, worker_mb=300), reader="tests.support.workers:swells")
    with pytest.raises(ReaderCrashed):
        read(any_pdf, "any.pdf", LIMITS, reader="tests.support.workers:floods")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == "darwin" else 1024) < 100_000_000


@pytest.mark.parametrize("reader", ["dawdles", "repeats_itself"])
def test_keeps_to_the_time_for_a_file(reader: str, any_pdf: Path) -> None:
    with pytest.raises(TooSlow, match="longer than 2 seconds"):
        read(any_pdf, "any.pdf", replace(LIMITS, file_seconds=2), reader=f"tests.support.workers:{reader}")


def test_gives_a_page_that_hangs_to_the_other_reader(any_pdf: Path) -> None:
    document = read(any_pdf, "any.pdf", HASTY, reader="tests.support.workers:fast_hangs_on_two")
    assert [page.text for page in document.pages] == [
        "Page 1, as usual.",
        "Page 2, the second opinion.",
        "Page 3, as usual.",
    ]


def test_keeps_the_other_pages_when_one_crashes_both_readers(any_pdf: Path) -> None:
    heard: list[int] = []
    document = read(
        any_pdf,
        "any.pdf",
        LIMITS,
        reader="tests.support.workers:both_crash_on_two",
        on_page=lambda done, _: heard.append(done),
    )
    assert [page.text for page in document.pages] == ["This is page 1.", "", "This is page 3."]
    assert document.pages[1].problem == "unreadable: the PDF readers crashed on it"
    assert heard == [1, 2, 3]


def test_asks_the_other_reader_when_one_crashes_on_opening(any_pdf: Path) -> None:
    assert (
        read(any_pdf, "any.pdf", LIMITS, reader="tests.support.workers:fast_cannot_open").text == "Read by the second."
    )


def test_what_a_library_prints_is_no_reply(any_pdf: Path) -> None:
    assert read(any_pdf, "any.pdf", LIMITS, reader="tests.support.workers:prints").text == "This is page 1."


def test_the_worker_sees_no_secret_and_loads_little(any_pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    monkeypatch.setenv("PAGEWISE_API_KEY", "sk-planted")
    around, modules, wrote = (
        page.text for page in read(any_pdf, "a", LIMITS, reader="tests.support.workers:tells").pages
    )
    assert "planted" not in around and "HOME=" not in around
    assert not {"torch", "numpy", "chromadb", "langchain", "streamlit", "transformers"} & set(modules.split())
    assert wrote == "It could not write."


def test_a_stop_of_the_reading_stops_the_worker(any_pdf: Path) -> None:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if not children.exists():
        pytest.skip("this system does not list a process's children")
    seen: set[int] = set()

    def stop(done: int, total: int) -> None:
        seen.update(map(int, children.read_text().split()))
        raise KeyboardInterrupt

    before = set(map(int, children.read_text().split()))
    with pytest.raises(KeyboardInterrupt):
        read(any_pdf, "any.pdf", LIMITS, reader="tests.support.workers:hang_deaf", on_page=stop)
    assert seen - before
    assert not any(map(is_running, seen - before))


def test_the_worker_dies_with_the_one_who_started_it(any_pdf: Path) -> None:
    script = (
        "from ingest.pdf.sandbox import Limits, in_worker\n"
        "for item in in_worker('tests.support.workers:hang_deaf', {}, Limits()):\n"
        "    if 'text' in item: print(item['text'], flush=True)\n"
    )
    root = Path(__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=root, text=True) as parent:
        assert parent.stdout
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.send_signal(signal.SIGKILL)
    assert wait_until_gone(worker)


def test_a_bomb_does_not_go_off(tmp_path: Path) -> None:
    bomb = pdfs.bomb_pdf(tmp_path / "bomb.pdf", megabytes=150, words=True)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises((TooMuchMemory, TooSlow)):
        read(bomb, "bomb.pdf", Limits(worker_mb=250, page_seconds=10, file_seconds=40))
    assert read(pdfs.make_pdf(tmp_path / "next.pdf", ["The next one."]), "next.pdf", LIMITS).text == "The next one."


def test_a_bomb_among_pages_costs_that_page_alone(tmp_path: Path) -> None:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter()
    pdfs.make_pdf(tmp_path / "good.pdf", ["Before.", "After."])
    pdfs.bomb_pdf(tmp_path / "bomb.pdf", megabytes=150, words=True)
    good, bad = PdfReader(tmp_path / "good.pdf"), PdfReader(tmp_path / "bomb.pdf")
    for sheet in (good.pages[0], bad.pages[0], good.pages[1]):
        writer.add_page(sheet)
    writer.write(tmp_path / "mixed.pdf")
    document = read(tmp_path / "mixed.pdf", "mixed.pdf", Limits(worker_mb=250, page_seconds=10, file_seconds=60))
    assert [page.text for page in document.pages] == ["Before.", "", "After."]
    assert document.pages[1].problem.startswith("unreadable: ")


def test_a_sheet_of_two_kilometres_is_read(tmp_path: Path) -> None:
    assert read(pdfs.huge_page_pdf(tmp_path / "a.pdf"), "a.pdf", LIMITS).text == "A very large sheet."
