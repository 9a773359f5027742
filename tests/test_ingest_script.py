"""`python -m ingest`: every file in one JSON value, exit codes, and what had been done when Ctrl-C came."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.__main__ import main, run
from ingest.chunk import split
from ingest.document import Document
from ingest.errors import LibraryBusy
from ingest.pdf.sandbox import Limits
from ingest.store.library import Library
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf, not_a_pdf

EMBEDDER = HashingEmbedder()
LIMITS = Limits(ocr=False)


def told(paths: list[Path], open_library: object, as_json: bool = True) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = run(paths, open_library, LIMITS, as_json=as_json, out=out, err=err)  # type: ignore[arg-type]
    return code, out.getvalue(), err.getvalue()


def test_the_json_has_every_file_and_the_code_says_whether_one_failed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    make_pdf(tmp_path / "in" / "a.pdf", ["Text.", ""])
    (tmp_path / "in" / "b.PDF").write_bytes((tmp_path / "in" / "a.pdf").read_bytes())

    def opened() -> Library:
        return Library(tmp_path / "library", EMBEDDER)

    code, out, err = told([tmp_path / "in"], opened)
    value = json.loads(out)
    assert code == 0 and set(value) == {"documents", "seconds"}
    first, second = value["documents"]
    assert first | {"id": "", "reason": ""} == {
        "document": "a.pdf",
        "id": "",
        "status": "partial",
        "pages": 2,
        "pages_without_text": 1,
        "without_text": [2],
        "chunks": 1,
        "reason": "",
    }
    assert second["document"] == "b.PDF" and second["status"] == "already there" and second["id"] == first["id"]
    assert "a.pdf: partial" in err and "b.PDF: already there" in err and "\r" not in err
    not_a_pdf(tmp_path / "in" / "c.pdf")
    code, out, _ = told([tmp_path / "in"], opened)
    assert code == 1 and [entry["status"] for entry in json.loads(out)["documents"]][-1] == "failed"
    assert json.loads(out)["documents"][-1]["reason"]
    code, out, _ = told([tmp_path / "in"], opened, as_json=False)
    assert code == 1 and out.startswith("3 files in ") and "2 already there, 1 failed" in out


def test_a_missing_path_is_wrong_use_and_nothing_is_begun(tmp_path: Path) -> None:
    code, out, err = told([tmp_path / "nowhere"], lambda: pytest.fail("the library was opened"))
    assert code == 2 and out == "" and "nowhere" in err


def test_a_library_that_cannot_be_opened_fails_every_file_and_the_json_is_still_printed(tmp_path: Path) -> None:
    file = make_pdf(tmp_path / "a.pdf", ["Text."])

    def busy() -> Library:
        raise LibraryBusy(folder="there", owner=42)

    code, out, err = told([file], busy)
    (entry,) = json.loads(out)["documents"]
    assert code == 1 and entry["status"] == "failed" and "process 42" in entry["reason"] and "process 42" in err


def test_ctrl_c_prints_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [make_pdf(tmp_path / f"{name}.pdf", [f"Text of {name}."]) for name in "ab"]

    def pressed(document: Document, *rest: object) -> object:
        if document.name == "b.pdf":
            raise KeyboardInterrupt
        return split(document, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("ingest.prefetch.split", pressed)
    code, out, err = told(files, lambda: Library(tmp_path / "library", EMBEDDER))
    assert code == 130 and [entry["document"] for entry in json.loads(out)["documents"]] == ["a.pdf"]
    assert "Stopped" in err


def test_the_script_runs_as_a_module_with_the_real_embedder(tmp_path: Path) -> None:
    file = make_pdf(tmp_path / "a.pdf", ["Dogs bark at night."])
    command = [sys.executable, "-m", "ingest", str(file), "--json", "--data", str(tmp_path / "library")]
    root = Path(__file__).parents[1]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    (entry,) = json.loads(ended.stdout)["documents"]
    assert entry["status"] == "added" and entry["chunks"] == 1
    assert ended.stderr.splitlines() == ["a.pdf: added, 1 page, 1 passage"]


def test_wrong_use_and_wrong_settings_end_with_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    monkeypatch.setenv("PAGEWISE_EMBEDER", "x")
    assert main([str(tmp_path)]) == 2
