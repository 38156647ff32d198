"""Do scores say how often they are right? Detection calibration error, and scalings that lower it.

A detection is right where it finds an object at an overlap of at least 0.5; what lies on an object
that doesn't count is left out. Only confidence is binned, not place or size: this is the D-ECE of
Küppers et al. 2020 ("Multivariate confidence calibration for object detection") in its simplest
form. Detections below :data:`LOWEST` are left out too: a detector leaves hundreds of them on every
picture, nobody looks at them, and they would make every figure small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kit.bundle import Scaling
from kit.errors import DataError
from kit.evaluate.matches import Matches
from kit.evaluate.operating import right, wrong
from kit.runtime.scaling import scale

LOWEST = 0.05
BINS = 10
FOLDS = 5

Binning: TypeAlias = Literal["width", "mass"]
"""Bins of equal width, as published, or of as many detections each."""

_TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Bin:
    """Detections of similar scores.

    Attributes:
        low, high: scores above ``low`` up to ``high``; the first bin holds its ``low`` too.
        score: mean.
        precision: share of them that are right.
        detections: how many.
    """

    low: float
    high: float
    score: float
    precision: float
    detections: int


@dataclass(frozen=True)
class Reliability:
    """How far scores are from chances.

    Attributes:
        error: D-ECE in 0..1: the mean distance of score and precision over bins, weighed by
            detections. Bins without any are left out, here and below.
        detections, right: how many it is of.
        lowest: raw score from which detections count.
    """

    error: float
    detections: int
    right: int
    bins: tuple[Bin, ...]
    binning: Binning
    lowest: float


@dataclass(frozen=True, eq=False)
class Shown:
    """Detections of all classes, for what is fitted to them.

    Attributes:
        scores: ``(n,)`` raw. right: ``(n,)``. picture: ``(n,)``.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    picture: NDArray[np.int64]

    def __getitem__(self, mask: NDArray[np.bool_]) -> Shown:
        return Shown(self.scores[mask], self.right[mask], self.picture[mask])


def shown(matches: Mapping[str, Matches], lowest: float = LOWEST) -> Shown:
    """Detections that are right or wrong and score at least ``lowest``, by class then score."""
    parts = [
        (each, (right(each) | wrong(each)) & (each.score >= lowest)) for each in matches.values()
    ]
    return Shown(
        np.concatenate([each.score[kept] for each, kept in parts]),
        np.concatenate([right(each)[kept] for each, kept in parts]),
        np.concatenate([each.picture[kept] for each, kept in parts]),
    )


def measure_reliability(
    matches: Mapping[str, Matches],
    scaling: Scaling | None = None,
    *,
    lowest: float = LOWEST,
    bins: int = BINS,
    binning: Binning = "width",
) -> Reliability | None:
    """Reliability of raw scores, or of scaled ones, e.g. on the test split with a card's scaling.

    Returns:
        None where no detection scores ``lowest``: not measurable.
    """
    found = shown(matches, lowest)
    scores = found.scores if scaling is None else scale(found.scores, scaling)
    return reliability(scores, found.right, lowest=lowest, bins=bins, binning=binning)


def reliability(
    scores: NDArray[np.float64],
    right: NDArray[np.bool_],
    *,
    lowest: float = LOWEST,
    bins: int = BINS,
    binning: Binning = "width",
) -> Reliability | None:
    """Bin scores ``(n,)`` in 0..1, of detections ``right`` or not; None for no detection."""
    if not len(scores):
        return None
    edges = np.linspace(0, 1, bins + 1)
    if binning == "mass":  # equal scores stay together
        edges = np.unique(np.concatenate([[0.0], np.quantile(scores, edges[1:-1]), [1.0]]))
    place = np.clip(np.searchsorted(edges, scores, side="left") - 1, 0, len(edges) - 2)
    filled = tuple(
        Bin(
            float(edges[b]),
            float(edges[b + 1]),
            float(scores[place == b].mean()),
            float(right[place == b].mean()),
            int((place == b).sum()),
        )
        for b in np.unique(place)
    )
    error = sum(each.detections * abs(each.score - each.precision) for each in filled)
    return Reliability(error / len(scores), len(scores), int(right.sum()), filled, binning, lowest)


def fit(found: Shown, method: Literal["temperature", "isotonic"]) -> Scaling:
    """Fit a scaling to detections.

    Raises:
        DataError: all are right, or all wrong, or there is none: nothing tells chances apart.
    """
    if found.right.all() or not found.right.any():
        raise DataError(
            f"scores can't be scaled by {len(found.right)} detection(s), {found.right.sum()} of "
            "them right: right and wrong ones are needed"
        )
    if method == "temperature":
        return Scaling("temperature", temperature=_temperature(found))
    scores, chances = _isotonic(found)
    return Scaling("isotonic", scores=tuple(scores.tolist()), chances=tuple(chances.tolist()))


def _temperature(found: Shown) -> float:
    """Of the least negative log-likelihood, which is convex in 1/T: where its slope is 0, by
    bisection; within 0.05..20."""
    scores = np.clip(found.scores, 1e-7, 1 - 1e-7)
    logits = np.log(scores / (1 - scores))
    low, high = 1 / _TEMPERATURES[1], 1 / _TEMPERATURES[0]
    for _ in range(60):
        middle = (low + high) / 2
        slope = (logits * (1 / (1 + np.exp(-middle * logits)) - found.right)).sum()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(2 / (low + high))


def _isotonic(found: Shown) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knots: mean score and share of right ones of each block of the isotonic regression.

    Pool adjacent violators (Zadrozny and Elkan 2002, "Transforming classifier scores into accurate
    multiclass probability estimates"); read between blocks, not as steps, which would make most
    scores equal (Oron and Flournoy 2017, "Centered isotonic regression").
    """
    values, place = np.unique(found.scores, return_inverse=True)
    counts = np.bincount(place).astype(float)
    hits = np.bincount(place, weights=found.right)
    blocks: list[tuple[float, float, float]] = []  # detections, right ones, sum of scores
    for block in zip(counts, hits, counts * values, strict=True):
        merged = block
        while blocks and blocks[-1][1] * merged[0] >= merged[1] * blocks[-1][0]:
            last = blocks.pop()
            merged = (last[0] + merged[0], last[1] + merged[1], last[2] + merged[2])
        blocks.append(merged)
    rows = np.array(blocks)
    return rows[:, 2] / rows[:, 0], rows[:, 1] / rows[:, 0]


@dataclass(frozen=True)
class Gain:
    """What a scaling does on pictures that it was not fitted to.

    Attributes:
        before, after: on the same detections.
        folds: the pictures were fitted to in so many parts, each scaled by the others' fit.
    """

    before: Reliability
    after: Reliability
    folds: int


def cross_fit(
    found: Shown,
    method: Literal["temperature", "isotonic"],
    *,
    folds: int = FOLDS,
    seed: int = 0,
    lowest: float = LOWEST,
    binning: Binning = "width",
) -> Gain | str:
    """Fit to some of the pictures and scale the others, in turn, so that the figure is not of the
    fit's own detections.

    Returns:
        The gain, or why it is not measurable.
    """
    pictures = np.random.default_rng(seed).permutation(np.unique(found.picture))
    folds = min(folds, len(pictures))
    if folds < 2:
        return f"not measurable: detections on {len(pictures)} picture(s)"
    scaled = np.empty(len(found.scores))
    for part in np.array_split(pictures, folds):
        mine = np.isin(found.picture, part)
        try:
            scaled[mine] = scale(found.scores[mine], fit(found[~mine], method))
        except DataError:
            return "not measurable: a part of the pictures has only right or only wrong detections"
    before = reliability(found.scores, found.right, lowest=lowest, binning=binning)
    after = reliability(scaled, found.right, lowest=lowest, binning=binning)
    assert before is not None  # there are detections
    assert after is not None
    return Gain(before, after, folds)
