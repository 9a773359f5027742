"""From settings to the things that they name. The only place where a setting meets a constructor."""

from pathlib import Path

from chains import examples
from chains.models import open_model
from chains.models.base import Model
from chains.prompts import Example
from chains.rerank import Reranker, open_reranker
from chains.ways import Ways
from ingest.embed import Embedder, open_embedder
from ingest.library import Library
from ingest.load import Limits
from settings import Settings


def limits(settings: Settings) -> Limits:
    return Limits(
        file_mb=settings.max_file_mb,
        pages=settings.max_pages,
        page_seconds=settings.page_seconds,
        file_seconds=settings.file_seconds,
        worker_mb=settings.worker_mb,
        text_mb=settings.max_text_mb,
        ocr=settings.ocr == "auto",
        ocr_seconds=settings.ocr_seconds,
    )


def embedder(settings: Settings) -> Embedder:
    """Raises EmbedderError."""
    return open_embedder(settings.embedder, api_base=settings.api_base, api_key=settings.api_key.get_secret_value())


def library(settings: Settings) -> Library:
    """To be closed by the caller. Raises LibraryError, EmbedderError."""
    return Library(settings.data, embedder(settings), settings.chroma_url)


def model(settings: Settings, embedder: Embedder) -> Model:
    """The model that the settings choose. Raises ModelError."""
    return open_model(
        settings.model,
        api_base=settings.api_base,
        api_key=settings.api_key.get_secret_value(),
        context=settings.context,
        parallel=settings.parallel,
        seconds=settings.api_seconds,
        embedder=embedder,
        bits=settings.local_bits,
        lora=settings.lora,
    )


def reranker(settings: Settings) -> Reranker | None:
    """The second look that the settings choose, if any; a wrong one is found out at the first question."""
    return open_reranker(settings.reranker)


def ways(settings: Settings) -> Ways:
    """How the settings want questions to be asked. Raises ExamplesError."""
    on = {"step_back": settings.step_back, "think": settings.think, "parts": settings.split}
    return Ways(**{name: value == "on" for name, value in on.items()}, examples=read_examples(settings))


def read_examples(settings: Settings) -> tuple[Example, ...]:
    """Those of the settings' file, if there is one. Raises ExamplesError."""
    return examples.read(Path(settings.examples).expanduser()) if settings.examples else ()
