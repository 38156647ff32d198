"""A detector at one threshold: what it finds, and how often it cries wolf.

Sensitivity is the share of objects that are found, at an overlap of at least 0.5; FPPI the false
positives per picture. All classes count together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.evaluate.intervals import RESAMPLES, draws
from kit.evaluate.matches import Matches
from kit.runtime.detector import EVALUATION_FLOOR

_AT = 0  # place of the overlap 0.5 in COCO's list


@dataclass(frozen=True, eq=False)
class Counts:
    """What a threshold lets through, by picture.

    Attributes:
        hits, false, objects: ``(P,)`` objects found, detections of none, objects there are.
    """

    hits: NDArray[np.int64]
    false: NDArray[np.int64]
    objects: NDArray[np.int64]

    @property
    def sensitivity(self) -> float | None:
        """In 0..1; None where there is no object."""
        total = int(self.objects.sum())
        return int(self.hits.sum()) / total if total else None

    @property
    def fppi(self) -> float:
        """False positives per picture."""
        return int(self.false.sum()) / max(len(self.false), 1)

    def resampled(self, *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
        """``(B,)`` sensitivity on pictures drawn anew, paired with all other draws of this seed;
        NaN for a draw without objects."""
        blocks = draws(len(self.objects), resamples=resamples, seed=seed)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = [(rows @ self.hits) / (rows @ self.objects) for rows in blocks]
        return np.concatenate(shares) if shares else np.empty(0)


def count(matches: Mapping[str, Matches], threshold: float) -> Counts:
    """Count what is found with a score of ``threshold`` or more, both in float32 as at runtime."""
    classes = list(matches.values())
    lowest = float(np.float32(threshold))
    pictures = len(classes[0].objects)
    hits, false = np.zeros(pictures, np.int64), np.zeros(pictures, np.int64)
    for each in classes:
        shown = each.score >= lowest
        hit = each.hit[_AT] & shown
        wrong = shown & ~each.hit[_AT] & ~each.ignored[_AT]
        hits += np.bincount(each.picture[hit], minlength=pictures)
        false += np.bincount(each.picture[wrong], minlength=pictures)
    return Counts(hits, false, np.sum([each.objects for each in classes], axis=0))


def threshold_like(
    matches: Mapping[str, Matches], reference: Mapping[str, Matches], threshold: float
) -> float:
    """The threshold at which a detector does what another one does at ``threshold``: shows as many
    detections, unless that would be with more false positives; then fewer.

    Confidences that were squeezed keep their order, so a threshold on them can be made up for.

    Returns:
        ``threshold`` itself where it does that; never below the floor detections were asked for.
    """
    at = float(np.float32(threshold))
    scores, others = _scores(matches), _scores(reference)
    shown = min(int((others >= at).sum()), len(scores))
    highest = float(scores[shown - 1]) if shown else 1.0
    lowest = _above(scores, shown)
    false = _scores(matches, false=True)
    allowed = int((_scores(reference, false=True) >= at).sum())
    return max(lowest, min(threshold, highest), _above(false, allowed))


def _above(scores: NDArray[np.float64], count: int) -> float:
    """The lowest threshold that lets through at most so many of these; scores are float32."""
    if count >= len(scores):
        return EVALUATION_FLOOR
    return float(np.nextafter(np.float32(scores[count]), np.float32(2)))


def _scores(matches: Mapping[str, Matches], *, false: bool = False) -> NDArray[np.float64]:
    """Of all detections or of the false ones, descending."""
    found = [
        each.score[~each.hit[_AT] & ~each.ignored[_AT]] if false else each.score
        for each in matches.values()
    ]
    return np.sort(np.concatenate(found))[::-1]
