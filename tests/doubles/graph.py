"""A graph at the graph waist that every test can tell the answers of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def whole_picture_graph(size: int, gain: float = 1) -> bytes:
    """Answers the whole input: as class 0 by brightness, as class 1 by darkness; ``gain`` makes it
    brighter."""
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
    graph = helper.make_graph(nodes, "tiny", [image], outputs, weights)
    opsets = [onnx.helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return bytes(model.SerializeToString())
