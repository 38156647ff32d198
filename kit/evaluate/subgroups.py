"""Where a detector is weak, in a form that a report can keep: counts by size and by group.

Groups are patients, slides or sites, and their names may tell who somebody is. A report travels, so
it numbers them and keeps no name; the page of `kit evaluate` shows them to who holds the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kit.data.dataset import Dataset
from kit.evaluate.breakdown import Subgroup, by_group, by_size, judge, terciles
from kit.evaluate.intervals import Interval
from kit.types import Detections

By = Literal["size", "thirds", "group"]


@dataclass(frozen=True)
class Group:
    """Some of the objects or pictures, at the thresholds of the bundle's card.

    Attributes:
        pictures: that hold such objects, or are of the group.
        objects: that count. found: of these. false: detections that are not right.
        sensitivity, precision: in 0..1; None where there is nothing they are a share of.
        interval: 95 %, Wilson's, of the sensitivity. It takes objects for independent; those of one
            picture seldom are, so it is the least that is uncertain.
    """

    name: str
    pictures: int
    objects: int
    found: int
    false: int
    sensitivity: float | None
    interval: Interval | None
    precision: float | None


def subgroups(
    dataset: Dataset, predictions: Sequence[Detections], thresholds: Sequence[float]
) -> Mapping[By, tuple[Group, ...]]:
    """By size as COCO has it, by sizes that part this set's objects in three, and by group, the
    lowest sensitivity first; without the last where the dataset names no groups.

    Args:
        predictions: one per picture, in the dataset's order.
        thresholds: of each class.
    """
    judged = judge(dataset, predictions, thresholds)
    rows: dict[By, Sequence[Subgroup]] = {"size": by_size(judged)}
    if (edges := terciles(judged)) is not None:
        rows["thirds"] = by_size(judged, edges)
    told: dict[By, tuple[Group, ...]] = {
        by: tuple(Group(**each.figures()) for each in found) for by, found in rows.items()
    }
    if dataset.groups is not None:
        found = by_group(judged, dataset.groups)
        found.sort(key=lambda row: 2.0 if row.sensitivity is None else row.sensitivity)
        told["group"] = tuple(
            Group(**{**each.figures(), "name": f"group {place}"})
            for place, each in enumerate(found, 1)
        )
    return told
