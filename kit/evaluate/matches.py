"""Which detections found an object: COCO's matching, kept so that it can be counted again.

The evaluator's overlaps are matched once, as COCO does it. What is made of the matches elsewhere
(scores on other pictures, counts at a threshold) then costs little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data.dataset import Dataset
from kit.evaluate.coco import IOUS
from kit.types import Ignore


@dataclass(frozen=True, eq=False)
class Matches:
    """Detections of one class in order of score, and how they fared at each of COCO's overlaps.

    Attributes:
        score: ``(D,)`` of each detection, descending.
        picture: ``(D,)`` its picture.
        hit: ``(T, D)`` it found an object.
        ignored: ``(T, D)`` it lies on an object that doesn't count.
        objects: ``(P,)`` objects that count, per picture.
    """

    score: NDArray[np.float64]
    picture: NDArray[np.int64]
    hit: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    objects: NDArray[np.int64]


def match(evaluator: Any, dataset: Dataset) -> dict[str, Matches]:
    """Match the detections of each class to objects, picture by picture, by COCO's rule.

    Args:
        evaluator: what :func:`kit.evaluate.coco.run` returned for this dataset.
    """
    return {name: _match(evaluator, dataset, k) for k, name in enumerate(dataset.classes)}


def _match(evaluator: Any, dataset: Dataset, label: int) -> Matches:
    limit = evaluator.params.maxDets[-1]
    pictures, values, hits, ignores = [], [], [], []
    objects = np.zeros(len(dataset), np.int64)
    for picture in range(len(dataset)):
        span = slice(dataset.offsets[picture], dataset.offsets[picture + 1])
        mine = dataset.labels[span] == label
        skip = dataset.ignore[span][mine] != Ignore.NONE
        objects[picture] = np.count_nonzero(~skip)
        found = evaluator.cocoDt.imgToAnns.get(picture, ())
        score = np.array([a["score"] for a in found if a["category_id"] == label])
        score = score[np.argsort(-score, kind="stable")][:limit]
        overlaps = np.asarray(evaluator.ious[picture, label], np.float64)
        overlaps = overlaps.reshape(len(score), len(skip)) if overlaps.size else np.zeros((0, 0))
        taken, ignored = greedy(overlaps, skip, len(score))
        hit = taken >= 0
        pictures.append(np.full(len(score), picture))
        values.append(score)
        hits.append(hit)
        ignores.append(ignored)
    order = np.argsort(-np.concatenate(values), kind="stable")
    return Matches(
        score=np.concatenate(values)[order],
        picture=np.concatenate(pictures)[order],
        hit=np.concatenate(hits, axis=1)[:, order],
        ignored=np.concatenate(ignores, axis=1)[:, order],
        objects=objects,
    )


def greedy(
    overlaps: NDArray[np.float64], skip: NDArray[np.bool_], count: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Each detection, best first, takes the free object it overlaps most; of those that count
    first, else one that doesn't, which stays free for others.

    Args:
        overlaps: ``(D, M)`` of detections with objects of their class, or empty.
        skip: ``(M,)`` objects that don't count.
        count: D.

    Returns:
        ``(T, D)`` the object that each found at each of COCO's overlaps, or -1; and ``(T, D)``
        whether it lies on one that doesn't count.
    """
    taken = np.full((len(IOUS), count), -1, np.int64)
    ignored = np.zeros(taken.shape, bool)
    if not overlaps.size:
        return taken, ignored
    needed = np.minimum(IOUS, 1 - 1e-10)
    free = np.ones((len(IOUS), len(skip)), bool)
    levels = np.arange(len(IOUS))
    last = len(skip) - 1
    for d in np.flatnonzero((overlaps >= IOUS[0]).any(axis=1)):
        fits = overlaps[d] >= needed[:, None]
        countable = np.where(fits & free & ~skip, overlaps[d], -1.0)
        best = last - countable[:, ::-1].argmax(axis=1)  # of equal ones the last, as COCO
        hit = countable[levels, best] >= 0
        taken[hit, d] = best[hit]
        free[levels[hit], best[hit]] = False
        ignored[:, d] = ~hit & (fits & skip).any(axis=1)
    return taken, ignored
