"""SSDlite (Liu et al., 2016; Sandler et al., 2018): every place of every map answers at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from kit.errors import RunFailed
from kit.families import Graph, Outputs, Part, Targets, gains
from kit.families.torchvision.parts import clip, map_sizes, prepare, truth_of


class SingleShotLoss(nn.Module):
    """The vendor's loss (best overlap, smooth L1, cross entropy with hard negatives), as sums over
    the anchors that show an object: ``box`` and ``cls``. ``extra`` may set the gain of each."""

    GAINS: Mapping[str, float] = {"box": 1.0, "cls": 1.0}

    def __init__(self, network: Any, extra: Mapping[str, Any]) -> None:
        super().__init__()
        self.network: Any = network
        self._gains = gains(extra, self.GAINS)

    def forward(self, images: Tensor, targets: Targets) -> dict[str, Part]:
        try:
            maps, answer = look(self.network, images)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise RunFailed(  # the smallest map has one pixel
                "one picture alone has no batch statistics",
                fix="take a larger --batch, or a recipe with norm: frozen",
            ) from error
        return self._parts(images, maps, answer, targets)

    def validate(self, images: Tensor, targets: Targets) -> tuple[dict[str, Part], Outputs]:
        network = self.network.eval()
        maps, answer = look(network, images)
        parts = self._parts(images, maps, answer, targets)
        anchors, size = self._anchors(images, maps), images.shape[1]
        return parts, answers(network, maps, answer, anchors, size)

    def advance(self, epoch: int, epochs: int) -> None:
        """The balance stays."""

    def _anchors(self, images: Tensor, maps: list[Tensor]) -> Tensor:
        sizes = [(each.shape[2], each.shape[3]) for each in maps]
        return anchors_of(self.network, sizes, images.shape[1]).to(images.device)

    def _parts(
        self, images: Tensor, maps: list[Tensor], answer: dict[str, Tensor], targets: Targets
    ) -> dict[str, Part]:
        network, truth = self.network, truth_of(targets, len(images))
        anchors = self._anchors(images, maps)
        matched = [
            network.proposal_matcher(box_iou(own["boxes"], anchors))
            if len(own["boxes"])
            else anchors.new_full((len(anchors),), -1, dtype=torch.int64)
            for own in truth
        ]
        losses = network.compute_loss(truth, answer, [anchors] * len(truth), matched)
        weight = torch.stack([(match >= 0).sum() for match in matched]).sum().float()
        whole = weight.clamp(min=1)  # what the vendor has divided by
        return {
            "box": Part(losses["bbox_regression"] * whole * self._gains["box"], weight),
            "cls": Part(losses["classification"] * whole * self._gains["cls"], weight),
        }


def look(network: Any, images: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
    """The maps, and the head's raw answer for every anchor: ``cls_logits`` ``(B, N, C + 1)``,
    background first, and ``bbox_regression`` ``(B, N, 4)``."""
    maps = list(network.backbone(prepare(images, network)).values())
    return maps, {name: value.float() for name, value in network.head(maps).items()}


def anchors_of(network: Any, sizes: Sequence[tuple[int, int]], size: int) -> Tensor:
    """``(N, 4)`` xyxy in input pixels, map by map.

    Args:
        sizes: height and width of the maps.
        size: side of the input.
    """
    pictures = ImageList(torch.empty(1, 0, size, size), [(size, size)])
    maps = [torch.empty(1, 0, *each) for each in sizes]  # only their sizes are looked at
    found: Tensor = network.anchor_generator(pictures, maps)[0]
    return found


def answers(
    network: Any, maps: list[Tensor], answer: dict[str, Tensor], anchors: Tensor, size: int
) -> Outputs:
    """The graph's outputs; they still need suppression."""
    moves, logits = answer["bbox_regression"], answer["cls_logits"]
    places = anchors.expand_as(moves).reshape(-1, 4)
    boxes = network.box_coder.decode_single(moves.reshape(-1, 4), places).reshape(moves.shape)
    features = torch.cat([each.mean((2, 3)) for each in maps], 1)
    return Outputs(clip(boxes, size), logits.softmax(2)[..., 1:], features.float())


class SingleShotGraph(Graph):
    """uint8 BGR images to boxes, scores and pooled features: the graph waist."""

    anchors: Tensor

    def __init__(self, network: Any, size: int) -> None:
        super().__init__()
        self.network: Any = copy.deepcopy(network).eval()
        self.size = size
        sizes = map_sizes(self.network, size)
        self.register_buffer("anchors", anchors_of(self.network, sizes, size))

    def maps(self, images: Tensor) -> list[Tensor]:
        return list(self.network.backbone(prepare(images, self.network)).values())

    def forward(self, images: Tensor) -> Outputs:
        maps, answer = look(self.network, images)
        return answers(self.network, maps, answer, self.anchors, self.size)
