"""Half precision, written into the graph: float16 for the network, float32 for what decodes it.

Half precision has eleven bits: a coordinate beyond 1024 pixels would be told to the pixel only. So
boxes are decoded in float32, and so is everything that holds coordinates inside a two-stage graph.
Pictures are cast once, from uint8, which float16 holds exactly.

ONNX Runtime's own converter leaves nodes out of order, which the ONNX checker refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from kit.errors import BundleError
from kit.export.anatomy import dissect, named, read_inside, types_of

_MAPS = 4
"""Rank of feature maps. Coordinates are never in values of this rank."""

_FLOAT = frozenset({"RoiAlign", "NonMaxSuppression"})
"""Operators that take coordinates beside maps, in one type."""


def to_half(model: ModelProto) -> ModelProto:
    """Convert a checked float32 graph at the waist; its inputs and outputs stay as they are.

    Raises:
        BundleError: a weight is beyond float16's range, or the result is not valid ONNX.
    """
    model = named(model)
    types, body = types_of(model), dissect(model)
    halves = {
        node.name: _tied(node, model, types)
        for node in model.graph.node
        if node.name in body.body and _fits(node, types, layers=frozenset(body.layers))
    }
    nodes = list(_converted(model, {name: tied for name, tied in halves.items() if tied}))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in (*node.input, *read_inside(node))}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    del model.graph.value_info[:]
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise BundleError(f"the graph in half precision is not valid ONNX ({error})") from error
    return model


def _fits(
    node: NodeProto, types: Mapping[str, tuple[int, int | None]], layers: frozenset[str]
) -> bool:
    """Whether a node of the body may run in half precision: it makes maps, or has weights."""
    made = [types.get(name, (0, None)) for name in node.output]
    if any(attribute.HasField("g") for attribute in node.attribute):  # its own graph stays float
        return False
    if node.op_type in _FLOAT or not any(kind == TensorProto.FLOAT for kind, _ in made):
        return node.op_type == "QuantizeLinear"
    return node.name in layers or all(rank == _MAPS for _, rank in made)


def _tied(
    node: NodeProto, model: ModelProto, types: Mapping[str, tuple[int, int | None]]
) -> frozenset[str]:
    """Those inputs and outputs of a node that the operator's definition wants in one type."""
    version = next(each.version for each in model.opset_import if each.domain == node.domain)
    schema = onnx.defs.get_schema(node.op_type, version, node.domain)

    def formal(place: int, of: list[onnx.defs.OpSchema.FormalParameter]) -> str:
        return of[min(place, len(of) - 1)].type_str  # the last may stand for any number

    inputs = [(name, formal(i, list(schema.inputs))) for i, name in enumerate(node.input)]
    outputs = [(name, formal(i, list(schema.outputs))) for i, name in enumerate(node.output)]
    wanted = {inputs[0][1]} if node.op_type == "QuantizeLinear" else {kind for _, kind in outputs}
    return frozenset(
        name
        for name, kind in (*inputs, *outputs)
        if name and kind in wanted and types.get(name, (0, None))[0] == TensorProto.FLOAT
    )


def _converted(model: ModelProto, halves: Mapping[str, frozenset[str]]) -> Iterator[NodeProto]:
    """The nodes, those of ``halves`` in half precision, with casts where the two meet."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    wanted = _wanted_in_float(model, halves)
    there = set[str]()  # values that exist in half precision by now

    def half(name: str) -> Iterator[NodeProto]:
        if name in there:
            return
        there.add(name)
        if name in stored:
            model.graph.initializer.append(_rounded(stored[name]))
        else:
            yield _cast(name, _half(name), TensorProto.FLOAT16)

    for node in model.graph.node:
        tied = halves.get(node.name)
        if tied is None:
            if node.op_type == "Shape" and node.input[0] in there:
                node.input[0] = _half(node.input[0])
            yield node
            continue
        for name in node.input:
            if name in tied:
                yield from half(name)
        made = [name for name in node.output if name in tied]
        node.input[:] = [_half(name) if name in tied else name for name in node.input]
        node.output[:] = [_half(name) if name in tied else name for name in node.output]
        if node.op_type == "Cast":
            node.attribute[0].i = TensorProto.FLOAT16
        yield node
        there.update(made)
        yield from (_cast(_half(name), name, TensorProto.FLOAT) for name in made if name in wanted)


def _wanted_in_float(model: ModelProto, halves: Mapping[str, frozenset[str]]) -> set[str]:
    """Values that the graph's outputs, its subgraphs or nodes in float32 read."""
    wanted = {value.name for value in model.graph.output}
    for node in model.graph.node:
        tied = halves.get(node.name, frozenset())
        if node.op_type != "Shape":  # which is the same in any precision
            wanted.update(name for name in node.input if name not in tied)
        wanted.update(read_inside(node))
    return wanted


def _rounded(tensor: TensorProto) -> TensorProto:
    values = numpy_helper.to_array(tensor)
    with np.errstate(over="ignore"):
        halved = values.astype(np.float16)
    if not np.isfinite(halved).all():
        raise BundleError(
            f"{tensor.name} reaches {np.abs(values).max():.3g}, beyond half precision",
            fix="export it in fp32",
        )
    return numpy_helper.from_array(halved, _half(tensor.name))


def _half(name: str) -> str:
    return f"{name}.half"


def _cast(name: str, to: str, kind: int) -> NodeProto:
    return helper.make_node("Cast", [name], [to], name=f"{to}.cast", to=kind)
