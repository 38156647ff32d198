"""From a checkpoint to an ONNX bundle, and what must not come out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from kit import door
from kit.bundle import Bundle, open_bundle
from kit.data.source import open_source
from kit.errors import BundleError, DataError, GateRefused, UsageError
from kit.export import graph as graph_module
from kit.export import ladder
from kit.export.data import calibration_pictures, gate_pictures
from kit.export.export import Eight, export_onnx
from kit.export.graph import Written, write_graph
from kit.export.parity import Tolerance
from kit.pixels import read_picture
from kit.report.dossier import read_dossier
from kit.report.model_card.tell import document

SIZE = 64


def test_less_precision_is_an_onnx_bundle_like_any(exported: Bundle, lesser: Bundle) -> None:
    card = lesser.card
    onnx.checker.check_model(onnx.load(lesser.weights), full_check=True)
    assert card.parent == exported.sha256
    assert card.precision in ("fp16", "int8")
    assert (card.boxes, card.max_batch) == (exported.card.boxes, exported.card.max_batch)
    assert card.reports["parity"]["manifest"] == exported.card.manifests["valid"]
    images = np.random.default_rng(1).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    raw = door.open(lesser).runner.run(images)
    assert raw.boxes.dtype == raw.scores.dtype == np.float32
    assert raw.features is not None
    metadata = {entry.key: entry.value for entry in onnx.load(lesser.weights).metadata_props}
    assert json.loads(metadata["classes"]) == list(card.classes)


def test_the_card_tells_how_int8_came_to_be(source: Path, lesser: Bundle) -> None:
    told = lesser.card.conversion
    if lesser.card.precision != "int8":
        assert told == {}
        return
    dataset = open_source(str(source))
    drawn = calibration_pictures(lesser, None, 4)
    assert told["manifest"] == drawn.manifest.sha256
    assert set(drawn.manifest.ids) <= {dataset.ids[i] for i in dataset.split("train")}
    assert told["method"] == "percentile"
    assert told["tried"][-1]["refused"] == []


def test_it_is_the_same_from_the_checkpoint(
    checkpoint: Bundle, lesser: Bundle, to_less: Callable[..., Bundle], tmp_path: Path
) -> None:
    rest = lesser.card.conversion.get("rest")
    if rest == "fp32":
        return  # the other int8 goes the same way and farther
    again = to_less(checkpoint, lesser.card.precision, rest, tmp_path / "again")
    assert again.card.parent == checkpoint.sha256
    assert again.weights.read_bytes() == lesser.weights.read_bytes()


@pytest.mark.parametrize("checkpoint", ["yolov8n"], indirect=True)
def test_documents_of_another_precision_are_left_behind(exported: Bundle, tmp_path: Path) -> None:
    told = document(exported, read_dossier(exported), tmp_path / "told")
    gate = gate_pictures(told, None)
    made, _ = export_onnx(told, gate, tmp_path / "fp16", precision="fp16", tolerance=Tolerance(1.0))
    assert made.card.documents is None
    assert {*made.card.files} == {made.card.weights}
    assert made.made_from == made.card.parent == told.sha256


def test_less_is_not_made_of_less(
    lesser: Bundle, to_less: Callable[..., Bundle], tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="exported already"):
        to_less(lesser, "fp16", None, tmp_path / "again")


def test_int8_that_no_way_saves_is_not_written(
    exported: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate that wants every detection as it was refuses each way, and says so at the end."""
    some = ladder.candidates
    monkeypatch.setattr(ladder, "candidates", lambda model: some(model)[:8])  # quicker
    notes = _Notes()
    strict = Tolerance(1.0, matched=1.0, score=0.0, floor=0.0)
    eight = Eight(calibration_pictures(exported, None, 4), 2)
    with pytest.raises(GateRefused, match="have their like"):
        export_onnx(
            exported,
            gate_pictures(exported, None),
            tmp_path / "onnx",
            precision="int8",
            eight=eight,
            tolerance=strict,
            progress=notes,
        )
    assert list(tmp_path.iterdir()) == []
    told = [line for line in notes.lines if line.startswith("int8, ")]
    assert len(told) == 4 + 1  # two ways on two and on four pictures, then three layers spared
    assert all("refused" in line or "no ranges" in line for line in told)


class _Notes:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def track(self, items: Any, label: str, total: int | None = None) -> Any:
        return iter(items)

    def note(self, text: str) -> None:
        self.lines.append(text)


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
