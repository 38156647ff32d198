"""From the graph's rows to a handful of boxes: floor, suppression where the card asks, cap.

Every pair of a box and a class whose score reaches the floor is a candidate of its own, as in the
reference evaluation of YOLO models. Suppression is the greedy, class-wise kind (Felzenszwalb et
al., 2010), done by OpenCV.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kit.cards import Suppress
from kit.types import Detections

_HEAD = 4
"""Suppression first looks at this many times ``cap`` candidates: mostly enough to fill the cap."""


def decode(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    floor: float,
    cap: int,
    suppress: Suppress | None,
) -> Detections:
    """Choose the detections of one picture.

    Args:
        boxes: ``(N, 4)`` xyxy in input pixels.
        scores: ``(N, C)`` in 0..1.
        floor: lowest score that counts, inclusive.
        cap: most detections returned.
        suppress: None where the graph's rows need no suppression.

    Returns:
        In input pixels, highest score first; of equal scores the earlier row, then class, first.

    Raises:
        FloatingPointError: a score, or the box of a candidate, is not finite.
    """
    flat = scores.ravel()
    below = flat < floor
    # what is not below, not what is above: a NaN is neither, and must not vanish
    candidates = np.flatnonzero(np.logical_not(below, out=below))
    limit = cap if suppress is None else suppress.candidates
    candidates = _best(candidates, flat, limit)
    rows, labels = np.divmod(candidates, max(scores.shape[1], 1))
    chosen, best = np.asarray(boxes[rows], np.float64), flat[candidates]
    if not np.isfinite(chosen).all():
        raise FloatingPointError("boxes that are not finite")
    if suppress is not None and len(candidates):
        kept = _suppress(chosen, best, labels, suppress.iou, cap)
        chosen, best, labels = chosen[kept], best[kept], labels[kept]
    return Detections(chosen, np.clip(best, 0.0, 1.0), labels)  # half precision may end above 1


def reaching(found: Detections, thresholds: Sequence[float]) -> Detections:
    """What scores at least the threshold of its class, inclusive, in float32 like the scores.

    Suppression never lets one class drop another's boxes, and the cap keeps the best, so this is
    what remains of detections at any lower floor: counts at a threshold hold when it serves.

    Args:
        thresholds: ``(C,)`` by class.
    """
    lowest = np.asarray(thresholds, np.float32)
    return found[found.scores >= lowest[found.labels]]


def merge(parts: Sequence[Detections], *, iou: float, cap: int) -> Detections:
    """Put together what was found on several views of one picture.

    Args:
        parts: of each view, in original pixels; their order does not matter.
        iou: boxes of one class that overlap more than this with a better one are dropped.
        cap: most detections returned.

    Returns:
        Highest score first; of equal scores the lower class, then the one further left and up.
    """
    xyxy = np.concatenate([part.xyxy for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    order = np.lexsort((*xyxy.T[::-1], labels, -scores))
    together = Detections(xyxy[order], scores[order], labels[order])
    if not len(together):
        return together
    return together[_suppress(together.xyxy, together.scores, together.labels, iou, cap)]


def _best(
    candidates: NDArray[np.int64], flat: NDArray[np.float32], limit: int
) -> NDArray[np.int64]:
    """The ``limit`` best candidates, best first, ties in their given order."""
    if not np.isfinite(flat[candidates]).all():
        raise FloatingPointError("scores that are not finite")
    if len(candidates) > limit:
        # all above the limit's score and, of those equal to it, the first: a partition alone would
        # break such ties in an order of its own
        values = flat[candidates]
        edge = np.partition(values, len(values) - limit)[len(values) - limit]
        candidates = candidates[values >= edge]
    order = np.argsort(-flat[candidates], kind="stable")
    return np.asarray(candidates[order[:limit]])


def _suppress(
    xyxy: NDArray[np.float64],
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    iou: float,
    cap: int,
) -> NDArray[np.int64]:
    """Indices kept, at most ``cap``, of candidates that are sorted already."""
    xywh = np.concatenate([xyxy[:, :2], np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0.0)], axis=1)
    # OpenCV keeps classes apart by moving each one beyond the largest coordinate, which holds only
    # where no coordinate is negative
    xywh[:, :2] -= xywh[:, :2].min(axis=0)
    kept: NDArray[np.int64] = np.zeros(0, np.int64)
    for count in (min(_HEAD * cap, len(labels)), len(labels)):
        # greedy suppression of the best candidates alone keeps what it would keep of them among
        # all, so the rest, whose cost grows with its square, is looked at only when cap has room
        head = slice(0, count)
        boxes: Any = xywh[head]  # OpenCV's annotations want lists
        values: Any = scores[head]
        classes: Any = labels[head].astype(np.int32)
        found = cv2.dnn.NMSBoxesBatched(boxes, values, classes, -1.0, iou)
        kept = np.sort(np.asarray(found, np.int64).reshape(-1))
        if len(kept) >= cap or count == len(labels):
            break
    return kept[:cap]
