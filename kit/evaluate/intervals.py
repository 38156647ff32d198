"""How far a score would move with other pictures: percentile bootstrap over pictures.

Pictures, not boxes, are drawn with replacement, since boxes of one picture stand or fall together
(Efron and Tibshirani, 1993, chapter 13). Each draw only weighs the pictures anew, over matches that
were made once. That these are the evaluator's is checked on every call: with each picture drawn
once, AP must be the evaluator's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.errors import KitError
from kit.evaluate.coco import IOUS, RECALLS, Scores
from kit.evaluate.matches import Matches

RESAMPLES = 1000
LEVEL = 0.95
_BLOCK = 64  # draws weighed at once: bounds the memory
_EPS = float(np.spacing(1))  # as in the evaluator
_AGREE = 1e-9


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
    matches: Mapping[str, Matches], scores: Scores, *, resamples: int = RESAMPLES, seed: int = 0
) -> Resampled:
    """Score draws of as many pictures, with replacement. A draw without any object of a class
    leaves that class out of its mean, as COCO does.

    Args:
        matches: by class, see :func:`kit.evaluate.matches.match`.
        scores: of the same detections, :func:`kit.evaluate.coco.summarize`.
    """
    if scores.ap is None or scores.ap50 is None:
        return Resampled(np.empty(0), np.empty(0))
    classes = [each for each in matches.values() if each.objects.any()]
    whole = _mean(_scores(classes, np.ones((1, scores.images))))[0]
    if abs(whole[0] - scores.ap50) > _AGREE or abs(whole.mean() - scores.ap) > _AGREE:
        raise KitError("the interval's matches are not the evaluator's; this is a fault of the kit")
    drawn = _mean(_drawn(classes, resamples, seed))
    return Resampled(drawn.mean(axis=1), drawn[:, 0])


def resample_classes(
    matches: Mapping[str, Matches], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Resampled]:
    """The same for each class that has objects; rows are of the same pictures as there."""
    classes = {name: each for name, each in matches.items() if each.objects.any()}
    if not classes:
        return {}
    drawn = _drawn(list(classes.values()), resamples, seed)
    return {
        name: Resampled(rows.mean(axis=1), rows[:, 0])
        for name, rows in zip(classes, drawn, strict=True)
    }


def draws(
    pictures: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Iterator[NDArray[np.int64]]:
    """``(b, P)`` how often each picture is drawn, in blocks; always the same for a seed."""
    rng, shares = np.random.default_rng(seed), np.full(pictures, 1 / max(pictures, 1))
    while resamples > 0:
        yield rng.multinomial(pictures, shares, size=min(_BLOCK, resamples))
        resamples -= _BLOCK


def _drawn(classes: Sequence[Matches], resamples: int, seed: int) -> NDArray[np.float64]:
    """``(C, B, T)`` AP of each class on each draw, at each overlap."""
    blocks = draws(len(classes[0].objects), resamples=resamples, seed=seed)
    return np.concatenate([_scores(classes, weights) for weights in blocks], axis=1)


def _scores(classes: Sequence[Matches], weights: NDArray[Any]) -> NDArray[np.float64]:
    """``(C, B, T)`` AP for ``(B, P)`` counts of each picture."""
    return np.stack([_average_precision(each, weights) for each in classes])


def _mean(per_class: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the classes that have objects."""
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(per_class)
        return np.asarray(np.where(known, per_class, 0.0).sum(axis=0) / known.sum(axis=0))


def _average_precision(c: Matches, weights: NDArray[Any]) -> NDArray[np.float64]:
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
