"""Text → vectors. Which model, how it is loaded safely, and what it reads; knows nothing of libraries or documents.

A model is data from a stranger: only safetensors are read, no code that comes with a model is run, and the weights
that Pagewise installs are checked against the published hash before they are loaded. Except for a hub id that is
not on this machine yet, and for an API, nothing here reaches for the network.
"""

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ingest import server_url
from ingest.blocked_addresses import check_written
from ingest.embedding import sentence_transformer
from ingest.embedding.model_files import DEFAULT, checked, fetched, installed
from ingest.embedding.openvino import Compiled, compiled
from ingest.errors import BlockedAddressError, EmbedderError, ModelFolderError, PagewiseError

if TYPE_CHECKING:
    from langchain_openai import OpenAIEmbeddings
    from tokenizers import Tokenizer

# A model that reads 8,192 tokens at once is still given chunks of a size that answers one question.
_LONGEST_WINDOW = 512
_API_BASE = "https://api.openai.com/v1"
_API_BATCH = 64
_API_SECONDS = 60.0
_API_WINDOW = 1500  # UTF-8 bytes: about 375 tokens of English, 500 of Chinese; inside the window of every served model


class Embedder(Protocol):
    """Turns texts into unit vectors. Constructed cheaply, loaded at the first use, safe for threads."""

    @property
    def name(self) -> str:
        """The spec that opens it again; a library remembers it. Never holds a key."""

    @property
    def window(self) -> int:
        """How much it reads at once, in the unit of `count`."""

    @property
    def dimensions(self) -> int:
        """The length of its vectors."""

    @property
    def languages(self) -> frozenset[str] | None:
        """The languages that it knows ("en", "zh"); None where nothing is known about that."""

    def count(self, text: str) -> int:
        """The size of `text` as the model reads it, never too small; without the marks it adds at both ends."""

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), dimensions), rows of length 1, in the order of `texts`. Raises EmbedderError."""

    def query(self, text: str) -> NDArray[np.float32]:
        """(dimensions,), of length 1. Raises EmbedderError."""


def open_embedder(spec: str, *, api_base: str = "", api_key: str = "", allow_link_local: bool = False) -> Embedder:
    """The embedder that `spec` names: the default's name, a local folder, a hub id, or "openai:<model>".

    Raises EmbedderError for a spec that cannot be one, BlockedAddressError for such an `api_base`; everything else is
    found out at the first use.
    """
    spec = spec.strip()
    if spec in ("", DEFAULT):
        return _default()
    provider, colon, model = spec.partition(":")
    if colon and provider == "openai" and model:
        return ApiEmbedder(model, api_base, api_key, allow_link_local)
    if Path(spec).is_dir():
        folder = Path(spec).resolve()  # the name must open it from any folder
        return LocalEmbedder(str(folder), lambda: checked(folder))
    if spec.count("/") <= 1 and not spec.startswith((".", "/", "~")) and not colon:
        return LocalEmbedder(spec, lambda: checked(fetched(spec)))
    raise EmbedderError(name=spec, detail="it is neither a folder, nor a hub id, nor openai:<model>")


@lru_cache(maxsize=1)
def _default() -> "LocalEmbedder":
    """One in a process: a library and a reader hold the same weights then."""
    return LocalEmbedder(DEFAULT, installed, languages=frozenset({"en"}), dimensions=384, window=256)


class LocalEmbedder:
    """Weights on this machine. On a CPU what sentence-transformers does, compiled; else sentence-transformers."""

    def __init__(
        self,
        name: str,
        find: Callable[[], Path],
        languages: frozenset[str] | None = None,
        dimensions: int = 0,
        window: int = 0,
    ) -> None:
        """`find` gives the folder of the weights, checked. `dimensions` and `window`: 0 where only the model knows."""
        self.name = name
        self.languages = languages
        self._find = find
        self._dimensions = dimensions
        self._window = window
        self._loading = threading.Lock()
        self._folder: Path | None = None
        self._model: Compiled | sentence_transformer.Reference | None = None
        self._tokenizer: Tokenizer | None = None

    @property
    def window(self) -> int:
        return self._window or min(_LONGEST_WINDOW, self._loaded().longest or _LONGEST_WINDOW)

    @property
    def dimensions(self) -> int:
        return self._dimensions or self._loaded().dimensions

    def count(self, text: str) -> int:
        try:
            return len(self._counter().encode(text, add_special_tokens=False).ids)
        except PagewiseError:
            raise
        except Exception as error:  # any failure of the foreign tokenizer
            raise self._failed(error) from error

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        model = self._loaded()
        return self._rows(len(texts), lambda: model.documents(texts))

    def query(self, text: str) -> NDArray[np.float32]:
        model = self._loaded()
        row: NDArray[np.float32] = self._rows(1, lambda: model.query(text)[np.newaxis, :])[0]
        return row

    def _rows(self, count: int, encode: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
        try:
            rows = encode()
        except Exception as error:  # torch, OpenVINO and tokenizers raise what they like
            raise self._failed(error) from error
        return unit_rows(rows, (count, self.dimensions), self.name)

    def _counter(self) -> "Tokenizer":
        """A tokenizer of its own, without truncation, so that counting needs neither torch nor a lock."""
        with self._loading:
            if self._tokenizer is None:
                file = self._found() / "tokenizer.json"
                if not file.is_file():  # a few old models keep theirs in a form that only transformers reads
                    from transformers import AutoTokenizer

                    loaded = AutoTokenizer.from_pretrained(
                        str(self._found()), local_files_only=True, trust_remote_code=False, use_fast=True
                    )
                    self._tokenizer = loaded.backend_tokenizer
                else:
                    from tokenizers import Tokenizer

                    self._tokenizer = Tokenizer.from_file(str(file))
                self._tokenizer.no_truncation()
                self._tokenizer.no_padding()
            return self._tokenizer

    def _found(self) -> Path:
        if self._folder is None:
            self._folder = self._find()
        return self._folder

    def _loaded(self) -> Compiled | sentence_transformer.Reference:
        """The model, ready: compiled where there is nothing faster than the CPU and that gives the same vectors."""
        with self._loading:
            if self._model is None:
                folder = self._found()
                try:
                    fast = None if sentence_transformer.may_be_faster() else compiled(folder)
                    self._model = fast or sentence_transformer.Reference(folder)
                except Exception as error:
                    raise self._failed(error) from error
            return self._model

    def _failed(self, error: Exception) -> EmbedderError:
        detail = error.params["detail"] if isinstance(error, ModelFolderError) else one_line(error)
        return EmbedderError(name=self.name, detail=detail)


class ApiEmbedder:
    """An embedding API that speaks OpenAI's protocol. The texts leave this machine."""

    languages: frozenset[str] | None = None
    window = _API_WINDOW

    def __init__(self, model: str, api_base: str, api_key: str, allow_link_local: bool = False) -> None:
        """Raises BlockedAddressError."""
        check_written(api_base, allow_link_local=allow_link_local)
        self.name = f"openai:{model}"
        self._model = model
        self._base = api_base or _API_BASE
        self._allow_link_local = allow_link_local
        self._key = api_key
        self._lock = threading.Lock()
        self._client: OpenAIEmbeddings | None = None
        self._dimensions = 0

    @property
    def dimensions(self) -> int:
        if not self._dimensions:
            self._dimensions = len(self._ask(["dimensions"])[0])
        return self._dimensions

    def count(self, text: str) -> int:
        """Bytes of UTF-8: no byte-level vocabulary makes more tokens of a text, and none has to be downloaded."""
        return len(text.encode("utf-8", "replace"))

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [row for at in range(0, len(texts), _API_BATCH) for row in self._ask(texts[at : at + _API_BATCH])]
        if not rows:
            return np.zeros((0, self.dimensions), np.float32)
        return unit_rows(rows, (len(texts), self.dimensions), self.name)

    def query(self, text: str) -> NDArray[np.float32]:
        row: NDArray[np.float32] = unit_rows(self._ask([text]), (1, self.dimensions), self.name)[0]
        return row

    def _ask(self, texts: Sequence[str]) -> list[list[float]]:
        try:
            rows = self._opened().embed_documents(list(texts))
        except Exception as error:  # every kind of failure of the client, the server and the network
            blocked = _blocked(error)
            detail = str(blocked) if blocked else one_line(error)
            detail = detail.replace(self._key, "…") if self._key else detail  # servers repeat the key that they refuse
            detail = server_url.unsigned(detail, self._base)
            raise EmbedderError(name=self.name, detail=detail) from None
        if len(rows) != len(texts):
            raise EmbedderError(name=self.name, detail=f"{len(rows)} vectors came back for {len(texts)} texts")
        return rows

    def _opened(self) -> "OpenAIEmbeddings":
        with self._lock:
            if self._client is None:
                from langchain_openai import OpenAIEmbeddings
                from pydantic import SecretStr

                from ingest.http_client import open_client

                self._client = OpenAIEmbeddings(
                    model=self._model,
                    # Both passed, so that no variable of the environment reroutes them.
                    openai_api_base=server_url.plain(self._base),
                    openai_api_key=SecretStr(
                        self._key or "none"
                    ),  # servers of one's own want none, the client wants a word
                    check_embedding_ctx_length=False,  # counting would download a vocabulary
                    http_client=open_client(
                        self._base,
                        _API_SECONDS,
                        hosted=server_url.place(self._base) == server_url.place(_API_BASE),
                        allow_link_local=self._allow_link_local,
                    ),
                    openai_proxy="",  # the client has its own
                    max_retries=3,
                    request_timeout=_API_SECONDS,
                )
            return self._client


def _blocked(error: BaseException) -> BlockedAddressError | None:
    """What the HTTP client refused to dial, under the errors that were made of it."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, BlockedAddressError):
        link = link.__cause__
    return link


def unit_rows(rows: object, shape: tuple[int, int], name: str) -> NDArray[np.float32]:
    """`rows` as float32 of `shape`, each of length 1. Raises EmbedderError where they are no such numbers."""
    try:
        matrix = np.array(rows, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise EmbedderError(name=name, detail=one_line(error)) from error
    if matrix.shape != shape or not np.isfinite(matrix).all():
        raise EmbedderError(name=name, detail=f"it gave {matrix.shape} numbers, not all finite; {shape} were due")
    matrix[~matrix.any(axis=1), :1] = 1  # a text that says nothing to the model still needs a direction
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(matrix, lengths, dtype=np.float32)
    return unit


def one_line(error: BaseException) -> str:
    """A foreign error in one short line for a message of ours."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:299] + "…"
