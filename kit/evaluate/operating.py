"""A detector at one threshold: what it finds, and how often it cries wolf.

Sensitivity is the share of objects that are found, at an overlap of at least 0.5; precision the
share of detections that found one; FPPI the false positives per picture. All classes count
together. What lies on an object that doesn't count (crowd, difficult) is neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.evaluate.intervals import LEVEL, RESAMPLES, draws
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
    def precision(self) -> float | None:
        """In 0..1; None where nothing is shown that could be right or wrong."""
        shown = int(self.hits.sum() + self.false.sum())
        return int(self.hits.sum()) / shown if shown else None

    @property
    def fppi(self) -> float:
        """False positives per picture."""
        return int(self.false.sum()) / max(len(self.false), 1)

    def resampled(self, *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
        """``(B,)`` sensitivity on pictures drawn anew, paired with all other draws of this seed;
        NaN for a draw without objects."""
        return self.redrawn(resamples=resamples, seed=seed)["sensitivity"]

    def redrawn(
        self, *, resamples: int = RESAMPLES, seed: int = 0
    ) -> dict[str, NDArray[np.float64]]:
        """``sensitivity``, ``precision`` and ``fppi``, ``(B,)`` each, on pictures drawn anew; NaN
        where a draw has no object or shows nothing."""
        blocks = draws(len(self.objects), resamples=resamples, seed=seed)
        sums = [
            np.stack([rows @ self.hits, rows @ self.false, rows @ self.objects]) for rows in blocks
        ]
        counts = np.concatenate(sums, axis=1) if sums else np.empty((3, 0))
        return rates(*counts, pictures=len(self.objects))


def rates(
    hits: NDArray[Any], false: NDArray[Any], objects: NDArray[Any], *, pictures: int
) -> dict[str, NDArray[np.float64]]:
    """``sensitivity``, ``precision`` and ``fppi`` of counts ``(B,)``; NaN where there is none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "sensitivity": np.asarray(hits / objects),
            "precision": np.asarray(hits / (hits + false)),
            "fppi": np.asarray(false / max(pictures, 1)),
        }


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; None for what is not measurable: no object (sensitivity),
    nothing shown (precision), or no two draws that differ (interval)."""

    value: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class AtPoint:
    """What a detector does at its thresholds.

    Attributes:
        sensitivity, precision, fppi: with percentile bootstrap intervals over pictures.
        objects, shown, pictures: how many these are of; ``shown`` are right or wrong detections.
    """

    sensitivity: Estimate
    precision: Estimate
    fppi: Estimate
    objects: int
    shown: int
    pictures: int


def at_point(counts: Counts) -> AtPoint:
    """Counts as figures with intervals, over pictures. :mod:`kit.evaluate.detail` has the same
    figures, of patients where they are known, and those of each class."""
    drawn = counts.redrawn()
    return AtPoint(
        sensitivity=Estimate(counts.sensitivity, spread(drawn["sensitivity"])),
        precision=Estimate(counts.precision, spread(drawn["precision"])),
        fppi=Estimate(counts.fppi, spread(drawn["fppi"])),
        objects=int(counts.objects.sum()),
        shown=int(counts.hits.sum() + counts.false.sum()),
        pictures=len(counts.objects),
    )


def spread(drawn: NDArray[np.float64]) -> tuple[float, float] | None:
    """The middle 95 % of the draws that have a value.

    None where none has one, and where all have the same: one picture, or nothing but hits, leaves a
    bootstrap nothing to vary, and an interval without width would claim to be sure.
    """
    known = drawn[~np.isnan(drawn)]
    if not len(known) or known.min() == known.max():
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def count(
    matches: Mapping[str, Matches], threshold: float, own: Mapping[str, float] | None = None
) -> Counts:
    """Count what is found with a score of ``threshold`` or more, both in float32 as at runtime.

    Args:
        own: thresholds of classes that have one of their own.
    """
    pictures = len(next(iter(matches.values())).objects)
    hits, false = np.zeros(pictures, np.int64), np.zeros(pictures, np.int64)
    for name, each in matches.items():
        shown = each.score >= float(np.float32((own or {}).get(name, threshold)))
        hits += np.bincount(each.picture[right(each) & shown], minlength=pictures)
        false += np.bincount(each.picture[wrong(each) & shown], minlength=pictures)
    return Counts(hits, false, np.sum([each.objects for each in matches.values()], axis=0))


def right(matches: Matches) -> NDArray[np.bool_]:
    """``(D,)`` which detections found an object, at an overlap of 0.5."""
    return np.asarray(matches.hit[_AT])


def wrong(matches: Matches) -> NDArray[np.bool_]:
    """``(D,)`` which are false alarms: neither right nor on an object that doesn't count."""
    return np.asarray(~matches.hit[_AT] & ~matches.ignored[_AT])


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


def thresholds_like(
    matches: Mapping[str, Matches],
    reference: Mapping[str, Matches],
    threshold: float,
    own: Mapping[str, float],
) -> tuple[float, dict[str, float]]:
    """:func:`threshold_like` for each class that has a threshold of its own, and for the others
    together; where there are no others, for all together.

    Returns:
        The shared threshold, and those of the classes in ``own``.
    """
    rest = [name for name in matches if name not in own] or list(matches)

    def like(names: list[str], at: float) -> float:
        return threshold_like(
            {name: matches[name] for name in names}, {name: reference[name] for name in names}, at
        )

    return like(rest, threshold), {name: like([name], at) for name, at in own.items()}


def _above(scores: NDArray[np.float64], count: int) -> float:
    """The lowest threshold that lets through at most so many of these; scores are float32."""
    if count >= len(scores):
        return EVALUATION_FLOOR
    return float(np.nextafter(np.float32(scores[count]), np.float32(2)))


def _scores(matches: Mapping[str, Matches], *, false: bool = False) -> NDArray[np.float64]:
    """Of all detections or of the false ones, descending."""
    found = [each.score[wrong(each)] if false else each.score for each in matches.values()]
    return np.sort(np.concatenate(found))[::-1]
