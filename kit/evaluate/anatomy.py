"""What costs AP50, by kind of error: TIDE (Bolya et al. 2020, "TIDE: A general toolbox for
identifying object detection errors").

Every false detection is of one kind, by its highest overlap with objects that count, the first that
holds of these:

- localisation: 0.1 to 0.5 with an object of its class;
- classification: 0.5 or more with an object of another class;
- duplicate: 0.5 or more with an object of its class, which a better detection found;
- background: at most 0.1 with every object;
- both: the rest, 0.1 to 0.5 with objects of other classes only.

An undetected object is missed unless a detection of the first two kinds stands for it.

The cost of a kind is what AP50 gains when it alone is fixed: wrong classes and boxes are put right
where their object is undetected (the best such detection of an object; the others go), detections
of the other kinds go, and missed objects are no longer asked for. Order and rules are those of the
authors' toolbox, which made the published figures, but for two things: AP comes from our reference
evaluator, with its limit of 300 detections of a class and its mean over classes that have objects.
Costs don't add up to what AP50 lacks: one error often hides another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.data.boxes import keep_boxes
from kit.data.dataset import Dataset
from kit.evaluate.coco import score
from kit.evaluate.outcome import Outcome, iou, outcomes
from kit.types import Detections

FOREGROUND, BACKGROUND = 0.5, 0.1
"""Overlaps from which a box is well placed, and up to which it lies on nothing: t_f and t_b."""

CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, NOTHING, MISSED = KINDS = (
    "classification", "localisation", "both", "duplicate", "background", "missed",
)  # fmt: skip
FALSE_POSITIVE, FALSE_NEGATIVE = SPECIAL = ("false positives", "false negatives")


@dataclass(frozen=True)
class Cost:
    """Errors of one kind.

    Attributes:
        count: of detections, or of objects where they are missed.
        dap50: what AP50 gains when all of them are fixed; None where no object is to be found.
    """

    count: int
    dap50: float | None


@dataclass(frozen=True)
class Anatomy:
    """What costs a detector its AP50.

    Attributes:
        ap50: of the evaluator, in 0..1; None where there is no object to find.
        errors: by kind, :data:`KINDS`.
        special: all false positives gone, and all undetected objects no longer asked for.
        pictures, objects, detections: how many were looked at; objects are those that count.
    """

    ap50: float | None
    errors: Mapping[str, Cost]
    special: Mapping[str, Cost]
    pictures: int
    objects: int
    detections: int


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Errors of one picture: kinds of its detections ("" is none), the object that each is to be
    corrected to (-1: it goes), and the objects that are missed."""

    outcome: Outcome
    kind: NDArray[np.str_]
    target: NDArray[np.int64]
    missed: NDArray[np.bool_]


def anatomy(dataset: Dataset, predictions: Sequence[Detections]) -> Anatomy:
    """Sort the errors of a detector, and say what each kind costs.

    Args:
        dataset: the pictures that were looked at.
        predictions: one per picture, in the dataset's order, down to the lowest scores: a
            threshold would turn false detections into missed objects.

    Raises:
        ValueError: the counts differ, or a label is not a class of the dataset.
    """
    pictures = [_sort(outcome) for outcome in outcomes(dataset, predictions)]
    now = score(dataset, predictions)

    def cost(count: int, after: tuple[Dataset, Sequence[Detections]]) -> Cost:
        if now.ap50 is None:
            return Cost(count, None)
        if not count:
            return Cost(0, 0.0)
        fixed = score(*after).ap50
        # none is left to be found where all objects were missed: then nothing is lost any more
        return Cost(count, (1.0 if fixed is None else fixed) - now.ap50)

    errors = {
        kind: cost(
            sum(int(np.count_nonzero(one.kind == kind)) for one in pictures),
            (dataset, [_fixed(one, kind) for one in pictures]),
        )
        for kind in KINDS
        if kind != MISSED
    }
    missed = np.concatenate([np.zeros(0, bool), *(one.missed for one in pictures)])
    lost = np.concatenate([np.zeros(0, bool), *(one.outcome.undetected for one in pictures)])
    false = sum(each.count for each in errors.values())
    right = [one.outcome.found[one.kind == ""] for one in pictures]
    errors[MISSED] = cost(int(missed.sum()), (keep_boxes(dataset, ~missed), predictions))
    return Anatomy(
        ap50=now.ap50,
        errors=errors,
        special={
            FALSE_POSITIVE: cost(false, (dataset, right)),
            FALSE_NEGATIVE: cost(int(lost.sum()), (keep_boxes(dataset, ~lost), predictions)),
        },
        pictures=len(dataset),
        objects=now.objects,
        detections=sum(len(found) for found in predictions),
    )


def _sort(outcome: Outcome) -> _Sorted:
    found, places = outcome.found, np.flatnonzero(outcome.counts)
    kind = np.full(len(found), "", dtype="<U14")
    target = np.full(len(found), -1, np.int64)
    if not len(places):
        kind[outcome.false] = NOTHING
        return _Sorted(outcome, kind, target, outcome.undetected)
    overlaps = iou(found.xyxy, outcome.truth.xyxy[places])
    same = found.labels[:, None] == outcome.truth.labels[places]
    own, other = np.where(same, overlaps, 0.0), np.where(same, 0.0, overlaps)
    best = own.max(axis=1)
    rules = [
        (LOCALISATION, (best >= BACKGROUND) & (best < FOREGROUND)),
        (CLASSIFICATION, other.max(axis=1) >= FOREGROUND),
        (DUPLICATE, best >= FOREGROUND),
        (NOTHING, overlaps.max(axis=1) <= BACKGROUND),
        (BOTH, np.ones(len(found), bool)),
    ]
    for name, holds in rules:
        kind[outcome.false & (kind == "") & holds] = name
    for name, table in ((LOCALISATION, own), (CLASSIFICATION, other)):
        target[kind == name] = places[table[kind == name].argmax(axis=1)]
    stood_for = np.zeros(len(outcome.truth), bool)
    stood_for[target[target >= 0]] = True
    _best_of_each(target, outcome)
    return _Sorted(outcome, kind, target, outcome.undetected & ~stood_for)


def _best_of_each(target: NDArray[np.int64], outcome: Outcome) -> None:
    """Leave each undetected object to the best detection that stands for it, others to none."""
    free = outcome.undetected
    for place in np.argsort(-outcome.found.scores, kind="stable"):
        if target[place] >= 0 and free[target[place]]:
            free[target[place]] = False
        else:
            target[place] = -1


def _fixed(one: _Sorted, kind: str) -> Detections:
    """The picture's detections without errors of this kind."""
    found, truth = one.outcome.found, one.outcome.truth
    xyxy, labels = found.xyxy.copy(), found.labels.copy()
    put_right = (one.kind == kind) & (one.target >= 0)
    objects = one.target[put_right]
    if kind == LOCALISATION:
        xyxy[put_right] = truth.xyxy[objects]
    else:
        labels[put_right] = truth.labels[objects]
    keep = (one.kind != kind) | put_right
    return Detections(xyxy, found.scores, labels)[keep]
