"""What two-stage and single-shot detectors have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kit.families import Targets


def prepare(images: Tensor, network: Any) -> Tensor:
    """``(B, S, S, 3)`` uint8 BGR to ``(B, 3, S, S)`` RGB, normalised as the network was trained."""
    pixels = images.flip(3).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (
        pixels.new_tensor(values)[:, None, None]
        for values in (network.transform.image_mean, network.transform.image_std)
    )
    return (pixels - mean) / deviation


def truth_of(targets: Targets, pictures: int) -> list[dict[str, Tensor]]:
    """Boxes and labels of each picture as the vendor wants them: class 0 is the background.

    Boxes without area are left out: they overlap nothing, and the vendor's matching would give them
    every anchor that overlaps nothing either.
    """
    boxes, labels, picture = targets
    solid = (boxes[:, 2:] > boxes[:, :2]).all(1)
    each = [solid & (picture == index) for index in range(pictures)]
    return [{"boxes": boxes[own], "labels": labels[own] + 1} for own in each]


def clip(boxes: Tensor, size: int) -> Tensor:
    """Boxes cut at the border of the input."""
    return boxes.clamp(0, size)


def map_sizes(network: Any, size: int) -> list[tuple[int, int]]:
    """Height and width of the maps that the backbone makes of an input, without computing them."""
    backbone = network.backbone
    shapes = {
        name: torch.empty_like(value, device="meta")
        for name, value in (*backbone.named_parameters(), *backbone.named_buffers())
    }
    images = torch.empty(1, 3, size, size, device="meta")
    maps = torch.func.functional_call(backbone, shapes, (images,))
    return [(each.shape[2], each.shape[3]) for each in maps.values()]
