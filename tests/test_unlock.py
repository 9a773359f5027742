"""Files that ask for a password: opened with the right one, never with a wrong one, and it is kept nowhere."""

import io
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import uploads as uploads_module
from ingest.__main__ import run
from ingest.errors import Encrypted, FileUnreadable, WrongPassword
from ingest.pdf.decrypt import passwords_for, read_passwords, unlock
from ingest.pdf.page_image import picture
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Progress, Result, Upload
from ingest.store.library import Library
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import encrypted_pdf, make_pdf, not_a_pdf, unlocked_pdf

EMBEDDER, LIMITS = HashingEmbedder(), Limits()
SECRET = "öffne dich, Sésam"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "library", EMBEDDER) as opened:
        yield opened


def script(tmp_path: Path, *paths: Path, passwords: str | None = None) -> tuple[int, Any]:
    if passwords is not None:
        (tmp_path / "passwords").write_text(passwords, encoding="utf-8")
    out = io.StringIO()
    code = run(
        list(paths),
        lambda: Library(tmp_path / "library", EMBEDDER),
        LIMITS,
        as_json=True,
        out=out,
        err=io.StringIO(),
        password_file=tmp_path / "passwords" if passwords is not None else None,
    )
    return code, json.loads(out.getvalue())["documents"] if out.getvalue() else None


def test_a_copy_without_the_password_says_the_same(tmp_path: Path) -> None:
    file = encrypted_pdf(tmp_path / "a.pdf", ["A secret.", "第二页。"], SECRET)
    copy = unlock(file, ["wrong", SECRET], LIMITS, tmp_path / "copies")
    assert copy is not None and b"/Encrypt" not in copy.read_bytes()
    assert picture(copy, 2, ["第二页"]).marks


def test_what_asks_for_no_password_is_left_as_it_is(tmp_path: Path) -> None:
    for file in (
        make_pdf(tmp_path / "a.pdf", ["Open."]),
        unlocked_pdf(tmp_path / "b.pdf"),
        not_a_pdf(tmp_path / "c.pdf"),
    ):
        assert unlock(file, ["x"], LIMITS, tmp_path / "copies") is None
    with pytest.raises(WrongPassword):
        unlock(encrypted_pdf(tmp_path / "d.pdf"), ["x", ""], LIMITS, tmp_path / "copies")
    assert not (tmp_path / "copies").exists()


def test_the_script_tries_the_passwords_of_its_file(tmp_path: Path) -> None:
    a = encrypted_pdf(tmp_path / "a.pdf", ["The first secret."], "one")
    b = encrypted_pdf(tmp_path / "b.pdf", ["The second secret."], SECRET)
    c = encrypted_pdf(tmp_path / "c.pdf", ["The third secret."], "three")
    plain = unlocked_pdf(tmp_path / "plain.pdf")
    code, said = script(tmp_path, a, plain)
    assert code == 1 and [(one["status"], "is protected" in one.get("reason", "")) for one in said] == [
        ("failed", True),
        ("added", False),
    ]
    assert "--password-file" in said[0]["reason"]
    code, said = script(tmp_path, a, b, c, passwords=f"wrong\nb.pdf\t{SECRET}\none\nelse.pdf\tthree\n")
    by_name = {one["document"]: one for one in said}
    assert code == 1 and {name: one["status"] for name, one in by_name.items()} == {
        "a.pdf": "added",
        "b.pdf": "added",
        "c.pdf": "failed",
    }
    assert "does not open it" in by_name["c.pdf"]["reason"]
    code, said = script(tmp_path, a, b)
    assert code == 0 and {one["status"] for one in said} == {"already there"}, "and it is asked for once only"


def test_a_citation_opens_its_page_without_the_password_which_stands_nowhere(tmp_path: Path) -> None:
    file = encrypted_pdf(tmp_path / "a.pdf", ["The treasure lies under the oak."], SECRET)
    script(tmp_path, file, passwords=SECRET)
    file.unlink()
    with Library(tmp_path / "library", EMBEDDER) as library:
        (record,) = library.records()
        assert picture(library.file(record.id), 1, ["under the oak"]).marks
    for kept in (tmp_path / "library").rglob("*"):
        assert kept.is_dir() or SECRET.encode() not in kept.read_bytes()
        assert "unlocked-" not in kept.name


def test_a_password_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    code = run(
        [make_pdf(tmp_path / "a.pdf", ["x"])],
        lambda: pytest.fail("the library was opened"),
        LIMITS,
        as_json=True,
        out=out,
        err=err,
        password_file=tmp_path / "nowhere",
    )
    assert code == 2 and out.getvalue() == "" and "nowhere" in err.getvalue()


def test_lines_are_passwords_or_names_with_one(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes("\ufeffone\r\na.pdf\t two words \n\n".encode())
    known = read_passwords(tmp_path / "p")
    assert known == [("", "one"), ("a.pdf", " two words ")]
    assert passwords_for("a.pdf", known) == [" two words ", "one"] and passwords_for("b.pdf", known) == ["one"]
    (tmp_path / "p").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(FileUnreadable, match="UTF-8"):
        read_passwords(tmp_path / "p")


class Sent:
    def __init__(self, name: str, path: Path) -> None:
        self.name, self._content = name, path.read_bytes()

    def getbuffer(self) -> memoryview:
        return memoryview(self._content)


def test_a_copy_that_a_killed_run_left_goes_and_one_that_is_in_use_stays(tmp_path: Path) -> None:
    file = encrypted_pdf(tmp_path / "a.pdf", ["A secret."], SECRET)
    code = f"""
        import os
        from pathlib import Path
        from ingest.store.library import Library
        from ingest.pdf.decrypt import unlock
        from ingest.pdf.sandbox import Limits
        from tests.support.fakes import HashingEmbedder
        with Library(Path({str(tmp_path / "library")!r}), HashingEmbedder()) as library, library.workplace() as place:
            assert unlock(Path({str(file)!r}), [{SECRET!r}], Limits(), place)
            os.kill(os.getpid(), 9)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=120, check=False)
    left = list((tmp_path / "library" / "incoming").rglob("*.pdf"))
    assert killed.returncode == -9 and len(left) == 1
    with Library(tmp_path / "library", EMBEDDER) as library, library.workplace() as place:
        assert not left[0].exists()
        with Library(tmp_path / "library", EMBEDDER):
            assert place.is_dir()
    assert not list((tmp_path / "library" / "incoming").iterdir())


def test_the_app_keeps_a_locked_upload_until_its_password_comes(library: Library, tmp_path: Path) -> None:
    sent = [
        Sent("locked.pdf", encrypted_pdf(tmp_path / "l.pdf", ["A secret."], SECRET)),
        Sent("open.pdf", make_pdf(tmp_path / "o.pdf", ["No secret."])),
    ]
    incoming = library.folder / "incoming"

    def taken(uploads: list[Upload], password: str = "") -> list[Progress | Result]:
        return list(uploads_module.take_in(uploads, library, LIMITS, temporary=True, password=password))

    uploads = uploads_module.receive(sent, incoming)
    events = taken(uploads)
    ends = [event for event in events if isinstance(event, Result)]
    assert [type(end.error) for end in ends] == [Encrypted, type(None)]
    waiting = uploads_module.locked(events, uploads)
    assert [upload.name for upload in waiting] == ["locked.pdf"] and len(list(incoming.rglob("*.pdf"))) == 1
    (wrong,) = [event for event in taken(waiting, "wrong") if isinstance(event, Result)]
    assert isinstance(wrong.error, WrongPassword) and waiting[0].path.exists()
    *_, right = taken(waiting, SECRET)
    assert isinstance(right, Result) and right.status == "added" and right.id == ends[0].id
    assert not list(incoming.iterdir())
