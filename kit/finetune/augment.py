"""Augmentation through albumentations, as the recipe lists it. The only file that knows it.

Every picture's randomness is a function of (seed, epoch, place), so it doesn't matter which worker
draws it, and a resumed run draws what the interrupted one would have.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kit import offline
from kit.cards import Recipe
from kit.errors import CardError
from kit.types import Picture

offline.seal("albumentations")  # it asks the network at import
import albumentations as A  # noqa: E402

Boxed = tuple[Picture, NDArray[np.float64], NDArray[np.int64]]
"""A picture with boxes ``(n, 4)`` xyxy in its pixels and labels ``(n,)``."""

CELLS = (0.5, 0.7, 1.0, 1.4)
"""Sizes of a mosaic's cells, as a share of the input: from four whole pictures at half size to the
corners of four enlarged ones."""

KEPT = 0.25
"""A box that keeps a smaller share of its area inside the picture is dropped: what is left of it
can't be told."""


MIXED = (32.0, 32.0)
"""Of the Beta distribution of how much of the first picture is seen in a mix: about half, as
detectors have it, so that the objects of both can be told."""


class Augment:
    """Turns a picture into a training input of ``size`` pixels.

    Raises:
        CardError: the recipe names a transform or an argument that albumentations doesn't have.
    """

    def __init__(self, recipe: Recipe, size: int, fill: int) -> None:
        self._size, self._fill = size, fill
        boxes = A.BboxParams(
            "pascal_voc",
            label_fields=["labels"],
            min_visibility=KEPT,
            clip=True,
            filter_invalid_bboxes=True,
        )
        listed = [_transform(entry, where=recipe.name) for entry in recipe.augment]
        self._mosaic = A.Compose([_mosaic(size)], bbox_params=boxes, seed=0)
        self._listed = A.Compose(listed, bbox_params=boxes, seed=0) if listed else None

    def __call__(
        self,
        seed: Sequence[int],
        load: Callable[[int], Boxed],
        index: int,
        pool: int,
        *,
        mosaic: float,
        mixup: float = 0.0,
    ) -> Boxed:
        """Draw one training input.

        Args:
            seed: of this draw.
            load: gives picture and boxes of an index, the longer side at most ``size``.
            index: picture to draw.
            pool: number of pictures that others may be taken from.
            mosaic: probability of a mosaic.
            mixup: probability that a second input is laid over it, half transparent.

        Returns:
            A picture ``(size, size, 3)`` and its boxes.
        """
        rng = np.random.default_rng([*seed])
        done = self._place(rng, load, index, pool, mosaic)
        if mixup and rng.random() < mixup:
            over = self._place(rng, load, int(rng.integers(pool)), pool, mosaic)
            done = _mix(done, over, float(rng.beta(*MIXED)))
        return done if self._listed is None else self._run(self._listed, done, rng)

    def _place(
        self,
        rng: np.random.Generator,
        load: Callable[[int], Boxed],
        index: int,
        pool: int,
        mosaic: float,
    ) -> Boxed:
        """A picture in its square, alone or in a mosaic."""
        if rng.random() >= mosaic:
            return _pad(load(index), self._size, self._fill)
        others = [load(int(i)) for i in rng.integers(pool, size=3)]
        return self._run(
            self._mosaic,
            load(index),
            rng,
            mosaic_metadata=[
                {"image": picture, "bboxes": boxes, "labels": labels}
                for picture, boxes, labels in others
            ],
        )

    @staticmethod
    def _run(compose: A.Compose, boxed: Boxed, rng: np.random.Generator, **more: Any) -> Boxed:
        compose.set_random_seed(int(rng.integers(1 << 31)))
        picture, boxes, labels = boxed
        done = compose(image=picture, bboxes=boxes, labels=labels, **more)
        return (
            np.ascontiguousarray(done["image"]),
            np.asarray(done["bboxes"], np.float64).reshape(-1, 4),
            np.asarray(done["labels"], np.int64).reshape(-1),
        )


def _mix(one: Boxed, other: Boxed, share: float) -> Boxed:
    """Two inputs laid over each other, with the objects of both."""
    picture = cv2.addWeighted(one[0], share, other[0], 1 - share, 0)
    boxes, labels = (np.concatenate(pair) for pair in zip(one[1:], other[1:], strict=True))
    return np.asarray(picture, np.uint8), boxes, labels


def _mosaic(size: int) -> A.OneOf:
    return A.OneOf(
        [
            A.Mosaic(
                target_size=(size, size),
                cell_shape=(round(size * cell), round(size * cell)),
                center_range=(0.3, 0.7),
                p=1.0,
            )
            for cell in CELLS
        ],
        p=1.0,
    )


def _transform(entry: Mapping[str, Any], *, where: object) -> Any:
    """``{Name: {argument: value}}`` to a transform; ``OneOf`` takes a list under ``transforms``."""
    if len(entry) != 1:
        raise CardError("each entry of augment is one {Name: {argument: value}}", where=where)
    ((name, arguments),) = entry.items()
    kind = getattr(A, name, None)
    if not (isinstance(kind, type) and issubclass(kind, A.BasicTransform | A.BaseCompose)):
        raise CardError(f"albumentations has no transform {name!r}", where=where)
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
    if "transforms" in values:
        values["transforms"] = [_transform(inner, where=where) for inner in values["transforms"]]
    known = set(inspect.signature(kind).parameters)
    if unknown := set(values) - known:
        raise CardError(f"{name} has no argument {', '.join(sorted(unknown))}", where=where)
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:  # pydantic's errors are ValueErrors
        raise CardError(f"augment {name}: {error}", where=where) from error


def _pad(boxed: Boxed, size: int, fill: int) -> Boxed:
    """Centre a picture in the square, as the runtime's letterbox does."""
    picture, boxes, labels = boxed
    height, width = picture.shape[:2]
    left, top = round((size - width) / 2 - 0.1), round((size - height) / 2 - 0.1)
    canvas = cv2.copyMakeBorder(
        picture,
        top,
        size - height - top,
        left,
        size - width - left,
        cv2.BORDER_CONSTANT,
        value=(fill, fill, fill),
    )
    return np.asarray(canvas, np.uint8), boxes + [left, top, left, top], labels
