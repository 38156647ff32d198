"""The graph waist, asserted: what every exported graph promises, whatever family it came from.

A wrapper written for another layout of a vendor's head exports without complaint and answers
nonsense. So the promise is checked on a real answer, when a graph is built, loaded and compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kit.errors import BundleError

INPUT, OUTPUTS, FEATURES = "images", ("boxes", "scores"), "features"
"""Names of the graph's input, its outputs, and the optional third one."""

_SLACK = 1e-3  # of a score beyond 0..1: half precision rounds
_ORDERED = 0.99  # share of rows that must have right >= left and bottom >= top
_REACH = 1.0  # sides of the input by which the middle of a box may lie outside of it


def check(
    boxes: Any,
    scores: Any,
    features: Any = None,
    *,
    classes: int,
    batch: int,
    size: int,
    where: object = "the graph",
) -> None:
    """Check one answer of a graph.

    Args:
        boxes: ``(B, N, 4)`` float32 xyxy in input pixels.
        scores: ``(B, N, C)`` float32 in 0..1.
        features: ``(B, D)`` float32, or None.
        classes: C. batch: B. size: side of the input in pixels.
        where: what to name in the message.

    Raises:
        BundleError: naming every broken promise.
    """
    wrong = []
    for name, array, rank in (
        ("boxes", boxes, 3),
        ("scores", scores, 3),
        ("features", features, 2),
    ):
        if array is None and name == "features":
            continue
        if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim != rank:
            kind = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array)
            wrong.append(f"{name} must be float32 with {rank} dimensions, it is {kind}")
        elif array.shape[0] != batch:
            wrong.append(f"{name} must hold {batch} picture(s), it holds {array.shape[0]}")
        elif not np.isfinite(array).all():
            wrong.append(f"{name} has values that are not finite")
    if not wrong:
        wrong = _values(boxes, scores, classes, size)
    if wrong:
        raise BundleError(
            "it breaks the promise of an exported graph:\n  " + "\n  ".join(wrong),
            where=where,
            fix="export it again with `kit export`",
        )


def _values(boxes: Any, scores: Any, classes: int, size: int) -> list[str]:
    wrong = []
    if boxes.shape[1:] != (scores.shape[1], 4):
        wrong.append(
            f"boxes must be (batch, {scores.shape[1]}, 4) to go with scores, it is {boxes.shape}"
        )
        return wrong
    if scores.shape[2] != classes:
        wrong.append(f"scores must have a column per class, {classes}, it has {scores.shape[2]}")
    if not scores.size:
        return wrong
    low, high = float(scores.min()), float(scores.max())
    if low < -_SLACK or high > 1 + _SLACK:
        wrong.append(f"scores must lie in 0..1, they lie in {low:.3g}..{high:.3g}")
    used = boxes[scores.max(axis=2) > 0]  # a graph that selects inside fills the rest with zeros
    if not len(used):
        return wrong
    if ((used[:, 2:] >= used[:, :2]).all(axis=1)).mean() < _ORDERED:
        wrong.append("boxes must be left, top, right, bottom; many have right < left")
    middle = (used[:, :2] + used[:, 2:]) / 2
    outside = ((middle < -_REACH * size) | (middle > (1 + _REACH) * size)).any(axis=1).mean()
    if outside > 1 - _ORDERED:
        wrong.append(
            f"boxes must be in pixels of the {size} px input; {outside:.0%} lie far outside"
        )
    return wrong
