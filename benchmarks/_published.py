"""AP50 in points of the study whose questions the kit takes up: one run a cell, no intervals.

Two detectors fine-tuned from COCO weights on three datasets, scored on test sets of 63 (Vehicles),
15 (Mask Wearing) and 36 pictures (BCCD). The differences that its tables invite to read are listed
by :func:`differences`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

PICTURES: Mapping[str, int] = MappingProxyType({"BCCD": 36, "Mask": 15, "Vehicles": 63})
"""Of the test sets."""

MODELS = ("Faster R-CNN", "YOLOv5")

FRACTIONS = {
    ("Faster R-CNN", "Vehicles"): {"25 %": 50.43, "50 %": 51.68, "75 %": 51.70, "100 %": 51.80},
    ("YOLOv5", "Vehicles"): {"25 %": 10.4, "50 %": 23.1, "75 %": 35.7, "100 %": 40.9},
}
OBJECTS = {
    ("Faster R-CNN", "BCCD"): {"150 objects": 73.12, "300 objects": 75.25},
    ("Faster R-CNN", "Mask"): {"150 objects": 72.38, "300 objects": 76.02},
    ("Faster R-CNN", "Vehicles"): {"150 objects": 48.92, "300 objects": 50.68},
    ("YOLOv5", "BCCD"): {"150 objects": 6.77, "300 objects": 8.99},
    ("YOLOv5", "Mask"): {"150 objects": 14.9, "300 objects": 3.8},
    ("YOLOv5", "Vehicles"): {"150 objects": 8.6, "300 objects": 5.48},
}
IMAGES = {
    ("Faster R-CNN", "BCCD"): {"50 pictures": 77.89, "100 pictures": 79.24},
    ("Faster R-CNN", "Mask"): {"50 pictures": 71.03, "100 pictures": 82.11},
    ("Faster R-CNN", "Vehicles"): {"50 pictures": 47.95, "100 pictures": 49.43},
    ("YOLOv5", "BCCD"): {"50 pictures": 8.2, "100 pictures": 8.99},
    ("YOLOv5", "Mask"): {"50 pictures": 13.9, "100 pictures": 26.9},
    ("YOLOv5", "Vehicles"): {"50 pictures": 6.4, "100 pictures": 4.3},
}
WHOLE = {
    ("Faster R-CNN", "BCCD"): {"25 %": 87.86 - 3.77, "100 %": 87.86},
    ("Faster R-CNN", "Mask"): {"25 %": 76.18 - 15.89, "100 %": 76.18},
    ("YOLOv5", "BCCD"): {"25 %": 90.7 - 4.4, "100 %": 90.7},
    ("YOLOv5", "Mask"): {"100 %": 14.9},
}
TABLES: Mapping[str, Mapping[tuple[str, str], Mapping[str, float]]] = MappingProxyType(
    {"1, fractions": FRACTIONS, "2, objects": OBJECTS, "3, images": IMAGES, "whole sets": WHOLE}
)
"""By model and dataset: AP50 by size of the training set."""


@dataclass(frozen=True)
class Difference:
    """Two cells of a table, AP50 in 0..1.

    Attributes:
        first, second: test sets by name; on one test set the difference is a paired one.
        points: second less first.
    """

    table: str
    what: str
    first: str
    second: str
    points: float

    @property
    def paired(self) -> bool:
        """Whether both cells are of the same pictures."""
        return self.first == self.second


def differences() -> Iterator[Difference]:
    """Every two cells of a table that differ in one thing: size, model or dataset."""
    for table, cells in TABLES.items():
        flat = {(*key, size): value for key, row in cells.items() for size, value in row.items()}
        for one, other in combinations(flat, 2):
            changed = [at for at in range(3) if one[at] != other[at]]
            if len(changed) == 1:
                same = ", ".join(one[at] for at in range(3) if at not in changed)
                what = f"{same}: {one[changed[0]]} to {other[changed[0]]}"
                yield Difference(table, what, one[1], other[1], (flat[other] - flat[one]) / 100)
