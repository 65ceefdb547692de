"""Small model files, whole and broken, made with the library that writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spothive.scoring.features import FEATURES
from spothive.scoring.model_file import BASELINE_KEY, FEATURES_KEY, TRAINING_KEY

NAMES = tuple(feature.name for feature in FEATURES)


def contract(count: int, **others: Any) -> dict[str, Any]:
    """Return what a file with so many features says of itself."""
    return {FEATURES_KEY: list(NAMES[:count]), BASELINE_KEY: [0.0] * count, TRAINING_KEY: {"data": "a test"}} | others


def network(layers: Sequence[np.ndarray[Any, Any]], *, last: str = "Sigmoid") -> onnx.ModelProto:
    """Return a network with the given weights, ``Tanh`` between layers; the last one has one column."""
    width, nodes, name = layers[0].shape[0], [], "features"
    for number, _ in enumerate(layers):
        nodes.append(helper.make_node("MatMul", [name, f"w{number}"], [f"sum{number}"]))
        act = last if number == len(layers) - 1 else "Tanh"
        nodes.append(helper.make_node(act, [f"sum{number}"], [name := f"out{number}"]))
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(layer.astype(np.float32), f"w{number}") for number, layer in enumerate(layers)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def linear(*weights: float, last: str = "Sigmoid") -> onnx.ModelProto:
    """Return a logistic regression over as many features."""
    return network([np.array(weights, float)[:, None]], last=last)


def file_of(model: onnx.ModelProto, **metadata: Any) -> bytes:
    """Return the content of the file of ``model``; ``metadata`` stands in for parts of its contract."""
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    width = sizes[1].dim_value if len(sizes) > 1 else 2
    said = {key: value for key, value in contract(width, **metadata).items() if value is not None}
    helper.set_model_props(model, {key: v if isinstance(v, str) else json.dumps(v) for key, v in said.items()})
    return bytes(model.SerializeToString())


def good_file(*weights: float) -> bytes:
    """Return a file that is taken; other weights make another file."""
    return file_of(linear(*(weights or (0.5, -0.02, 1.0))))
