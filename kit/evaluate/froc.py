"""FROC: how much is found at how many false positives a picture.

Sensitivity is read at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives per picture; their mean is the
score of LUNA16 (Setio et al. 2017) and, over other rates, of CAMELYON16 (Ehteshami Bejnordi et al.
2017). At each rate it is the largest that any threshold reaches with no more false positives, so a
curve that ends before a rate keeps its last value, and one that begins after it gives 0. A second
detection of the same object is a false positive, since a reader has to look at it too; the two
challenges leave it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kit.evaluate.intervals import ALIKE, RESAMPLES, Interval, Units, draws, percentile
from kit.evaluate.matches import Matches
from kit.evaluate.weighted import counted, draws_together

MatchBy = Literal["iou", "centre"]
RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
GRID: tuple[float, ...] = tuple(float(2 ** (k / 4 - 3)) for k in range(25))
"""Rates at which the curve is kept: four to each doubling."""

_STEP = 4  # from one of RATES to the next in GRID
_AMPLE = 3  # times the false positives of the last rate: more are rarely looked at


@dataclass(frozen=True)
class Curve:
    """Sensitivity against false positives per picture.

    Attributes:
        objects, pictures: how many there are.
        sensitivity: at each rate of :data:`GRID`, in 0..1; empty where there is no object.
        low, high: its 95 % bootstrap band, rate by rate; empty where there is none.
        score: mean sensitivity at :data:`RATES`; None where there is no object.
        interval: 95 %, of the score.
        ends: false positives per picture with every detection shown; beyond it nothing is known.
        why: in words, why something is missing.
    """

    objects: int
    pictures: int
    sensitivity: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    score: float | None
    interval: Interval | None
    ends: float
    why: str | None = None

    def __post_init__(self) -> None:
        for name in ("sensitivity", "low", "high"):
            if len(values := getattr(self, name)) not in (0, len(GRID)):
                raise ValueError(f"{name} has {len(values)} values, not one for each rate")

    def at_rates(self) -> list[tuple[float, float, Interval | None]]:
        """``(rate, sensitivity, interval)`` at each of :data:`RATES`; empty without objects."""
        if not self.sensitivity:
            return []
        bands: list[Interval | None] = [*zip(self.low, self.high, strict=True)]
        rows = zip(GRID, self.sensitivity, bands or [None] * len(GRID), strict=True)
        return list(rows)[::_STEP]


@dataclass(frozen=True)
class Froc:
    """Curves of all classes together and of each.

    Attributes:
        match: what makes a detection right: an overlap of at least 0.5, or its centre in the box.
    """

    match: MatchBy
    pooled: Curve
    per_class: Mapping[str, Curve]


@dataclass(frozen=True, eq=False)
class _Marks:
    """Detections in order of score: ``ends`` are the places after which a threshold can lie."""

    picture: NDArray[np.int64]
    hits: NDArray[np.int64]
    false: NDArray[np.int64]
    ends: NDArray[np.int64]
    objects: NDArray[np.int64]


def froc(
    matches: Mapping[str, Matches],
    by: MatchBy = "iou",
    *,
    units: Units | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Froc:
    """FROC curves with their bootstrap bands.

    Args:
        matches: by class, of :func:`kit.evaluate.matches.match` or
            :func:`kit.evaluate.centre.match_centres`; their first level is read.
        by: which of the two, for the record.
        units: patients, which are then drawn whole.
    """

    marks = [_marks(list(matches.values())), *(_marks([each]) for each in matches.values())]
    pictures = len(marks[0].objects)
    blocks = chain(
        [np.ones((1, pictures), np.int64)],
        draws(pictures, units=units, resamples=resamples, seed=seed),
    )
    # drawn once for all curves: drawing costs as much as reading a curve
    read = [[_sensitivities(each, weights) for each in marks] for weights in blocks]
    pooled, *each_class = (
        _curve(each, np.concatenate(rows), units)
        for each, rows in zip(marks, zip(*read, strict=True), strict=True)
    )
    return Froc(by, pooled, dict(zip(matches, each_class, strict=True)))


def sensitivities(classes: Sequence[Matches], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(b, 25)`` sensitivity at each rate of :data:`GRID` for ``(b, P)`` counts of each picture;
    NaN for a draw without objects."""
    return _sensitivities(_marks(classes), weights)


def _curve(marks: _Marks, rows: NDArray[np.float64], units: Units | None) -> Curve:
    """The curve of ``(1 + B, 25)`` sensitivities, the first on the pictures as they are."""
    pictures, objects = len(marks.objects), int(marks.objects.sum())
    ends = len(marks.false) / max(pictures, 1)
    if not objects:
        why = "not measurable: no objects"
        return Curve(0, pictures, (), (), (), None, None, ends, why)
    value, drawn = rows[0], rows[1:]
    score = float(value[::_STEP].mean())
    holding = np.flatnonzero(marks.objects)
    if len(np.unique(holding if units is None else units[holding])) < 2:
        why = "interval not measurable: only one unit holds any"
        return Curve(objects, pictures, _floats(value), (), (), score, None, ends, why)
    bands = [band for column in drawn.T if (band := percentile(column)) is not None]
    if not bands:
        why = "interval not measurable: no draw holds an object"
        return Curve(objects, pictures, _floats(value), (), (), score, None, ends, why)
    low, high = zip(*bands, strict=True)
    interval = percentile(drawn[:, ::_STEP].mean(axis=1))
    if interval is not None and interval[0] == interval[1]:  # would look like certainty
        return Curve(objects, pictures, _floats(value), low, high, score, None, ends, ALIKE)
    return Curve(objects, pictures, _floats(value), low, high, score, interval, ends)


def _marks(classes: Sequence[Matches]) -> _Marks:
    score = np.concatenate([each.score for each in classes])
    if np.isnan(score).any():
        raise ValueError("a score is not a number")
    order = np.argsort(-score, kind="stable")
    score = score[order]
    hit = np.concatenate([each.hit[0] for each in classes])[order]
    ignored = np.concatenate([each.ignored[0] for each in classes])[order]
    return _Marks(
        picture=np.concatenate([each.picture for each in classes]).astype(np.int64)[order],
        hits=np.flatnonzero(hit),
        false=np.flatnonzero(~hit & ~ignored),
        ends=np.flatnonzero(np.append(score[1:] != score[:-1], True)) if len(score) else order,
        objects=np.sum([each.objects for each in classes], axis=0),
    )


def _sensitivities(marks: _Marks, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Looks at the best detections first; at all where a draw's false positives don't suffice."""
    enough = int(_AMPLE * GRID[-1] * len(marks.objects))
    stop = marks.false[enough] if enough < len(marks.false) else None
    near = marks.ends if stop is None else marks.ends[marks.ends <= stop]
    rows = draws_together(len(near))
    found = []
    for start in range(0, len(weights), rows):
        some = weights[start : start + rows].astype(np.int32)
        values, complete = _read(marks, some, near)
        found.append(values if complete else _read(marks, some, marks.ends)[0])
    return np.concatenate(found)


def _read(
    marks: _Marks, weights: NDArray[np.int32], ends: NDArray[np.int64]
) -> tuple[NDArray[np.float64], bool]:
    """``(b, 25)`` with thresholds at ``ends`` only, and whether no other could change it."""
    false = _at(marks.false, marks.picture, weights, ends)
    hits = _at(marks.hits, marks.picture, weights, ends)
    limits = np.asarray(GRID) * weights.sum(axis=1)[:, None]
    complete = len(ends) == len(marks.ends) or bool((false[:, -1] > limits[:, -1]).all())
    best = np.take_along_axis(hits, _last_within(false, limits), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(best / (weights @ marks.objects)[:, None]), complete


def _last_within(counts: NDArray[np.int32], limits: NDArray[np.float64]) -> NDArray[np.int64]:
    """``(b, K)`` the last place of each ascending row of ``(b, E)`` that is within a limit.

    Rows are put one after another, each above the last, so that one search serves all of them.
    """
    span = int(counts.max()) + 1
    above = np.arange(len(counts))[:, None]
    keys = np.minimum(np.floor(limits).astype(np.int64), span - 1) + above * span
    places = np.searchsorted((counts + above * span).ravel(), keys.ravel(), side="right")
    return np.asarray(places.reshape(limits.shape) - above * counts.shape[1] - 1)


def _at(
    places: NDArray[np.int64],
    picture: NDArray[np.int64],
    weights: NDArray[np.int32],
    ends: NDArray[np.int64],
) -> NDArray[np.int32]:
    """``(b, E + 1)`` how many of these detections lie above each threshold, the first above all."""
    places = places[: np.searchsorted(places, ends[-1], side="right")] if len(ends) else places[:0]
    so_far = np.pad(counted(weights, picture[places]), ((0, 0), (1, 0)))
    above = np.concatenate([[0], np.searchsorted(places, ends, side="right")])
    return np.take(so_far, above.astype(np.int64), axis=1)


def _floats(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(map(float, values))
