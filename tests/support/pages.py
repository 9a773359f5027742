"""The app's pages without a browser: to start one, to press and ask on it, and to read what it draws."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import cached_resources, composition
from chains.prompt import Prompt
from ingest.pdf.extract_worker import Limits
from ingest.pipeline import Result, Upload, ingest
from ingest.store.library import Library
from settings import load_settings
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.pdfs import make_pdf

MAIN = Path(__file__).parents[2] / "app" / "main.py"

BRIDGE = "The bridge was opened in 1884. It crosses the river near the old mill."


def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For a fixture: the app with a small embedder and caches of its own."""
    monkeypatch.setattr(composition, "embedder", lambda settings: HashingEmbedder())
    yield
    for job in list(cached_resources.jobs()._jobs.values()):
        job.stop()
        job.join(10)
    st.cache_resource.clear()
    st.cache_data.clear()


def speaking(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedModel]:
    """For a fixture: what the model says, as a text or by the prompt, from when this is called."""

    def use(reply: Callable[[Prompt], str] | str, **how: object) -> ScriptedModel:
        model = ScriptedModel(reply if callable(reply) else lambda prompt: reply, **how)  # type: ignore[arg-type]
        monkeypatch.setattr(composition, "model", lambda settings, embedder: model)
        return model

    return use


def filled(tmp_path: Path, names: Sequence[str]) -> Library:
    opened = cached_resources.library(load_settings())
    files = [
        Upload(name, make_pdf(tmp_path / f"{i}.pdf", [BRIDGE, f"Page two of {i}."])) for i, name in enumerate(names)
    ]
    results = [event for event in ingest(files, opened, Limits()) if isinstance(event, Result)]
    assert [result.status for result in results] == ["added"] * len(names)
    return opened


def start(**query: str) -> AppTest:
    at = AppTest.from_file(str(MAIN), default_timeout=60)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


def texts(at: AppTest) -> str:
    drawn = [*at.markdown, *at.caption, *at.error, *at.info, *at.warning, *at.success, *at.title, *at.header]
    return "\n".join(str(element.value) for element in drawn)


def ask(at: AppTest, question: str) -> AppTest:
    at.chat_input(key="question").set_value(question).run()
    assert not at.exception
    return at


def keys(at: AppTest, start: str) -> list[str]:
    return [button.key for button in at.button if button.key and button.key.startswith(start)]


def conversation(at: AppTest) -> str:
    id = at.query_params["c"]
    return str(id if isinstance(id, str) else id[0])


def pictures(at: AppTest) -> int:
    return len(at.image)


def press(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click().run()
    assert not at.exception
    return at


def any_role(prompt: Prompt) -> str:
    year = 1885 if prompt.role == "rerank" else 1884
    return f'It was opened in {year} [1: "opened in 1884"].' + ("\nScore: 90" if prompt.role == "rerank" else "")
