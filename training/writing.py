"""Writes a fitted model as an ONNX file that says what it is told and how it was made."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spothive.scoring.features import FEATURES
from spothive.scoring.model_file import BASELINE_KEY, FEATURES_KEY, TRAINING_KEY
from training.fitting import BENDS, NAMES, PLACE, PRODUCTS, Fitted
from training.history import Floats

IR_VERSION, OPSET = 8, 17
"""Old enough for every onnxruntime that spothive allows."""


def onnx_bytes(model: Fitted, baseline: Floats, training: dict[str, Any]) -> bytes:
    """Return the content of the file: the same arguments give the same bytes.

    It computes in 64 bits, so that a score does not depend on what stands beside its row.
    """
    bend_of, bend_at = np.zeros((len(NAMES), len(BENDS))), np.zeros(len(BENDS))
    for number, (name, at) in enumerate(BENDS):
        place = PLACE[name]
        bend_of[place, number], bend_at[number] = 1, (at - model.centre[place]) / model.scale[place]
    first, second = (np.zeros((len(NAMES), len(PRODUCTS))) for _ in range(2))
    for number, names in enumerate(PRODUCTS):
        for matrix, name in zip((first, second), names, strict=True):
            matrix[PLACE[name], number] = 1
    constants = {
        "low": np.array([f.low for f in FEATURES], float),
        "high": np.array([f.high for f in FEATURES], float),
        "centre": model.centre,
        "scale": model.scale,
        "bend_of": bend_of,
        "bend_at": bend_at,
        "first": first,
        "second": second,
        "weights": model.weights[:, None],
        "bias": np.array([model.bias]),
    }
    steps: tuple[tuple[str, list[str], str, dict[str, Any]], ...] = (
        ("Cast", ["features"], "wide", {"to": TensorProto.DOUBLE}),
        ("Max", ["wide", "low"], "raised", {}),
        ("Min", ["raised", "high"], "inside", {}),
        ("Sub", ["inside", "centre"], "centred", {}),
        ("Div", ["centred", "scale"], "normed", {}),
        ("MatMul", ["normed", "bend_of"], "bent", {}),
        ("Sub", ["bent", "bend_at"], "beyond", {}),
        ("Relu", ["beyond"], "bends", {}),
        ("MatMul", ["normed", "first"], "left", {}),
        ("MatMul", ["normed", "second"], "right", {}),
        ("Mul", ["left", "right"], "products", {}),
        ("Concat", ["normed", "bends", "products"], "columns", {"axis": 1}),
        ("MatMul", ["columns", "weights"], "sum", {}),
        ("Add", ["sum", "bias"], "log_odds", {}),
        ("Sigmoid", ["log_odds"], "score", {}),
        ("Cast", ["score"], "probability", {"to": TensorProto.FLOAT}),
    )
    graph = helper.make_graph(
        [helper.make_node(kind, given, [made], **attributes) for kind, given, made, attributes in steps],
        "interruption_risk",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", len(NAMES)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(np.asarray(value, np.float64), name) for name, value in constants.items()],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    file.producer_name = "spothive"
    said = {FEATURES_KEY: list(NAMES), BASELINE_KEY: [float(value) for value in baseline], TRAINING_KEY: training}
    helper.set_model_props(file, {key: json.dumps(value) for key, value in said.items()})
    onnx.checker.check_model(file)
    return bytes(file.SerializeToString(deterministic=True))
