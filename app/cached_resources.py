"""What one process holds for everybody: the library, the conversations, the running jobs, a loaded model.

Streamlit's caches are shared by all sessions, so nothing here is keyed by, or holds, a person's key.
"""

import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import streamlit as st
from pydantic import SecretStr

from app import composition
from app.background_jobs import Jobs
from app.conversations import Conversations
from app.model_choice import Connection
from app.model_discovery import BESIDE, Offers, search
from chains.execution.throughput import FILE as SPEEDS
from chains.execution.throughput import Speeds
from chains.model import Model
from chains.models import prepare
from chains.retrieval.rerank import Reranker
from ingest.document import Box
from ingest.embedding.embedder import Embedder
from ingest.pdf.page_image import Picture, picture
from ingest.store.library import Library
from settings import Settings

PICTURE_WIDTH = 1200  # pixels: sharp on a phone and beside an answer


def library(settings: Settings) -> Library:
    """Opened once. Raises LibraryError, EmbedderError; the next call tries again."""
    return _library(str(settings.data), settings.embedder, settings.chroma_url, settings)


@st.cache_resource(show_spinner=False, on_release=lambda opened: opened.close())
def _library(data: str, embedder: str, chroma_url: str, _settings: Settings) -> Library:
    opened = composition.library(_settings)
    if opened.records():  # somebody will ask soon: load the weights meanwhile
        threading.Thread(target=_warm, args=(opened, _settings), name="pagewise-warm", daemon=True).start()
    return opened


def _warm(opened: Library, settings: Settings) -> None:
    with suppress(Exception):  # whatever it is, the first question says it
        opened.embedder.query("warm")
        reader = composition.reader(settings)
        if reader is not None:
            reader.read("Is it warm?", ["It is warm."])


@st.cache_resource(show_spinner=False)
def conversations(data: str) -> Conversations:
    return Conversations(Path(data))


@st.cache_resource(show_spinner=False)
def speeds(data: str) -> Speeds:
    return Speeds(Path(data) / SPEEDS)


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    return Jobs()


class Models:
    """Opens models. One that runs in this process is kept, because loading it takes long; one behind a key never is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[object, Model] | None = None

    def open(self, settings: Settings, connection: Connection, embedder: Embedder) -> Model:
        """Raises ModelError. May take long; meant for a job's thread."""
        wanted = settings.model_copy(
            update={
                "model": connection.spec,
                "api_base": connection.api_base,
                "api_key": SecretStr(connection.api_key),
            }
        )
        if not connection.spec.startswith("local:"):
            return composition.model(wanted, embedder)
        name = (connection.spec, settings.context, settings.parallel, settings.local_bits, settings.lora)
        with self._lock:
            if self._kept is None or self._kept[0] != name:
                self._kept = None  # two large models at once may not fit
                self._kept = (name, composition.model(wanted, embedder))
            return self._kept[1]


@st.cache_resource(show_spinner=False)
def models() -> Models:
    return Models()


@st.cache_resource(show_spinner=False)
def prepared(spec: str) -> None:
    """Begins, beside the first screen, what the model's first question would wait for."""
    threading.Thread(target=prepare, args=(spec,), name="prepare", daemon=True).start()


@st.cache_resource(show_spinner=False)
def offers(api_base: str, _settings: Settings) -> Offers:
    """The models that are found on this machine, the settings' own server among them."""
    return Offers(partial(search, _settings, BESIDE))


@st.cache_resource(show_spinner=False)
def reranker(spec: str, reader: str, _settings: Settings) -> Reranker | None:
    """The second look of the settings, loaded once at its first use; None where there is none."""
    return composition.reranker(_settings)


@st.cache_data(show_spinner=False, max_entries=48)
def page_picture(
    file: str,
    page: int,
    quotes: tuple[str, ...],
    spans: tuple[str, ...],
    marks: tuple[Box, ...],
    strong: tuple[Box, ...],
    _settings: Settings,
) -> Picture:
    """The page of the stored file, which is named by its content. Raises ReadError."""
    limits = composition.limits(_settings)
    return picture(Path(file), page, quotes, PICTURE_WIDTH, limits, marks=marks, spans=spans, strong=strong)
