"""A Triton model repository that serves the graph waist, for those who outgrow one machine.

    REPOSITORY/NAME/config.pbtxt, labels.txt, card.json, 1/model.onnx

Triton's ONNX Runtime backend serves the graph as it stands: uint8 pictures fitted to the input in,
rows of boxes and scores out. Fitting and suppression stay with the client, and ``card.json`` says
how (``input``, ``suppress``, ``operating_point``).
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import onnx

from kit.bundle import CARD, Bundle
from kit.errors import BundleError
from kit.files import new_directory, write_text
from kit.runtime.plain_graph import read_graph

BATCH = 8
"""Largest batch that Triton gathers, where the graph takes any."""

_TYPES: dict[int, str] = {
    onnx.TensorProto.UINT8: "TYPE_UINT8",
    onnx.TensorProto.FLOAT: "TYPE_FP32",
}


def to_triton(bundle: Bundle, out: Path) -> Path:
    """Write a model repository of one model.

    Args:
        bundle: an ONNX bundle of any precision.
        out: the repository, which must not exist.

    Returns:
        The model's folder.

    Raises:
        BundleError: not an ONNX bundle.
    """
    card = bundle.card
    if card.kind != "onnx":
        raise BundleError(
            f"Triton serves ONNX graphs, this bundle holds a {card.kind}",
            where=bundle.directory,
            fix=f"kit export {bundle.directory} --precision fp32 --out {bundle.directory}-onnx",
        )
    name = re.sub(r"[^\w.-]+", "-", card.name).strip(".") or "model"
    with new_directory(out) as beside:
        model = beside / name
        (model / "1").mkdir(parents=True)
        shutil.copyfile(bundle.weights, model / "1" / "model.onnx")
        shutil.copyfile(bundle.directory / CARD, model / CARD)
        write_text(model / "labels.txt", "".join(f"{label}\n" for label in card.classes))
        write_text(model / "config.pbtxt", _config(name, bundle))
    return out / name


def _config(name: str, bundle: Bundle) -> str:
    """Protobuf text. A graph that takes one picture has its batch in its shapes, and Triton must
    not add another."""
    graph = onnx.load_from_string(read_graph(bundle.weights)).graph
    batch = BATCH if bundle.card.max_batch is None else 0
    parts = [
        f"name: {json.dumps(name)}",
        'backend: "onnxruntime"',
        f"max_batch_size: {batch}",
        *(_tensor("input", value, batched=bool(batch)) for value in graph.input),
        *(_tensor("output", value, batched=bool(batch)) for value in graph.output),
    ]
    if batch:
        parts.append("dynamic_batching { }")
    return "\n".join(parts) + "\n"


def _tensor(kind: str, value: onnx.ValueInfoProto, *, batched: bool) -> str:
    tensor = value.type.tensor_type
    sizes = [dim.dim_value for dim in tensor.shape.dim][1 if batched else 0 :]
    lines = [
        f"  name: {json.dumps(value.name)}",
        f"  data_type: {_TYPES[tensor.elem_type]}",
        f"  dims: [ {', '.join(map(str, sizes))} ]",
    ]
    if value.name == "scores":
        lines.append('  label_filename: "labels.txt"')
    return "\n".join([f"{kind} [{{", *lines, "}]"])
