"""Each limit is a setting, is kept, and is named to whoever runs into it."""

from pathlib import Path

import pytest

from app import composition
from ingest.errors import TooMuchMemory
from ingest.pdf.extract import read
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Result, Upload, ingest
from ingest.store.library import Library
from settings import load_settings
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import content_pdf, make_pdf

PAGE = b"".join(b"BT /F1 1 Tf 0 %d Td (%s) Tj ET\n" % (y, b"All work and no play. " * 1000) for y in (100, 200, 300))


@pytest.mark.parametrize(
    ("setting", "most", "error"),
    [
        ("max_file_mb", 1, "TooLarge"),
        ("max_pages", 1, "TooManyPages"),
        ("page_seconds", 1e-6, "TooSlow"),
        ("file_seconds", 1e-6, "TooSlow"),
        ("max_text_mb", 1, "TooMuchText"),
    ],
)
def test_a_limit_that_is_set_is_kept_and_named(setting: str, most: float, error: str, tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    if setting in ("max_text_mb", "page_seconds"):  # pages that take some time to read, and have much text
        content_pdf(file, PAGE, pages=20)
    else:
        make_pdf(file, ["One.", "Two."])
    if setting == "max_file_mb":
        file.write_bytes(file.read_bytes() + b"%" * 1_000_000)
    limits = composition.limits(load_settings({setting: most}))
    with Library(tmp_path / "library", HashingEmbedder()) as library:
        *_, result = ingest([Upload("a.pdf", file)], library, limits)
        assert isinstance(result, Result) and result.error is not None and result.error.key == error
        assert f"PAGEWISE_{setting.upper()}" in result.reason and library.records() == []


def test_the_memory_of_a_reader_is_a_limit_too(tmp_path: Path) -> None:
    limits = composition.limits(load_settings({"worker_mb": 300, "ocr": "auto"}))
    assert limits == Limits(worker_mb=300) and "PAGEWISE_WORKER_MB" in TooMuchMemory.remedy
    with pytest.raises(TooMuchMemory):
        read(make_pdf(tmp_path / "a.pdf", ["x"]), "a.pdf", limits, reader="tests.support.workers:swells")
