"""Half precision: what is halved, what must not be, and that the answer stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kit.errors import BundleError
from kit.export.anatomy import dissect
from kit.export.half import to_half


def answers(model: onnx.ModelProto, images: Any) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(["boxes", "scores"], {"images": images}))


def kinds(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*graph.value_info, *graph.input, *graph.output]
    found = {value.name: value.type.tensor_type.elem_type for value in values}
    return {**found, **{tensor.name: tensor.data_type for tensor in graph.initializer}}


def test_layers_are_halved_and_decoding_is_not(graph: onnx.ModelProto) -> None:
    parts, half = dissect(graph), to_half(graph)
    onnx.checker.check_model(half, full_check=True)
    kind, stored = kinds(half), {tensor.name for tensor in half.graph.initializer}
    assert [value.type.tensor_type.elem_type for value in half.graph.input] == [TensorProto.UINT8]
    assert {value.type.tensor_type.elem_type for value in half.graph.output} == {TensorProto.FLOAT}
    for node in half.graph.node:
        if node.name in parts.layers:
            assert {kind[name] for name in node.input if name in stored} == {TensorProto.FLOAT16}
        coordinates = node.op_type in ("RoiAlign", "NonMaxSuppression")
        decodes = node.name not in parts.body and node.op_type not in ("Cast", "Shape")
        if coordinates or decodes:
            assert TensorProto.FLOAT16 not in {kind.get(name) for name in node.input}, node.name
    weights = [t for t in half.graph.initializer if len(t.dims) == 4]
    assert all(t.data_type == TensorProto.FLOAT16 for t in weights)
    assert half.ByteSize() < 0.55 * graph.ByteSize()


def test_the_picture_is_cast_once(yolo: onnx.ModelProto) -> None:
    half = to_half(yolo)
    kind = kinds(half)
    (first,) = [
        node
        for node in half.graph.node
        if node.op_type == "Cast" and kind[node.input[0]] == TensorProto.UINT8
    ]
    assert kind[first.output[0]] == TensorProto.FLOAT16


def test_it_answers_nearly_the_same(yolo: onnx.ModelProto) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    (boxes, scores), (halved, rescored) = answers(yolo, images), answers(to_half(yolo), images)
    assert not np.array_equal(boxes, halved), "nothing was rounded"
    assert np.abs(boxes - halved).max() < 0.5
    assert np.abs(scores - rescored).max() < 0.01


def test_the_source_is_left_alone(yolo: onnx.ModelProto) -> None:
    before = yolo.SerializeToString()
    to_half(yolo)
    assert yolo.SerializeToString() == before


def test_what_half_precision_cannot_hold_is_told(yolo: onnx.ModelProto) -> None:
    tensor = next(t for t in yolo.graph.initializer if len(t.dims) == 4)
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] = 1e6
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(BundleError, match=r"1e\+06, beyond half precision"):
        to_half(yolo)


def test_a_branch_still_reads_what_it_read() -> None:
    """A subgraph sees the values around it; those must stay what they were."""

    def value(name: str, kind: int, *shape: Any) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    def branch(operator: str) -> Any:
        nodes = [
            helper.make_node(operator, ["map"], ["turned"], name=operator),
            helper.make_node("Mul", ["turned", "two"], ["out"], name=f"{operator} twice"),
        ]
        return helper.make_graph(nodes, operator, [], [value("out", TensorProto.FLOAT, *shape)])

    shape = (1, 1, 2, 2)
    weights = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "w")
    axes = numpy_helper.from_array(np.array([1, -1, 4]), "four")
    two = numpy_helper.from_array(np.array(2, np.float32), "two")
    true = numpy_helper.from_array(np.array(True), "true")
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Conv", ["float", "w"], ["map"], name="first"),
        helper.make_node(
            "If", ["true"], ["chosen"], name="if",
            then_branch=branch("Neg"), else_branch=branch("Abs"),
        ),
        helper.make_node("Conv", ["chosen", "w"], ["last"], name="head"),
        helper.make_node("Reshape", ["last", "four"], ["boxes"], name="a"),
        helper.make_node("Reshape", ["last", "four"], ["scores"], name="b"),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "g",
        [value("images", TensorProto.UINT8, *shape)],
        [value(name, TensorProto.FLOAT, 1, 1, 4) for name in ("boxes", "scores")],
        [weights, axes, true, two],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    half = to_half(model)
    images = np.arange(4, dtype=np.uint8).reshape(shape)
    assert answers(half, images)[0].ravel().tolist() == [0, -2, -4, -6]
