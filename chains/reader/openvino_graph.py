"""The network of a reader as an OpenVINO graph, put together from plain arrays: no torch, no conversion, no cache.

BERT (Devlin et al., 2018) and its relatives of the same make, RoBERTa and XLM-R, which count places from another number
and have no second kind of token. The names of weights are those of transformers' models.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.embedding.openvino import silent_openvino

Weights = Mapping[str, NDArray[np.float32]]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_LOWEST = -1e9  # what a padded place weighs in attention; bfloat16 holds it as well
_KINDS = {"bert": 0, "roberta": 1, "xlm-roberta": 1, "camembert": 1}  # what is added to the padding's id: first place
_ACTIVATIONS = {"gelu": "ERF", "gelu_new": "TANH", "gelu_pytorch_tanh": "TANH", "relu": ""}


class UnknownKind(ValueError):
    """The encoder is of a make that this module does not build."""


@dataclass(frozen=True)
class Shape:
    """What an encoder's config.json says that its weights do not."""

    layers: int
    heads: int
    epsilon: float  # of the layer norms
    activation: str  # a key of _ACTIVATIONS
    first_place: int  # the number of the first token's place: 0, or past the padding's id
    places: int  # how many tokens it can read at once

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Shape":
        """Raises UnknownKind, KeyError, TypeError, ValueError."""
        kind, activation = str(config.get("model_type", "bert")), str(config.get("hidden_act", "gelu"))
        relative = config.get("position_embedding_type", "absolute") != "absolute"
        if kind not in _KINDS or activation not in _ACTIVATIONS or relative:
            raise UnknownKind(f"an encoder of the kind {kind} with {activation} is not known here")
        first = int(config["pad_token_id"]) + 1 if _KINDS[kind] else 0
        return cls(
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            epsilon=float(config.get("layer_norm_eps", 1e-12)),
            activation=activation,
            first_place=first,
            places=int(config["max_position_embeddings"]) - first,
        )


def build(shape: Shape, weights: Weights) -> Any:
    """The graph: (rows, length) of input_ids, attention_mask, token_type_ids as int64 → two outputs, float32.

    "span": (rows, length, 3), whether an answer begins at a token, ends there, and whether that token of a question is
    not met by the text; "judge": (rows, 2), whether there is an answer, and how well the text fits. `weights`: the
    encoder's, and those of the heads (checkpoint.py) under "heads.". Raises KeyError where one is missing.
    """
    openvino = silent_openvino()
    import openvino.opset15 as ops

    def linear(value: Any, name: str) -> Any:
        product = ops.matmul(value, ops.constant(weights[f"{name}.weight"]), False, True)
        return ops.add(product, ops.constant(weights[f"{name}.bias"]))

    def norm(value: Any, name: str) -> Any:
        even = ops.mvn(value, ops.constant(np.array([-1])), True, shape.epsilon, "inside_sqrt")
        scaled = ops.multiply(even, ops.constant(weights[f"{name}.weight"]))
        return ops.add(scaled, ops.constant(weights[f"{name}.bias"]))

    def looked_up(name: str, indices: Any) -> Any:
        return ops.gather(ops.constant(weights[f"embeddings.{name}.weight"]), indices, ops.constant(np.int64(0)))

    ids, mask, kinds = (ops.parameter([-1, -1], openvino.Type.i64, name=name) for name in INPUTS)
    length = ops.gather(ops.shape_of(ids), ops.constant(np.int64(1)), ops.constant(np.int64(0)))
    places = ops.range(
        ops.constant(np.int64(shape.first_place)),
        ops.add(length, ops.constant(np.int64(shape.first_place))),
        ops.constant(np.int64(1)),
        "i64",
    )
    hidden = ops.add(looked_up("word_embeddings", ids), looked_up("token_type_embeddings", kinds))
    hidden = norm(ops.add(hidden, looked_up("position_embeddings", places)), "embeddings.LayerNorm")
    size = weights["embeddings.word_embeddings.weight"].shape[1]
    # (rows, 1, 1, length): 0 where there is a token, very little where there is none.
    absent = ops.multiply(ops.subtract(ops.constant(np.float32(1)), ops.convert(mask, "f32")), np.float32(_LOWEST))
    absent = ops.unsqueeze(absent, ops.constant(np.array([1, 2])))
    split = ops.constant(np.array([0, 0, shape.heads, size // shape.heads]))
    whole, swapped = ops.constant(np.array([0, 0, size])), ops.constant(np.array([0, 2, 1, 3]))
    for layer in range(shape.layers):
        at = f"encoder.layer.{layer}"
        query, key, value = (
            ops.transpose(ops.reshape(linear(hidden, f"{at}.attention.self.{name}"), split, True), swapped)
            for name in ("query", "key", "value")
        )
        read = ops.scaled_dot_product_attention(query, key, value, absent)  # scaled by 1 / sqrt(size of a head)
        read = ops.reshape(ops.transpose(read, swapped), whole, True)
        hidden = norm(ops.add(linear(read, f"{at}.attention.output.dense"), hidden), f"{at}.attention.output.LayerNorm")
        wide = linear(hidden, f"{at}.intermediate.dense")
        form = _ACTIVATIONS[shape.activation]
        wide = ops.gelu(wide, form) if form else ops.relu(wide)
        hidden = norm(ops.add(linear(wide, f"{at}.output.dense"), hidden), f"{at}.output.LayerNorm")
    first = ops.gather(hidden, ops.constant(np.int64(0)), ops.constant(np.int64(1)))
    judged = linear(ops.tanh(linear(first, "heads.pool")), "heads.judge")
    outputs = [ops.result(linear(hidden, "heads.span"), name="span"), ops.result(judged, name="judge")]
    return openvino.Model(outputs, [ids, mask, kinds], "reader")
