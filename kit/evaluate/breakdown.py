"""A detector as it is shown, picture by picture: what it confuses, and where it is weak.

Objects are found at an overlap of 0.5 or more, by the evaluator's matching. What is false then is
held against the objects that are left: an overlap of 0.5 with one of another class is a wrong
class, all else a false alarm. So every object and every detection is counted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data.dataset import Dataset
from kit.evaluate.outcome import Outcome, iou, outcomes
from kit.evaluate.proportions import wilson
from kit.runtime.suppress import reaching
from kit.types import Detections

OVERLAP = 0.5
COCO_SIZES = (32.0, 96.0)
"""Sides, in pixels of a square as large, from which a box is medium and large."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One picture.

    Attributes:
        outcome: what found what.
        mistaken: ``(n,)`` the object of another class that a false detection lies on, or -1.
    """

    outcome: Outcome
    mistaken: NDArray[np.int64]

    @property
    def hits(self) -> NDArray[np.bool_]:
        """``(n,)`` detections that are right."""
        return np.asarray(self.outcome.taken >= 0)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """``(n,)`` detections of the wrong class."""
        return np.asarray(self.mistaken >= 0)

    @property
    def alarms(self) -> NDArray[np.bool_]:
        """``(n,)`` detections of nothing."""
        return self.outcome.false & ~self.wrong

    @property
    def missed(self) -> NDArray[np.bool_]:
        """``(m,)`` objects that count and were not seen, not even as another class."""
        left = self.outcome.undetected
        left[self.mistaken[self.wrong]] = False
        return left

    @property
    def errors(self) -> int:
        """Misses, false alarms and wrong classes."""
        return int(self.missed.sum() + self.alarms.sum() + self.wrong.sum())


@dataclass(frozen=True)
class Subgroup:
    """Some of the objects or pictures.

    Attributes:
        pictures: that hold such objects, or are of the group.
        objects: that count. found: of these. false: detections that are not right.
    """

    name: str
    pictures: int
    objects: int
    found: int
    false: int

    @property
    def sensitivity(self) -> float | None:
        """Share of objects that are found, in 0..1; None where there is none."""
        return self.found / self.objects if self.objects else None

    @property
    def precision(self) -> float | None:
        """Share of detections that are right, in 0..1; None where there is none."""
        shown = self.found + self.false
        return self.found / shown if shown else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the sensitivity; None where there is no object. Objects count
        as independent, which those of one picture seldom are: it is the least that is uncertain."""
        return wilson(self.found, self.objects)

    def figures(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        shares = ("sensitivity", "interval", "precision")
        return {**asdict(self), **{name: getattr(self, name) for name in shares}}


def judge(
    dataset: Dataset, predictions: Sequence[Detections], thresholds: Sequence[float]
) -> list[Judged]:
    """Look at what is shown: detections that reach the threshold of their class.

    Args:
        predictions: one per picture, in the dataset's order.
        thresholds: ``(C,)``, such as a card's.

    Raises:
        ValueError: the counts differ, or a label is not a class of the dataset.
    """
    shown = [reaching(found, thresholds) for found in predictions]
    return [Judged(one, _mistaken(one)) for one in outcomes(dataset, shown)]


def _mistaken(outcome: Outcome) -> NDArray[np.int64]:
    mistaken = np.full(len(outcome.found), -1, np.int64)
    free = np.flatnonzero(outcome.undetected)
    order = np.argsort(-outcome.found.scores, kind="stable")
    overlaps = iou(outcome.found.xyxy, outcome.truth.xyxy[free])
    overlaps[outcome.found.labels[:, None] == outcome.truth.labels[free]] = 0.0
    for place in order[outcome.false[order]]:
        if len(free) and overlaps[place].max() >= OVERLAP:
            best = overlaps[place].argmax()
            mistaken[place] = free[best]
            overlaps[:, best] = 0.0
    return mistaken


def confusion(judged: Sequence[Judged], classes: int) -> NDArray[np.int64]:
    """``(C + 1, C + 1)`` counts by labelled class (row) and detected class (column).

    The last column holds missed objects, the last row detections of nothing.
    """
    table = np.zeros((classes + 1, classes + 1), np.int64)
    for one in judged:
        found, truth = one.outcome.found.labels, one.outcome.truth.labels
        for met, objects in ((one.hits, one.outcome.taken), (one.wrong, one.mistaken)):
            np.add.at(table, (truth[objects[met]], found[met]), 1)
        table[:classes, classes] += np.bincount(truth[one.missed], minlength=classes)
        table[classes, :classes] += np.bincount(found[one.alarms], minlength=classes)
    return table


def by_size(judged: Sequence[Judged], edges: Sequence[float] = COCO_SIZES) -> list[Subgroup]:
    """Small, medium and large: by the side, in pixels, of a square as large as the box.

    A right detection is as large as its object, a false one as large as itself.

    Args:
        edges: two sides, from which a box is medium and large.
    """
    low, high = edges
    names = (f"small, below {low:.0f} px", f"medium, {low:.0f} to {high:.0f} px")
    rows = []
    for place, name in enumerate((*names, f"large, {high:.0f} px and more")):
        counts = np.zeros(4, np.int64)
        for one in judged:
            objects = np.searchsorted(edges, _sides(one.outcome.truth), side="right") == place
            found = np.searchsorted(edges, _sides(one.outcome.found), side="right") == place
            mine = objects & one.outcome.counts
            hit = objects[one.outcome.taken[one.hits]]
            counts += (mine.any(), mine.sum(), hit.sum(), (one.outcome.false & found).sum())
        rows.append(Subgroup(name, *counts.tolist()))
    return rows


def terciles(judged: Sequence[Judged]) -> tuple[float, float] | None:
    """Sides that part the objects that count in three; None where there is none."""
    sides = [_sides(one.outcome.truth)[one.outcome.counts] for one in judged]
    everything = np.concatenate([np.zeros(0), *sides])
    if not len(everything):
        return None
    low, high = np.quantile(everything, [1 / 3, 2 / 3])
    return float(low), float(high)


def by_group(judged: Sequence[Judged], groups: Sequence[str | None]) -> list[Subgroup]:
    """By site, patient or slide of each picture, in order of names; those without one last."""
    rows = []
    for name in sorted({*groups}, key=lambda group: (group is None, group)):
        mine = [one for one, group in zip(judged, groups, strict=True) if group == name]
        rows.append(total(mine, "no group" if name is None else name))
    return rows


def by_class(judged: Sequence[Judged], classes: Sequence[str]) -> list[Subgroup]:
    """By labelled class; a false detection counts against the class it claims."""
    rows = []
    for label, name in enumerate(classes):
        counts = np.zeros(4, np.int64)
        for one in judged:
            objects = (one.outcome.truth.labels == label) & one.outcome.counts
            mine = one.outcome.found.labels == label
            false = (one.outcome.false & mine).sum()
            counts += (objects.any(), objects.sum(), (one.hits & mine).sum(), false)
        rows.append(Subgroup(name, *counts.tolist()))
    return rows


def total(judged: Sequence[Judged], name: str = "all") -> Subgroup:
    """All of them."""
    return Subgroup(
        name=name,
        pictures=len(judged),
        objects=sum(int(one.outcome.counts.sum()) for one in judged),
        found=sum(int(one.hits.sum()) for one in judged),
        false=sum(int(one.outcome.false.sum()) for one in judged),
    )


def worst(judged: Sequence[Judged], count: int) -> list[int]:
    """Places of the pictures with the most errors, worst first; those without any are left out."""
    errors = np.array([one.errors for one in judged], np.int64)
    order = np.argsort(-errors, kind="stable")[:count]
    return [int(place) for place in order if errors[place]]


def _sides(boxes: Detections) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.clip(boxes.area, 0, None)), np.float64)
