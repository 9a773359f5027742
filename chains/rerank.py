"""An optional second look: a cross-encoder reads question and passage together. Nothing else here knows of it.

A model is data from a stranger: as with embedders, only safetensors are read and no code that comes with it is run.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ingest.embed import one_line
from ingest.errors import EmbedderError, PagewiseError
from ingest.weights import checked, fetched

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_BATCH = 8


class RerankerError(PagewiseError):
    text = "The re-ranker {name} could not be used: {detail}."
    remedy = "Check PAGEWISE_RERANKER, or leave it empty to do without."


class Reranker(Protocol):
    """Judges how well passages answer a question. Constructed cheaply, loaded at the first use, safe for threads."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """One for each text, 0 to 1. Raises RerankerError."""


class CrossEncoderReranker:
    """A cross-encoder of one output, through sentence-transformers; on CUDA where there is one."""

    def __init__(self, spec: str) -> None:
        """`spec`: a folder or a hub id."""
        self.name = spec
        self._lock = threading.Lock()
        self._model: CrossEncoder | None = None

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        from torch.nn import Sigmoid

        pairs = [(question, text) for text in texts]
        try:
            with self._lock:
                judged = self._loaded().predict(
                    pairs, batch_size=_BATCH, show_progress_bar=False, activation_fn=Sigmoid()
                )
            scores = [float(score) for score in judged]
        except RerankerError:
            raise
        except Exception as error:  # torch and tokenizers raise what they like
            raise RerankerError(name=self.name, detail=one_line(error)) from error
        if not all(0.0 <= score <= 1.0 for score in scores):
            raise RerankerError(name=self.name, detail="it gave scores that are no numbers")
        return scores

    def _loaded(self) -> "CrossEncoder":
        if self._model is None:
            try:
                folder = Path(self.name)
                folder = checked(folder.resolve() if folder.is_dir() else fetched(self.name))
                from sentence_transformers import CrossEncoder

                self._model = CrossEncoder(
                    str(folder), local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True}
                )
            except EmbedderError as error:
                raise RerankerError(name=self.name, detail=error.params["detail"]) from error
            except Exception as error:
                raise RerankerError(name=self.name, detail=one_line(error)) from error
        return self._model


def open_reranker(spec: str) -> Reranker | None:
    """The re-ranker that `spec` names; None for ""."""
    return CrossEncoderReranker(spec.strip()) if spec.strip() else None
