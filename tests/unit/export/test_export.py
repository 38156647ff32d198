"""From a checkpoint to an ONNX bundle, and what must not come out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from kit import door
from kit.bundle import Bundle, open_bundle, save_bundle
from kit.data import formats, smear
from kit.data.source import open_source
from kit.data.split import split
from kit.errors import BundleError, DataError, GateRefused, UsageError
from kit.export import graph as graph_module
from kit.export.data import gate_pictures
from kit.export.export import export_onnx
from kit.export.graph import Written, write_graph
from kit.families import load_family
from kit.finetune.state import weights_bytes
from kit.pixels import read_picture

SIZE = 64


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    smear.make(folder / "drawn", pictures=8, size=(128, 96))
    apart = split(open_source(str(folder / "drawn")), (0.5, 0.25, 0.25))
    (folder / "data").mkdir()
    formats.load("yolo").write(apart, folder / "data")
    return folder / "data"


@pytest.fixture(params=["yolov8n", "yolo26n"], scope="module")
def checkpoint(
    request: pytest.FixtureRequest, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """A network with fresh weights, its class layers shaken so that some scores are high."""
    from kit.bundle import BundleCard
    from kit.cards import Input, ModelCard, load_card

    card = load_card(ModelCard, request.param)
    family = load_family(card.family)
    torch.manual_seed(0)
    network = family.build(card.architecture, 3, card.classes).eval()
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


@pytest.fixture(scope="module")
def exported(checkpoint: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("exported") / "onnx"
    made, parity = export_onnx(checkpoint, gate_pictures(checkpoint, None), out)
    assert parity.detections > 0
    return made


def test_the_graph_says_what_the_checkpoint_says(checkpoint: Bundle, exported: Bundle) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    one, other = (door.open(bundle).runner.run(images) for bundle in (checkpoint, exported))
    assert np.allclose(one.boxes, other.boxes, atol=0.01)
    assert np.allclose(one.scores, other.scores, atol=1e-4)
    assert one.features is not None
    assert other.features is not None
    assert np.allclose(one.features, other.features, atol=1e-3)


def test_a_head_without_suppression_leaves_no_duplicates(exported: Bundle) -> None:
    assert (exported.card.suppress is None) == (exported.card.model == "yolo26n")


def test_the_card_tells_where_it_comes_from(checkpoint: Bundle, exported: Bundle) -> None:
    card = exported.card
    assert (card.kind, card.precision, card.backends) == ("onnx", "fp32", ("onnxruntime",))
    assert card.parent == checkpoint.sha256
    assert (
        card.boxes
        == onnx.load(exported.weights).graph.output[0].type.tensor_type.shape.dim[1].dim_value
    )
    assert card.reports["parity"]["manifest"] == checkpoint.card.manifests["valid"]
    assert open_bundle(exported.directory).sha256 == exported.sha256


def test_the_file_tells_it_too(checkpoint: Bundle, exported: Bundle) -> None:
    model = onnx.load(exported.weights)
    onnx.checker.check_model(model, full_check=True)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(told["classes"]) == list(exported.card.classes)
    assert json.loads(told["input"])["size"] == SIZE
    assert told["licence"] == "AGPL-3.0"
    assert told["checkpoint_sha256"] == checkpoint.sha256


def test_shapes_are_fixed_but_the_batch(exported: Bundle) -> None:
    graph = onnx.load(exported.weights).graph
    for value in (*graph.input, *graph.output):
        batch, *rest = value.type.tensor_type.shape.dim
        assert batch.dim_param == "batch"
        assert all(dim.dim_value > 0 for dim in rest)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batches_give_what_single_pictures_give(exported: Bundle, batch: int) -> None:
    runner = door.open(exported).runner
    images = np.random.default_rng(1).integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)
    together = runner.run(images)
    for place in range(batch):
        alone = runner.run(images[place : place + 1])
        assert np.allclose(alone.boxes[0], together.boxes[place], atol=0.01)
        assert np.allclose(alone.scores[0], together.scores[place], atol=1e-4)


def test_a_graph_that_differs_is_not_written(
    checkpoint: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrapper that swaps two classes exports cleanly; the gate sees it."""

    def swapped(graph: Any, **options: Any) -> Written:
        class Swapped(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.graph = graph

            def forward(self, images: torch.Tensor) -> Any:
                boxes, scores, features = self.graph(images)
                return boxes, scores.flip(2), features

        return write_graph(Swapped(), **options)

    monkeypatch.setattr(graph_module, "write_graph", swapped)
    with pytest.raises(GateRefused):
        export_onnx(checkpoint, gate_pictures(checkpoint, None), tmp_path / "onnx")
    assert list(tmp_path.iterdir()) == []


def test_scores_that_are_no_scores_are_refused() -> None:
    class Wrong(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> Any:
            rows = images.float().mean((1, 2))
            return torch.zeros(len(images), 5, 4), rows[:, None].expand(-1, 5, -1) * 2, None

    with pytest.raises(BundleError, match="scores"):
        write_graph(Wrong(), size=SIZE, classes=3, metadata={})


def test_an_export_is_no_checkpoint(exported: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="exported already"):
        export_onnx(exported, gate_pictures(exported, None), tmp_path / "again")


def test_there_is_no_unchecked_export(checkpoint: Bundle, tmp_path: Path, source: Path) -> None:
    def without(**dataset: str) -> Bundle:
        return replace(checkpoint, card=replace(checkpoint.card, dataset=dataset))

    with pytest.raises(UsageError, match="no unchecked export"):
        gate_pictures(without(), None)
    with pytest.raises(UsageError, match="--data SRC") as missing:
        gate_pictures(without(source=str(tmp_path / "gone")), None)
    assert missing.value.exit_code == 2
    assert (
        gate_pictures(without(), str(source)).manifest.sha256 == checkpoint.card.manifests["valid"]
    )


def test_changed_labels_stop_the_gate(checkpoint: Bundle, tmp_path: Path, source: Path) -> None:
    shutil.copytree(source, tmp_path / "data")
    label = next((tmp_path / "data").rglob("valid/labels/*.txt"), None) or next(
        path for path in (tmp_path / "data").rglob("*.txt") if "valid" in str(path)
    )
    label.write_text("0 0.5 0.5 0.25 0.25\n")
    moved = replace(
        checkpoint, card=replace(checkpoint.card, dataset={"source": str(tmp_path / "data")})
    )
    with pytest.raises(DataError, match="have changed"):
        gate_pictures(moved, None)


def test_other_classes_stop_the_gate(checkpoint: Bundle, source: Path) -> None:
    other = replace(checkpoint, card=replace(checkpoint.card, classes=("x", "y", "z")))
    with pytest.raises(DataError, match="classes"):
        gate_pictures(other, str(source))


def test_pictures_are_read_as_everywhere(exported: Bundle, source: Path) -> None:
    dataset = open_source(str(source))
    picture = read_picture(dataset.path(0))
    assert len(door.open(exported)(picture)) <= exported.card.cap
