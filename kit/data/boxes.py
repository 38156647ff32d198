"""Questions about all boxes of a dataset at once; answers have the rows of ``dataset.boxes``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data.dataset import Dataset

_SAME = 0.5  # pixels


def clipped(dataset: Dataset) -> NDArray[np.float64]:
    """``(M, 4)`` the boxes, cut at the borders of their pictures."""
    limits = np.tile(dataset.sizes, 2)[dataset.picture_of]
    return np.clip(dataset.boxes, 0, limits)


def usable_mask(dataset: Dataset) -> NDArray[np.bool_]:
    """``(M,)`` whether a box has an area inside its picture, and a class."""
    boxes = clipped(dataset)
    sides = boxes[:, 2:] - boxes[:, :2]
    solid = (sides > 0).all(1) & (sides.prod(1) > 0)  # the smallest numbers' product is 0
    return np.asarray(solid & (dataset.labels < len(dataset.classes)))


def listed(dataset: Dataset) -> Dataset:
    """Without the boxes whose class id is outside the list of classes."""
    return drop(dataset, dataset.labels < len(dataset.classes), dataset.boxes)


def keep_boxes(dataset: Dataset, keep: NDArray[np.bool_]) -> Dataset:
    """The dataset with only some of its boxes; ``keep`` is a ``(M,)`` mask. All pictures stay."""
    counts = np.bincount(dataset.picture_of[keep], minlength=len(dataset))
    return replace(
        dataset,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        boxes=dataset.boxes[keep],
        labels=dataset.labels[keep],
        ignore=dataset.ignore[keep],
        extra={
            name: {**held, "boxes": _kept(held.get("boxes", {}), dataset, keep)}
            for name, held in dataset.extra.items()
        },
    )


def drop(dataset: Dataset, keep: NDArray[np.bool_], boxes: NDArray[np.float64]) -> Dataset:
    """The dataset with ``boxes`` in place of its own, and only those that are kept."""
    if keep.all() and np.array_equal(boxes, dataset.boxes):
        return dataset
    # what a format keeps beside its boxes would no longer match them
    return keep_boxes(replace(dataset, boxes=boxes, extra={}), keep)


def repeated(dataset: Dataset) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Boxes that lie, to half a pixel, on an earlier box of the same picture.

    Returns:
        ``(M,)`` those where the earlier box is of the same class, and those where it is of another.
    """
    boxes, pictures = dataset.boxes, dataset.picture_of
    order = np.lexsort((boxes[:, 0], pictures))
    same, other = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    for step in range(1, len(boxes)):  # sorted by left edge, so only near neighbours can be equal
        first, second = order[:-step], order[step:]
        close = (pictures[first] == pictures[second]) & (
            boxes[second, 0] - boxes[first, 0] <= _SAME
        )
        if not close.any():
            break
        first, second = first[close], second[close]
        alike = (np.abs(boxes[first] - boxes[second]) <= _SAME).all(1)
        first, second = first[alike], second[alike]
        later = np.maximum(first, second)
        agree = dataset.labels[first] == dataset.labels[second]
        same[later[agree]] = True
        other[later[~agree]] = True
    return same, other


def _kept(
    boxes: Mapping[str, Sequence[Any]], dataset: Dataset, keep: NDArray[np.bool_]
) -> dict[str, list[Any]]:
    kept = {}
    for id_, extras in boxes.items():
        if (place := dataset.index.get(id_)) is not None:
            mask = keep[dataset.offsets[place] : dataset.offsets[place + 1]]
            kept[id_] = [extra for extra, stays in zip(extras, mask, strict=True) if stays]
    return kept
