"""What became of every detection and every object of a picture, by the evaluator's matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data.dataset import Dataset
from kit.evaluate.coco import run
from kit.evaluate.matches import greedy
from kit.types import Detections, Ignore

_AT = 0  # place of the overlap 0.5 in COCO's list


@dataclass(frozen=True, eq=False)
class Outcome:
    """One picture at an overlap of 0.5. Objects are named by their place in its truth.

    Attributes:
        found: what was detected. truth: what is labelled.
        counts: ``(m,)`` objects that count, so neither crowd nor difficult.
        taken: ``(n,)`` the object each detection found, -1 for none.
        false: ``(n,)`` it found none and lies on none that doesn't count. Detections beyond the
            evaluator's limit are neither right nor false.
    """

    found: Detections
    truth: Detections
    counts: NDArray[np.bool_]
    taken: NDArray[np.int64]
    false: NDArray[np.bool_]

    @property
    def undetected(self) -> NDArray[np.bool_]:
        """``(m,)`` objects that count and that none found."""
        left = np.array(self.counts)
        left[self.taken[self.taken >= 0]] = False
        return left


def outcomes(dataset: Dataset, predictions: Sequence[Detections]) -> list[Outcome]:
    """Match the detections of every picture as the evaluator does.

    Args:
        predictions: one per picture, in the dataset's order.

    Raises:
        ValueError: the counts differ, or a label is not a class of the dataset.
    """
    evaluator = run(dataset, predictions)
    return [_outcome(evaluator, dataset, place, one) for place, one in enumerate(predictions)]


def _outcome(evaluator: Any, dataset: Dataset, place: int, found: Detections) -> Outcome:
    example, limit = dataset[place], evaluator.params.maxDets[-1]
    counts = example.ignore == Ignore.NONE
    taken = np.full(len(found), -1, np.int64)
    false = np.zeros(len(found), bool)
    for label in np.unique(found.labels).tolist():
        mine = np.flatnonzero(found.labels == label)
        mine = mine[np.argsort(-found.scores[mine], kind="stable")][:limit]
        objects = np.flatnonzero(example.truth.labels == label)
        overlaps = np.asarray(evaluator.ious[place, label], np.float64)
        overlaps = overlaps.reshape(len(mine), len(objects)) if overlaps.size else overlaps
        match, ignored = greedy(overlaps, ~counts[objects], len(mine))
        hit = match[_AT] >= 0
        taken[mine[hit]] = objects[match[_AT][hit]]
        false[mine] = ~hit & ~ignored[_AT]
    return Outcome(found, example.truth, counts, taken, false)


def iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(n, m)`` intersection over union of ``(n, 4)`` and ``(m, 4)`` xyxy; 0 without an area."""
    shared = intersection(a, b)
    union = _area(a)[:, None] + _area(b)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def intersection(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(n, m)`` common areas of ``(n, 4)`` and ``(m, 4)`` xyxy, in square pixels."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2), np.float64)


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1), np.float64)
