"""What is trained: LoRA adapters on an encoder's linear layers, its LayerNorms and biases, and the heads."""

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chains.reader.checkpoint import Calibration, Card, ReaderError, ReaderFile
from ingest.embedding.model_files import DEFAULT, checked, fetched, installed
from training.encoder import Shape, hidden_states
from training.features import NONE, Batch

ADAPTED = (
    r"encoder\.layer\.\d+\.(attention\.self\.(query|key|value)|attention\.output\.dense"
    r"|intermediate\.dense|output\.dense)"
)


_SURE = -4.0  # what `doubt` of a word begins with: none


class UnfitBase(ValueError):
    """The base model is of a kind that the reader cannot be trained on."""


@dataclass(frozen=True)
class Out:
    """Logits in float32. `start`, `end`, `doubt`: [rows, tokens], over all tokens; `answers`, `fit`: [rows]."""

    start: Tensor
    end: Tensor
    doubt: Tensor
    answers: Tensor
    fit: Tensor


class ReaderModel(nn.Module):
    """A reader in training. `full`: no adapters, the encoder's own weights are trained, for comparison."""

    def __init__(self, base: str = "", rank: int = 64, full: bool = False) -> None:
        """`base`: a folder or a hub id; empty: the installed weights. Raises UnfitBase, EmbedderError."""
        super().__init__()
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModel, AutoTokenizer

        folder = installed() if not base else checked(Path(base) if Path(base).is_dir() else fetched(base))
        self.base, self.folder, self.rank = base or DEFAULT, folder, rank
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
        encoder: Any = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **options)
        self.shape = _shape(encoder.config)
        if not self.tokenizer.is_fast:
            raise UnfitBase(f"the tokenizer of {self.base} does not say which characters a token stands for")
        encoder.requires_grad_(False)
        self.frozen = {name: value.detach() for name, value in copy.deepcopy(encoder).named_parameters()}
        self.pairs: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
        self.peft: Any = None
        if not full:
            lora = LoraConfig(r=rank, lora_alpha=rank, target_modules=ADAPTED, lora_dropout=0.0)
            self.peft = get_peft_model(encoder, lora)
            found = dict(self.peft.base_model.model.named_modules())
            self.pairs = {
                name: (module.lora_A["default"].weight, module.lora_B["default"].weight)
                for name, module in found.items()
                if hasattr(module, "lora_A")
            }
            if not self.pairs:
                raise UnfitBase(f"{self.base} has none of the layers of a BERT")
        free = [
            name
            for name, value in self.frozen.items()
            if not name.startswith("pooler")
            and (value.ndim == 1 or "token_type" in name or (full and name.startswith("encoder.")))
        ]
        self.free = nn.ParameterDict({name.replace(".", "|"): nn.Parameter(self.frozen[name].clone()) for name in free})
        size = self.shape.hidden
        self.heads = nn.ModuleDict(
            {"span": nn.Linear(size, 3), "pool": nn.Linear(size, size), "judge": nn.Linear(size, 2)}
        )
        for name, head in self.heads.items():
            assert isinstance(head, nn.Linear)
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
            if name == "span":
                nn.init.constant_(head.bias[2:], _SURE)

    def take(self, reader: ReaderFile) -> None:
        """Goes on from a reader's file. Raises ReaderError where it is of another base or rank."""
        given = {f"{name}.lora_{'AB'[n]}": pair[n] for name, pair in reader.adapters.items() for n in (0, 1)}
        given |= dict(reader.replaced) | {f"heads.{name}": array for name, array in reader.heads.items()}
        wanted = self.trained()
        if {name: array.shape for name, array in given.items()} != {n: tuple(v.shape) for n, v in wanted.items()}:
            raise ReaderError(name=reader.card.base, detail=f"they are not of {self.base} with rank {self.rank}")
        with torch.no_grad():
            for name, value in wanted.items():
                value.copy_(torch.from_numpy(given[name].astype(np.float32)))

    def trained(self) -> dict[str, nn.Parameter]:
        """Everything that is trained, by its name in a checkpoint."""
        named = {f"{name}.lora_{'AB'[n]}": pair[n] for name, pair in self.pairs.items() for n in (0, 1)}
        named |= {name.replace("|", "."): value for name, value in self.free.items()}
        return named | {f"heads.{name}": value for name, value in self.heads.named_parameters()}

    def weights(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """The encoder's weights with what is trained in its place, in `dtype`; gradients flow through."""
        whole = {name: value.to(dtype) for name, value in self.frozen.items() if not name.startswith("pooler")}
        for name, (a, b) in self.pairs.items():
            whole[f"{name}.weight"] = whole[f"{name}.weight"] + b.to(dtype) @ a.to(dtype)
        return whole | {name.replace("|", "."): value.to(dtype) for name, value in self.free.items()}

    def cast(self, dtype: torch.dtype, device: torch.device) -> None:
        """Where and in what precision the frozen weights lie."""
        self.to(device)
        self.frozen = {name: value.to(device, dtype) for name, value in self.frozen.items()}

    def run(self, weights: Mapping[str, Tensor], given: Batch) -> Out:
        h = hidden_states(weights, self.shape, given.ids, given.types, given.mask).float()
        start, end, doubt = self.heads["span"](h).unbind(-1)
        answers, fit = self.heads["judge"](torch.tanh(self.heads["pool"](h[:, 0]))).unbind(-1)
        together = torch.logsumexp(doubt.masked_fill(~given.asked, NONE), 1)
        return Out(start, end, doubt, answers - F.softplus(together), fit)

    def file(self, calibration: Calibration, longest: int) -> ReaderFile:
        """The trained part, as it is kept."""
        with (self.folder / "model.safetensors").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        card = Card(self.base, digest, 1.0, self.rank, longest=longest, calibration=calibration)
        return ReaderFile(
            card,
            {name: (_array(a), _array(b)) for name, (a, b) in self.pairs.items()},
            {name.replace("|", "."): _array(value) for name, value in self.free.items()},
            {name: _array(value) for name, value in self.heads.named_parameters()},
        )


def _shape(config: Any) -> Shape:
    """Raises UnfitBase."""
    if config.model_type not in ("bert", "xlm-roberta", "roberta") or config.hidden_act != "gelu":
        raise UnfitBase(f"a BERT or XLM-RoBERTa with gelu is needed, and this is a {config.model_type}")
    return Shape(
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        hidden=config.hidden_size,
        eps=config.layer_norm_eps,
        types=config.type_vocab_size,
        first_position=0 if config.model_type == "bert" else config.pad_token_id + 1,
    )


def _array(value: Tensor) -> Any:
    return value.detach().to("cpu", torch.float32).numpy().astype(np.float16)
