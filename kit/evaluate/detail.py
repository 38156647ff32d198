"""What a clinician needs to know of a score: how sure it is, as a whole and for each class.

All figures are weighed on the same draws, so that two detectors measured on the same pictures can
be compared row by row (:mod:`kit.evaluate.versus`) from what their reports keep.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kit.evaluate.coco import Scores
from kit.evaluate.froc import Froc
from kit.evaluate.intervals import (
    ALIKE,
    RESAMPLES,
    Interval,
    Redrawn,
    Resampled,
    Statistic,
    Units,
    bca,
    draws,
    percentile,
    redraw,
    require_evaluators,
)
from kit.evaluate.matches import Matches
from kit.evaluate.operating import count
from kit.evaluate.proportions import Share, shares
from kit.evaluate.subgroups import By, Group
from kit.evaluate.weighted import class_scores, mean_over_classes

_SLACK = 1e-9  # a mean of ones may come out a little above one

Figure = Literal["ap", "ap50", "sensitivity", "precision"]
FIGURES: tuple[Figure, ...] = ("ap", "ap50", "sensitivity", "precision")


@dataclass(frozen=True)
class Estimate:
    """A figure and how sure it is.

    Attributes:
        value: in 0..1; None where it can't be measured.
        n: what it is a share of: objects, or for precision detections shown.
        percentile, bca: 95 % intervals; None where there is none.
        why: in words, why something is missing.
    """

    value: float | None
    n: int
    percentile: Interval | None = None
    bca: Interval | None = None
    why: str | None = None

    def __post_init__(self) -> None:
        if self.n < 0 or not (self.value is None or 0 <= self.value <= 1 + _SLACK):  # also for NaN
            raise ValueError(f"a figure must lie in 0..1, it is {self.value} of {self.n}")

    @property
    def interval(self) -> Interval | None:
        """The one to tell where there is room for one: BCa, else percentiles."""
        return self.percentile if self.bca is None else self.bca


@dataclass(frozen=True)
class Paired:
    """What a comparison with another detector needs: rows of float32, in base64.

    Attributes:
        draws: sha256 of how often each picture was drawn; rows pair only where it is the same.
        drawn: by figure ``(B,)`` on pictures drawn anew.
        without: by figure ``(U,)`` with one unit left out.
    """

    draws: str
    drawn: Mapping[str, str]
    without: Mapping[str, str]


@dataclass(frozen=True)
class Detail:
    """Beside the scores.

    Attributes:
        drawn_by, units: what was drawn anew, and how many of them there are.
        resamples: how often.
        operating_point: score from which a detection counts for sensitivity and precision;
            class_thresholds: of classes that have one of their own.
        figures: of all classes: means of AP, and the pooled sensitivity and precision.
        per_class: the same of each class.
        shares: of units, at the operating point, with Wilson's intervals.
        froc: sensitivity at rates of false positives.
        paired: for comparisons.
        subgroups: sensitivity at the operating point by size and by group.
    """

    drawn_by: Literal["patient", "picture"]
    units: int
    resamples: int
    operating_point: float
    figures: Mapping[str, Estimate]
    per_class: Mapping[str, Mapping[str, Estimate]]
    shares: Mapping[str, Share]
    froc: Froc
    paired: Paired
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    subgroups: Mapping[By, tuple[Group, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, row in {"all classes": self.figures, **self.per_class}.items():
            if missing := [figure for figure in FIGURES if figure not in row]:
                raise ValueError(f"{name}: {', '.join(missing)} is missing")

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Score from which a detection counts, for each class."""
        return {n: self.class_thresholds.get(n, self.operating_point) for n in self.per_class}


def detail(
    matches: Mapping[str, Matches],
    scores: Scores,
    froc: Froc,
    *,
    operating_point: float,
    class_thresholds: Mapping[str, float] | None = None,
    units: Units | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[Detail, Resampled]:
    """Work out all figures with their intervals.

    Args:
        matches: by class, see :func:`kit.evaluate.matches.match`.
        scores: of the same detections.
        operating_point, class_thresholds: of the bundle's card.
        units: patients; None where they are not known.

    Returns:
        The detail, and AP and AP50 drawn anew.
    """
    redrawn = redraw(
        figures(matches, operating_point, class_thresholds),
        scores.images,
        units=units,
        resamples=resamples,
        seed=seed,
    )
    require_evaluators(redrawn.whole[0], redrawn.whole[1], scores)
    own = np.arange(scores.images) if units is None else units
    _, shown, objects = _counts(matches, operating_point, class_thresholds)
    rows: list[Mapping[str, Estimate]] = []
    for place in range(len(matches) + 1):
        bases = (objects[place], objects[place], objects[place], shown[place])
        columns = [len(FIGURES) * place + k for k in range(len(FIGURES))]
        rows.append(
            {
                name: _estimate(redrawn, column, np.bincount(own, weights=base))
                for name, column, base in zip(FIGURES, columns, bases, strict=True)
            }
        )
    found = Detail(
        drawn_by="picture" if units is None else "patient",
        units=len(redrawn.without),
        resamples=len(redrawn.drawn),
        operating_point=operating_point,
        class_thresholds=dict(class_thresholds or {}),
        figures=rows[0],
        per_class=dict(zip(matches, rows[1:], strict=True)),
        shares=shares(count(matches, operating_point, class_thresholds), units),
        froc=froc,
        paired=_paired(redrawn, _digest(scores.images, units, resamples, seed)),
    )
    measurable = scores.ap is not None
    rows_of = redrawn.drawn if measurable else redrawn.drawn[:0]
    return found, Resampled(rows_of[:, 0], rows_of[:, 1])


def figures(
    matches: Mapping[str, Matches], threshold: float, own: Mapping[str, float] | None = None
) -> Statistic:
    """``(b, P) -> (b, 4 (C + 1))``: :data:`FIGURES` of all classes, then of each."""
    known = [place for place, each in enumerate(matches.values()) if each.objects.any()]
    classes = [each for each in matches.values() if each.objects.any()]
    hits, shown, objects = _counts(matches, threshold, own)

    def statistic(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        curves = np.full((len(matches), len(weights), 2), np.nan)
        if classes:
            scores = class_scores(classes, weights)
            curves[known] = np.stack([scores.mean(axis=2), scores[..., 0]], axis=2)
        curves = np.concatenate([mean_over_classes(curves)[None], curves])
        found = weights @ hits.T
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = [found / (weights @ base.T) for base in (objects, shown)]
        columns = [curves[..., 0].T, curves[..., 1].T, *ratios]
        return np.stack(columns, axis=2).reshape(len(weights), -1)

    return statistic


def unpack(rows: str) -> NDArray[np.float64]:
    """Rows that a report keeps."""
    return np.frombuffer(base64.b64decode(rows), "<f4").astype(np.float64)


def _counts(
    matches: Mapping[str, Matches], threshold: float, own: Mapping[str, float] | None
) -> Sequence[NDArray[np.int64]]:
    """Hits, detections shown and objects, each ``(C + 1, P)``: of all classes, then of each."""
    found = [count({name: each}, threshold, own) for name, each in matches.items()]
    columns = (
        [each.hits for each in found],
        [each.hits + each.false for each in found],
        [each.objects for each in found],
    )
    return [np.stack([np.sum(rows, axis=0), *rows]) for rows in columns]


def _estimate(redrawn: Redrawn, column: int, base: NDArray[Any]) -> Estimate:
    """One figure; ``base`` is how much of what it is a share of each unit holds."""
    n, holding = int(base.sum()), int((base > 0).sum())
    value = float(redrawn.whole[column])
    if np.isnan(value):
        nothing = "no detection is shown" if FIGURES[column % 4] == "precision" else "no objects"
        return Estimate(None, n, why=f"not measurable: {nothing}")
    if holding < 2:  # drawn anew it could only be itself, which would look like certainty
        return Estimate(value, n, why="interval not measurable: only one unit holds any")
    drawn, without = redrawn.drawn[:, column], redrawn.without[:, column]
    if np.nanmin(drawn) == np.nanmax(drawn):  # as where all of a few objects are found
        return Estimate(value, n, why=ALIKE)
    return Estimate(value, n, percentile(drawn), bca(value, drawn, without))


def _paired(redrawn: Redrawn, digest: str) -> Paired:
    def rows(values: NDArray[np.float64]) -> Mapping[str, str]:
        columns = values[:, : len(FIGURES)].T.astype("<f4")
        return {
            name: base64.b64encode(column.tobytes()).decode()
            for name, column in zip(FIGURES, columns, strict=True)
        }

    return Paired(digest, rows(redrawn.drawn), rows(redrawn.without))


def _digest(pictures: int, units: Units | None, resamples: int, seed: int) -> str:
    digest = hashlib.sha256()
    for block in draws(pictures, units=units, resamples=resamples, seed=seed):
        digest.update(block.astype("<u2").tobytes())
    return digest.hexdigest()
