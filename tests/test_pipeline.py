"""Taking files in: every file ends in one true result, and nothing stops the others."""

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.chunk import split
from ingest.document import Document
from ingest.errors import EmbedderError, FileUnreadable, PagewiseError, StorageFailed
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Progress, Result, Upload, find_pdfs, ingest
from ingest.store.library import Library
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import (
    PICTURE,
    blank_pdf,
    empty_file,
    encrypted_pdf,
    garbage_pdf,
    make_pdf,
    no_pages_pdf,
    not_a_pdf,
    picture_pdf,
)

EMBEDDER = HashingEmbedder()
LIMITS = Limits(ocr=False)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "library", EMBEDDER)


def results(library: Library, *paths: Path) -> list[Result]:
    uploads = [Upload(path.name, path) for path in paths]
    return [event for event in ingest(uploads, library, LIMITS) if isinstance(event, Result)]


def test_a_pdf_is_read_embedded_stored_and_found(library: Library, tmp_path: Path) -> None:
    file = make_pdf(tmp_path / "report.pdf", ["Revenue rose by nine percent.", "公司2020年的营业收入是一亿元。"])
    events = list(ingest([Upload("Report.pdf", file)], library, LIMITS))
    stages = [event.stage for event in events if isinstance(event, Progress)]
    assert sorted(set(stages), key=stages.index) == ["reading", "embedding", "storing"]
    assert all(0 <= event.done <= event.total for event in events if isinstance(event, Progress))
    result = events[-1]
    assert isinstance(result, Result) and sum(isinstance(event, Result) for event in events) == 1
    assert (result.name, result.status, result.pages, result.reason) == ("Report.pdf", "added", 2, "")
    assert result.chunks == 2 and result.error is None
    (passage,) = library.passages(dict(library.keywords(["营业", "收入"], 1)))
    assert passage.page == 2 and passage.name == "Report.pdf"
    file.unlink()
    assert library.file(result.id).is_file(), "the library has its own copy"


def test_every_file_has_its_own_true_end(library: Library, tmp_path: Path) -> None:
    good = make_pdf(tmp_path / "good.pdf", ["Good text."])
    part = make_pdf(tmp_path / "part.pdf", ["One.", PICTURE, "", PICTURE, "Five."])
    (tmp_path / "folder.pdf").mkdir()
    os.mkfifo(tmp_path / "pipe.pdf")
    found = results(
        library,
        empty_file(tmp_path / "empty.pdf"),
        good,
        not_a_pdf(tmp_path / "not.pdf"),
        garbage_pdf(tmp_path / "garbage.pdf"),
        encrypted_pdf(tmp_path / "locked.pdf"),
        no_pages_pdf(tmp_path / "none.pdf"),
        picture_pdf(tmp_path / "scan.pdf", 3),
        blank_pdf(tmp_path / "blank.pdf"),
        part,
        tmp_path / "missing.pdf",
        tmp_path / "folder.pdf",
        tmp_path / "pipe.pdf",
    )
    ends = {result.name: (result.status, result.error.key if result.error else "") for result in found}
    garbage = ends.pop("garbage.pdf")
    assert garbage[0] == "failed" and garbage[1] in ("Broken", "ReaderCrashed", "NoPages")
    assert ends == {
        "empty.pdf": ("failed", "EmptyFile"),
        "good.pdf": ("added", ""),
        "not.pdf": ("failed", "NotAPdf"),
        "locked.pdf": ("failed", "Encrypted"),
        "none.pdf": ("failed", "NoPages"),
        "scan.pdf": ("failed", "NoText"),
        "blank.pdf": ("failed", "BlankPages"),
        "part.pdf": ("partial", ""),
        "missing.pdf": ("failed", "FileUnreadable"),
        "folder.pdf": ("failed", "FileUnreadable"),
        "pipe.pdf": ("failed", "FileUnreadable"),
    }
    assert all(result.reason for result in found if result.status != "added")
    partial = next(result for result in found if result.name == "part.pdf")
    assert partial.without_text == (2, 3, 4)
    assert "Page 3 gave no text (blank)" in partial.reason and "Pages 2, 4 gave no text" in partial.reason
    assert {record.name for record in library.records()} == {"good.pdf", "part.pdf"}


def test_the_same_bytes_cost_nothing_the_second_time(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_pdf(tmp_path / "first.pdf", ["The same."])
    twin = tmp_path / "twin.pdf"
    twin.write_bytes(first.read_bytes())
    bad, bad_twin = not_a_pdf(tmp_path / "bad.pdf"), tmp_path / "bad twin.pdf"
    bad_twin.write_bytes(bad.read_bytes())
    one, two, three, four = results(library, first, twin, bad, bad_twin)
    assert (one.status, two.status) == ("added", "already there")
    assert two.name == "twin.pdf" and "first.pdf" in two.reason and (two.id, two.chunks) == (one.id, one.chunks)
    assert (three.status, four.status) == ("failed", "failed") and four.reason == three.reason

    def no_reading(*_: object, **__: object) -> None:
        raise AssertionError("a page was read")

    monkeypatch.setattr("ingest.pdf.extract.read", no_reading)
    again, renamed = results(library, first), results(library, twin)
    assert again[0].status == "already there" and again[0].reason == ""
    assert renamed[0].status == "already there" and "first.pdf" in renamed[0].reason
    assert len(library.records()) == 1


def test_an_unforeseen_fault_is_one_files_failure(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def faulty(document: Document, *rest: object) -> object:
        if document.name == "b.pdf":
            raise ZeroDivisionError("oops")
        return split(document, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("ingest.prefetch.split", faulty)
    files = [make_pdf(tmp_path / f"{name}.pdf", [f"Text of {name}."]) for name in "abc"]
    assert [result.status for result in results(library, *files)] == ["added", "failed", "added"]


def test_a_full_disk_is_said_for_each_file_and_leaves_nothing(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ingest.store.pdf_files.Files.put", full)
        files = [make_pdf(tmp_path / f"{name}.pdf", [f"Text of {name}."]) for name in "ab"]
        found = results(library, *files)
    assert [type(result.error) for result in found] == [StorageFailed, StorageFailed]
    assert "No space left" in found[0].reason and library.records() == []
    assert [result.status for result in results(library, *files)] == ["added", "added"]


def test_a_name_is_text_to_show_and_never_a_path(library: Library, tmp_path: Path) -> None:
    hostile = [
        "../../x.pdf",
        "..\\y.pdf",
        "z\0\n\x1b[31m.pdf",
        "a" * 300 + ".pdf",
        "fdp.\u202eexe",
        "<img src=x>.pdf",
        "",
    ]
    file = tmp_path / "one.pdf"
    before = {path for path in tmp_path.rglob("*") if "library" not in path.parts}
    for number, name in enumerate(hostile):
        make_pdf(file, [f"Number {number}."])
        *_, result = ingest([Upload(name, file)], library, LIMITS)
        assert isinstance(result, Result) and result.status == "added", name
        assert result.name.isprintable() and 0 < len(result.name) <= 255 and "/" not in result.name
        assert library.find(result.name).id == result.id
    assert {path for path in tmp_path.rglob("*") if "library" not in path.parts} - before == {file}
    names = {path.name for path in (library.folder / "files").glob("*.pdf")}
    assert names == {f"{record.id}.pdf" for record in library.records()} and len(names) == len(hostile)


def test_stopping_in_the_middle_keeps_what_is_whole(library: Library, tmp_path: Path) -> None:
    files = [
        make_pdf(
            tmp_path / f"{n}.pdf",
            [f"The {word} of volume {n}." for word in ("cat", "dog", "fox", "owl", "elk", "bee", "ant")],
        )
        for n in range(2)
    ]
    events = ingest([Upload(path.name, path) for path in files], library, LIMITS)
    for event in events:
        if isinstance(event, Progress) and event.name == "1.pdf":
            break
    events.close()
    assert [record.name for record in library.records()] == ["0.pdf"]
    assert [result.status for result in results(library, *files)] == ["already there", "added"]


def test_folders_are_searched_and_files_taken_as_given(tmp_path: Path) -> None:
    for name in ("b.PDF", "a.pdf", "deep/er/c.Pdf", "deep/notes.txt", "odd"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "deep" / "loop").symlink_to(tmp_path)
    assert [upload.name for upload in find_pdfs([tmp_path])] == ["a.pdf", "b.PDF", "c.Pdf"]
    given = find_pdfs([tmp_path / "odd", tmp_path / "a.pdf", tmp_path / "a.pdf", tmp_path / "deep"])
    assert [upload.name for upload in given] == ["a.pdf", "c.Pdf", "odd"]
    with pytest.raises(FileUnreadable, match="nowhere"):
        find_pdfs([tmp_path / "a.pdf", tmp_path / "nowhere"])


def test_every_result_that_failed_carries_its_error(library: Library, tmp_path: Path) -> None:
    (result,) = results(library, not_a_pdf(tmp_path / "x.pdf"))
    assert isinstance(result.error, PagewiseError) and str(result.error) == result.reason


# -- many at once


class Watched(HashingEmbedder):
    """Remembers what it was asked; refuses a text that holds a word; waits at a gate."""

    def __init__(self, refused: str = "") -> None:
        super().__init__()
        self.seen: list[str] = []
        self.refused = refused
        self.gate = threading.Event()
        self.gate.set()

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if texts:
            assert self.gate.wait(60)
        if self.refused and any(self.refused in text for text in texts):
            raise EmbedderError(name=self.name, detail="refused")
        self.seen.extend(texts)
        return super().documents(texts)


def small(folder: Path, *names: str) -> list[Path]:
    return [make_pdf(folder / f"{name}.pdf", [f"The {name} is on this page.", "A second one."]) for name in names]


def test_events_come_file_by_file_in_the_order_given(tmp_path: Path) -> None:
    files = small(tmp_path, "owl", "cat", "bee", "ant")
    with Library(tmp_path / "library", Watched()) as library:
        events = list(ingest([Upload(path.name, path) for path in files], library, LIMITS))
    names = [event.name for event in events]
    assert list(dict.fromkeys(names)) == [path.name for path in files] == sorted(set(names), key=names.index)
    assert names == sorted(names, key=[path.name for path in files].index)
    assert [event.status for event in events if isinstance(event, Result)] == ["added"] * 4


def test_one_text_that_the_embedder_refuses_fails_its_own_file_only(tmp_path: Path) -> None:
    files = small(tmp_path, "owl", "cat", "bee")
    with Library(tmp_path / "library", Watched(refused="The cat")) as library:
        found = results(library, *files)
        assert [(result.status, type(result.error)) for result in found] == [
            ("added", type(None)),
            ("failed", EmbedderError),
            ("added", type(None)),
        ]
        assert {record.name for record in library.records()} == {"owl.pdf", "bee.pdf"}


def test_no_more_is_begun_than_can_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.pipeline._AHEAD", 2)
    monkeypatch.setattr("ingest.prefetch.usable_cores", lambda: 2)
    files = small(tmp_path, *"abcdefghij")
    pulled: list[str] = []
    embedder = Watched()
    embedder.gate.clear()

    def uploads() -> Iterator[Upload]:
        for path in files:
            pulled.append(path.name)
            yield Upload(path.name, path)

    with Library(tmp_path / "library", embedder) as library:
        events = ingest(uploads(), library, LIMITS)
        assert isinstance(next(events), Progress) and len(pulled) == 4
        embedder.gate.set()
        assert sum(isinstance(event, Result) for event in events) == len(pulled) == 10


def test_closing_leaves_no_thread_at_work(tmp_path: Path) -> None:
    files = small(tmp_path, *"abcdef")
    with Library(tmp_path / "library", Watched()) as library:
        events = ingest([Upload(path.name, path) for path in files], library, LIMITS)
        while not isinstance(next(events), Result):
            pass
        events.close()
        assert [record.name for record in library.records()] == ["a.pdf"]
        for thread in threading.enumerate():
            if thread.name in ("reading", "embedding"):
                thread.join(30)
                assert not thread.is_alive()


def test_nothing_new_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = small(tmp_path, "owl", "cat")
    embedder = Watched()
    with Library(tmp_path / "library", embedder) as library:
        results(library, *files)
        embedder.seen.clear()
        monkeypatch.setattr("threading.Thread.start", lambda self: pytest.fail("a thread was started"))
        assert [result.status for result in results(library, *files)] == ["already there"] * 2
        assert embedder.seen == []


def test_a_text_that_was_embedded_before_is_not_embedded_again(tmp_path: Path) -> None:
    pages = [f"Page number {word} of the report." for word in ("one", "two", "three")]
    file = make_pdf(tmp_path / "report.pdf", pages, title="The report")
    embedder = Watched()
    with Library(tmp_path / "library", embedder) as library:
        (first,) = results(library, file)
        vectors = {text: embedder.query(text) for text in embedder.seen}
        assert first.chunks == len(vectors) == 3
        embedder.seen.clear()
        (changed,) = results(library, make_pdf(file, [*pages, "And a fourth."], title="The report"))
        assert changed.chunks == 4 and len(embedder.seen) == 1 and "And a fourth." in embedder.seen[0]
        for text, row in vectors.items():
            best = library.nearest(row, 2)
            assert all(score == pytest.approx(1, abs=1e-5) for _, score in best), text

        for result in (first, changed):
            library.remove(result.id)
        embedder.seen.clear()
        assert results(library, file)[0].status == "added" and len(embedder.seen) == 4, "what was removed left nothing"


def test_an_ingest_that_broke_off_embeds_only_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = small(tmp_path, "owl")
    embedder = Watched()
    with Library(tmp_path / "library", embedder) as library:
        with monkeypatch.context() as patch:
            patch.setattr(
                "ingest.store.pdf_files.Files.put", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
            )
            assert results(library, file)[0].status == "failed"
        assert len(embedder.seen) == 2
        assert results(library, file)[0].status == "added" and len(embedder.seen) == 2
