"""What is drawn, in which order, and that boxes follow their pictures."""

from __future__ import annotations

from itertools import chain
from time import sleep
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset as TorchDataset

from kit.cards import Recipe
from kit.errors import CardError, DataError, OutOfMemory, RunFailed
from kit.finetune import batches
from kit.finetune.augment import Augment
from kit.finetune.batches import (
    Batch,
    Draws,
    Order,
    Pictures,
    collate,
    cuts,
    loader,
    make_targets,
    slice_batch,
    steps_per_epoch,
    workers_told,
)

CPU = torch.device("cpu")


@given(
    pictures=st.integers(1, 60),
    batch=st.integers(1, 20),
    epoch=st.integers(0, 5),
    ranks=st.integers(1, 4),
)
def test_every_picture_once_an_epoch_whatever_the_ranks(
    pictures: int, batch: int, epoch: int, ranks: int
) -> None:
    def indices(rank: int, of: int) -> list[list[int]]:
        order = Order(pictures, batch, epoch, 7, first=0, rank=rank, ranks=of)
        return [[index for _, _, index in part] for part in order]

    whole = indices(0, 1)
    assert sorted(chain.from_iterable(whole)) == list(range(pictures))
    assert len(whole) == steps_per_epoch(pictures, batch)
    if batch >= ranks:
        shares = [indices(rank, ranks) for rank in range(ranks)]
        # batches may be joined at the end where a rank would be left without a picture
        assert sorted(chain.from_iterable(chain.from_iterable(shares))) == list(range(pictures))
        assert len({len(share) for share in shares}) == 1


def test_going_on_within_an_epoch_skips_what_is_done() -> None:
    whole = list(Order(20, 4, 3, 0, first=0, rank=0, ranks=1))
    assert list(Order(20, 4, 3, 0, first=2, rank=0, ranks=1)) == whole[2:]


def test_epochs_and_seeds_differ() -> None:
    drawn = {
        tuple(
            index
            for part in Order(20, 4, epoch, seed, first=0, rank=0, ranks=1)
            for *_, index in part
        )
        for epoch in range(3)
        for seed in range(3)
    }
    assert len(drawn) == 9


def draws(job: Any, **recipe: Any) -> Draws:
    chosen = Recipe("r", **recipe)
    pictures = Pictures(job.train, job.model.input.__class__(96), limit=1 << 30)
    return Draws(pictures, Augment(chosen, 96, 114), chosen, epochs=10, seed=0)


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_a_draw_depends_on_its_place_alone(make_job: Any, mosaic: float) -> None:
    """Not on what was drawn before, nor by whom."""
    augment = [{"HorizontalFlip": {"p": 0.5}}, {"RandomGamma": {"p": 1.0}}]
    one, other = (draws(make_job(), mosaic=mosaic, augment=augment) for _ in range(2))
    for position in range(5):
        other[(9, position, 0)]
    for place in ((0, 0, 1), (3, 2, 5)):
        (a, boxes_a, labels_a), _ = one[place]
        (b, boxes_b, labels_b), _ = other[place]
        assert np.array_equal(a, b)
        assert np.array_equal(boxes_a, boxes_b)
        assert np.array_equal(labels_a, labels_b)
    (later, _, _), _ = one[(1, 0, 1)]
    assert not np.array_equal(later, one[(0, 0, 1)][0][0])


def test_mosaic_stops_for_the_last_epochs(make_job: Any) -> None:
    made = draws(make_job(), mosaic=1.0, plain=0.3)
    plain = draws(make_job(), mosaic=0.0)
    for epoch, same in ((6, False), (7, True), (9, True)):
        place = (epoch, 0, 0)
        assert np.array_equal(made[place][0][0], plain[place][0][0]) == same


class _Painted:
    """Pictures whose boxes are painted in the colour of their label on black."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.rng = size, np.random.default_rng(seed)

    def __call__(self, index: int) -> Any:
        picture = np.zeros((self.size * 3 // 4, self.size, 3), np.uint8)
        boxes, labels = [], []
        for label in range(3):
            x, y = self.rng.integers(0, self.size - 40), self.rng.integers(0, len(picture) - 40)
            picture[y : y + 36, x : x + 36] = 80 * (label + 1)
            boxes.append([x, y, x + 36, y + 36])
            labels.append(label)
        return picture, np.array(boxes, float), np.array(labels)


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(12))
def test_boxes_follow_their_pictures(mosaic: float, seed: int) -> None:
    """After flips, shifts, scaling and mosaic the middle of a box still shows what it is a box of,
    unless a later object was painted over it."""
    augment = [
        {"Affine": {"scale": [0.7, 1.4], "translate_percent": [-0.1, 0.1], "p": 1.0}},
        {"HorizontalFlip": {"p": 0.5}},
        {"VerticalFlip": {"p": 0.5}},
    ]
    made = Augment(Recipe("r", augment=augment), 128, 0)  # type: ignore[arg-type]
    picture, boxes, labels = made([seed], _Painted(128, seed), 0, 9, mosaic=mosaic)
    assert picture.shape == (128, 128, 3)
    assert len(boxes) == len(labels)
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert boxes.min(initial=0) >= 0
    assert boxes.max(initial=0) <= 128
    shown = []
    for (x0, y0, x1, y1), label in zip(boxes, labels, strict=True):
        colour = int(picture[int((y0 + y1) / 2), int((x0 + x1) / 2), 0])
        shown.append(colour >= 80 * (label + 1) - 8)
    assert all(shown)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"Nonsense": {}}, "no transform 'Nonsense'"),
        ({"HorizontalFlip": {"q": 1}}, "HorizontalFlip has no argument q"),
        ({"HorizontalFlip": {"p": 7}}, "augment HorizontalFlip"),
        ({"HorizontalFlip": {}, "VerticalFlip": {}}, "one {Name"),
        ({"OneOf": {"transforms": [{"Nope": {}}]}}, "no transform 'Nope'"),
        ({"os": {}}, "no transform 'os'"),
    ],
)
def test_mistakes_in_a_recipe_are_told(entry: Any, message: str) -> None:
    with pytest.raises(CardError, match=message):
        Augment(Recipe("mine", augment=(entry,)), 64, 114)


def test_cutting_a_batch_loses_nothing() -> None:
    truth = [(np.full((n, 4), float(n)), np.full(n, n)) for n in (2, 0, 3, 1)]
    batch = Batch(torch.arange(4).view(4, 1, 1, 1), make_targets(truth), ())
    for micro in (1, 2, 3, 4):
        labels = []
        for cut in cuts(4, micro):
            images, targets = slice_batch(batch, cut, CPU)
            assert (targets.picture < len(images)).all()
            labels += [
                targets.labels[targets.picture == picture].tolist()
                for picture in range(len(images))
            ]
        assert labels == [[2, 2], [], [3, 3, 3], [1]]


@given(st.integers(1, 99), st.one_of(st.none(), st.integers(1, 99)))
def test_pieces_are_a_batch_again_and_as_equal_as_may_be(count: int, most: int | None) -> None:
    pieces = cuts(count, most)
    lengths = [cut.stop - cut.start for cut in pieces]
    assert [place for cut in pieces for place in range(count)[cut]] == list(range(count))
    assert max(lengths) <= (most or count)
    assert max(lengths) - min(lengths) <= 1


def test_collating_keeps_pictures_and_boxes_together() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    none = (picture, np.zeros((0, 4)), np.zeros(0, np.int64))
    one = (picture + 1, np.ones((2, 4)), np.array([1, 2]))
    batch = collate([(none, ""), (one, "bad"), (none, "")])
    assert batch.images.shape == (3, 4, 4, 3)
    assert batch.targets.picture.tolist() == [1, 1]
    assert batch.faults == ("bad",)


class _Fails(TorchDataset[Any]):
    """Fails in the worker, or hangs there."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    def __getitem__(self, place: Any) -> Any:
        if self._error is None:
            sleep(60)
        raise self._error or AssertionError


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (MemoryError(), OutOfMemory, "out of memory in a process that draws"),
        (OutOfMemory("no memory", where="a.png"), OutOfMemory, "a.png: no memory"),
        (DataError("not one can be read", where="x"), DataError, "x: not one can be read"),
        (RuntimeError("another"), RuntimeError, "another"),
        (None, RunFailed, "a process that draws pictures hangs"),
    ],
)
def test_what_ends_a_worker_is_one_message(
    error: BaseException | None, kind: type[BaseException], told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(batches, "PATIENCE", 1.0)
    order = Order(4, 2, 0, 0, first=0, rank=0, ranks=1)
    draws: Any = _Fails(error)
    with pytest.raises(kind, match=told) as raised, workers_told():
        list(loader(draws, order, workers=1, pin=False))
    assert ("Traceback" in str(raised.value)) == isinstance(raised.value, RuntimeError)
