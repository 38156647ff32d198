from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kit.data.convert import convert
from kit.data.dataset import Dataset
from kit.data.formats import yolo
from kit.data.merge import merge
from kit.errors import DataError
from kit.pixels import encode_picture, read_picture


@pytest.fixture
def make(tmp_path: Path, draw):
    """Write a YOLO set; pictures are given as ``split/name`` with what they show as a number."""

    def write(name: str, pictures: dict[str, int], names: str = "ape, cow") -> Dataset:
        root = tmp_path / name
        for place, seed in pictures.items():
            split, _, stem = place.rpartition("/")
            draw(root / split / "images" / f"{stem}.png", seed=seed)
            label = root / split / "labels" / f"{stem}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text("1 0.5 0.5 0.2 0.25\n")
        (root / "classes.txt").write_text(names.replace(", ", "\n"))
        return yolo.read(root, name=name)

    return write


def test_classes_splits_and_names_are_united(make, tmp_path: Path) -> None:
    first = make("one", {"train/a": 1, "test/b": 2})
    second = make("two", {"train/a": 3, "valid/c": 4}, "cow, dog")
    merged = merge([first, second], "both")
    assert merged.dataset.classes == ("ape", "cow", "dog")
    assert merged.dataset.ids == ("b.png", "one/a.png", "two/a.png", "c.png")
    convert(merged.dataset, "yolo", tmp_path / "out")
    again = yolo.read(tmp_path / "out", name="both")
    assert again.class_counts() == {"ape": 0, "cow": 2, "dog": 2}
    assert {split: len(rows) for split, rows in again.splits.items()} == {
        "train": 2, "valid": 1, "test": 1,
    }  # fmt: skip
    pictures = {again.ids[i]: again.path(i).read_bytes() for i in range(len(again))}
    assert pictures["train/images/two/a.png"] == second.path(0).read_bytes()


def test_equal_pictures_of_one_split_are_kept_once(make) -> None:
    merged = merge([make("one", {"train/a": 1}), make("two", {"train/x": 1, "train/y": 2})], "both")
    assert merged.duplicates == 1
    assert merged.dataset.ids == ("a.png", "y.png")


def test_a_leak_between_splits_is_refused(make) -> None:
    sets = [make("one", {"train/a": 1}), make("two", {"test/x": 1, "test/y": 2})]
    with pytest.raises(
        DataError, match=r"1 picture.*one/train/images/a\.png \(train\) = .*\(test\)"
    ):
        merge(sets, "both")


def test_a_near_duplicate_is_a_leak_too(make) -> None:
    first, second = make("one", {"train/a": 1}), make("two", {"test/x": 1})
    path = second.path(0)
    path.write_bytes(
        encode_picture(np.clip(read_picture(path) * 0.9, 0, 255).astype(np.uint8), ".png")
    )
    with pytest.raises(DataError, match="different splits"):
        merge([first, second], "both")


def test_a_set_that_repeats_itself_is_the_doctors_matter(make) -> None:
    merged = merge([make("one", {"train/a": 1, "test/b": 1}), make("two", {"train/x": 2})], "both")
    assert (len(merged.dataset), merged.duplicates) == (3, 0)


def test_equal_pictures_with_other_labels_are_refused(make) -> None:
    sets = [make("one", {"train/a": 1}), make("two", {"train/x": 1}, "cow, ape")]
    with pytest.raises(DataError, match="different labels"):
        merge(sets, "both")


def test_sets_that_do_not_fit(make) -> None:
    one, bare = make("one", {"train/a": 1}), make("bare", {"x": 2})
    with pytest.raises(DataError, match=r"no splits(.|\n)*kit data split"):
        merge([one, bare], "both")
    with pytest.raises(DataError, match="bit depths"):
        merge([one, replace(make("two", {"train/x": 2}), bit_depth=12)], "both")


def test_groups_of_two_hospitals_stay_apart(make) -> None:
    one = replace(make("one", {"train/a": 1}), groups=("7",))
    two = replace(make("two", {"train/b": 2}), groups=("7",))
    assert merge([one, two], "both").dataset.groups == ("one/7", "two/7")
    assert merge([one, replace(two, groups=None)], "both").dataset.groups is None


def test_trainval_does_not_make_a_leak(make) -> None:
    one = make("one", {"train/a": 1})
    two = make("two", {"train/x": 1})
    two = replace(two, splits={**two.splits, "trainval": np.array([0])})
    merged = merge([one, two], "both")
    assert merged.duplicates == 1
    assert set(merged.dataset.splits) == {"train"}  # a trainval of one would pass for all's
