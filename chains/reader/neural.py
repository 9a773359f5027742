"""The trained reader, on OpenVINO: loaded from its files in about a second, without torch and without a cache."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from chains.reader import checkpoint
from chains.reader.checkpoint import Card, ReaderError, Signs, base_folder, weights_of
from chains.reader.contradiction import contrast
from chains.reader.openvino_graph import Shape, build
from chains.reader.protocol import Reader, Reading, Span
from chains.reader.span_decoding import NEAR, WIDE, Ends, best, doubted, ends_of, sharpened, spans_of
from chains.reader.token_windows import Joint, windows
from ingest.embedding.embedder import Embedder, one_line, open_embedder
from ingest.embedding.int8 import eight_bit
from ingest.embedding.model_files import DEFAULT
from ingest.embedding.openvino import for_this_processor, in_batches, precisions
from ingest.errors import PagewiseError
from ingest.text.sentences import sentences

BUILT_IN, OFF = "built-in", "off"
_KEPT = 256  # readings; those of a question's candidates, which the answer is then picked from


@dataclass(frozen=True)
class Look:
    """What was seen of one text with a question in mind."""

    spans: tuple[Span, ...]  # as those of a Reading
    answers: float  # the logit: the mean of the whole text's, of the sentence's and of that with its neighbours
    fit: float  # a logit
    near: tuple[int, int]  # where the sentence begins and ends
    wide: tuple[int, int]  # and where it and its neighbours do

    @property
    def margin(self) -> float:
        """What the best span has more than none; very little where the text has no words."""
        return self.spans[0].score if self.spans else -np.inf

    def said(self, text: str) -> str:
        """The best span's words; `text`: what was looked at."""
        return text[self.spans[0].start : self.spans[0].end] if self.spans else ""


@dataclass(frozen=True)
class _Loaded:
    """All that reading takes."""

    model: Any
    tokenizer: Any
    joint: Joint
    card: Card
    pads: dict[str, int]
    meaning: Embedder  # the base as it was before anything was trained


class TrainedReader:
    """A Reader: one encoder of the base's make, with the adapters and heads of a file."""

    def __init__(self, file: Path, languages: frozenset[str] | None = None, precision: str = "") -> None:
        """`languages`: None where its file is to say.

        `precision`: one of ingest.embedding.openvino.precisions(); "" for the fastest that this processor has.
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
            kept = self._loaded().card.calibration
            looks = self.look(question, new)
            signs = self.signs(question, new, looks) if any(kept.of_signs) else [Signs()] * len(new)
            known |= {
                text: Reading(look.spans, kept.probability(look.answers, look.margin, seen), look.fit)
                for text, look, seen in zip(new, looks, signs, strict=True)
            }
            with self._remembering:
                for text in new:
                    self._known[question, text] = known[text]
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        return [known[text] for text in texts]

    def signs(self, question: str, texts: Sequence[str], looks: Sequence[Look]) -> list[Signs]:
        """One for each text, as its look is. Raises ReaderError."""
        base = self._loaded().meaning
        parts = [text[slice(*look.wide)] for text, look in zip(texts, looks, strict=True)]
        cosines: list[float] = self._guarded(lambda: (base.documents(parts) @ base.query(question)).tolist())
        said = [contrast(question, text[slice(*look.near)], text) for text, look in zip(texts, looks, strict=True)]
        return [Signs(near, one.differs, one.reworded) for near, one in zip(cosines, said, strict=True)]

    def look(self, question: str, texts: Sequence[str]) -> list[Look]:
        """What a Reading is made of, for the calibration. Raises ReaderError."""
        loaded = self._loaded()
        found: list[Look] = self._guarded(lambda: list(_looks(loaded, question, texts)))
        return found

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

    reader = checkpoint.read(file)
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
    return _Loaded(model, tokenizer, Joint.of(tokenizer), reader.card, pads, open_embedder(reader.card.base))


@dataclass
class _Seen:
    """What a network's reading of one text gave, its windows taken together."""

    spans: list[Span] = field(default_factory=list)
    answers: float = -np.inf
    fit: float = -np.inf
    ends: Ends = field(default_factory=dict)  # of the window that has the best span


def _looks(loaded: _Loaded, question: str, texts: Sequence[str]) -> Iterator[Look]:
    """Whole; then the sentence of the best words by itself, which shows better where they begin and end; and that with
    the sentences beside it, which shows better whether they answer."""
    card = loaded.card
    seen = _seen(loaded, question, texts)
    found = [best(one.spans) for one in seen]
    parts = [_parts(text, spans) for text, spans in zip(texts, found, strict=True)]
    cuts = [(n, part) for n, both in enumerate(parts) for part in dict.fromkeys(both) if part != (0, len(texts[n]))]
    again = _seen(loaded, question, [texts[n][slice(*part)] for n, part in cuts], [start for _, (start, _) in cuts])
    by_part = dict(zip(cuts, again, strict=True))
    for n, (one, spans) in enumerate(zip(seen, found, strict=True)):
        near, wide = (by_part.get((n, part), one) for part in parts[n])
        if near is not one:
            looks = [(near.ends, NEAR), (wide.ends, WIDE), (one.ends, 1.0)]
            spans = sharpened(spans, looks, texts[n], card.span, card.brevity)
        yield Look(spans, fmean((one.answers, near.answers, wide.answers)), one.fit, *parts[n])


def _parts(text: str, spans: Sequence[Span]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where the sentence that holds the best words begins and ends, and where it and its neighbours do."""
    cut = list(sentences(text))
    held = [n for n, (start, end) in enumerate(cut) if spans and start < spans[0].end and spans[0].start < end]
    if not held:
        return (0, len(text)), (0, len(text))
    first, last = max(0, held[0] - 1), min(len(cut) - 1, held[-1] + 1)
    return (cut[held[0]][0], cut[held[-1]][1]), (cut[first][0], cut[last][1])


def _seen(
    loaded: _Loaded, question: str, texts: Sequence[str], moved: Sequence[int] | None = None
) -> list[_Seen]:
    """`moved`: where each text begins in that which `ends` is of."""
    card = loaded.card
    rows = list(windows(loaded.tokenizer, loaded.joint, card, question, texts)) if texts else []
    seen = [_Seen() for _ in texts]
    for batch, (logits, judge) in in_batches(loaded.model, rows, loaded.pads, card.longest):
        for place, row in enumerate(rows[i] for i in batch):
            one, text = seen[row.text], texts[row.text]
            spans = spans_of(logits[place], row.offsets, row.first, text, card.span, card.brevity)
            if spans and spans[0].score > max((span.score for span in one.spans), default=-np.inf):
                one.ends = ends_of(logits[place], row.offsets, row.first, moved[row.text] if moved else 0)
            one.spans += spans
            one.answers = max(one.answers, float(judge[place][0]) - doubted(logits[place][row.asked, 2]))
            one.fit = max(one.fit, float(judge[place][1]))
    return seen


@lru_cache(maxsize=4)
def open_reader(spec: str) -> Reader | None:
    """The reader that `spec` names: "built-in", "off", or the folder that the training made; one of each in a process.

    Nothing is loaded yet.
    """
    spec = spec.strip()
    if spec == OFF:
        return None
    if spec == BUILT_IN:
        return TrainedReader(checkpoint.INSTALLED, languages=frozenset({"en"}))
    folder = Path(spec).expanduser()
    return TrainedReader(folder / checkpoint.INSTALLED.name if folder.is_dir() else folder)
