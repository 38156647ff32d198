"""YOLO detectors by ultralytics (AGPL-3.0): YOLOv5, v8, 11 and 26.

Only the vendor's model definitions and loss are used; its trainer, settings, downloads, checks and
telemetry never run. This is the only file that imports it.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import torch
from PIL import Image
from torch import Tensor, nn

from kit import offline
from kit.errors import CardError, MissingPackage, WeightsError
from kit.families import Graph, Outputs, Part, Stage, Targets, gains
from kit.families.checkpoint import load_weights, read_checkpoint, tensors_of
from kit.families.runner import TorchRunner
from kit.parts import scratch

LICENCE = "AGPL-3.0"

MOMENTUM = 0.1
"""Of batch normalisation's statistics. The vendor's 0.03 needs hundreds of steps to follow the
weights, more than a small set has: its statistics would still be those of the start."""


@contextmanager
def _quietly() -> Iterator[None]:
    """Import the vendor with every outward road closed, and without a trace.

    At import it writes a settings file, so it gets a folder that vanishes; it sets OMP_NUM_THREADS
    to 1 where that is unset, and OpenCV's threads, which would leave both on one core; it replaces
    Pillow's opener by one that wants to install packages, and torch.save by one that sleeps before
    a full disk.
    """
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "YOLO_CONFIG_DIR")}
    threads, opener, save = torch.get_num_threads(), Image.open, torch.save
    picture_threads = cv2.getNumThreads()
    offline.seal("ultralytics")
    with scratch("vendor") as folder:
        os.environ["YOLO_CONFIG_DIR"] = str(folder)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            torch.set_num_threads(threads)
            cv2.setNumThreads(picture_threads)
            Image.open, torch.save = opener, save


try:
    with _quietly():
        from ultralytics.nn.tasks import DetectionModel
        from ultralytics.utils.loss import E2ELoss, v8DetectionLoss
except ImportError as error:
    raise MissingPackage("ultralytics", "ultralytics") from error


def build(architecture: str, classes: int, pretrained_classes: int = 80) -> nn.Module:
    """A network from the vendor's definition, e.g. ``yolov8n.yaml``.

    The vendor makes the class branch narrower for few classes and so throws its pretrained layers
    away; here it keeps the width it was pretrained with, and only its last layer is new.
    """
    try:
        network: Any = DetectionModel(architecture, nc=pretrained_classes, verbose=False)
    except (FileNotFoundError, KeyError) as error:
        raise CardError("the vendor has no such architecture", where=architecture) from error
    head = network.model[-1]
    if classes != head.nc:
        for branch in _class_branches(head):
            for level in branch:
                old = level[-1]
                level[-1] = nn.Conv2d(old.in_channels, classes, old.kernel_size)
        head.nc, head.no = classes, classes + head.reg_max * 4
        network.yaml["nc"] = classes
        head.bias_init()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
    head.xyxy = True
    if getattr(head, "one2one_cv2", None) is not None:
        head.end2end = True  # else an NMS-free head silently answers with its one-to-many branch
    network.names = {index: str(index) for index in range(classes)}
    made: nn.Module = network
    return made


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a vendor checkpoint, original YOLOv5 files included."""
    content = read_checkpoint(path)
    model = (content.get("ema") or content.get("model")) if isinstance(content, dict) else None
    state = tensors_of(model)
    if not state:
        raise WeightsError("holds no YOLO model", where=path)
    return state


def class_layers(network: Any) -> tuple[str, ...]:
    head = network.model[-1]
    place = len(network.model) - 1
    return tuple(
        f"model.{place}.{name}.{level}.{len(branch[level]) - 1}."
        for name, branch in head.named_children()
        if name.endswith("cv3")
        for level in range(head.nl)
    )


def stages(network: Any) -> tuple[Stage, ...]:
    """Each module of the backbone, then neck and head."""
    backbone, last = len(network.yaml["backbone"]), len(network.model) - 1
    parts = [
        Stage(f"backbone {place} ({type(network.model[place]).__name__})", (f"model.{place}.",))
        for place in range(backbone)
    ]
    neck = tuple(f"model.{place}." for place in range(backbone, last))
    return (*parts, Stage("neck", neck), Stage("head", (f"model.{last}.",)))


def needs_suppression(network: Any) -> bool:
    return not network.model[-1].end2end


def max_batch(network: Any) -> None:
    """Any number of pictures."""


def loss(network: Any, extra: Mapping[str, Any]) -> YoloLoss:
    return YoloLoss(network, extra)


class YoloLoss(nn.Module):
    """The vendor's loss (task-aligned assignment, CIoU, distribution focal, BCE), taken apart into
    sums and weights; for NMS-free heads both of its branches.

    ``extra`` may set the gains ``box``, ``cls`` and ``dfl``.
    """

    GAINS: Mapping[str, float] = {"box": 7.5, "cls": 0.5, "dfl": 1.5}  # the vendor's defaults

    def __init__(self, network: Any, extra: Mapping[str, Any]) -> None:
        super().__init__()
        self.network: Any = network
        network.args = SimpleNamespace(**gains(extra, self.GAINS), epochs=1)
        self._criterion: Any = None  # made on first use: it must be on the network's device

    def forward(self, images: Tensor, targets: Targets) -> dict[str, Part]:
        return self._parts(self.network(_to_network(images)), images, targets)

    def validate(self, images: Tensor, targets: Targets) -> tuple[dict[str, Part], Outputs]:
        self.network.eval()
        head = self.network.model[-1]
        decoded, raw = self.network(_to_network(images))
        parts = self._parts(raw, images, targets)
        if head.end2end:  # the vendor's top-k hides the other scores: decode its branch ourselves
            decoded = head._inference(raw["one2one"])
        boxes, scores = decoded.permute(0, 2, 1).split((4, head.nc), dim=2)
        return parts, Outputs(boxes, scores)

    def advance(self, epoch: int, epochs: int) -> None:
        """NMS-free heads shift weight from the one-to-many to the one-to-one branch by epoch."""
        self.network.args.epochs = epochs
        criterion = self._ready()
        if isinstance(criterion, E2ELoss):
            criterion.updates = epoch
            criterion.o2m = criterion.decay(epoch)
            criterion.o2o = max(criterion.total - criterion.o2m, 0)

    def _ready(self) -> Any:
        if self._criterion is None:
            self._criterion = self.network.init_criterion()
        return self._criterion

    def _parts(self, raw: Any, images: Tensor, targets: Targets) -> dict[str, Part]:
        criterion, batch = self._ready(), _vendor_batch(images, targets)
        if not isinstance(criterion, E2ELoss):
            return _branch_parts(criterion, raw, batch, "", 1.0)
        return {
            **_branch_parts(criterion.one2many, raw["one2many"], batch, "many_", criterion.o2m),
            **_branch_parts(criterion.one2one, raw["one2one"], batch, "one_", criterion.o2o),
        }


def graph(network: Any, size: int) -> YoloGraph:
    return YoloGraph(network, size).eval()


class YoloGraph(Graph):
    """uint8 BGR images to boxes, scores and pooled features: the graph waist."""

    def __init__(self, network: Any, size: int) -> None:
        super().__init__()
        stride = int(max(network.stride))
        if size % stride:
            raise CardError(
                f"the input size must be a multiple of {stride} for this model, it is {size}",
                fix=f"--size {math.ceil(size / stride) * stride}",
            )
        self.network: Any = _for_inference(network)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self.maps(images)
        head = self.network.model[-1]
        raw = head.forward_head(maps, **(head.one2one if head.end2end else head.one2many))
        boxes = head._get_decode_boxes(raw).permute(0, 2, 1)
        features = torch.cat([level.mean((2, 3)) for level in maps], 1)
        scores = raw["scores"].sigmoid().permute(0, 2, 1)
        return boxes.float(), scores.float(), features.float()

    def maps(self, images: Tensor) -> list[Tensor]:
        """Run all but the head."""
        x: Any = images.permute(0, 3, 1, 2).float()
        kept: list[Any] = []
        for module in self.network.model[:-1]:
            if isinstance(module.f, int):
                x = x if module.f == -1 else kept[module.f]
            else:
                x = [x if place == -1 else kept[place] for place in module.f]
            x = module(x)
            kept.append(x if module.i in self.network.save else None)
        return [kept[place] for place in self.network.model[-1].f]


def runner(bundle: Any, *, device: str = "auto", threads: int | None = None) -> TorchRunner:
    """Run a checkpoint bundle of this family."""
    card = bundle.card
    network = build(card.architecture, len(card.classes), card.training["pretrained_classes"])
    load_weights(network, bundle)
    return TorchRunner(graph(network, card.input.size), device=device, threads=threads)


def _class_branches(head: Any) -> list[Any]:
    """The vendor ties one2one branches to copies, so both must change."""
    return [child for name, child in head.named_children() if name.endswith("cv3")]


def _for_inference(network: Any) -> Any:
    """A copy that takes BGR in 0..255 and says the same with less work."""
    own = copy.deepcopy(network)
    stem, head = own.model[0], own.model[-1]
    with torch.no_grad():  # colour order and scale go into the first convolution's weights
        stem.conv.weight.copy_(stem.conv.weight.flip(1) / 255)
    for module in own.modules():
        if hasattr(module, "forward_split"):  # of fixed channels: no shape arithmetic in the graph
            module.forward = module.forward_split
    if head.reg_max > 1:
        head.dfl = _Expectation(head.reg_max)
    return own


class _Expectation(nn.Module):
    """The mean of each side's distribution over bins, ``(B, 4 * bins, N)`` to ``(B, 4, N)``.

    What the vendor's softmax and convolution say; both sums of the quotient are one small matrix
    product, where ONNX Runtime takes a softmax along this axis row by row, on one core.
    """

    sums: Tensor

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.register_buffer("sums", torch.stack([torch.arange(bins), torch.ones(bins)]).float())

    def forward(self, x: Tensor) -> Tensor:
        x = x.reshape(-1, 4, self.bins, x.shape[2])
        weights = (x - x.amax(2, keepdim=True)).exp()
        weighted, total = (self.sums @ weights).unbind(2)
        return weighted / total


def _to_network(images: Tensor) -> Tensor:
    """``(B, S, S, 3)`` uint8 BGR to ``(B, 3, S, S)`` RGB in 0..1."""
    return images.float().div(255.0).flip(3).permute(0, 3, 1, 2)


def _vendor_batch(images: Tensor, targets: Targets) -> dict[str, Tensor]:
    size = images.shape[1]
    centre = (targets.boxes[:, :2] + targets.boxes[:, 2:]) / (2 * size)
    extent = (targets.boxes[:, 2:] - targets.boxes[:, :2]) / size
    return {
        "batch_idx": targets.picture.float(),
        "cls": targets.labels.float(),
        "bboxes": torch.cat([centre, extent], 1),
    }


def _branch_parts(
    criterion: v8DetectionLoss, raw: Any, batch: dict[str, Tensor], prefix: str, gain: float
) -> dict[str, Part]:
    """The vendor divides by the sum of target scores of its own pictures; undo that."""
    seen: list[Tensor] = []
    hook = criterion.assigner.register_forward_hook(lambda _, __, out: seen.append(out[2].sum()))
    try:
        _, values, _ = criterion.get_assigned_targets_and_loss(raw, batch)
    finally:
        hook.remove()
    weight = seen[0].detach()
    totals = values * weight.clamp(min=1) * gain
    return {
        prefix + name: Part(total, weight)
        for name, total in zip(("box", "cls", "dfl"), totals, strict=True)
    }
