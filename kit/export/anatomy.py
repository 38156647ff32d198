"""Which part of an ONNX graph is the network, and which decodes its answer into boxes and scores.

Found by walking back from the outputs, never by name, so it holds for every family: the last layers
with learnt weights on each way are the head's; what comes after them turns numbers into pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import onnx
from onnx import ModelProto, NodeProto

from kit.runtime.contract import OUTPUTS

_LAYERS = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
"""Operators with weights, and the place of the weights among their inputs."""

_MOVES = frozenset({"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})
"""Operators that only rearrange."""


@dataclass(frozen=True)
class Anatomy:
    """The parts of a graph, as names of nodes.

    Attributes:
        layers: with learnt weights, decoding aside, in the graph's order.
        heads: those of ``layers`` after which nothing is learnt.
        body: everything that the heads are computed from, and the heads themselves.
    """

    layers: tuple[str, ...]
    heads: frozenset[str]
    body: frozenset[str]


def dissect(model: ModelProto) -> Anatomy:
    """Take a graph at the waist apart; its nodes need names of their own, see :func:`named`."""
    makers = {name: node for node in model.graph.node for name in node.output if name}
    stored = _stored(model)

    def is_layer(node: NodeProto) -> bool:
        place = _LAYERS.get(node.op_type)
        return place is not None and node.input[place] in stored and node.input[0] not in stored

    heads, decoding = set[str](), set[str]()
    waiting = list(OUTPUTS)
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.name in heads or node.name in decoding:
            continue
        if is_layer(node) and not _is_expectation(node, makers):
            heads.add(node.name)
        elif node.op_type != "Shape":  # what has a shape is not what the answer is made of
            decoding.add(node.name)
            waiting.extend(node.input)
    body = _before((node for node in model.graph.node if node.name in heads), makers) - decoding
    return Anatomy(
        layers=tuple(n.name for n in model.graph.node if is_layer(n) and n.name in body),
        heads=frozenset(heads),
        body=frozenset(body),
    )


def named(model: ModelProto) -> ModelProto:
    """A copy whose nodes all have names, no two the same, whose constants are initializers, and
    where none of these goes by two names."""
    copy = ModelProto()
    copy.CopyFrom(model)
    kept, seen, same = [], set[str](), dict[str, str]()
    stored, kept_names = _stored(copy), {value.name for value in copy.graph.output}
    kept_names.update(name for node in copy.graph.node for name in read_inside(node))
    for place, node in enumerate(copy.graph.node):
        node.input[:] = [same.get(name, name) for name in node.input]
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = copy.graph.initializer.add()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            continue
        if (
            node.op_type == "Identity"
            and node.input[0] in stored
            and node.output[0] not in kept_names
        ):
            same[node.output[0]] = node.input[0]
            continue
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{place}"
        while node.name in seen:
            node.name += "_"
        seen.add(node.name)
        kept.append(node)
    del copy.graph.node[:]
    copy.graph.node.extend(kept)
    return copy


def types_of(model: ModelProto) -> Mapping[str, tuple[int, int | None]]:
    """Element type, as ``onnx.TensorProto`` counts them, and rank of every value that has one; the
    rank is None where it can't be told."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    found: dict[str, tuple[int, int | None]] = {
        tensor.name: (tensor.data_type, len(tensor.dims)) for tensor in graph.initializer
    }
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if tensor.elem_type:
            rank = len(tensor.shape.dim) if tensor.HasField("shape") else None
            found[value.name] = (tensor.elem_type, rank)
    return found


def read_inside(node: NodeProto) -> Iterator[str]:
    """What the branches or the loop of a node read: they see all values around them."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                yield from inner.input
                yield from read_inside(inner)


def _stored(model: ModelProto) -> frozenset[str]:
    """Values that don't depend on the picture."""
    stored = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        same = node.op_type == "Identity" and node.input[0] in stored
        if node.op_type == "Constant" or same:
            stored.update(node.output)
    return frozenset(stored)


def _is_expectation(node: NodeProto, makers: Mapping[str, NodeProto]) -> bool:
    """Whether a layer weighs a distribution: the mean over bins by which YOLO heads tell sides
    (Li et al. 2020, "Generalized Focal Loss"). Its weights are the bins' numbers, not learnt."""
    before = makers.get(node.input[0])
    while before is not None and before.op_type in _MOVES:
        before = makers.get(before.input[0])
    return before is not None and before.op_type == "Softmax"


def _before(nodes: Iterable[NodeProto], makers: Mapping[str, NodeProto]) -> set[str]:
    """Names of these nodes and of all that they are computed from."""
    found, waiting = set[str](), list(nodes)
    while waiting:
        node = waiting.pop()
        if node.name not in found:
            found.add(node.name)
            waiting.extend(makers[name] for name in node.input if name in makers)
    return found
