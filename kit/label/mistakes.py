"""Labels that are likely wrong: where an opened detector is sure of something else.

The three kinds are those of ObjectLab (Tkachenko, Thyagarajan and Mueller 2023, "ObjectLab:
automated diagnosis of mislabeled images in object detection data"): overlooked objects, swapped
classes and badly located boxes. As there, and in confident learning (Northcutt, Jiang and Chuang
2021) before it, a label is suspected by what the detector says with confidence against it. Scores
are our own, simpler than theirs, and lie in 0..1, so that kinds can be ranked together; with p the
score of the detection:

- missed: ``p (1 - highest overlap with any label)``, of a detection that answers to no label;
- class: ``p (1 - q)``, q the score of the labelled class at the same place;
- box: ``p (1 - overlap)``, of the detection that answers to the label.

A label, and a detection, is suspected of one thing at most. A label where the detector finds
nothing is not suspected: most such objects are merely hard to see.

On pictures that the detector was trained on it has learned the mistakes too, and finds fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kit.data.dataset import Dataset
from kit.evaluate.outcome import intersection, iou
from kit.pixels import read_picture
from kit.progress import SILENT, Progress
from kit.types import Detections, Detector, Example, Ignore

Kind = Literal["missed", "class", "box"]
KINDS: tuple[Kind, ...] = ("missed", "class", "box")

FLOOR = 0.05
"""Lowest score looked at: what is suspected by less would be looked at last."""

SAME = 0.5
"""Overlap from which two boxes mean one object."""

NEAR = 0.3
"""Overlap from which a detection of the labelled class answers to a label, if nothing better does:
then the label, or the detection, is badly placed. Below it, they are two objects."""


@dataclass(frozen=True)
class Mistake:
    """A label that is likely wrong.

    Attributes:
        picture: its id. place: of the label in the picture, from 0; None where one is missing.
        score: 0..1, the likelier the higher. rank: from 1.
        label, box: as given; None where a label is missing.
        suggested, suggested_box: what the detector finds.
            Boxes are left, top, right, bottom in pixels of the picture.
    """

    picture: str
    kind: Kind
    score: float
    place: int | None
    label: str | None
    box: tuple[float, ...] | None
    suggested: str
    suggested_box: tuple[float, ...]
    rank: int = 0


def find_mistakes(
    detector: Detector, dataset: Dataset, *, progress: Progress = SILENT
) -> list[Mistake]:
    """Look at every picture once, and rank what is suspected, likeliest first.

    Args:
        detector: of the dataset's classes, in their order.
        dataset: usable boxes only, see :func:`kit.data.doctor.usable`.

    Raises:
        DataError: a picture can't be read.
    """
    found: list[Mistake] = []
    for example in progress.track(dataset, "looking for label mistakes", len(dataset)):
        picture = read_picture(example.path, bit_depth=dataset.bit_depth)
        seen = detector.detect([picture], floor=FLOOR)[0].detections
        found += suspect(example, seen, dataset.classes)
    return ranked(found)


def ranked(found: list[Mistake]) -> list[Mistake]:
    """Likeliest first; of equal ones in the order of the dataset."""
    order = sorted(found, key=lambda mistake: -mistake.score)
    return [replace(mistake, rank=rank) for rank, mistake in enumerate(order, 1)]


def suspect(example: Example, found: Detections, classes: tuple[str, ...]) -> Iterator[Mistake]:
    """Hold what is found on one picture against its labels.

    Args:
        found: at a low score already, so that it is known what else was thought of.
    """
    places = np.flatnonzero(example.ignore == Ignore.NONE)
    truth = example.truth[places]
    spots, beliefs = _spots(_outside(found, example), len(classes))
    overlaps = iou(spots.xyxy, truth.xyxy)
    partner = _partners(overlaps, spots.labels[:, None] == truth.labels)
    for spot, (box, score, label) in enumerate(spots):
        place = int(partner[spot])
        given = None if place < 0 else int(truth.labels[place])
        kind: Kind
        if given is None:
            kind, doubt = "missed", score * (1 - float(overlaps[spot].max(initial=0.0)))
        elif given != label:
            kind, doubt = "class", score * (1 - float(beliefs[spot, given]))
        else:
            kind, doubt = "box", score * (1 - float(overlaps[spot, place]))
        yield Mistake(
            picture=example.id,
            kind=kind,
            score=doubt,
            place=None if given is None else int(places[place]),
            label=None if given is None else classes[given],
            box=None if given is None else tuple(map(float, truth.xyxy[place])),
            suggested=classes[label],
            suggested_box=tuple(map(float, box)),
        )


def _outside(found: Detections, example: Example) -> Detections:
    """Without what lies, by half, on a crowd or a difficult object."""
    skipped = example.truth.xyxy[example.ignore != Ignore.NONE]
    shared = intersection(found.xyxy, skipped).max(axis=1, initial=0.0)
    return found[shared < SAME * np.maximum(found.area, 1e-9)]


def _spots(found: Detections, classes: int) -> tuple[Detections, NDArray[np.float64]]:
    """One detection for each place, the best there of any class, best first; and ``(n, C)`` the
    best score of each class there."""
    found = found[np.argsort(-found.scores, kind="stable")]
    overlaps = iou(found.xyxy, found.xyxy)
    free, kept, beliefs = np.ones(len(found), bool), [], []
    for place in range(len(found)):
        if free[place]:
            members = np.flatnonzero(free & (overlaps[place] >= SAME))
            members = np.union1d(members, place)
            belief = np.zeros(classes)
            np.maximum.at(belief, found.labels[members], found.scores[members])
            free[members] = False
            kept.append(place)
            beliefs.append(belief)
    return found[np.array(kept, int)], np.reshape(beliefs, (-1, classes))


def _partners(overlaps: NDArray[np.float64], same: NDArray[np.bool_]) -> NDArray[np.int64]:
    """``(n,)`` the label that each detection answers to, or -1; each label has one answer at most.

    Those of one class and place first, then what is left: near ones of the class, and ones of the
    same place of another class.
    """
    partner = np.full(len(overlaps), -1, np.int64)
    taken = np.zeros(overlaps.shape[1], bool)
    for fits in (same & (overlaps >= SAME), overlaps >= np.where(same, NEAR, SAME)):
        spots, labels = np.nonzero(fits)
        for pair in np.argsort(-overlaps[spots, labels], kind="stable"):
            spot, label = spots[pair], labels[pair]
            if partner[spot] < 0 and not taken[label]:
                partner[spot], taken[label] = label, True
    return partner
