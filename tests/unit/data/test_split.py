"""Splits partition the pool, keep groups and duplicates whole, and lose no class."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kit.data import smear
from kit.data.dataset import Dataset
from kit.data.similar import Scan
from kit.data.split import Units, deal, folds, split
from kit.errors import DataError, UsageError
from kit.types import Detections, Example


def units_of(rows: Sequence[tuple[int, Sequence[bool]]]) -> Units:
    """Units by number of pictures and the classes that all of these hold."""
    pictures = np.array([many for many, _ in rows], np.int64)
    holding = np.array([[many * has for has in classes] for many, classes in rows], np.int64)
    return Units(np.arange(len(rows)), pictures, holding.reshape(len(rows), -1))


def paper(labels: Sequence[Sequence[int]], groups: Sequence[str] | None = None) -> Dataset:
    """A dataset that exists on paper only; one box of each label per picture."""
    examples = []
    for index, held in enumerate(labels):
        truth = Detections.truth([(1, 1, 9, 9)] * len(held), list(held))
        name = f"{groups[index] if groups else 'p'}_{index:04d}.png"
        examples.append(Example(name, Path(name), (20, 20), truth, np.zeros(len(held), np.uint8)))
    return Dataset.from_examples("paper", Path(), ["a", "b", "c"], examples, {})


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read and nothing looks alike."""

    def nothing(dataset: Dataset, progress: object = None) -> Scan:
        none = np.zeros((0, 2), np.int64)
        return Scan({}, dataset.sizes, none, none)

    monkeypatch.setattr("kit.data.split.scan", nothing)


def owners(splits: Mapping[str, NDArray[np.int64]], count: int) -> list[str]:
    """The split of each picture; fails unless each is in exactly one."""
    found = ["" for _ in range(count)]
    for name, pictures in splits.items():
        for index in pictures:
            assert not found[index]
            found[index] = name
    assert all(found)
    return found


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 6), st.lists(st.booleans(), min_size=3, max_size=3)),
        min_size=3,
        max_size=40,
    ),
    seed=st.integers(0, 1000),
)
def test_every_part_gets_something_and_about_its_share(
    rows: list[tuple[int, list[bool]]], seed: int
) -> None:
    units = units_of(rows)
    shares = (0.6, 0.25, 0.15)
    part = deal(units, shares, np.random.default_rng(seed))
    again = deal(units, shares, np.random.default_rng(seed))
    assert np.array_equal(part, again)
    got = np.bincount(part, weights=units.pictures, minlength=3)
    assert (got > 0).all()
    assert (np.bincount(part, minlength=3) > 0).all()


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=12, max_size=80),
    seed=st.integers(0, 1000),
)
def test_single_pictures_are_divided_exactly_and_no_class_is_lost(
    labels: list[list[bool]], seed: int
) -> None:
    units = units_of([(1, row) for row in labels])
    part = deal(units, (0.7, 0.2, 0.1), np.random.default_rng(seed))
    sizes = np.bincount(part, minlength=3)
    assert np.abs(sizes - np.array([0.7, 0.2, 0.1]) * len(labels)).max() < 1
    for label in range(4):
        holders = units.holding[:, label] > 0
        if holders.sum() >= 12:  # enough that no other class can stand in the way
            assert len(set(part[holders])) == 3


@pytest.mark.parametrize("seed", range(20))
def test_a_class_of_three_reaches_all_three(seed: int) -> None:
    rows = [(1, [True, index in (3, 50, 77), index % 9 == 0]) for index in range(100)]
    part = deal(units_of(rows), (0.8, 0.1, 0.1), np.random.default_rng(seed))
    assert sorted(part[[3, 50, 77]]) == [0, 1, 2]


def test_classes_are_spread_by_share() -> None:
    rng = np.random.default_rng(0)
    rows = [(1, list(rng.random(3) < (0.9, 0.3, 0.08))) for _ in range(400)]
    units = units_of(rows)
    for seed in range(5):
        part = deal(units, (0.7, 0.2, 0.1), np.random.default_rng(seed))
        for place, share in enumerate((0.7, 0.2, 0.1)):
            got = units.holding[part == place].sum(0)
            assert np.abs(got - share * units.holding.sum(0)).max() <= 2.5


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(1, 7), min_size=3, max_size=12),
)
@pytest.mark.usefixtures("no_pictures")
def test_groups_stay_whole(seed: int, sizes: list[int]) -> None:
    groups = [f"slide{number}" for number, size in enumerate(sizes) for _ in range(size)]
    dataset = paper([[index % 3] for index in range(len(groups))], groups)
    result = split(dataset, group_by=r"(slide\d+)_", seed=seed)
    where = owners(result.splits, len(groups))
    for group in set(groups):
        assert len({place for place, own in zip(where, groups, strict=True) if own == group}) == 1
    grouped = split(replace(dataset, groups=tuple(groups)), seed=seed)
    assert owners(grouped.splits, len(groups)) == where


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99), count=st.integers(2, 6), pictures=st.integers(12, 60))
@pytest.mark.usefixtures("no_pictures")
def test_test_parts_of_folds_partition_the_pool(seed: int, count: int, pictures: int) -> None:
    dataset = paper([[index % 3] for index in range(pictures)])
    parts = folds(dataset, count, seed=seed)
    tested = np.concatenate([part.splits["test"] for part in parts])
    assert sorted(tested.tolist()) == list(range(pictures))
    for part in parts:
        owners(part.splits, pictures)
        assert abs(len(part.splits["test"]) - pictures / count) < 1
        assert len(part.splits["train"]) > len(part.splits["valid"]) > 0


@pytest.mark.usefixtures("no_pictures")
def test_seeds_differ_and_repeat() -> None:
    dataset = paper([[index % 3] for index in range(60)])
    one, same, other = (split(dataset, seed=seed).splits["test"].tolist() for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.usefixtures("no_pictures")
def test_a_share_of_nothing_makes_no_split() -> None:
    result = split(paper([[0]] * 10), (0.8, 0.2, 0))
    assert {name: len(chosen) for name, chosen in result.splits.items()} == {"train": 8, "valid": 2}


@pytest.mark.usefixtures("no_pictures")
def test_pictures_without_objects_are_dealt_too() -> None:
    result = split(paper([[]] * 30))
    assert {name: len(chosen) for name, chosen in result.splits.items()} == {
        "train": 21,
        "valid": 6,
        "test": 3,
    }


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ((0.7, 0.3), "three fractions"),
        ((0.7, 0.2, 0.2), "sum to 1.1"),
        ((1.2, -0.1, -0.1), "lie in 0..1"),
        ((float("nan"), 0.5, 0.5), "lie in 0..1"),
    ],
)
def test_wrong_fractions(fractions: tuple[float, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        split(paper([[0]] * 9), fractions)


@pytest.mark.usefixtures("no_pictures")
def test_too_few_to_divide() -> None:
    with pytest.raises(DataError, match="can't be divided into 3 parts"):
        split(paper([[0]] * 9, ["x"] * 9), group_by="(x)")
    with pytest.raises(UsageError, match="at least 2 folds"):
        folds(paper([[0]] * 9), 1)
    with pytest.raises(DataError, match="no group"):
        split(paper([[0]] * 9), group_by="(p_000[0-3])")


def test_duplicates_stay_together_and_damage_is_named(tmp_path: Path) -> None:
    examples = []
    for index in range(30):
        path = tmp_path / f"{index:02d}.png"
        picture = smear.draw(2, index % 10)[0]  # three of each: as it is, mirrored, brighter
        if index >= 20:
            picture = np.clip(picture * 1.05 + 3, 0, 255).astype(np.uint8)
        elif index >= 10:
            picture = picture[:, ::-1]
        cv2.imwrite(str(path), picture)
        truth = Detections.truth([(1, 1, 9, 9)], [0])
        examples.append(Example(path.name, path, (320, 240), truth, np.zeros(1, np.uint8)))
    dataset = Dataset.from_examples("set", tmp_path, ["a"], examples, {})
    for seed in range(5):
        where = owners(split(dataset, (0.6, 0.2, 0.2), seed=seed).splits, 30)
        assert where[:10] == where[10:20] == where[20:]
    (tmp_path / "07.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"07\.png"):
        split(dataset)


@pytest.mark.usefixtures("no_pictures")
def test_labels_that_were_lost_in_reading_are_not_hidden_by_a_split() -> None:
    with pytest.raises(DataError, match=r"2 label.* lost"):
        split(replace(paper([[0]] * 9), notes={"bad_label": ["a.txt:1", "b.txt:2"]}))
    split(replace(paper([[0]] * 9), notes={"label_without_picture": ["a.txt"]}))


def test_bccd_is_split_without_its_leak() -> None:
    if "KIT_DATA" not in os.environ:
        pytest.skip("KIT_DATA is not set: the real datasets are not here")
    from kit.data.source import open_source

    pool = open_source(str(Path(os.environ["KIT_DATA"]) / "bccd"))
    result = split(pool, seed=1)
    where = dict(zip(pool.ids, owners(result.splits, len(pool)), strict=True))
    twins = [where[id_] for id_ in pool.ids if id_.endswith(("_00037.jpg", "_00038.jpg"))]
    assert len(twins) == 2
    assert twins[0] == twins[1]
    for name, share in (("train", 0.7), ("valid", 0.2), ("test", 0.1)):
        assert abs(len(result.splits[name]) - share * len(pool)) <= 1
        for label, count in result.class_counts(result.splits[name]).items():
            assert count == pytest.approx(share * pool.class_counts()[label], rel=0.15)
