"""From settings to the things that they name. The only place where a setting meets a constructor."""

from collections.abc import Callable
from pathlib import Path

from app import price_table
from chains.execution import few_shot
from chains.execution.limits import Caps, Spending
from chains.execution.throughput import FILE as SPEEDS
from chains.execution.throughput import Speeds
from chains.model import Model
from chains.models import open_model
from chains.options import Ways
from chains.prompt import Example
from chains.reader.chinese.reader import WordReader
from chains.reader.neural import open_reader
from chains.reader.protocol import Reader
from chains.retrieval.rerank import Reranker, open_reranker
from ingest.embedding.embedder import Embedder, open_embedder
from ingest.errors import Notice, PagewiseError
from ingest.pdf.extract_worker import Limits
from ingest.server_url import place
from ingest.store.library import Library
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
    """Raises EmbedderError, BlockedAddressError."""
    return open_embedder(
        settings.embedder,
        api_base=settings.api_base,
        api_key=settings.api_key.get_secret_value(),
        allow_link_local=settings.allow_link_local == "on",
    )


def library(settings: Settings, listener: Callable[[Notice], None] | None = None) -> Library:
    """To be closed by the caller. `listener` hears of each notice as it comes.

    Raises LibraryError, EmbedderError, BlockedAddressError.
    """
    return Library(
        settings.data,
        embedder(settings),
        settings.chroma_url,
        listener,
        allow_link_local=settings.allow_link_local == "on",
    )


def model(settings: Settings, embedder: Embedder) -> Model:
    """The model that the settings choose. Raises ModelError, BlockedAddressError."""
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
        reader=reader(settings),
        allow_link_local=settings.allow_link_local == "on",
    )


def reader(settings: Settings) -> Reader | None:
    """What finds the words that answer; a wrong one is found out at the first question."""
    return open_reader(settings.reader)


def readers(settings: Settings) -> list[Reader]:
    """All that find words that answer, each for its languages."""
    own = reader(settings)
    return [own, WordReader()] if own else [WordReader()]


def reranker(settings: Settings) -> Reranker | None:
    """The second look that the settings choose, if any; a wrong one is found out at the first question."""
    return open_reranker(settings.reranker, reader(settings))


def ways(settings: Settings) -> Ways:
    """How the settings want questions to be asked. Raises ExamplesError."""
    on = {"step_back": settings.step_back, "think": settings.think, "parts": settings.split}
    return Ways(**{name: value == "on" for name, value in on.items()}, examples=read_examples(settings))


def read_examples(settings: Settings) -> tuple[Example, ...]:
    """Those of the settings' file, if there is one. Raises ExamplesError."""
    return few_shot.read(Path(settings.examples).expanduser()) if settings.examples else ()


def speeds(settings: Settings) -> Speeds:
    return Speeds(settings.data / SPEEDS)


def caps(settings: Settings) -> Caps:
    return Caps(settings.max_calls, settings.max_tokens, settings.max_seconds, settings.max_cost)


def spending(
    settings: Settings,
    library: Library,
    model: str,
    known: Speeds,
    again: bool = False,
    api_base: str | None = None,
    told: Callable[[PagewiseError], None] = lambda error: None,
) -> Spending:
    """What an answer of this model may take, and what is known of it.

    `told` gets what is wrong with the table of prices, without which it goes on where the money is not capped. Raises
    PricesBroken where it is.

    `api_base`: where it is asked, None for where the settings say.

    The extractive model's replies are not kept: they cost nothing, and depend on more than the words that it is told.
    """
    try:
        rows = price_table.read(price_table.place(settings.data))
    except price_table.PricesBroken as error:
        if not model.startswith(price_table.HERE):
            if settings.max_cost:
                raise
            told(error)
        rows = ()
    price = price_table.price(model, rows)
    replies = library.replies if model != "extractive" else None
    server = settings.api_base if api_base is None else api_base
    variant = f"{settings.local_bits} {settings.lora}" if model.startswith("local:") else place(server)
    return Spending(caps(settings), price, known.at(variant), replies, again, variant)
