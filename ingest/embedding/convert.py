"""A sentence-transformers model → a graph that runs without torch. Run as a process of its own, once for each model.

    python -m ingest.embedding.convert FOLDER TARGET

sentence-transformers loads the model, and what is converted is all that it does to tokens: the transformer, pooling,
dense layers, normalisation. Beside the graph lie the tokenizer, the prompts, and probes with the vectors that
sentence-transformers gives for them; whoever loads the graph has to get the same ones (see openvino.py).
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ingest.embedding.int8 import eight_bit
from ingest.embedding.openvino import ABOUT, EIGHT_BIT, GRAPH, PROBES, TEXTS, TOKENIZER, silent_openvino
from ingest.embedding.sentence_transformer import load

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_ENDLESS = 1_000_000  # tokens; what stands for "no limit" is more
# The names under which a model may keep its prompts, in the order in which sentence-transformers looks for them.
_QUERY, _DOCUMENT = ("query",), ("document", "passage", "corpus")


class Unsuitable(Exception):
    """The model does what a graph over tokens cannot do; it stays with torch."""


def convert(folder: Path, target: Path) -> None:
    """Writes the graph of the model in `folder` and all that belongs to it into the folder `target`.

    Raises Unsuitable, and whatever the libraries raise.
    """
    import torch

    openvino = silent_openvino()
    model: Any = load(folder, "cpu")
    features = model.preprocess(list(TEXTS[:2]))
    inputs = [name for name in _INPUTS if name in features]
    others = {name for name, value in features.items() if isinstance(value, torch.Tensor)} - set(inputs)
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if others or inputs[:2] != list(_INPUTS[:2]) or tokenizer is None:
        raise Unsuitable("it reads more than tokens")
    if any(hasattr(module, "sub_modules") for module in model):
        raise Unsuitable("it treats questions and documents in two ways")
    probes = np.stack([_vectors(model.encode_document), _vectors(model.encode_query)])
    model[0].auto_model.set_attn_implementation("eager")  # the others hide their steps from the converter
    model.eval()

    class Tokens(torch.nn.Module):
        """The model with its inputs as arguments, which is what a converter can trace."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: Any) -> Any:
            return self.model(dict(zip(inputs, values, strict=True)))["sentence_embedding"]

    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing tells of every branch it takes
        graph = openvino.convert_model(Tokens(), example_input=tuple(features[name] for name in inputs))
    target.mkdir(parents=True, exist_ok=True)
    openvino.save_model(graph, target / GRAPH, compress_to_fp16=False)
    eight_bit(graph)
    openvino.save_model(graph, target / EIGHT_BIT, compress_to_fp16=False)
    np.save(target / PROBES, probes)
    (target / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")
    longest = model.get_max_seq_length()
    about = {
        "inputs": inputs,
        "pad": model.tokenizer.pad_token_id or 0,
        "pad_type": model.tokenizer.pad_token_type_id,
        "longest": longest if longest and longest < _ENDLESS else None,
        "dimensions": probes.shape[-1],
        "query": _prompt(model, _QUERY),
        "document": _prompt(model, _DOCUMENT),
    }
    (target / ABOUT).write_text(json.dumps(about), encoding="utf-8")


def _vectors(encode: Any) -> Any:
    return encode(list(TEXTS), batch_size=len(TEXTS), show_progress_bar=False, normalize_embeddings=True)


def _prompt(model: Any, names: tuple[str, ...]) -> str:
    """What sentence-transformers puts before a text."""
    found = next((name for name in names if name in model.prompts), model.default_prompt_name)
    return str(model.prompts[found] or "") if found else ""


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
