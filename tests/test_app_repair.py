"""A damaged library in the app: what is said, and the button that mends it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from app import cached_resources
from app.i18n import TEXTS
from settings import load_settings
from tests.support.pages import filled, keys, press, small, start, texts


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from small(monkeypatch)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a library with one document, which nobody has open."""
    filled(tmp_path, ["bridge.pdf"]).close()
    st.cache_resource.clear()
    return load_settings().data


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_lost_catalogue_is_told_and_repaired_by_the_button(data: Path, lang: str) -> None:
    (data / "catalogue.sqlite3").unlink()
    at = start(lang=lang)
    assert str(data / "catalogue.sqlite3") in texts(at).replace("\\", "")
    assert at.button(key="repair-catalogue").label == TEXTS[lang]["repair.start"]  # type: ignore[index]
    press(at, "repair-catalogue")
    at.run()
    assert [record.name for record in cached_resources.library(load_settings()).records()] == ["bridge.pdf"]
    at.run()
    assert at.chat_input and keys(at, "repair") == []


def test_stored_files_without_a_row_are_told_until_they_are_taken_in(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (pdf,) = (data / "files").glob("*.pdf")
    shutil.copy(pdf, other)
    opened = cached_resources.library(load_settings())
    opened.remove(pdf.stem)
    opened.close()
    st.cache_resource.clear()
    shutil.copy(other / pdf.name, pdf)
    at = start()
    assert "1 stored PDF" in texts(at) and keys(at, "repair") == ["repair-files"]
    press(at, "repair-files")
    at.run()
    assert len(cached_resources.library(load_settings()).records()) == 1
    at.run()
    assert keys(at, "repair") == [] and "stored PDF" not in texts(at)
    assert pdf.exists()


def test_a_notice_stays_until_it_is_closed(data: Path) -> None:
    data.chmod(0o755)
    at = start()
    assert "could read the library" in texts(at)
    at.run()
    assert "could read the library" in texts(at)
    (close,) = keys(at, "notice-close")
    press(at, close)
    assert "could read the library" not in texts(at)
