"""A graph at the graph waist that every test can tell the answers of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def whole_picture_graph(size: int, gain: float = 1, *, features: bool = False) -> bytes:
    """Answers the whole input: as class 0 by brightness, as class 1 by darkness; ``gain`` makes it
    brighter. Its features, where wanted, are the mean of all values and of the first column."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, value: Any, kind: Any = np.float32) -> Any:
        return numpy_helper.from_array(np.asarray(value, kind), name)

    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean4"], keepdims=1),
        helper.make_node("Squeeze", ["mean4", "last"], ["mean"]),
        helper.make_node("Mul", ["mean", "scale"], ["bright"]),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Concat", ["bright", "dark"], ["scores"], axis=2),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["box", "nothing"], ["boxes"]),
    ]
    weights = [
        constant("axes", [1, 2, 3], np.int64), constant("last", [2], np.int64),
        constant("scale", gain / 255), constant("one", 1), constant("zero", 0),
        constant("box", [[[0, 0, size, size]]]),
    ]  # fmt: skip
    image = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", size, size, 3])
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", 1, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 1, 2]),
    ]
    if features:
        nodes += [
            helper.make_node("Slice", ["float", "from", "to", "across"], ["column"]),
            helper.make_node("ReduceMean", ["column", "axes"], ["side"], keepdims=0),
            helper.make_node("ReduceMean", ["float", "axes"], ["all"], keepdims=0),
            helper.make_node("Unsqueeze", ["side", "second"], ["side1"]),
            helper.make_node("Unsqueeze", ["all", "second"], ["all1"]),
            helper.make_node("Concat", ["all1", "side1"], ["features"], axis=1),
        ]
        weights += [
            constant("from", [0], np.int64), constant("to", [1], np.int64),
            constant("across", [2], np.int64), constant("second", [1], np.int64),
        ]  # fmt: skip
        outputs.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 2]))
    graph = helper.make_graph(nodes, "tiny", [image], outputs, weights)
    opsets = [onnx.helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return bytes(model.SerializeToString())
