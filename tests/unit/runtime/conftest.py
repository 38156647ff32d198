"""Tiny real graphs at the graph waist, and bundles of them. No detector: arithmetic with meaning.

The graph of :func:`tiny_graph` answers one box for a picture, the whole input, scored by its mean
brightness as class 0 and by 1 minus that as class 1; so every test can tell what it should say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kit.bundle import Bundle, BundleCard, save_bundle
from kit.cards import Input, Suppress

SIZE = 64


def tiny_graph(
    *,
    size: int = SIZE,
    batch: int | str = "batch",
    names: Sequence[str] = ("boxes", "scores"),
    input_name: str = "images",
    metadata: dict[str, str] | None = None,
    gain: float = 1.0,
    features: bool = False,
    external: str | None = None,
    domain: str = "",
) -> bytes:
    """An ONNX file; ``gain`` scales the scores, to break the promise of 0..1."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto as T
    from onnx import helper, numpy_helper

    np = pytest.importorskip("numpy")

    def constant(name: str, value: Any, kind: Any) -> Any:
        return numpy_helper.from_array(np.asarray(value, kind), name)

    weights = [
        constant("box", [[[0, 0, size, size]]], np.float32),
        constant("scale", gain / 255, np.float32),
        constant("one", 1.0, np.float32),
        constant("axes", [1, 2, 3], np.int64),
        constant("zero", 0.0, np.float32),
        constant("row", [2], np.int64),
    ]
    if external:
        big = weights[0]
        big.ClearField("raw_data")
        big.data_location = T.EXTERNAL
        entry = big.external_data.add()
        entry.key, entry.value = "location", external
    nodes = [
        helper.make_node("Cast", [input_name], ["float"], to=T.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean4"], keepdims=1, domain=domain),
        helper.make_node("Squeeze", ["mean4", "row"], ["mean"]),  # (B, 1, 1)
        helper.make_node("Mul", ["mean", "scale"], ["bright"]),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Concat", ["bright", "dark"], [names[1]], axis=2),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["box", "nothing"], [names[0]]),
    ]
    outputs = [
        helper.make_tensor_value_info(names[0], T.FLOAT, [batch, 1, 4]),
        helper.make_tensor_value_info(names[1], T.FLOAT, [batch, 1, 2]),
    ]
    if features:
        nodes.append(helper.make_node("Squeeze", ["mean", "row"], ["features"]))
        outputs.append(helper.make_tensor_value_info("features", T.FLOAT, [batch, 1]))
    image = helper.make_tensor_value_info(input_name, T.UINT8, [batch, size, size, 3])
    opsets = [helper.make_opsetid("", 18)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", [image], outputs, weights),
        opset_imports=opsets,
        ir_version=9,
    )
    if metadata is not None:
        onnx.helper.set_model_props(model, metadata)
    return bytes(model.SerializeToString())


def make_bundle(directory: Path, graph: bytes | None = None, **changes: Any) -> Bundle:
    """A bundle around a graph of two classes, bright and dark."""
    classes = ("bright", "dark")
    facts: dict[str, Any] = {
        "name": "tiny",
        "kind": "onnx",
        "family": "none",
        "model": "tiny",
        "architecture": "mean brightness",
        "licence": "Apache-2.0",
        "classes": classes,
        "input": Input(SIZE),
        "suppress": Suppress(),
        "weights": "model.onnx",
        "files": {},
        **changes,
    }
    if graph is None:
        graph = tiny_graph(metadata={"classes": json.dumps(classes)})
    return save_bundle(directory, BundleCard(**facts), {facts["weights"]: graph})


@pytest.fixture
def graph() -> Callable[..., bytes]:
    return tiny_graph


@pytest.fixture
def bundle_at(tmp_path: Path) -> Callable[..., Bundle]:
    """Make a bundle at ``bundle`` below the test's own folder."""

    def make(graph: bytes | None = None, **changes: Any) -> Bundle:
        return make_bundle(tmp_path / "bundle", graph, **changes)

    return make
