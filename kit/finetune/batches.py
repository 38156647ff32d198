"""From a dataset to batches of training inputs, the same for every number of workers and ranks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from kit.cards import Input, Recipe
from kit.data.dataset import Dataset
from kit.errors import DataError, KitError, OutOfMemory, RunFailed
from kit.families import Targets
from kit.finetune.augment import Augment, Boxed
from kit.pixels import read_picture
from kit.runtime.fit import Fit
from kit.types import Ignore

PATIENCE = 600.0
"""Seconds to wait for a worker's batch: one that got no memory at its start may hang for ever."""

_FEWER = "is memory short? the same command with --resume and fewer --workers goes on"

PLAIN = {"mosaic": 0.0, "mixup": 0.0}

Place = tuple[int, int, int]
"""Epoch, position within it, and index of the picture."""


@dataclass(frozen=True)
class Batch:
    """One step's inputs on one device.

    Attributes:
        images: ``(B, S, S, 3)`` uint8 BGR.
        targets: boxes in input pixels.
        faults: what was wrong with pictures that could not be read; others took their place.
    """

    images: Tensor
    targets: Targets
    faults: tuple[str, ...]


class Pictures:
    """Fitted pictures of a dataset, kept in memory up to a limit.

    Args:
        dataset: usable boxes only; those marked difficult or crowd are not trained on.
        input: size and fit of the graph.
        limit: bytes of pictures kept.
    """

    def __init__(self, dataset: Dataset, input: Input, *, limit: int) -> None:
        self.dataset, self.faults = dataset, dict[int, str]()
        self._fit, self._room = Fit(input), limit
        self._kept: dict[int, Boxed] = {}

    def __len__(self) -> int:
        return len(self.dataset)

    def load(self, index: int) -> Boxed:
        """The picture inside the input's square, without the padding, and its boxes.

        A picture that can't be read is noted in ``faults``, and the next one that can is given.
        """
        for step in range(len(self)):
            chosen = (index + step) % len(self)
            if chosen in self._kept:
                return self._kept[chosen]
            if chosen in self.faults:
                continue
            try:
                boxed = self._read(chosen)
            except DataError as error:
                self.faults[chosen] = str(error)
                continue
            if self._room >= boxed[0].nbytes:
                self._room -= boxed[0].nbytes
                self._kept[chosen] = boxed
            return boxed
        raise DataError("not one picture can be read", where=self.dataset.source)

    def _read(self, index: int) -> Boxed:
        example = self.dataset[index]
        picture = read_picture(example.path, bit_depth=self.dataset.bit_depth)
        fitted, placement = self._fit.apply(picture)
        left, top, right, bottom = np.rint(
            placement.apply([[0, 0, picture.shape[1], picture.shape[0]]])[0]
        ).astype(int)
        trained = example.ignore == Ignore.NONE
        boxes = placement.apply(example.truth.xyxy[trained]) - [left, top, left, top]
        inside = np.ascontiguousarray(fitted[top:bottom, left:right])
        return inside, boxes, example.truth.labels[trained]


class Draws(TorchDataset[tuple[Boxed, str]]):
    """Training inputs by :data:`Place`: a pure function of seed and place; with ``views``, of seed,
    view and picture."""

    def __init__(
        self, pictures: Pictures, augment: Augment, recipe: Recipe, epochs: int, seed: int
    ):
        self._pictures, self._augment, self._seed = pictures, augment, seed
        self._mixing = {"mosaic": recipe.mosaic or 0.0, "mixup": recipe.mixup or 0.0}
        self._views = recipe.views
        self._plain_from = epochs - round(recipe.plain * epochs)

    def __getitem__(self, place: Place) -> tuple[Boxed, str]:
        epoch, position, index = place
        drawn = (epoch, position) if self._views is None else (epoch % self._views, index)
        picture, boxes, labels = self._augment(
            (self._seed, *drawn),
            self._pictures.load,
            index,
            len(self._pictures),
            **(self._mixing if epoch < self._plain_from else PLAIN),
        )
        return (picture, boxes, labels), self._pictures.faults.get(index, "")


class Order:
    """Batches of places: every epoch a seeded permutation, cut into global batches, of which each
    rank takes its share."""

    def __init__(
        self, pictures: int, batch: int, epoch: int, seed: int, *, first: int, rank: int, ranks: int
    ) -> None:
        order = np.random.default_rng([seed, epoch]).permutation(pictures)
        places = [(epoch, position, int(index)) for position, index in enumerate(order)]
        whole = [places[start : start + batch] for start in range(0, pictures, batch)]
        if len(whole) > 1 and len(whole[-1]) < max(2, ranks):  # batch statistics need two
            whole[-2:] = [whole[-2] + whole[-1]]
        self._batches = [part[rank::ranks] for part in whole[first:]]

    def __iter__(self) -> Iterator[list[Place]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


def steps_per_epoch(pictures: int, batch: int, ranks: int = 1) -> int:
    """Optimizer steps in one epoch."""
    return len(Order(pictures, batch, 0, 0, first=0, rank=0, ranks=ranks))


def loader(draws: Draws, order: Order, *, workers: int, pin: bool) -> Iterable[Batch]:
    """Batches of one epoch, in order; workers draw ahead."""
    return DataLoader(
        draws,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin,
        timeout=PATIENCE if workers else 0,
    )


@contextmanager
def workers_told() -> Iterator[None]:
    """Say that a process which draws pictures has died; torch lets that come up anywhere.

    Raises:
        RunFailed: it was killed, as for want of memory, found no room to hand pictures over, or
            hangs.
        OutOfMemory: it got no memory.
        KitError: as it was raised there, without torch's account of where.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        said = str(error)
        if isinstance(error, MemoryError) and "in DataLoader worker" in said:
            raise OutOfMemory("out of memory in a process that draws", fix=_FEWER) from error
        if "DataLoader worker (pid" not in said and "DataLoader timed out" not in said:
            raise
        what = "hangs" if "timed out" in said else f"died: {' '.join(said.split())}"
        raise RunFailed(f"a process that draws pictures {what}", fix=_FEWER) from error
    except KitError as error:
        if "in DataLoader worker" not in error.what:
            raise
        raise type(error)(error.what.rpartition("kit.errors.")[2].partition(": ")[2]) from error


def collate(drawn: Sequence[tuple[Boxed, str]]) -> Batch:
    """Stack inputs; boxes of all pictures in one table."""
    images = torch.from_numpy(np.stack([boxed[0] for boxed, _ in drawn]))
    targets = make_targets([(boxed[1], boxed[2]) for boxed, _ in drawn])
    return Batch(images, targets, tuple(fault for _, fault in drawn if fault))


def cuts(count: int, most: int | None) -> list[slice]:
    """A batch of ``count`` pictures in pieces of at most ``most``, as equal as may be: a picture
    left alone would have no batch statistics. None cuts nothing."""
    pieces = 1 if most is None else math.ceil(count / most)
    ends = [round(piece * count / pieces) for piece in range(pieces + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def slice_batch(batch: Batch, cut: slice, device: torch.device) -> tuple[Tensor, Targets]:
    """The pictures of a piece of a batch, and their targets, on the device."""
    boxes, labels, picture = batch.targets
    chosen = (picture >= cut.start) & (picture < cut.stop)
    columns = (boxes[chosen], labels[chosen], picture[chosen] - cut.start)
    images = batch.images[cut]
    moved = (column.to(device, non_blocking=True) for column in columns)
    return images.to(device, non_blocking=True), Targets(*moved)


def make_targets(truth: Sequence[tuple[NDArray[np.float64], NDArray[np.int64]]]) -> Targets:
    """Boxes and labels of each picture of a batch, as one table."""
    counts = [len(labels) for _, labels in truth]
    return Targets(
        torch.from_numpy(np.concatenate([boxes for boxes, _ in truth])).float(),
        torch.from_numpy(np.concatenate([labels for _, labels in truth])),
        torch.from_numpy(np.repeat(np.arange(len(truth)), counts)),
    )
