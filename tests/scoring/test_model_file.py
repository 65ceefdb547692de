"""What is no model file is refused by its bytes alone: nothing that could run it is asked."""

from __future__ import annotations

import io
import pickle
import zipfile
from contextlib import suppress
from typing import Any

import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper

from spothive.errors import ModelRefused
from spothive.scoring import BASELINE_FILE
from spothive.scoring.features import FEATURES
from spothive.scoring.model_file import BASELINE_KEY, FEATURES_KEY, TRAINING_KEY, read_contract
from tests.factories.models import file_of, good_file, linear


def changed(change: Any) -> bytes:
    model = linear(0.5, 1.0)
    change(model)
    return file_of(model)


def _elsewhere(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _hidden_elsewhere(model: onnx.ModelProto) -> None:
    tensor = TensorProto(data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=tensor))


def _branch(model: onnx.ModelProto) -> None:
    model.graph.node.insert(
        0, helper.make_node("Identity", ["features"], ["x"], body=helper.make_graph([], "g", [], []))
    )


def _function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f", domain="own")


REFUSED = {
    "it is empty": b"",
    "it is a pickle": pickle.dumps({"model": [1, 2]}),
    "it is no ONNX file": pickle.dumps({"model": 1}, protocol=0),
    "cannot be read": b"\xff" * 64,
    "holds no graph": onnx.ModelProto(ir_version=8).SerializeToString(),
    "larger than 16 MB": bytes((16 << 20) + 1),
    "another file": changed(_elsewhere),
    "data lie in another file": changed(_hidden_elsewhere),
    r"operator Identity holds what a model of spothive has no use for \(field 6\)": changed(_branch),
    r"model holds what a model of spothive has no use for \(field 25\)": changed(_function),
    "operators of 'own'": changed(lambda m: setattr(m.graph.node[0], "domain", "own")),
    "operators of 'com.microsoft'": changed(lambda m: m.opset_import.add(domain="com.microsoft", version=1)),
    "'RandomNormalLike' in it is not allowed": changed(
        lambda m: setattr(m.graph.node[0], "op_type", "RandomNormalLike")
    ),
    "it has 0 operators": changed(lambda m: m.graph.ClearField("node")),
    "1 inputs and 2 outputs": changed(lambda m: m.graph.output.add(name="more")),
    "32 bit floats": changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.STRING)),
    "with 3 features each": file_of(
        linear(1, 2), **{FEATURES_KEY: [f.name for f in FEATURES[:3]], BASELINE_KEY: [0] * 3}
    ),
    "do not say spothive.features": file_of(linear(1, 2), **{FEATURES_KEY: None}),
    "do not say spothive.training": file_of(linear(1, 2), **{TRAINING_KEY: None}),
    "no JSON array": file_of(linear(1, 2), **{FEATURES_KEY: "[[["}),
    "spothive knows no feature 'tenant'": file_of(linear(1, 2), **{FEATURES_KEY: ["price_ratio", "tenant"]}),
    "names 2 features": file_of(linear(1, 2), **{FEATURES_KEY: ["price_ratio", "price_ratio"]}),
    "baseline is not one number": file_of(linear(1, 2), **{BASELINE_KEY: [0]}),
    "not one number for each": file_of(linear(1, 2), **{BASELINE_KEY: [0, "x"]}),
    "baseline in its metadata is no JSON array": file_of(linear(1, 2), **{BASELINE_KEY: "[0, NaN]"}),
    "for each of its 2 features": file_of(linear(1, 2), **{BASELINE_KEY: f"[0, 1{'0' * 400}]"}),
    "training in its metadata is no JSON object": file_of(linear(1, 2), **{TRAINING_KEY: '{"by": "\\ud800"}'}),
    "training in its metadata": file_of(linear(1, 2), **{TRAINING_KEY: '{"auc": 1e999}'}),
    "any number of rows": changed(lambda m: m.graph.input[0].type.tensor_type.shape.ClearField("dim")),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_no_model_file_is_refused(why: str) -> None:
    with pytest.raises(ModelRefused, match=why):
        read_contract(REFUSED[why])


def test_an_archive_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.onnx", good_file())
    with pytest.raises(ModelRefused):
        read_contract(buffer.getvalue())


def test_two_graphs_which_protobuf_would_merge_are_refused() -> None:
    with pytest.raises(ModelRefused, match="several graphs"):
        read_contract(good_file(1, 2) + onnx.ModelProto(graph=linear(1, 2).graph).SerializeToString())


def test_a_good_file_says_what_it_is() -> None:
    contract = read_contract(file_of(linear(1, 2), **{BASELINE_KEY: [1, 0.5]}))
    assert contract.features == ("advisor_band", "savings_percent")
    assert list(contract.baseline) == [1, 0.5]
    assert contract.training == {"data": "a test"}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damage_is_refused_or_harmless_and_never_a_crash(data: st.DataObject) -> None:
    content = bytearray(SHIPPED)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        with suppress(ModelRefused):
            read_contract(damaged)


SHIPPED = BASELINE_FILE.read_bytes()
