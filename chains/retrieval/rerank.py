"""A second look at the first passages, question and passage together: the reader's, or a cross-encoder's of one's own.

A model is data from a stranger: as with embedders, only safetensors are read and no code that comes with it is run.
"""

import threading
from collections.abc import Sequence
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from chains.language.finance_terms import asks_figure
from chains.reader.protocol import Reader
from ingest.embedding.embedder import one_line
from ingest.embedding.model_files import checked, fetched
from ingest.embedding.sentence_transformer import refuse_chat_template
from ingest.errors import EmbedderError, ModelFolderError, PagewiseError
from ingest.text.search_tokens import language

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_BATCH = 8
# What the reader's fit and probability count beside the search's own score, which is the rest. A figure that is asked
# for mostly stands in a table, of which the reader has seen none.
FACT, FIGURE = (0.2, 0.1), (0.1, 0.0)


class RerankerError(PagewiseError):
    text = "The re-ranker {name} could not be used: {detail}."
    remedy = "Check PAGEWISE_RERANKER, or leave it empty to do without."


class Reranker(Protocol):
    """Judges how well passages answer a question. Constructed cheaply, loaded at the first use, safe for threads."""

    def scores(self, question: str, texts: Sequence[str], found: Sequence[float]) -> list[float] | None:
        """One for each text, 0 to 1; None where it does not know the question's language.

        `found`: the search's own scores of the texts, 0 to 1. Raises RerankerError, ReaderError.
        """


class ReadAgain:
    """The reader as a re-ranker: what it makes of each text, beside what the search did."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def scores(self, question: str, texts: Sequence[str], found: Sequence[float]) -> list[float] | None:
        if not knows(self._reader, question):
            return None
        fit, answers = FIGURE if asks_figure(question) else FACT
        return [
            (1 - fit - answers) * score + fit * squeezed(reading.fit) + answers * reading.p_answers
            for score, reading in zip(found, self._reader.read(question, texts), strict=True)
        ]


def squeezed(logit: float) -> float:
    """A logit as a share, half as steep, so that what is nearly sure still differs."""
    return 1 / (1 + exp(-max(-50.0, min(50.0, logit / 2))))


def knows(reader: Reader, question: str) -> bool:
    """Whether the question is in a language that the reader was trained on."""
    return reader.languages is None or language(question) in reader.languages


class CrossEncoderReranker:
    """A cross-encoder of one output, through sentence-transformers; on CUDA where there is one."""

    def __init__(self, spec: str) -> None:
        """`spec`: a folder or a hub id."""
        self.name = spec
        self._lock = threading.Lock()
        self._model: CrossEncoder | None = None

    def scores(self, question: str, texts: Sequence[str], found: Sequence[float] = ()) -> list[float]:
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

                model = CrossEncoder(
                    str(folder), local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True}
                )
                refuse_chat_template(model, folder)
                self._model = model
            except (EmbedderError, ModelFolderError) as error:
                raise RerankerError(name=self.name, detail=error.params["detail"]) from error
            except Exception as error:
                raise RerankerError(name=self.name, detail=one_line(error)) from error
        return self._model


def open_reranker(spec: str, reader: Reader | None = None) -> Reranker | None:
    """The cross-encoder that `spec` names, else the reader; None where there is neither."""
    if spec.strip():
        return CrossEncoderReranker(spec.strip())
    return ReadAgain(reader) if reader else None
