"""A checkpoint to export, and graphs of every family, with weights that nobody has trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from kit.bundle import Bundle, BundleCard, save_bundle
from kit.cards import Input, ModelCard, load_card
from kit.data import formats, smear
from kit.data.source import open_source
from kit.data.split import split
from kit.export.anatomy import named
from kit.export.data import calibration_pictures, gate_pictures
from kit.export.export import Eight, export_onnx
from kit.export.graph import write_graph
from kit.export.parity import Tolerance
from kit.families import load_family
from kit.finetune.state import weights_bytes

SIZE = 64

GRAPHS = ["yolov5n", "yolov8n", "yolo11n", "yolo26n", "ssdlite320", "fasterrcnn-mobilenet-320-fpn"]
"""One of each kind of head."""


def _awake(network: torch.nn.Module) -> torch.nn.Module:
    """Fresh statistics would let hardly anything through, and attention look everywhere alike."""
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 1.5, 2.5)
            if ".qkv." in name:
                torch.nn.init.uniform_(module.weight, 15, 25)
    return network


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    smear.make(folder / "drawn", pictures=8, size=(128, 96))
    apart = split(open_source(str(folder / "drawn")), (0.5, 0.25, 0.25))
    (folder / "data").mkdir()
    formats.load("yolo").write(apart, folder / "data")
    return folder / "data"


@pytest.fixture(params=["yolov8n", "yolo26n"], scope="session")
def checkpoint(
    request: pytest.FixtureRequest, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """A network with fresh weights, its class layers shaken so that some scores are high."""
    card = load_card(ModelCard, request.param)
    family = load_family(card.family)
    torch.manual_seed(0)
    network = _awake(family.build(card.architecture, 3, card.classes).eval())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith(family.class_layers(network)):
                parameter.copy_(torch.randn_like(parameter) * 3 - 1)
    dataset = open_source(str(source))
    valid = dataset.manifest(dataset.split("valid"), rule="the valid split")
    made = BundleCard(
        name=card.name,
        kind="checkpoint",
        family=card.family,
        model=card.name,
        architecture=card.architecture,
        licence=card.licence,
        classes=dataset.classes,
        input=Input(SIZE),
        suppress=card.suppress,
        weights="weights.safetensors",
        files={},
        dataset={"source": str(source), "name": "smears"},
        manifests={"valid": valid.sha256},
        training={"pretrained_classes": card.classes, "recipe": {}},
    )
    directory = tmp_path_factory.mktemp("bundles") / card.name
    return save_bundle(directory, made, {made.weights: weights_bytes(network.state_dict())})


@cache
def _written(name: str) -> onnx.ModelProto:
    card = load_card(ModelCard, name)
    family = load_family(card.family)
    torch.manual_seed(0)
    network = _awake(family.build(card.architecture, 3, card.classes).eval())
    graph = family.graph(network, SIZE * 2)
    return write_graph(
        graph, size=SIZE * 2, classes=3, metadata={}, max_batch=family.max_batch(network)
    ).model


@pytest.fixture(params=GRAPHS)
def graph(request: pytest.FixtureRequest) -> onnx.ModelProto:
    """Of 128 pixels and three classes, named."""
    return named(_written(request.param))


@pytest.fixture
def yolo() -> onnx.ModelProto:
    """The graph of one YOLO, named."""
    return named(_written("yolov8n"))


@pytest.fixture(scope="session")
def exported(checkpoint: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("exported") / "onnx"
    made, parity = export_onnx(checkpoint, gate_pictures(checkpoint, None), out)
    assert parity.detections > 0
    return made


@pytest.fixture(params=["fp16", "int8", "int8 fp16"], scope="session")
def lesser(
    request: pytest.FixtureRequest, exported: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """What was exported in fp32, in less."""
    precision, _, rest = request.param.partition(" ")
    return _to_less(exported, precision, rest, tmp_path_factory.mktemp("lesser") / "onnx")


def _to_less(
    bundle: Bundle, precision: Any, rest: Any, out: Path, tolerance: Tolerance | None = None
) -> Bundle:
    eight = None
    if precision == "int8":
        eight = Eight(calibration_pictures(bundle, None, 4), 4, rest or "fp32")
    gate = gate_pictures(bundle, None)
    made, _ = export_onnx(
        bundle, gate, out, precision=precision, eight=eight, tolerance=tolerance, threads=2
    )
    return made


@pytest.fixture
def to_less() -> Callable[..., Bundle]:
    """Bring a bundle to less precision, on four training pictures."""
    return _to_less
