"""COCO's average precision with every picture counted as often as it was drawn.

The matches are made once; a draw of pictures only weighs them anew. All draws are looked at
together, a row each, so that every step is one pass over an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.evaluate.coco import IOUS, RECALLS
from kit.evaluate.matches import Matches

_EPS = float(np.spacing(1))  # as in the evaluator
_CELLS = 2_000_000  # detections times draws looked at together: bounds the memory


def class_scores(classes: Sequence[Matches], weights: NDArray[Any]) -> NDArray[np.float64]:
    """``(C, b, T)`` AP of each class at each of COCO's overlaps, for ``(b, P)`` counts of each
    picture; NaN where a draw holds no object of the class."""
    return np.stack([average_precision(each, weights) for each in classes])


def mean_over_classes(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(C, ...) -> (...)``, over the classes that have objects; NaN where none has."""
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(scores)
        return np.asarray(np.where(known, scores, 0.0).sum(axis=0) / known.sum(axis=0))


def average_precision(matches: Matches, weights: NDArray[Any]) -> NDArray[np.float64]:
    """``(b, T)`` AP of one class; NaN for a draw without an object of it."""
    rows = draws_together(len(matches.score))
    return np.concatenate(
        [
            _average_precision(matches, weights[start : start + rows])
            for start in range(0, len(weights), rows)
        ]
    )


def draws_together(detections: int) -> int:
    """How many draws of so many detections fit the memory at once."""
    return max(1, _CELLS // max(detections, 1))


def _average_precision(c: Matches, weights: NDArray[Any]) -> NDArray[np.float64]:
    """Precision is highest where a hit has just been counted, so only hits are looked at."""
    total = weights @ c.objects
    reached = _reached(total)
    result = np.zeros((len(weights), len(IOUS)))
    end = int(np.flatnonzero(c.hit.any(axis=0)).max(initial=-1)) + 1  # after it, nothing is gained
    weights = weights.astype(np.int32)
    seen = counted(weights, c.picture[:end])
    for t in range(len(IOUS)):
        places = np.flatnonzero(c.hit[t])
        if not len(places):
            continue
        right = counted(weights, c.picture[places])
        among = np.take(seen, places, axis=1)
        unseen = np.flatnonzero(c.ignored[t, :end])
        if len(unseen):
            gone = np.pad(counted(weights, c.picture[unseen]), ((0, 0), (1, 0)))
            among -= np.take(gone, np.searchsorted(unseen, places), axis=1)
        precision = right / (among + _EPS)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recalls = np.take_along_axis(reached, right, axis=1)
        gained = np.diff(recalls, axis=1, prepend=np.int8(0))
        result[:, t] = (best * gained).sum(axis=1) / len(RECALLS)
    result[total == 0] = np.nan
    return result


def counted(weights: NDArray[np.int32], pictures: NDArray[np.int64]) -> NDArray[np.int32]:
    """``(b, n)`` detections so far, each as often as its picture was drawn."""
    return np.cumsum(np.take(weights, pictures, axis=1), axis=1, dtype=np.int32)


def _reached(total: NDArray[np.int64]) -> NDArray[np.int8]:
    """``(b, most + 1)`` how many of COCO's recalls a number of hits reaches, in the evaluator's own
    arithmetic: the quotient is compared."""
    hits = np.arange(int(total.max()) + 1)
    shares = hits / np.maximum(total, 1)[:, None]
    return np.searchsorted(RECALLS, shares, side="right").astype(np.int8)
