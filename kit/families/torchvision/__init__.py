"""Detectors by torchvision (BSD-3-Clause): Faster R-CNN on ResNet-50, MobileNetV3 and ResNeXt-101,
and SSDlite.

Networks, matching and coding of boxes are the vendor's; its transforms, which resize and normalise
any picture, never run. The background is class 0 in here, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from kit.errors import CardError, MissingPackage
from kit.families import Stage
from kit.families.checkpoint import load_weights
from kit.families.runner import TorchRunner

try:
    from torchvision.models.detection.ssd import SSD
except ImportError as error:
    raise MissingPackage("torchvision", "train") from error

from kit.families.torchvision.networks import build_network
from kit.families.torchvision.published import read_published
from kit.families.torchvision.single_shot import SingleShotGraph, SingleShotLoss
from kit.families.torchvision.two_stage import TwoStageGraph
from kit.families.torchvision.two_stage_loss import TwoStageLoss

LICENCE = "BSD-3-Clause"

_STRIDE = 32
"""Of the coarsest map that the backbones compute."""


def build(architecture: str, classes: int, pretrained_classes: int = 80) -> nn.Module:
    """A network by the vendor's name for it, e.g. ``fasterrcnn_resnet50_fpn_v2``. Only its last
    layers depend on the classes, whatever it was pretrained with."""
    del pretrained_classes
    return build_network(architecture, classes)


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint by torchvision, or of Detectron2's X101-FPN. Of a COCO head only the
    80 classes that objects carry are taken, in the order of their ids."""
    return read_published(path)


def class_layers(network: Any) -> tuple[str, ...]:
    if not isinstance(network, SSD):
        return ("roi_heads.box_predictor.",)
    levels = len(network.head.classification_head.module_list)
    return tuple(f"head.classification_head.module_list.{level}.1." for level in range(levels))


def stages(network: Any) -> tuple[Stage, ...]:
    """Stem, layers 1 to 4 by halved resolution, then pyramid and heads."""
    if isinstance(network, SSD):
        first, second = "backbone.features.0.", "backbone.features.1."
        backbone = [*_blocks(first, (0, 2, 4, 7, 13)), (f"{first}13.", second)]
        rest = [Stage("neck (extra maps)", ("backbone.extra.",)), Stage("head", ("head.",))]
    else:
        body = "backbone.body."
        if hasattr(network.backbone.body, "layer1"):
            layers = [(f"{body}layer{number}.",) for number in range(1, 5)]
            backbone = [(f"{body}conv1.", f"{body}bn1."), *layers]
        else:
            backbone = _blocks(body, (0, 2, 4, 7, 13, 17))
        rest = [
            Stage("neck (FPN)", ("backbone.fpn.",)),
            Stage("head RPN", ("rpn.",)),
            Stage("head box", ("roi_heads.",)),
        ]
    names = ("stem", "layer1", "layer2", "layer3", "layer4")
    parts = zip(names, backbone, strict=True)
    return (*(Stage(f"backbone {name}", prefixes) for name, prefixes in parts), *rest)


def _blocks(prefix: str, bounds: tuple[int, ...]) -> list[tuple[str, ...]]:
    """Blocks of MobileNetV3-Large between bounds; each group but the first begins by halving."""
    return [tuple(f"{prefix}{block}." for block in range(*pair)) for pair in pairwise(bounds)]


def needs_suppression(network: Any) -> bool:
    return isinstance(network, SSD)


def max_batch(network: Any) -> int | None:
    return None if isinstance(network, SSD) else 1


def loss(network: Any, extra: Mapping[str, Any]) -> SingleShotLoss | TwoStageLoss:
    kind = SingleShotLoss if isinstance(network, SSD) else TwoStageLoss
    return kind(network, extra)


def graph(network: Any, size: int) -> SingleShotGraph | TwoStageGraph:
    if size % _STRIDE:
        raise CardError(
            f"the input size must be a multiple of {_STRIDE} for this model, it is {size}",
            fix=f"--size {math.ceil(size / _STRIDE) * _STRIDE}",
        )
    kind = SingleShotGraph if isinstance(network, SSD) else TwoStageGraph
    return kind(network, size).eval()


def runner(bundle: Any, *, device: str = "auto", threads: int | None = None) -> TorchRunner:
    """Run a checkpoint bundle of this family."""
    card = bundle.card
    network = build(card.architecture, len(card.classes), card.training["pretrained_classes"])
    load_weights(network, bundle)
    return TorchRunner(graph(network, card.input.size), device=device, threads=threads)
