"""What a training sample holds, as far as advice needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kit.cards import Input
from kit.data.dataset import Dataset
from kit.data.findings import RARE
from kit.types import Ignore

SMALL = 32.0
"""Side in pixels below which COCO calls an object small."""

LEARNABLE_SIDE = 48.0
"""Side in pixels that recipes/rule.yaml asks of nine objects of ten."""


@dataclass(frozen=True)
class Held:
    """Of one class."""

    pictures: int
    objects: int


@dataclass(frozen=True)
class Facts:
    """Of a training sample.

    Attributes:
        pictures, objects: that are trained on.
        classes: by name.
        small: ``{size: share}`` of the objects that are under 32 px in an input of that size.
        wanted: side of the input in pixels at which nine objects of ten measure 48 px.
    """

    pictures: int
    objects: int
    classes: Mapping[str, Held]
    small: Mapping[int, float]
    wanted: int

    @property
    def rare(self) -> dict[str, int]:
        """Classes with too few objects to learn from, and how many they have."""
        return {name: held.objects for name, held in self.classes.items() if held.objects < RARE}

    @property
    def fewest(self) -> int:
        """Pictures that show the class which the fewest show; classes without any aside."""
        return min((held.pictures for held in self.classes.values() if held.pictures), default=0)


def gather(train: Dataset, input: Input, *sizes: int) -> Facts:
    """Count and measure.

    Args:
        train: usable boxes only, at least one of them.
        input: how pictures are fitted.
        sizes: of the input, at which small objects are counted.
    """
    counted = train.ignore == Ignore.NONE
    boxes, labels, pictures = train.boxes[counted], train.labels[counted], train.picture_of[counted]
    extent = boxes[:, 2:] - boxes[:, :2]
    longer = train.sizes.max(1)[pictures]
    if input.fit == "stretch":
        shares = np.sqrt((extent / train.sizes[pictures]).prod(1))
    else:
        shares = np.sqrt(extent.prod(1)) / longer
    return Facts(
        pictures=len(train),
        objects=len(boxes),
        classes={
            name: Held(
                len(np.unique(pictures[labels == place])), int(np.count_nonzero(labels == place))
            )
            for place, name in enumerate(train.classes)
        },
        small={size: round(float((shares * size < SMALL).mean()), 4) for size in sizes},
        wanted=int(np.ceil(LEARNABLE_SIDE / max(float(np.quantile(shares, 0.1)), 1e-6) / 32)) * 32,
    )
