"""Which nodes are the network, found in graphs of every kind of head."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import TensorProto, helper

from kit.cards import ModelCard, load_card
from kit.export.anatomy import dissect, named, types_of
from kit.export.graph import write_graph
from kit.families import load_family


def test_heads_are_the_last_learnt_layers(graph: onnx.ModelProto) -> None:
    parts = dissect(graph)
    makers = {name: node for node in graph.graph.node for name in node.output}
    by_name = {node.name: node for node in graph.graph.node}
    assert 6 <= len(parts.heads) <= 12
    assert parts.heads <= set(parts.layers) <= parts.body
    # no head comes before another, but in two-stage graphs, whose second stage looks at the first's
    before: dict[str, set[str]] = {}
    for node in graph.graph.node:
        sources = [makers[name].name for name in node.input if name in makers]
        before[node.name] = {*sources}.union(*(before[name] for name in sources))
    two_stage = any(node.op_type == "RoiAlign" for node in graph.graph.node)
    earlier = {name for head in parts.heads for name in before[head]} & parts.heads
    assert bool(earlier) == two_stage
    # the four numbers of a box, or a class's, come out of a head
    assert {by_name[head].op_type for head in parts.heads} <= {"Conv", "Gemm"}


def test_decoding_is_not_the_body(graph: onnx.ModelProto) -> None:
    """What the outputs are made of right before they leave is no map any more."""
    parts = dissect(graph)
    makers = {name: node for node in graph.graph.node for name in node.output}
    assert makers["boxes"].name not in parts.body
    assert makers["scores"].name not in parts.body
    assert makers["features"].name not in parts.body
    first = next(node for node in graph.graph.node if node.op_type == "Conv")
    assert first.name in parts.body


def test_the_vendors_own_mean_over_bins_is_decoding() -> None:
    """A softmax and a convolution whose weights are the numbers of the bins."""
    card = load_card(ModelCard, "yolov8n")
    family: Any = load_family(card.family)
    network = family.build(card.architecture, 3, card.classes).eval()
    theirs = network.model[-1].dfl
    graph = family.graph(network, 64)
    graph.network.model[-1].dfl = theirs
    model = named(write_graph(graph, size=64, classes=3, metadata={}).model)
    parts = dissect(model)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    assert softmax.name not in parts.body
    assert len(parts.heads) == 6
    assert not any("dfl" in name for name in parts.layers)


def test_names_and_constants() -> None:
    shared = helper.make_tensor("shared", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["two"], value=shared),
            helper.make_node("Identity", ["two"], ["same"]),
            helper.make_node("Mul", ["x", "same"], ["y"], name="n"),
            helper.make_node("Add", ["y", "two"], ["sum"], name="n"),
            helper.make_node("Neg", ["sum"], ["z"], name="Add_3"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])],
    )
    model = named(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Mul", "Add", "Neg"]
    assert len({node.name for node in model.graph.node}) == 3
    assert [list(node.input) for node in model.graph.node] == [["x", "two"], ["y", "two"], ["sum"]]
    assert types_of(model)["y"] == (TensorProto.FLOAT, 1)


def test_a_layer_needs_weights_that_do_not_depend_on_the_picture(yolo: onnx.ModelProto) -> None:
    parts = dissect(yolo)
    stored = {tensor.name for tensor in yolo.graph.initializer}
    for node in yolo.graph.node:
        if node.name in parts.layers:
            assert node.input[1] in stored
    assert len(parts.layers) == 63  # of yolov8n, the mean over bins aside
