"""What a network makes of pictures, and of the objects on them, before its head: penultimate
features, pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kit.cards import Input
from kit.data.dataset import Dataset
from kit.families import Graph
from kit.pixels import read_picture
from kit.progress import SILENT, Progress
from kit.runtime.fit import Fit
from kit.types import Ignore

_GRID = 7
"""Points a side at which a box is looked at, as many as the cells of Fast R-CNN's pooling."""


@dataclass(frozen=True, eq=False)
class Features:
    """Of the pictures of a dataset, in its order, and of their objects that count.

    Attributes:
        pictures: ``(P, D)`` float32, means over each picture's input.
        objects: ``(M, D)`` float32, means over each box.
        boxes: ``(M, 4)`` float32 xyxy, as shares of the input's side.
        labels: ``(M,)`` int64.
        picture_of: ``(M,)`` int64.
    """

    pictures: NDArray[np.float32]
    objects: NDArray[np.float32]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    picture_of: NDArray[np.int64]

    @property
    def pictures_by_object(self) -> NDArray[np.float32]:
        """``(Q, D)``: of each picture with objects, the mean over these."""
        shown, place = np.unique(self.picture_of, return_inverse=True)
        sums = np.zeros((len(shown), self.pictures.shape[1]))
        np.add.at(sums, place, self.objects)
        return np.asarray(sums / np.bincount(place, minlength=1)[:, None], np.float32)


def extract(
    graph: Graph,
    dataset: Dataset,
    input: Input,
    *,
    device: torch.device,
    progress: Progress = SILENT,
) -> Features:
    """Look at each picture once, fitted as it would be for detection.

    Args:
        graph: a family's, for ``input.size``, on ``device``.
        dataset: usable boxes only.

    Raises:
        DataError: a picture can't be read.
    """
    fit, pictures, objects, boxes = Fit(input), [], [], []
    for example in progress.track(dataset, "looking at pictures", total=len(dataset)):
        image, placement = fit.apply(read_picture(example.path, bit_depth=dataset.bit_depth))
        counted = placement.apply(example.truth.xyxy[example.ignore == Ignore.NONE])
        shares = torch.from_numpy(np.clip(counted / input.size, 0, 1)).float()
        with torch.inference_mode():
            maps = graph.maps(torch.from_numpy(image)[None].to(device))
            pictures.append(torch.cat([each.float().mean((2, 3)) for each in maps], 1).cpu())
            objects.append(pool(maps, shares.to(device)).cpu())
        boxes.append(shares)
    counts = dataset.ignore == Ignore.NONE
    return Features(
        torch.cat(pictures).numpy(),
        torch.cat(objects).numpy(),
        torch.cat(boxes).numpy(),
        dataset.labels[counts].astype(np.int64),
        dataset.picture_of[counts].astype(np.int64),
    )


def pool(maps: Sequence[Tensor], boxes: Tensor) -> Tensor:
    """Mean of each map within each box, read between pixels: RoIAlign (He et al., "Mask R-CNN",
    2017) with one cell.

    Args:
        maps: ``(1, C, h, w)`` each, of one picture.
        boxes: ``(M, 4)`` xyxy, as shares of the picture's sides.

    Returns:
        ``(M, D)`` float32, D the channels of all maps.
    """
    steps = (torch.arange(_GRID, device=boxes.device) + 0.5) / _GRID
    x = boxes[:, :1] + (boxes[:, 2:3] - boxes[:, :1]) * steps  # (M, G)
    y = boxes[:, 1:2] + (boxes[:, 3:] - boxes[:, 1:2]) * steps
    points = torch.stack(
        [x[:, None, :].expand(-1, _GRID, -1), y[:, :, None].expand(-1, -1, _GRID)], 3
    )
    grid = (points * 2 - 1).reshape(1, -1, _GRID, 2)  # the sides of a map lie at -1 and 1
    found = []
    for each in maps:
        read = F.grid_sample(each.float(), grid, padding_mode="border", align_corners=False)
        found.append(read.reshape(each.shape[1], len(boxes), _GRID**2).mean(2).T)
    return torch.cat(found, 1)
