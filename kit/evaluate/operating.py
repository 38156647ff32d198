"""A detector at one threshold: what it finds, and how often it cries wolf.

Sensitivity is the share of objects that are found, at an overlap of at least 0.5; FPPI the false
positives per picture. All classes count together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """Count what is found with a score of ``threshold`` or more."""
    classes = list(matches.values())
    pictures = len(classes[0].objects)
    hits, false = np.zeros(pictures, np.int64), np.zeros(pictures, np.int64)
    for each in classes:
        shown = each.score >= threshold
        hit = each.hit[_AT] & shown
        wrong = shown & ~each.hit[_AT] & ~each.ignored[_AT]
        hits += np.bincount(each.picture[hit], minlength=pictures)
        false += np.bincount(each.picture[wrong], minlength=pictures)
    return Counts(hits, false, np.sum([each.objects for each in classes], axis=0))


def threshold_like(matches: Mapping[str, Matches], threshold: float, fppi: float) -> float:
    """The threshold nearest to a given one with no more false positives per picture than ``fppi``,
    and as many as it allows.

    Returns:
        ``threshold`` itself where it does; never below the floor detections were asked for with.
    """
    false = np.sort(_false_scores(matches.values()))[::-1]
    pictures = len(next(iter(matches.values())).objects)
    allowed = int(np.floor(fppi * pictures + 1e-9))
    if allowed > len(false):  # it never is as often wrong
        return EVALUATION_FLOOR
    lowest = EVALUATION_FLOOR
    if allowed < len(false):
        lowest = float(np.nextafter(false[allowed], 2))
    highest = float(false[allowed - 1]) if allowed else 1.0
    return max(lowest, min(threshold, highest))


def _false_scores(matches: Iterable[Matches]) -> NDArray[np.float64]:
    return np.concatenate([m.score[~m.hit[_AT] & ~m.ignored[_AT]] for m in matches])
