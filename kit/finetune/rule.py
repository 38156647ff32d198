"""Hyper-parameters from the dataset alone, where a recipe leaves them open, so that nobody tunes.

After the BiT-HyperRule (Kolesnikov et al., "Big Transfer", 2020): one number of steps, a resolution
and the strength of mixing pictures follow from the size of the data; all else is the recipe's. An
example there is a picture of one thing. A detector's examples are its objects: so the rule for
mixing counts them, and those for resolution and mosaic look at how large they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit.binding import replace
from kit.cards import ModelCard, Recipe
from kit.data.dataset import Dataset
from kit.errors import UsageError
from kit.types import Ignore

STEPS = 1000
"""Optimizer steps the schedule aims at: enough to settle from pretrained weights, whatever the
number of pictures."""

EPOCHS = (30, 150)
"""Fewest and most epochs it takes for that."""

LR = {"adamw": 0.001, "sgd": 0.01}

SMALLEST_SIZE, STRIDE = 320, 32
"""Of the input, in pixels, where it is chosen by the objects; sizes are multiples of the stride."""

SMALL = 0.1
"""Share of the objects that may be smaller than the recipe's ``object_side``."""

MIXED_FROM, MIXUP = 20_000, 0.1
"""Objects from which two pictures are mixed, and how often. As in BiT, that mixes nothing below
20,000 examples."""


@dataclass(frozen=True)
class Extent:
    """What the rule looks at.

    Attributes:
        pictures, objects: that are trained on.
        side: of the objects that all but the smallest tenth exceed, the root of their area, as a
            share of their picture's longer side.
    """

    pictures: int
    objects: int
    side: float


def measure(train: Dataset) -> Extent:
    """The extent of training pictures with at least one object."""
    counted = train.ignore == Ignore.NONE
    boxes = train.boxes[counted]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    longer = train.sizes.max(1)[train.picture_of[counted]]
    sides = np.sqrt(areas) / longer
    return Extent(len(train), len(boxes), float(np.quantile(sides, SMALL)) if len(sides) else 1.0)


def choose(recipe: Recipe, **chosen: Any) -> Recipe:
    """The recipe with what the user set; None means not set.

    Raises:
        UsageError: out of range.
    """
    given = {name: value for name, value in chosen.items() if value is not None}
    try:
        return replace(recipe, **given)
    except ValueError as error:
        options = " ".join(f"--{name} {value}" for name, value in given.items())
        raise UsageError(str(error), where=options) from error


def resolve(recipe: Recipe, model: ModelCard, train: Extent, **chosen: Any) -> Recipe:
    """Fill in what the recipe leaves open.

    Args:
        train: the training sample's.
        chosen: what the user set; None means not set.
    """
    recipe = choose(recipe, **chosen)
    size = recipe.size or _size(recipe, model, train)
    mixup = recipe.mixup
    if mixup is None:
        mixup = MIXUP if train.objects >= MIXED_FROM else 0.0
    return replace(
        recipe,
        epochs=recipe.epochs or _epochs(recipe, train),
        lr=recipe.lr or LR[recipe.optimizer],
        size=size,
        mosaic=_mosaic(recipe, train, size) if recipe.mosaic is None else recipe.mosaic,
        mixup=mixup,
    )


def _epochs(recipe: Recipe, train: Extent) -> int:
    if recipe.steps is not None:
        return math.ceil(recipe.steps / math.ceil(max(train.pictures, 1) / recipe.batch))
    wanted = math.ceil(STEPS * recipe.batch / max(train.pictures, 1))
    return min(max(wanted, EPOCHS[0]), EPOCHS[1])


def _size(recipe: Recipe, model: ModelCard, train: Extent) -> int:
    """Small enough to be quick and large enough that nine objects of ten have the side the recipe
    asks for; at most what the model was pretrained at."""
    if recipe.object_side is None:
        return model.input.size
    wanted = math.ceil(recipe.object_side / train.side / STRIDE) * STRIDE
    return min(max(wanted, SMALLEST_SIZE), model.input.size)


def _mosaic(recipe: Recipe, train: Extent, size: int) -> float:
    """A mosaic halves its pictures, on average, so it is drawn the less the smaller objects are in
    the input already."""
    if recipe.object_side is None:
        return 1.0
    return round(min(1.0, train.side * size / recipe.object_side), 2)
