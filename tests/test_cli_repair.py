"""`pagewise repair`, and what every command says of a library that is damaged."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import Run, command, value
from tests.support.harbour import harbour_pdfs
from tests.test_docs import shapes


@pytest.fixture
def pagewise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    return command(monkeypatch, capfd)


@pytest.fixture
def data(pagewise: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library's folder with two documents, whose own files are gone."""
    folder = tmp_path / "library"
    monkeypatch.setenv("PAGEWISE_DATA", str(folder))
    (tmp_path / "pdfs").mkdir()
    pdfs = harbour_pdfs(tmp_path / "pdfs")
    assert pagewise("ingest", pdfs)[0] == 0
    shutil.rmtree(pdfs)
    return folder


def test_every_command_names_the_lost_catalogue_and_the_cure(pagewise: Run, data: Path) -> None:
    (data / "catalogue.sqlite3").unlink()
    for arguments in (["list"], ["search", "harbour"], ["ask", "Where is it?"], ["remove", "report.pdf"]):
        code, out, err = pagewise(*arguments)
        assert code == 1 and out == ""
        assert str(data / "catalogue.sqlite3") in err and "2 PDFs" in err and "`pagewise repair`" in err
    assert len(list((data / "files").glob("*.pdf"))) == 2


def test_repair_brings_the_documents_back_under_their_names(pagewise: Run, data: Path) -> None:
    before = value(pagewise("list", "--json"))["documents"]
    (data / "catalogue.sqlite3").write_bytes(b"no database" * 1000)
    said = value(pagewise("repair", "--json"))
    assert set(said) == set(shapes()["repair"])
    assert [one["status"] for one in said["documents"]] == ["added"] * 2
    assert Path(said["catalogue_kept_as"]).read_bytes() == b"no database" * 1000
    after = value(pagewise("list", "--json"))["documents"]
    assert [{**one, "added": ""} for one in after] == [{**one, "added": ""} for one in before]
    code, _, err = pagewise("list")
    assert code == 0 and err == ""


def test_repair_of_a_whole_library_changes_nothing(pagewise: Run, data: Path) -> None:
    before = value(pagewise("list", "--json"))
    said = value(pagewise("repair", "--json"))
    assert said["documents"] == [] and said["catalogue_kept_as"] is None
    assert value(pagewise("list", "--json")) == before


def test_files_without_a_row_are_told_by_any_command(pagewise: Run, data: Path) -> None:
    stray = data / "files" / f"{'ab' * 32}.pdf"
    stray.write_bytes(b"%PDF-1.4 nobody knows this one")
    code, out, err = pagewise("list")
    assert code == 0 and "report.pdf" in out
    assert "1 stored PDF" in err and str(data / "files") in err and "`pagewise repair`" in err
    assert value(pagewise("repair", "--json"), code=1)["documents"][0]["status"] == "failed"
    assert stray.exists()


def test_what_a_command_writes_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """In a folder that others may read, because something else is in it."""
    data = tmp_path / "shared"
    data.mkdir()
    data.chmod(0o755)
    (data / "notes.txt").write_text("for all")
    (tmp_path / "pdfs").mkdir()
    pdfs = harbour_pdfs(tmp_path / "pdfs")
    command = [sys.executable, "-m", "ingest", "--data", str(data), str(pdfs)]
    done = subprocess.run(command, capture_output=True, text=True, umask=0, env=os.environ | {"PAGEWISE_OCR": "off"})
    assert done.returncode == 0, done.stderr
    assert str(data) in done.stderr and "private" in done.stderr
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in data.rglob("*") if path.name != "notes.txt"}
    assert len(modes) > 8 and not any(mode & 0o077 for mode in modes.values()), modes
