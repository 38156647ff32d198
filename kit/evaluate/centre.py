"""Matching by place: a detection is right where its centre lies in an object's box.

For small lesions an overlap of 0.5 asks more than a reader does, who only needs to be shown where
to look. Scores made this way are no COCO scores and are never mixed with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kit.data.dataset import Dataset
from kit.evaluate.matches import Matches
from kit.types import Detections, Ignore


def match_centres(dataset: Dataset, found: Sequence[Detections]) -> dict[str, Matches]:
    """Match by class and picture: best first, each detection takes the free object of those its
    centre lies in (edges included) whose own centre is nearest. One that lies only in an object
    that doesn't count is ignored; that object stays free for others.

    Args:
        found: one per picture, in the dataset's order.

    Returns:
        By class, with one level instead of COCO's ten.
    """
    return {name: _match(dataset, found, label) for label, name in enumerate(dataset.classes)}


def _match(dataset: Dataset, found: Sequence[Detections], label: int) -> Matches:
    scores, pictures, hits, ignores = [], [], [], []
    objects = np.zeros(len(dataset), np.int64)
    for picture, every in enumerate(found):
        span = slice(dataset.offsets[picture], dataset.offsets[picture + 1])
        mine = dataset.labels[span] == label
        skip = dataset.ignore[span][mine] != Ignore.NONE
        objects[picture] = np.count_nonzero(~skip)
        own = every[every.labels == label]
        own = own[np.argsort(-own.scores, kind="stable")]
        hit, ignored = _greedy(own.xyxy, dataset.boxes[span][mine], skip)
        scores.append(own.scores.astype(np.float64))
        pictures.append(np.full(len(own), picture))
        hits.append(hit)
        ignores.append(ignored)
    score = np.concatenate(scores)
    order = np.argsort(-score, kind="stable")
    return Matches(
        score=score[order],
        picture=np.concatenate(pictures)[order],
        hit=np.concatenate(hits)[order][None],
        ignored=np.concatenate(ignores)[order][None],
        objects=objects,
    )


def _greedy(
    boxes: NDArray[np.float64], truth: NDArray[np.float64], skip: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    hit, ignored = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    if not len(truth):
        return hit, ignored
    centres, own = (each[:, :2] / 2 + each[:, 2:] / 2 for each in (boxes, truth))
    within = (centres[:, None] >= truth[:, :2]) & (centres[:, None] <= truth[:, 2:])
    inside: NDArray[np.bool_] = np.all(within, axis=2)
    apart = np.square(centres[:, None] - own).sum(axis=2)
    free = ~skip
    for place in np.flatnonzero(inside.any(axis=1)):
        fits = inside[place] & free
        if fits.any():
            hit[place] = True
            free[np.where(fits, apart[place], np.inf).argmin()] = False
        else:
            ignored[place] = (inside[place] & skip).any()
    return hit, ignored
