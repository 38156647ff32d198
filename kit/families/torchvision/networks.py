"""The networks, as torchvision builds them, and the few things it has no part for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d, roi_align

from kit.errors import CardError

MOMENTUM = 0.1
"""Of batch normalisation's statistics; SSDlite's 0.03 needs hundreds of steps to follow the
weights, more than a small set has."""

_PYRAMID = (4, 8, 16, 32)
_X101 = "fasterrcnn_resnext101_32x8d_fpn"
_POOLED = {
    "fasterrcnn_resnet50_fpn": _PYRAMID,
    "fasterrcnn_resnet50_fpn_v2": _PYRAMID,
    "fasterrcnn_mobilenet_v3_large_fpn": (32,),  # of two maps, and the vendor takes the first
    "fasterrcnn_mobilenet_v3_large_320_fpn": (32,),
    _X101: _PYRAMID,
    "ssdlite320_mobilenet_v3_large": (),
}
"""Architectures, and the strides of the maps that their second stage pools from."""


def build_network(architecture: str, classes: int) -> nn.Module:
    """A network with fresh weights, and nothing frozen.

    Args:
        classes: without the background.

    Raises:
        CardError: there is no such architecture.
    """
    if architecture not in _POOLED:
        raise CardError(
            "the vendor has no such architecture",
            where=architecture,
            fix=f"one of: {', '.join(_POOLED)}",
        )
    make = _resnext101 if architecture == _X101 else getattr(detection, architecture)
    network: Any = make(weights=None, weights_backbone=None, num_classes=classes + 1)
    if strides := _POOLED[architecture]:
        like_detectron2 = architecture == _X101
        samples = 0 if like_detectron2 else 2
        network.roi_heads.box_roi_pool = Pool(strides, samples=samples, aligned=like_detectron2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
    network.register_load_state_dict_pre_hook(_settle_norms)
    made: nn.Module = network
    return made


def _settle_norms(network: nn.Module, state: Mapping[str, Any], prefix: str, *_: Any) -> None:
    """Before a state is loaded: normalisation that its makers froze stays frozen, since all that
    follows it was trained so; where they let it learn, it learns on.

    What tells is the count of batches, which only learnt statistics come with. Norms that the state
    says nothing of are left as they are.
    """
    for name, norm in list(network.named_modules()):
        if f"{prefix}{name}.running_var" not in state:
            continue
        learns = f"{prefix}{name}.num_batches_tracked" in state
        if isinstance(norm, nn.BatchNorm2d) and not learns:
            _replace(network, name, norm, FrozenBatchNorm2d(norm.num_features, norm.eps))
        elif isinstance(norm, FrozenBatchNorm2d) and learns:
            _replace(network, name, norm, nn.BatchNorm2d(len(norm.weight), norm.eps, MOMENTUM))


def thaw(network: nn.Module) -> nn.Module:
    """Replace frozen normalisation by the ordinary kind: in evaluation it says the same, and the
    export folds it into the filters."""
    for name, norm in list(network.named_modules()):
        if isinstance(norm, FrozenBatchNorm2d):
            _replace(network, name, norm, nn.BatchNorm2d(len(norm.weight), norm.eps))
    return network


def _replace(network: nn.Module, name: str, old: nn.Module, new: nn.Module) -> None:
    new.load_state_dict(old.state_dict(), strict=False)  # only the count may be missing
    network.set_submodule(name, new.train(old.training).to(next(old.buffers()).device))


def _resnext101(*, num_classes: int, **_: None) -> Any:
    """Faster R-CNN on ResNeXt-101 32x8d and a feature pyramid, as Detectron2 defines it
    (``COCO-Detection/faster_rcnn_X_101_32x8d_FPN_3x.yaml``), so that its checkpoint fits."""
    backbone = resnet_fpn_backbone(
        backbone_name="resnext101_32x8d",
        weights=None,
        norm_layer=nn.BatchNorm2d,
        trainable_layers=5,
    )
    anchors = ExactAnchors(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)
    return detection.FasterRCNN(
        backbone, num_classes, rpn_anchor_generator=anchors, rpn_post_nms_top_n_train=1000
    )


class ExactAnchors(AnchorGenerator):  # type: ignore[misc]  # the vendor has no annotations
    """Anchors as in Detectron2: torchvision rounds them, and spaces those of the coarsest map by
    what fits the picture, where here it is always a power of two."""

    def generate_anchors(
        self,
        scales: Sequence[int],
        aspect_ratios: Sequence[float],
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> Tensor:
        """``(len(aspect_ratios) * len(scales), 4)`` xyxy around the origin."""
        ratios = torch.as_tensor(aspect_ratios, dtype=dtype, device=device).sqrt()[:, None]
        sizes = torch.as_tensor(scales, dtype=dtype, device=device)[None]
        half = torch.stack([(sizes / ratios).flatten(), (sizes * ratios).flatten()], 1) / 2
        return torch.cat([-half, half], 1)

    def grid_anchors(self, grid_sizes: Any, strides: Any) -> Any:
        exact = [[2 ** math.ceil(math.log2(int(side))) for side in pair] for pair in strides]
        return super().grid_anchors(grid_sizes, exact)


class Pool(nn.Module):
    """RoIAlign (He et al., 2017) from the level of the pyramid that equation 1 of "Feature Pyramid
    Networks" (Lin et al., 2017) names.

    The vendor's says the same, and is exported as a scatter of single numbers that takes longer
    than the rest of the graph; and it knows no aligned pixels.

    Args:
        strides: of the first maps; coarser ones are not pooled from.
        samples: points a bin, per side; 0 lets the size of the box decide.
        aligned: pixels are where their centres are, half a pixel from where the vendor has them.
    """

    OUTPUT = 7
    SIZE, LEVEL = 224, 4  # a box of this side belongs to this level, the log2 of its stride

    def __init__(self, strides: Sequence[int], *, samples: int, aligned: bool) -> None:
        super().__init__()
        self.strides, self.samples, self.aligned = tuple(strides), samples, aligned

    def forward(self, maps: Mapping[str, Tensor], boxes: Sequence[Tensor], _: Any) -> Tensor:
        """``(M, channels, 7, 7)`` for the boxes of every picture, one after another.

        Args:
            boxes: ``(n, 4)`` xyxy in input pixels for each picture.
        """
        every = torch.cat(list(boxes))
        picture = torch.cat([torch.full_like(own[:, :1], i) for i, own in enumerate(boxes)])
        rows = torch.cat([picture, every], 1)
        side = (every[:, 2:] - every[:, :2]).prod(1).sqrt()
        levels = [int(math.log2(stride)) for stride in self.strides]
        level = torch.floor(self.LEVEL + torch.log2(side / self.SIZE) + 1e-6)
        level = level.clamp(levels[0], levels[-1])
        pooled, order = [], []
        for number, features in zip(levels, maps.values(), strict=False):
            own = torch.where(level == number)[0]
            scale = 0.5**number
            order.append(own)
            pooled.append(
                roi_align(features, rows[own], self.OUTPUT, scale, self.samples, self.aligned)
            )
        return torch.cat(pooled)[torch.cat(order).argsort()]
