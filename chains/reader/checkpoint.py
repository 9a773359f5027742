"""The reader's weights: one safetensors file of adapters and heads on top of an encoder that lies elsewhere.

The file
    encoder.layer.{i}.….lora_A  [rank, in] and .lora_B [out, rank], float16, for every linear layer of the encoder.
        The layer's weight is W + scale · B @ A (LoRA, arXiv 2106.09685); `merged` computes it.
    encoder.….bias, ….LayerNorm.weight, embeddings.token_type_embeddings.weight …, float16: each takes the place
        of the base's tensor of the same name (names as in the base's file, without a leading `bert.`).
    heads.span.weight [3, hidden], heads.span.bias [3]: start, end and doubt, applied to every token.
    heads.pool.weight [hidden, hidden], heads.pool.bias [hidden], heads.judge.weight [2, hidden], heads.judge.bias [2]:
        judge @ tanh(pool @ h + bias) + bias of the first token's vector h; row 0 `judged`, row 1 `fit`.
    Metadata (strings): `Card` below, a JSON value a field.

The input is [CLS] question [SEP] passage [SEP] as the base's own tokenizer joins a pair; token types 0 up to the first
[SEP] and 1 after it (a base without token types: all 0). The question keeps its first `question` tokens. With n tokens
of it the passage has room for `longest` - n - the special tokens; a longer one is read in windows of that room, each
beginning `room - overlap` tokens after the one before (`overlap` at most half the room), the last ending at its end.

The output. The encoder is a plain BERT; H its last hidden states [tokens, hidden].
    start, end, doubt = H @ span.T + bias. A span is i <= j < i + `span` over passage tokens; its score start[i] +
    end[j] - `brevity` · log(j - i + 1): of two ways to say it the shorter one, where the network hardly prefers the
    longer. null = start[0] + end[0]; margin = the best span's score - null.
    judged, fit: the judge's logits. answers = judged - DOUBT · log(1 + the sum of exp(doubt) over the question's
    tokens) (span_decoding.py): one word of the question that the passage does not meet is enough.
    Of several windows each value is the greatest; margin's window has the span.
    The sentence that holds the span is then read by itself in the same way, and with one before and one behind it; of
    its tokens the span is taken that is best by all three readings (span_decoding.py). `answers` is the mean of the
    three, `fit` and the margin, which is the span's score, are the first one's.
    near: the cosine of the question and that sentence with its neighbours, by the base alone, without adapters.
    differs (0 or 1), reworded: see contradiction.py; of the question, that sentence by itself and the passage.
    believed = w_answers · answers + w_margin · margin + w_near · near + bias; what the network says, as a logit. What
    of it lies above the second of BELIEVED counts by SURE.
    probability that the passage answers = sigmoid(believed + share · (w_differs · differs + w_reworded · reworded)),
    where share goes from 0 to 1 between the two of BELIEVED; refuse below `threshold`.

The encoder that a reader stands on: where it lies, and its weights with the reader's in their place.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.embedding.model_files import DEFAULT, DEFAULT_SHA256, checked, fetched, installed
from ingest.errors import PagewiseError

FORMAT = 3
INSTALLED = Path(__file__).with_name("weights") / "reader.safetensors"
HEADS = ("span", "pool", "judge")
SPAN_ROWS = 3  # of heads.span
# Logits between which what a question says otherwise begins to count: from where an answer is not refused anyway
# (chains/models/extractive/model.py, READ), on a way so long that what is believed more stays above what is believed
# less.
BELIEVED = -1.7, 0.6
SURE = 0.5  # of made negatives a reader learns to be surer than it may be of questions that people wrote

Array = NDArray[Any]


class ReaderError(PagewiseError):
    text = "The reader's weights {name} could not be used: {detail}."
    remedy = "Install the program again, or train them again for this base model."


@dataclass(frozen=True)
class Signs:
    """What tells beside the network whether a passage answers."""

    near: float = 0.0
    differs: float = 0.0
    reworded: float = 0.0


@dataclass(frozen=True)
class Calibration:
    """Fitted after training; the defaults mean the network's own logit."""

    w_answers: float = 1.0
    w_margin: float = 0.0
    # Of the signs; 0 where no unanswerable questions of people were there to fit them to.
    w_near: float = 0.0
    w_differs: float = 0.0
    w_reworded: float = 0.0
    bias: float = 0.0
    threshold: float = 0.5  # of the probability, below which an answer is refused

    @property
    def of_signs(self) -> tuple[float, float, float]:
        """Their weights."""
        return self.w_near, self.w_differs, self.w_reworded

    def probability(self, answers: float, margin: float, signs: Signs) -> float:
        """That a passage answers; 0 where it has no words."""
        if margin == -np.inf:
            return 0.0
        believed = self.w_answers * answers + self.w_margin * margin + self.w_near * signs.near + self.bias
        share = np.clip((believed - BELIEVED[0]) / (BELIEVED[1] - BELIEVED[0]), 0.0, 1.0)
        believed -= (1 - SURE) * max(0.0, believed - BELIEVED[1])
        logit = believed + share * (self.w_differs * signs.differs + self.w_reworded * signs.reworded)
        return float(1 / (1 + np.exp(-np.clip(logit, -60, 60))))


@dataclass(frozen=True)
class Card:
    """What a runtime has to know beside the tensors. Lengths in tokens."""

    base: str  # the encoder's name: the installed one's, a folder or a hub id
    base_sha256: str  # of the base's model.safetensors
    scale: float
    rank: int
    longest: int = 256
    question: int = 64
    overlap: int = 96
    span: int = 30
    brevity: float = 0.25  # no length: what a span's score loses for each e-fold of its tokens
    calibration: Calibration = field(default_factory=Calibration)
    format: int = FORMAT


@dataclass(frozen=True)
class ReaderFile:
    """Adapters by the name of the weight they change, without `.weight`; the rest by the names in the file."""

    card: Card
    adapters: Mapping[str, tuple[Array, Array]]  # A [rank, in], B [out, rank]
    replaced: Mapping[str, Array]
    heads: Mapping[str, Array]  # span.weight, span.bias, pool.weight …


def write(path: Path, reader: ReaderFile) -> None:
    """Writes the file whole or not at all."""
    from safetensors.numpy import save

    tensors: dict[str, Array] = {}
    for name, (a, b) in reader.adapters.items():
        tensors[f"{name}.lora_A"], tensors[f"{name}.lora_B"] = a.astype(np.float16), b.astype(np.float16)
    tensors |= {name: array.astype(np.float16) for name, array in reader.replaced.items()}
    tensors |= {f"heads.{name}": array.astype(np.float16) for name, array in reader.heads.items()}
    metadata = {name: json.dumps(value) for name, value in asdict(reader.card).items()}
    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(save(whole, metadata))
    part.replace(path)


def read(path: Path) -> ReaderFile:
    """Raises ReaderError where the file is missing, damaged, or of another format."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            card = _card(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise ReaderError(name=path, detail=" ".join(str(error).split())[:200]) from error
    adapters = {
        name.removesuffix(".lora_A"): (tensors[name], tensors[name.removesuffix("A") + "B"])
        for name in tensors
        if name.endswith(".lora_A") and name.removesuffix("A") + "B" in tensors
    }
    heads = {name.removeprefix("heads."): array for name, array in tensors.items() if name.startswith("heads.")}
    if "span.weight" in heads and len(heads["span.weight"]) != SPAN_ROWS:
        raise ReaderError(name=path, detail=f"heads.span has {len(heads['span.weight'])} rows, not {SPAN_ROWS}")
    missing = [f"{head}.{part}" for head in HEADS for part in ("weight", "bias") if f"{head}.{part}" not in heads]
    if missing:
        raise ReaderError(name=path, detail=f"{missing[0]} is not in it")
    left = {n: a for n, a in tensors.items() if not n.endswith((".lora_A", ".lora_B")) and not n.startswith("heads.")}
    return ReaderFile(card, adapters, left, heads)


def merged(base: Mapping[str, Array], reader: ReaderFile) -> dict[str, Array]:
    """The base's tensors in float32 with the reader's in their place. Raises ReaderError where they do not fit."""
    whole = {name: np.asarray(array, np.float32) for name, array in base.items()}
    for name, (a, b) in reader.adapters.items():
        weight = whole.get(f"{name}.weight")
        if weight is None or weight.shape != (b.shape[0], a.shape[1]):
            raise ReaderError(name=reader.card.base, detail=f"the base has no {name}.weight of that shape")
        whole[f"{name}.weight"] = weight + np.float32(reader.card.scale) * (b.astype(np.float32) @ a.astype(np.float32))
    for name, array in reader.replaced.items():
        if name not in whole or whole[name].shape != array.shape:
            raise ReaderError(name=reader.card.base, detail=f"the base has no {name} of that shape")
        whole[name] = array.astype(np.float32)
    return whole


def _card(metadata: Mapping[str, str]) -> Card:
    values = {name: json.loads(value) for name, value in metadata.items()}
    if values.get("format") != FORMAT:
        raise ValueError(f"its format is {values.get('format')!r}, this program reads {FORMAT}")
    calibration = Calibration(**_known(Calibration, values.pop("calibration")))
    return Card(**_known(Card, values), calibration=calibration)


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only another version of the program has."""
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


_PREFIX = re.compile(r"^(?:bert|roberta|xlm_roberta)\.")


def base_folder(card: Card) -> Path:
    """The folder of the encoder that `card` names, whose weights are the ones that the reader was trained on.

    Raises ReaderError, and an EmbedderError where it is not there or holds weights that are not safetensors.
    """
    if card.base == DEFAULT:
        folder, found = installed(), DEFAULT_SHA256  # which was checked just now
    else:
        folder = checked(Path(card.base) if Path(card.base).is_dir() else fetched(card.base))
        with (folder / "model.safetensors").open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != card.base_sha256:
        raise ReaderError(name=card.base, detail="the reader was trained on other weights of that name")
    return folder


def weights_of(reader: ReaderFile, folder: Path) -> dict[str, Array]:
    """float32: the encoder in `folder` as the reader changes it, and its heads under "heads."."""
    from safetensors.numpy import load_file

    base = {_PREFIX.sub("", name): array for name, array in load_file(folder / "model.safetensors").items()}
    heads = {f"heads.{name}": array.astype("float32") for name, array in reader.heads.items()}
    return merged({name: array for name, array in base.items() if array.dtype.kind == "f"}, reader) | heads
