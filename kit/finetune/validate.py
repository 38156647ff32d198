"""Loss and AP on the validation pictures, in one pass and through the decode that serves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kit.bundle import BundleCard
from kit.data.dataset import Dataset
from kit.errors import DataError
from kit.evaluate.coco import Scores, score
from kit.families import Loss, Part
from kit.finetune.batches import make_targets
from kit.finetune.front import TRAIN_SCORED, Front, given
from kit.finetune.job import Job
from kit.pixels import read_picture
from kit.runtime.detector import EVALUATION_FLOOR
from kit.runtime.fit import Fit, Placement
from kit.runtime.suppress import decode
from kit.types import Detections, Ignore, Picture


class Watch:
    """Scores weights after each epoch on valid, and on a few training pictures.

    Args:
        limit: bytes of pictures kept in memory, on either.
        front: knows the features of what is frozen.
    """

    def __init__(
        self, job: Job, card: BundleCard, *, limit: int, front: Front | None = None
    ) -> None:
        seen = np.random.default_rng(job.seed).permutation(len(job.train))[:TRAIN_SCORED]
        batch = job.recipe.batch
        self._valid = Validator(job.valid, card, batch=batch, limit=limit, front=front)
        few = job.train.select(np.sort(seen))
        self._train = Validator(few, card, batch=batch, limit=limit, front=front)

    def __call__(self, loss: Loss, device: torch.device) -> dict[str, Any]:
        """Columns of the learning curve; ``ap`` and ``ap50`` are on valid. A score is None where
        nothing can be scored.

        Raises:
            DataError: a valid picture can't be read any more.
        """
        begun = time.perf_counter()
        valid = self._valid(loss, device)
        try:
            train: Scores | None = self._train(loss, device).scores
        except DataError:  # damaged since it was checked: the loop tells of it and goes on
            train = None
        return {
            "valid_loss": sum(valid.loss.values()),
            "ap": valid.scores.ap,
            "ap50": valid.scores.ap50,
            "train_ap": None if train is None else train.ap,
            "train_ap50": None if train is None else train.ap50,
            "valid_seconds": round(time.perf_counter() - begun, 3),
            **{f"valid_{name}": value for name, value in valid.loss.items()},
        }


@dataclass(frozen=True)
class Validation:
    """Loss by part, and COCO scores, on the validation pictures."""

    loss: dict[str, float]
    scores: Scores


class Validator:
    """Keeps the fitted validation pictures and scores networks on them.

    Args:
        dataset: the validation pictures, usable boxes only.
        card: how the bundle being trained will decode.
        batch: pictures a pass.
        limit: bytes of pictures kept in memory.
        front: knows the features of what is frozen.
    """

    def __init__(
        self,
        dataset: Dataset,
        card: BundleCard,
        *,
        batch: int,
        limit: int,
        front: Front | None = None,
    ) -> None:
        self._dataset, self._card, self._batch = dataset, card, batch
        self._fit, self._room, self._front = Fit(card.input), limit, front
        self._kept: dict[int, tuple[Picture, Placement]] = {}

    def __call__(self, loss: Loss, device: torch.device) -> Validation:
        sums: dict[str, list[float]] = {}
        found: list[Detections] = []
        for indices in self._batches():
            fitted = [self._load(index) for index in indices]
            images = torch.from_numpy(np.stack([picture for picture, _ in fitted]))
            placements = [placement for _, placement in fitted]
            truth = [self._truth(i, p) for i, p in zip(indices, placements, strict=True)]
            targets = make_targets(truth)
            with given(self._front, loss.network, images), torch.inference_mode():
                moved = type(targets)(*(column.to(device) for column in targets))
                parts, raw = loss.validate(images.to(device), moved)
            _add(sums, parts)
            boxes, scores = raw.boxes.float().cpu().numpy(), raw.scores.float().cpu().numpy()
            found.extend(self._decode(*row) for row in zip(boxes, scores, placements, strict=True))
        means = {name: total / max(weight, 1.0) for name, (total, weight) in sums.items()}
        return Validation(means, score(self._dataset, found))

    def _batches(self) -> Iterator[range]:
        count = len(self._dataset)
        return (range(i, min(i + self._batch, count)) for i in range(0, count, self._batch))

    def _load(self, index: int) -> tuple[Picture, Placement]:
        if index not in self._kept:
            path, depth = self._dataset[index].path, self._dataset.bit_depth
            fitted = self._fit.apply(read_picture(path, bit_depth=depth))
            self._room -= fitted[0].nbytes
            if self._room < 0:
                return fitted
            self._kept[index] = fitted
        return self._kept[index]

    def _truth(
        self, index: int, placement: Placement
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        example = self._dataset[index]
        counted = example.ignore == Ignore.NONE
        return placement.apply(example.truth.xyxy[counted]), example.truth.labels[counted]

    def _decode(
        self, boxes: NDArray[np.float32], scores: NDArray[np.float32], placement: Placement
    ) -> Detections:
        card = self._card
        found = decode(boxes, scores, floor=EVALUATION_FLOOR, cap=card.cap, suppress=card.suppress)
        return Detections(placement.undo(found.xyxy), found.scores, found.labels)


def _add(sums: dict[str, list[float]], parts: Mapping[str, Part]) -> None:
    for name, part in parts.items():
        total, weight = sums.setdefault(name, [0.0, 0.0])
        sums[name] = [total + float(part.total), weight + float(part.weight)]
