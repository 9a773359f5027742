"""The trained reader, on OpenVINO: loaded from its files in about a second, without torch and without a cache."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from chains.reader import files
from chains.reader.base import Reader, Reading, Span
from chains.reader.encoder import base_folder, weights_of
from chains.reader.files import Calibration, Card, ReaderError
from chains.reader.graph import Shape, build
from chains.reader.spans import Ends, best, ends_of, sharpened, spans_of
from chains.reader.windows import Joint, windows
from ingest.compiled import for_this_processor, in_batches, precisions
from ingest.eightbit import eight_bit
from ingest.embed import one_line
from ingest.errors import PagewiseError
from ingest.sentences import sentences
from ingest.weights import DEFAULT

BUILT_IN, OFF = "built-in", "off"
_KEPT = 256  # readings; those of a question's candidates, which the answer is then picked from


@dataclass(frozen=True)
class _Loaded:
    """All that reading takes."""

    model: Any
    tokenizer: Any
    joint: Joint
    card: Card
    pads: dict[str, int]


class TrainedReader:
    """A Reader: one encoder of the base's make, with the adapters and heads of a file."""

    def __init__(self, file: Path, languages: frozenset[str] | None = None, precision: str = "") -> None:
        """`languages`: None where its file is to say.

        `precision`: one of ingest.compiled.precisions(); "" for the fastest that this processor has.
        """
        self.name = str(file)
        self._languages = languages
        self._file = file
        self._precision = precision
        self._loading, self._remembering = threading.Lock(), threading.Lock()
        self._ready: _Loaded | None = None
        self._known: OrderedDict[tuple[str, str], Reading] = OrderedDict()

    @property
    def languages(self) -> frozenset[str] | None:
        if self._languages is None and self._loaded().card.base == DEFAULT:
            return frozenset({"en"})  # all that its encoder knows
        return self._languages

    @property
    def threshold(self) -> float:
        return self._loaded().card.calibration.threshold

    def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        with self._remembering:
            known = {text: self._known[question, text] for text in texts if (question, text) in self._known}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            loaded = self._loaded()
            known |= zip(new, self._guarded(lambda: list(_read(loaded, question, new))), strict=True)
            with self._remembering:
                for text in new:
                    self._known[question, text] = known[text]
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        return [known[text] for text in texts]

    def _loaded(self) -> _Loaded:
        with self._loading:
            if self._ready is None:
                self._ready = self._guarded(lambda: _load(self._file, self._precision))
            return self._ready

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except ReaderError:
            raise
        except PagewiseError as error:
            raise ReaderError(name=self.name, detail=error.params.get("detail", one_line(error))) from error
        except Exception as error:  # OpenVINO, tokenizers and safetensors raise what they like
            raise ReaderError(name=self.name, detail=one_line(error)) from error


def _load(file: Path, precision: str) -> _Loaded:
    from tokenizers import Tokenizer

    reader = files.read(file)
    folder = base_folder(reader.card)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    graph = build(Shape.of(config), weights_of(reader, folder))
    pads = {"input_ids": int(config.get("pad_token_id") or 0), "attention_mask": 0, "token_type_ids": 0}
    precision = precision or precisions()[0]
    if precision == "i8":
        eight_bit(graph)
    model = for_this_processor(graph, precision)
    return _Loaded(model, tokenizer, Joint.of(tokenizer), reader.card, pads)


@dataclass
class _Look:
    """What a network's reading of one text gave, its windows taken together."""

    spans: list[Span] = field(default_factory=list)
    answers: float = -np.inf
    fit: float = -np.inf
    ends: Ends = field(default_factory=dict)  # of the window that has the best span


def _read(loaded: _Loaded, question: str, texts: Sequence[str]) -> Iterator[Reading]:
    """Whole, and then the sentence of each one's best words by itself, which shows better where they begin and end."""
    looks = _looks(loaded, question, texts)
    found = [best(look.spans) for look in looks]
    cut = [_sentence(text, spans[0]) if spans else (0, 0) for text, spans in zip(texts, found, strict=True)]
    again = [n for n, (start, end) in enumerate(cut) if 0 < end - start < len(texts[n].strip())]
    near = _looks(loaded, question, [texts[n][slice(*cut[n])] for n in again], [cut[n][0] for n in again])
    for n, look in zip(again, near, strict=True):
        found[n] = sharpened(
            found[n], looks[n].ends, look.ends, texts[n], loaded.card.span, loaded.card.brevity
        )
    for look, spans in zip(looks, found, strict=True):
        probability = _probability(loaded.card.calibration, look.answers, spans) if spans else 0.0
        yield Reading(spans, probability, look.fit)


def _looks(
    loaded: _Loaded, question: str, texts: Sequence[str], moved: Sequence[int] | None = None
) -> list[_Look]:
    """`moved`: where each text begins in that which `ends` is of."""
    card = loaded.card
    rows = list(windows(loaded.tokenizer, loaded.joint, card, question, texts)) if texts else []
    looks = [_Look() for _ in texts]
    for batch, (logits, judge) in in_batches(loaded.model, rows, loaded.pads, card.longest):
        for place, row in enumerate(rows[i] for i in batch):
            look, text = looks[row.text], texts[row.text]
            spans = spans_of(logits[place], row.offsets, row.first, text, card.span, card.brevity)
            if spans and spans[0].score > max((span.score for span in look.spans), default=-np.inf):
                look.ends = ends_of(logits[place], row.offsets, row.first, moved[row.text] if moved else 0)
            look.spans += spans
            look.answers = max(look.answers, float(judge[place][0]))
            look.fit = max(look.fit, float(judge[place][1]))
    return looks


def _sentence(text: str, span: Span) -> tuple[int, int]:
    """Where the sentence that holds the span, or the sentences, begin and end."""
    held = [(start, end) for start, end in sentences(text) if start < span.end and span.start < end]
    return (held[0][0], held[-1][1]) if held else (0, 0)


def _probability(calibration: Calibration, answers: float, spans: Sequence[Span]) -> float:
    logit = calibration.w_answers * answers + calibration.w_margin * spans[0].score + calibration.bias
    return float(1 / (1 + np.exp(-np.clip(logit, -60, 60))))


@lru_cache(maxsize=4)
def open_reader(spec: str) -> Reader | None:
    """The reader that `spec` names: "built-in", "off", or the folder that the training made; one of each in a process.

    Nothing is loaded yet.
    """
    spec = spec.strip()
    if spec == OFF:
        return None
    if spec == BUILT_IN:
        return TrainedReader(files.INSTALLED, languages=frozenset({"en"}))
    folder = Path(spec).expanduser()
    return TrainedReader(folder / files.INSTALLED.name if folder.is_dir() else folder)
