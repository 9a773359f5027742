"""The weights of a graph in eight bits, for processors that multiply those faster than they multiply float32.

Groups of 64 weights share a scale, so that a large one spoils 63 others and not a whole row; OpenVINO rounds what comes
in by groups as well, while it runs. The scale is the one of a few that rounds a group with the least squared error.

What attention averages stays as it is: it goes into a text's vector nearly as it is, so that rounding it costs half of
all the accuracy that there is to lose, for a twelfth of the work. Queries and keys only weigh, and may be rounded.
"""

from typing import Any

import numpy as np

GROUP = 64  # weights, and numbers that come in; 32 costs a quarter of the speed, 128 twice the error
_SCALES = (1.0, 0.97, 0.94, 0.9)  # of the one at which the largest weight of a group is not cut off
_MOST = 127


def eight_bit(graph: Any) -> int:
    """Rounds the weights of an OpenVINO graph, in place; how many matrices it rounded."""
    import openvino.opset13 as ops
    from openvino import Type

    averaged = {_product(value) for node in graph.get_ordered_ops() for value in _averaged(node)}
    rounded = 0
    for node in graph.get_ordered_ops():
        if node.get_type_name() != "MatMul" or node.get_friendly_name() in averaged:
            continue
        weights = node.input_value(1).get_node()
        if weights.get_type_name() != "Constant" or weights.get_element_type() != Type.f32:
            continue
        rows, columns = (*weights.get_output_shape(0), 0, 0)[:2]
        if len(weights.get_output_shape(0)) != 2 or columns % GROUP or not node.get_attributes()["transpose_b"]:
            continue
        numbers, scales = _rounded(weights.data.reshape(rows, columns // GROUP, GROUP))
        groups = ops.multiply(ops.convert(ops.constant(numbers), "f32"), ops.constant(scales))
        whole = ops.reshape(groups, ops.constant(np.array([rows, columns], np.int64)), False)
        node.input(1).replace_source_output(whole.output(0))
        rounded += 1
    return rounded


def _rounded(groups: Any) -> tuple[Any, Any]:
    """(rows, groups, GROUP) of float32 → the same in int8, and (rows, groups, 1) scales."""
    largest = np.abs(groups).max(axis=2, keepdims=True)
    largest[largest == 0] = 1
    least = np.full_like(largest, np.inf)
    numbers, scales = np.zeros_like(groups), np.ones_like(largest)
    for part in _SCALES:
        scale = largest * np.float32(part / _MOST)
        tried = np.clip(np.round(groups / scale), -_MOST, _MOST)
        error = np.square(tried * scale - groups).sum(axis=2, keepdims=True)
        better = error < least
        least, scales = np.where(better, error, least), np.where(better, scale, scales)
        numbers = np.where(better, tried, numbers)
    return numbers.astype(np.int8), scales.astype(np.float32)


def _averaged(node: Any) -> list[Any]:
    """What a node of attention averages; nothing of another node."""
    if node.get_type_name() == "ScaledDotProductAttention":
        return [node.input_value(2)]
    if node.get_type_name() == "MatMul" and node.input_value(0).get_node().get_type_name() == "Softmax":
        return [node.input_value(1)]
    return []


def _product(value: Any) -> str:
    """The name of the product with weights that a value comes from, back over additions and changes of shape."""
    node = value.get_node()
    while node.get_type_name() != "MatMul" and node.get_input_size():
        node = node.input_value(0).get_node()
    return str(node.get_friendly_name())
