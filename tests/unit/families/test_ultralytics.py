"""Golden answers: the vendor's own predict, and what its checkpoints start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kit.bundle import BundleCard
from kit.cards import Input, Suppress
from kit.families import Targets, load_family
from kit.families.runner import TorchRunner
from kit.finetune.start import load_start
from kit.pixels import read_picture
from kit.runtime.detector import GraphDetector


def test_the_vendors_predict_agrees(weights: Path, data: Path) -> None:
    """Same weights, same picture: the vendor's boxes and ours, through letterbox and NMS."""
    family = load_family("ultralytics")
    path = weights / "yolov8n.pt"
    picture = read_picture(sorted((data / "coco-sample/coco128/images/train").glob("*.jpg"))[9])
    network = family.build("yolov8n.yaml", 80, 80)
    load_start(family, network, path, "coco")
    card = BundleCard(
        name="coco",
        kind="checkpoint",
        family="ultralytics",
        model="yolov8n",
        architecture="yolov8n.yaml",
        licence="AGPL-3.0",
        classes=tuple(map(str, range(80))),
        input=Input(640),
        suppress=Suppress(),
        weights="weights.safetensors",
        files={},
    )
    ours = GraphDetector(card, TorchRunner(family.graph(network, 640)))(picture)

    from ultralytics import YOLO

    theirs = (
        YOLO(str(path))
        .predict(picture, imgsz=640, rect=False, conf=0.25, iou=0.7, verbose=False, save=False)[0]
        .boxes
    )
    order = np.argsort(-theirs.conf.numpy(), kind="stable")
    assert len(ours) == len(order) > 0
    assert np.allclose(ours.scores, theirs.conf.numpy()[order], atol=1e-3)
    assert ours.labels.tolist() == theirs.cls.numpy()[order].astype(int).tolist()
    assert np.allclose(ours.xyxy, theirs.xyxy.numpy()[order], atol=0.1)


def test_the_vendors_loss_agrees() -> None:
    """Our sums over weights are the vendor's own figure, per picture."""
    family = load_family("ultralytics")
    torch.manual_seed(0)
    network = family.build("yolov8n.yaml", 3, 80)
    images = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    boxes = torch.tensor([[10.0, 10, 60, 60], [20, 30, 90, 80]])
    targets = Targets(boxes, torch.tensor([0, 2]), torch.tensor([0, 1]))
    loss = family.loss(network, {})
    ours = loss.train()(images, targets)
    batch = {
        "img": images.float().div(255).flip(3).permute(0, 3, 1, 2),
        "batch_idx": torch.tensor([0.0, 1.0]),
        "cls": torch.tensor([0.0, 2.0]),
        "bboxes": torch.tensor([[35.0, 35, 50, 50], [55, 55, 70, 50]]) / 96,
    }
    theirs, _ = network.loss(batch)
    for part, value in zip(ours.values(), theirs, strict=True):
        assert float((part.total / part.weight).detach()) == pytest.approx(value.item() / 2, 1e-5)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_boxes_sides_are_the_vendors(scale: float) -> None:
    """Also for logits whose exponentials would not fit into a float."""
    family = load_family("ultralytics")
    network = family.build("yolov8n.yaml", 2, 2)
    head = network.model[-1]  # type: ignore[index]
    ours = family.graph(network, 64).network.model[-1].dfl
    logits = scale * torch.randn(
        2, 4 * head.reg_max, 84, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(ours(logits), head.dfl(logits), atol=1e-5, rtol=1e-5)
    assert type(ours) is not type(head.dfl)  # and the network itself is as it was


@pytest.mark.parametrize(
    ("architecture", "name", "copied", "share"),
    [
        ("yolov8n.yaml", "yolov8n", 349, 1.0),
        ("yolov8s.yaml", "yolov8s", 349, 1.0),
        ("yolo11n.yaml", "yolo11n_det_from_seg", 493, 1.0),
        ("yolov5n.yaml", "yolov5n_coco80_legacy", 342, 1.0),
    ],
)
def test_official_weights_start_three_classes(
    weights: Path, architecture: str, name: str, copied: int, share: float
) -> None:
    """All but the last class layer is pretrained; an original YOLOv5 gives backbone and neck."""
    family = load_family("ultralytics")
    network = family.build(architecture, 3, 80)
    start = load_start(family, network, weights / f"{name}.pt", "coco")
    assert (start.copied, start.share) == (copied, share)


def test_importing_the_vendor_leaves_no_trace(tmp_path: Path) -> None:
    """No settings file, no thread limit, no network: seen from a process of its own."""
    code = """
import os, socket
def refuse(*a, **k): raise SystemExit("reached for the network")
socket.socket.connect = socket.getaddrinfo = refuse
import torch; before = torch.get_num_threads()
from kit.families import load_family
network = load_family("ultralytics").build("yolov8n.yaml", 2, 80)
assert torch.get_num_threads() == before and "OMP_NUM_THREADS" not in os.environ
"""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    environment |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "MPLCONFIGDIR": "/tmp"}
    environment.pop("YOLO_CONFIG_DIR", None)
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout == ""
    assert [path.name for path in tmp_path.rglob("*")] == ["tmp"]
