"""How far a score would move with other pictures: percentile bootstrap over pictures.

Pictures, not boxes, are drawn with replacement, since boxes of one picture stand or fall together
(Efron and Tibshirani, 1993, chapter 13). The evaluator's overlaps are matched once, as COCO does
it, and each draw only weighs the pictures anew. That the matches are the evaluator's is checked on
every call: with each picture drawn once, AP must be the evaluator's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data.dataset import Dataset
from kit.errors import KitError
from kit.evaluate.coco import IOUS, RECALLS, Scores
from kit.types import Ignore

RESAMPLES = 1000
LEVEL = 0.95
_BLOCK = 64  # draws weighed at once: bounds the memory
_EPS = float(np.spacing(1))  # as in the evaluator
_AGREE = 1e-9


@dataclass(frozen=True, eq=False)
class _Class:
    """Detections of one class in order of score, and how they fared at each overlap.

    Attributes:
        picture: ``(D,)`` of each detection.
        hit: ``(T, D)`` it found an object.
        ignored: ``(T, D)`` it lies on an object that doesn't count.
        objects: ``(P,)`` objects that count, per picture.
    """

    picture: NDArray[np.int64]
    hit: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    objects: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Resampled:
    """Scores on pictures drawn anew. Row b is of the same pictures for all detectors that were
    scored on as many pictures with the same seed, so rows can be compared in pairs.

    Attributes:
        ap, ap50: ``(B,)`` float64 in 0..1; NaN for a draw without objects; B is 0 where there is no
            object to find.
    """

    ap: NDArray[np.float64]
    ap50: NDArray[np.float64]

    def interval(self, level: float = LEVEL) -> dict[str, tuple[float, float]]:
        """``{"ap": (low, high), "ap50": (low, high)}``; empty where there is no object to find."""
        if not len(self.ap):
            return {}
        tails = [(1 - level) / 2, (1 + level) / 2]
        found = {}
        for name, values in vars(self).items():
            low, high = np.nanquantile(values, tails)
            found[name] = (float(low), float(high))
        return found


def resample(
    evaluator: Any, dataset: Dataset, scores: Scores, *, resamples: int = RESAMPLES, seed: int = 0
) -> Resampled:
    """Score draws of as many pictures, with replacement. A draw without any object of a class
    leaves that class out of its mean, as COCO does.

    Args:
        evaluator: what :func:`kit.evaluate.coco.run` returned for this dataset.
        scores: its figures, :func:`kit.evaluate.coco.summarize`.
    """
    if scores.ap is None or scores.ap50 is None:
        return Resampled(np.empty(0), np.empty(0))
    classes = [_match(evaluator, dataset, k) for k in range(len(dataset.classes))]
    classes = [c for c in classes if c.objects.any()]
    pictures = len(dataset)
    whole = _scores(classes, np.ones((1, pictures)))[0]
    if abs(whole[0] - scores.ap50) > _AGREE or abs(whole.mean() - scores.ap) > _AGREE:
        raise KitError("the interval's matches are not the evaluator's; this is a fault of the kit")
    rng = np.random.default_rng(seed)
    blocks = [
        _scores(classes, rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=count))
        for count in _blocks(resamples)
    ]
    drawn = np.concatenate(blocks)
    return Resampled(drawn.mean(axis=1), drawn[:, 0])


def _blocks(resamples: int) -> Iterator[int]:
    while resamples > 0:
        yield min(_BLOCK, resamples)
        resamples -= _BLOCK


def _match(evaluator: Any, dataset: Dataset, label: int) -> _Class:
    """Match detections of one class to objects, picture by picture, by COCO's rule."""
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
        hit, ignored = _greedy(overlaps, skip, len(score))
        pictures.append(np.full(len(score), picture))
        values.append(score)
        hits.append(hit)
        ignores.append(ignored)
    order = np.argsort(-np.concatenate(values), kind="stable")
    return _Class(
        picture=np.concatenate(pictures)[order],
        hit=np.concatenate(hits, axis=1)[:, order],
        ignored=np.concatenate(ignores, axis=1)[:, order],
        objects=objects,
    )


def _greedy(
    overlaps: NDArray[np.float64], skip: NDArray[np.bool_], count: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Each detection, best first, takes the free object it overlaps most; of those that count
    first, else one that doesn't, which stays free for others."""
    hit = np.zeros((len(IOUS), count), bool)
    ignored = np.zeros_like(hit)
    if not overlaps.size:
        return hit, ignored
    needed = np.minimum(IOUS, 1 - 1e-10)
    free = np.ones((len(IOUS), len(skip)), bool)
    levels = np.arange(len(IOUS))
    last = len(skip) - 1
    for d in np.flatnonzero((overlaps >= IOUS[0]).any(axis=1)):
        fits = overlaps[d] >= needed[:, None]
        countable = np.where(fits & free & ~skip, overlaps[d], -1.0)
        best = last - countable[:, ::-1].argmax(axis=1)  # of equal ones the last, as COCO
        hit[:, d] = countable[levels, best] >= 0
        free[levels[hit[:, d]], best[hit[:, d]]] = False
        ignored[:, d] = ~hit[:, d] & (fits & skip).any(axis=1)
    return hit, ignored


def _scores(classes: list[_Class], weights: NDArray[Any]) -> NDArray[np.float64]:
    """``(B, T)`` mean over classes of AP, for ``(B, P)`` counts of each picture."""
    per_class = np.stack([_average_precision(c, weights) for c in classes])
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(per_class)
        return np.asarray(np.where(known, per_class, 0.0).sum(axis=0) / known.sum(axis=0))


def _average_precision(c: _Class, weights: NDArray[Any]) -> NDArray[np.float64]:
    """``(B, T)`` AP of one class; NaN for a draw without an object of it.

    Precision is highest where a hit has just been counted, so only hits are looked at.
    """
    total = weights @ c.objects
    seen = np.cumsum(weights[:, c.picture], axis=1, dtype=np.float64)
    result = np.zeros((len(weights), len(IOUS)))
    for t in range(len(IOUS)):
        places = np.flatnonzero(c.hit[t])
        if not len(places):
            continue
        right = np.cumsum(weights[:, c.picture[places]], axis=1, dtype=np.float64)
        among = seen[:, places]
        if c.ignored[t].any():
            unseen = np.flatnonzero(c.ignored[t])
            gone = np.cumsum(weights[:, c.picture[unseen]], axis=1, dtype=np.float64)
            gone = np.concatenate([np.zeros((len(weights), 1)), gone], axis=1)
            among = among - gone[:, np.searchsorted(unseen, places)]
        precision = right / (among + _EPS)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        best = np.concatenate([best, np.zeros((len(weights), 1))], axis=1)  # recall never reached
        for b in range(len(weights)):
            if total[b]:
                reached = np.searchsorted(right[b] / total[b], RECALLS, side="left")
                result[b, t] = best[b, reached].mean()
    result[total == 0] = np.nan
    return result
