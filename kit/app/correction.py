"""What a visitor decided about the boxes of a picture, checked and turned into truth.

A picture is only kept when every box that was shown has been decided on: an undecided box as truth
would be a lie, and left out it would teach that nothing is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from kit.app import strings as say
from kit.app.looked import Looked
from kit.binding import STRICT
from kit.errors import UsageError

Corners: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the original picture."""

LEAST_SIDE = 1.0
"""Pixels; a thinner box is a slip of the hand."""

MOST_BOXES = 5000
"""Of one picture."""

_EDGE = 1e-4  # the page rounds scores to four digits


@dataclass(frozen=True)
class Decision:
    """About one box.

    Attributes:
        decision: ``changed`` is accepted with another class or place.
        proposed: which of the boxes found; None for one that was drawn.
        name: its class, where it is drawn or was given another.
        box: its place, where it is drawn or was moved.

    Raises:
        ValueError: parts that don't belong together.
    """

    __pydantic_config__ = STRICT

    decision: Literal["accepted", "rejected", "changed", "drawn"]
    proposed: int | None = None
    name: str | None = None
    box: Corners | None = None

    def __post_init__(self) -> None:
        new = self.name is not None or self.box is not None
        if self.decision == "drawn":
            if self.proposed is not None or self.name is None or self.box is None:
                raise ValueError("a drawn box has a name and a box, and was not proposed")
        elif self.proposed is None:
            raise ValueError("proposed: only a drawn box has none")
        elif new != (self.decision == "changed"):
            raise ValueError("name and box belong to a box that is changed or drawn")


@dataclass(frozen=True)
class Correction:
    """About all boxes of a picture.

    Attributes:
        threshold: least score of what was shown; None for the bundle's own.
        boxes: one decision for each box shown, and those that were drawn.
    """

    __pydantic_config__ = STRICT

    boxes: tuple[Decision, ...]
    threshold: float | None = None


@dataclass(frozen=True)
class Settled:
    """A decision that was looked through.

    Attributes:
        xyxy, label: of the true box; None where the box was rejected.
        told: what was proposed and what was decided, as plain data.
    """

    xyxy: Corners | None
    label: int | None
    told: dict[str, Any]


def settle(looked: Looked, correction: Correction) -> list[Settled]:
    """The truth about a picture.

    Raises:
        UsageError: a box that was shown is not decided on, one is decided on twice or was not
            shown, a class is unknown, or a box is not finite, not in the picture or too thin.
    """
    if len(correction.boxes) > MOST_BOXES:
        raise UsageError(say.CORRECT_MANY.format(most=MOST_BOXES))
    _require_decided(looked, correction)
    return [_settled(looked, each, number) for number, each in enumerate(correction.boxes, 1)]


def _require_decided(looked: Looked, correction: Correction) -> None:
    decided = [each.proposed for each in correction.boxes if each.proposed is not None]
    if len(set(decided)) < len(decided):
        raise UsageError(say.CORRECT_TWICE)
    threshold = correction.threshold
    if threshold is not None and not 0 <= threshold <= 1:  # also for NaN
        raise UsageError(say.CORRECT_THRESHOLD)
    found = looked.result.detections
    own = np.asarray(looked.served.bundle.card.thresholds)[found.labels]
    over = found.scores - (own if threshold is None else threshold)
    shown = set(np.flatnonzero(over >= _EDGE).tolist())
    if strange := set(decided) - set(np.flatnonzero(over >= -_EDGE).tolist()):
        raise UsageError(say.CORRECT_STRANGE.format(count=len(strange)))
    if open_ := shown - set(decided):
        raise UsageError(say.CORRECT_OPEN.format(count=len(open_)))


def _settled(looked: Looked, each: Decision, number: int) -> Settled:
    classes = looked.served.bundle.card.classes
    told: dict[str, Any] = {"decision": each.decision, "proposed": None}
    box, label = each.box, None
    if each.proposed is not None:
        place, score, label = _found(looked, each.proposed)
        told["proposed"] = {
            "bbox": bbox(place),
            "score": round(score, 6),
            "class": classes[label],
        }
        box = box or _clipped(place, looked)
    if each.name is not None:
        if each.name not in classes:
            raise UsageError(say.CORRECT_CLASS.format(number=number, name=each.name))
        label = classes.index(each.name)
    if each.decision == "rejected" or box is None:
        return Settled(None, None, told)
    _require_inside(box, looked, number)
    return Settled(box, label, told)


def _found(looked: Looked, index: int) -> tuple[Corners, float, int]:
    found = looked.result.detections
    left, top, right, bottom = found.xyxy[index].tolist()
    return (left, top, right, bottom), float(found.scores[index]), int(found.labels[index])


def _clipped(box: Corners, looked: Looked) -> Corners:
    """What of a proposed box lies in the picture; a detector may reach out of it."""
    height, width = looked.picture.shape[:2]
    left, top, right, bottom = box
    return max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)


def _require_inside(box: Corners, looked: Looked, number: int) -> None:
    height, width = looked.picture.shape[:2]
    left, top, right, bottom = box
    if not all(map(math.isfinite, box)):
        raise UsageError(say.CORRECT_PLACE.format(number=number))
    if left < 0 or top < 0 or right > width or bottom > height:
        raise UsageError(say.CORRECT_OUTSIDE.format(number=number, width=width, height=height))
    if right - left < LEAST_SIDE or bottom - top < LEAST_SIDE:
        raise UsageError(say.CORRECT_THIN.format(number=number, least=f"{LEAST_SIDE:g}"))


def bbox(box: Corners) -> list[float]:
    """As COCO writes it: left, top, width, height."""
    left, top, right, bottom = box
    return [round(value, 3) for value in (left, top, right - left, bottom - top)]


def counts(settled: Iterable[Settled], classes: Iterable[str]) -> Mapping[str, int]:
    """True boxes by class name."""
    labels = [each.label for each in settled if each.xyxy is not None]
    return {name: labels.count(label) for label, name in enumerate(classes)}
