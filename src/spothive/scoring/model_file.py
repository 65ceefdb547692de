"""What a model file must be, found out by reading its bytes and nothing else: no library that could run it is asked.

A model file is ONNX, which is protobuf. It is read strictly: what is not on a list here is refused, so a pickle, an
archive, external data, a custom operator or a function inside the file gets no further than this module.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from spothive.errors import ModelRefused
from spothive.scoring.features import BY_NAME, MOST_FEATURES

MAX_BYTES: Final = 16 << 20
MAX_NODES: Final = 2_000
FEATURES_KEY: Final = "spothive.features"
BASELINE_KEY: Final = "spothive.baseline"
TRAINING_KEY: Final = "spothive.training"

_ONNX: Final = """
Abs Add And BatchNormalization Cast Clip Concat Constant Div Elu Equal Erf Exp Flatten Gather Gelu Gemm Greater
GreaterOrEqual HardSigmoid HardSwish Identity LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max
Mean Min Mul Neg Not Or Pow Reciprocal ReduceMean ReduceSum Relu Reshape Selu Sigmoid Sign Slice Softmax Softplus
Softsign Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze Where
"""
_ONNX_ML: Final = """
Binarizer Imputer LinearClassifier LinearRegressor Normalizer SVMClassifier SVMRegressor Scaler
TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor
"""
OPERATORS: Final = {"": frozenset(_ONNX.split()), "ai.onnx.ml": frozenset(_ONNX_ML.split())}
"""By domain. Nothing that loops, branches, draws random numbers, or reads from elsewhere."""

# Field numbers of onnx.proto3, and what they hold.
_MODEL = {1: "ir_version", 2: "producer", 3: "producer_version", 4: "domain", 5: "model_version", 6: "doc"} | {
    7: "graph",
    8: "opset",
    14: "metadata",
}
_GRAPH = {1: "node", 2: "name", 5: "initializer", 10: "doc", 11: "input", 12: "output", 13: "value_info"}
_NODE = {1: "input", 2: "output", 3: "name", 4: "op_type", 5: "attribute", 6: "doc", 7: "domain"}
_ATTRIBUTE = {1: "name", 2: "f", 3: "i", 4: "s", 5: "t", 7: "floats", 8: "ints", 9: "strings", 13: "doc", 20: "type"}
_TENSOR = dict.fromkeys(range(1, 13), "data") | {13: "elsewhere", 14: "location"}
_FLOAT = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VARINT_MAX = 10

_HUGE = 1e30

_PICKLE_PROTOCOLS = range(2, 6)


@dataclass(frozen=True, slots=True)
class Contract:
    """What a model file says of itself.

    Attributes:
        features: names of the features it is told, in order.
        baseline: the row that explanations start from, one value for each feature.
        training: how it was made, for people.
    """

    features: tuple[str, ...]
    baseline: tuple[float, ...]
    training: dict[str, Any]


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of ``data``, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read_contract(data: bytes) -> Contract:
    """Return what the model file ``data`` says of itself, if it is one that may be loaded.

    Raises:
        ModelRefused: it is no ONNX file, or holds what a model has no use for; the message says what.
    """
    if len(data) > MAX_BYTES:
        raise ModelRefused(f"it is larger than {MAX_BYTES >> 20} MB")
    if not data:
        raise ModelRefused("it is empty")
    if data[0] == 0x80 and len(data) > 1 and data[1] in _PICKLE_PROTOCOLS:  # noqa: PLR2004 - how each pickle begins
        raise ModelRefused("it is a pickle, which runs code when it is loaded: export the model as ONNX")
    model = _message(data, _MODEL, "model")
    graphs = model.get("graph", [])
    if len(graphs) != 1:
        raise ModelRefused("it is no ONNX model: it holds no graph" if not graphs else "it holds several graphs")
    for opset in model.get("opset", []):
        _known_domain(_text(_message(opset, {1: "domain", 2: "version"}, "opset").get("domain", [b""])[-1]))
    graph = _message(graphs[0], _GRAPH, "graph")
    _check_nodes(graph.get("node", []))
    for tensor in graph.get("initializer", []):
        _check_tensor(tensor)
    contract = _contract(_metadata(model.get("metadata", [])))
    _check_ends(graph, len(contract.features))
    return contract


def _check_nodes(nodes: list[bytes]) -> None:
    if not 1 <= len(nodes) <= MAX_NODES:
        raise ModelRefused(f"it has {len(nodes)} operators; 1 to {MAX_NODES} are allowed")
    for encoded in nodes:
        node = _message(encoded, _NODE, "operator")
        types, domains = node.get("op_type", []), node.get("domain", [])
        if len(types) != 1 or len(domains) > 1:
            raise ModelRefused("an operator in it names its type twice or not at all")
        domain, kind = _known_domain(_text(domains[0]) if domains else ""), _text(types[0])
        if kind not in OPERATORS[domain]:
            raise ModelRefused(f"the operator {kind[:60]!r} in it is not allowed")
        for attribute in node.get("attribute", []):
            for tensor in _message(attribute, _ATTRIBUTE, f"operator {kind}").get("t", []):
                _check_tensor(tensor)


def _known_domain(domain: str) -> str:
    domain = "" if domain == "ai.onnx" else domain
    if domain not in OPERATORS:
        raise ModelRefused(f"it uses operators of {domain[:60]!r}; only those of ONNX itself are allowed")
    return domain


def _check_tensor(encoded: bytes) -> None:
    tensor = _message(encoded, _TENSOR, "tensor")
    if "elsewhere" in tensor or any(tensor.get("location", ())):
        raise ModelRefused("its data lie in another file: export it as one file")


def _check_ends(graph: dict[str, list[Any]], width: int) -> None:
    """Refuse a graph that does not take one row of ``width`` floats a time, any number of them, to one answer."""
    inputs, outputs = graph.get("input", []), graph.get("output", [])
    if (len(inputs), len(outputs)) != (1, 1):
        raise ModelRefused(f"it has {len(inputs)} inputs and {len(outputs)} outputs; a model has one of each")
    value = _message(inputs[0], {1: "name", 2: "type", 3: "doc"}, "input")
    kinds = [_message(kind, {1: "tensor"}, "input") for kind in value.get("type", [])]
    tensors = [_message(t, {1: "elem", 2: "shape"}, "input") for kind in kinds for t in kind.get("tensor", [])]
    shapes = [shape for tensor in tensors for shape in tensor.get("shape", [])]
    if len(tensors) != 1 or len(shapes) != 1 or tensors[0].get("elem") != [_FLOAT]:
        raise ModelRefused("its input is not a tensor of 32 bit floats with two dimensions")
    sizes = [
        _message(dim, {1: "size", 2: "name"}, "shape")
        for dim in _message(shapes[0], {1: "dim"}, "shape").get("dim", [])
    ]
    if len(sizes) != 2 or sizes[0].get("size") or sizes[1].get("size") != [width]:  # noqa: PLR2004 - rows, features
        raise ModelRefused(f"its input is not any number of rows with {width} features each")


def _metadata(entries: list[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        pair = _message(entry, {1: "key", 2: "value"}, "metadata")
        key, value = (_text(pair.get(part, [b""])[-1]) for part in ("key", "value"))
        if key in found:
            raise ModelRefused(f"its metadata say {key[:60]!r} twice")
        found[key] = value
    return found


def _contract(metadata: dict[str, str]) -> Contract:
    features = _json(metadata, FEATURES_KEY, list)
    baseline = _json(metadata, BASELINE_KEY, list)
    training = _json(metadata, TRAINING_KEY, dict)
    if not 1 <= len(features) <= MOST_FEATURES or len({str(name) for name in features}) != len(features):
        raise ModelRefused(f"it names {len(features)} features; a model takes 1 to {MOST_FEATURES} different ones")
    if unknown := [str(name)[:60] for name in features if name not in BY_NAME]:
        raise ModelRefused(f"spothive knows no feature {unknown[0]!r}: see docs/guides/models.md")
    numbers = [float(value) for value in baseline if isinstance(value, (int, float)) and abs(value) < _HUGE]
    if len(numbers) != len(features) or len(baseline) != len(features):
        raise ModelRefused(f"its baseline is not one number for each of its {len(features)} features")
    return Contract(tuple(features), tuple(numbers), training)


def _json(metadata: dict[str, str], key: str, shape: type[Any]) -> Any:
    if key not in metadata:
        raise ModelRefused(f"its metadata do not say {key}: see docs/guides/models.md")
    try:
        value = json.loads(metadata[key])
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()  # what could not be stored either
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, shape) or (shape is list and any(isinstance(part, (list, dict)) for part in value)):
        raise ModelRefused(f"{key} in its metadata is no JSON {'array' if shape is list else 'object'}")
    return value


# --- protobuf -----------------------------------------------------------------------------------------


def _message(data: Any, fields: dict[int, str], what: str) -> dict[str, list[Any]]:
    """Return name to values of a message whose every field is one of ``fields``."""
    found: dict[str, list[Any]] = {}
    if not isinstance(data, bytes):
        raise ModelRefused(f"it is no ONNX file: its {what} cannot be read")
    for number, value in _fields(data, what):
        if number not in fields:
            raise ModelRefused(
                f"it is no ONNX file, or its {what} holds what a model of spothive has no use for (field {number})"
            )
        found.setdefault(fields[number], []).append(value)
    return found


def _fields(data: bytes, what: str) -> Iterator[tuple[int, Any]]:
    place = 0
    while place < len(data):
        tag, place = _varint(data, place, what)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, place = _varint(data, place, what)
            yield number, value
            continue
        if wire == _BYTES:
            size, place = _varint(data, place, what)
        elif wire in {_FIXED32, _FIXED64}:
            size = 4 if wire == _FIXED32 else 8
        else:
            size = len(data)
        if number == 0 or place + size > len(data):
            raise ModelRefused(f"it is no ONNX file: its {what} cannot be read")
        yield number, data[place : place + size]
        place += size


def _varint(data: bytes, place: int, what: str) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[place : place + _VARINT_MAX]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says: more follow
            return value, place + index + 1
    raise ModelRefused(f"it is no ONNX file: its {what} cannot be read")


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise ModelRefused("it is no ONNX file: a name in it is none")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ModelRefused("it is no ONNX file: a name in it is no text") from None
