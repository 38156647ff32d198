"""Every format in its folder, over random datasets and over the real ones."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kit.cards import DatasetCard, card_names, load_card
from kit.data.dataset import Dataset
from kit.data.formats import formats, load
from kit.data.source import open_source
from kit.errors import DataError
from kit.files import new_directory
from kit.types import Detections, Example, Ignore

COUNTS = {  # pictures by split, boxes by class; trusted from the datasets' own documentation
    "bccd": (
        {"train": 205, "valid": 87, "test": 72, "trainval": 292},
        {"Platelets": 361, "RBC": 4155, "WBC": 372},
    ),
    "bccd-study": (
        {"train": 255, "valid": 73, "test": 36},
        {"Platelets": 361, "RBC": 4155, "WBC": 372},
    ),
    "blood-smears": (
        {"train": 90, "valid": 30, "test": 40},
        {"Platelets": 151, "RBC": 1833, "WBC": 164},
    ),
    "mask-wearing": ({"train": 101, "valid": 29, "test": 15}, {"mask": 696, "no-mask": 135}),
    "vehicles-openimages": ({"train": 439, "valid": 125, "test": 63}, 1194),
    "coco128": ({"train": 128, "valid": 128}, 929),
}

words = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=8
).filter(lambda text: text == text.strip())
names = st.text("abcXYZ01 .-_é", min_size=1, max_size=6).filter(
    lambda text: not text.startswith(".") and text.strip(" .") == text
)
numbers = st.floats(-20, 200, allow_nan=False, width=32)
boxes = st.tuples(numbers, numbers, st.floats(0, 90, width=32), st.floats(0, 90, width=32))
objects = st.tuples(boxes, st.integers(0, 50), st.sampled_from(Ignore))


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """What a random dataset holds: classes, pictures in folders, boxes in and out of them."""
    folders = st.sampled_from(["", "p1/", "p2/", "train/images/", "test/images/", "JPEGImages/"])
    ids = draw(
        st.lists(
            st.builds("{}{}.png".format, folders, names),
            min_size=1, max_size=6, unique_by=lambda id_: id_.casefold(),
        )
    )  # fmt: skip
    return {
        "classes": draw(st.lists(words, min_size=1, max_size=4, unique=True)),
        "ids": ids,
        "objects": [draw(st.lists(objects, max_size=4)) for _ in ids],
        "splits": draw(
            st.dictionaries(
                st.sampled_from(
                    ["train", "valid", "test", "trainval", "fold1", "a b", "x/y", "default"]
                ),
                st.lists(st.sampled_from(ids), unique=True),
                max_size=4,
            )
        ),
        "groups": draw(st.none() | st.lists(words, min_size=len(ids), max_size=len(ids))),
        "bit_depth": draw(st.sampled_from([None, 12])),
    }


def build(plan: dict[str, Any], root: Path) -> Dataset:
    """The dataset of a plan; each picture has a size of its own, by which it is known again."""
    examples = []
    for place, (id_, things) in enumerate(zip(plan["ids"], plan["objects"], strict=True)):
        path = root / id_
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (20 + place, 30)
        path.write_bytes(cv2.imencode(".png", np.zeros((size[1], size[0]), np.uint8))[1].tobytes())
        corners = [(x, y, x + w, y + h) for (x, y, w, h), _, _ in things]
        labels = [number % len(plan["classes"]) for _, number, _ in things]
        ignore = np.array([flag for *_, flag in things], np.uint8)
        group = plan["groups"][place] if plan["groups"] else None
        truth = Detections.truth(corners, labels)
        examples.append(Example(id_, path, size, truth, ignore, group))
    return Dataset.from_examples(
        "random", root, plan["classes"], examples, plan["splits"], bit_depth=plan["bit_depth"]
    )


def through(dataset: Dataset, format: str, out: Path) -> Dataset:
    """Write it, and read it back as a stranger would."""
    with new_directory(out) as beside:
        load(format).write(dataset, beside)
    assert [name for name in formats() if load(name).sniff(out)] == [format]
    again = load(format).read(out, name=dataset.name)
    assert not set(again.notes) - {"outline"}
    return again


def assert_same(one: Dataset, two: Dataset, by: str = "width") -> None:
    """Equal in everything but the pictures' names and order."""

    def key(dataset: Dataset, index: int) -> Any:
        return int(dataset.sizes[index, 0]) if by == "width" else dataset.path(index).read_bytes()

    assert two.classes == one.classes
    assert two.bit_depth == one.bit_depth
    place = {key(two, index): index for index in range(len(two))}
    assert len(place) == len(one) == len(two)
    for index, own in enumerate(one):
        other = two[place[key(one, index)]]
        assert other.size == own.size
        np.testing.assert_allclose(other.truth.xyxy, own.truth.xyxy, atol=1e-3, rtol=0)
        np.testing.assert_array_equal(other.truth.labels, own.truth.labels)
        np.testing.assert_array_equal(other.ignore, own.ignore)
        assert other.group == own.group
        assert other.path.read_bytes() == own.path.read_bytes()
    assert {split: {key(one, i) for i in rows} for split, rows in one.splits.items()} == {
        split: {key(two, i) for i in rows} for split, rows in two.splits.items()
    }


BARE: dict[str, Any] = {"splits": {}, "groups": None, "bit_depth": None}
# a class called what categories say that stand below no other
NONE = {"classes": ["a", "none"], "ids": ["0.png"], "objects": [[]], **BARE}
# no split, and a folder that could be taken for one
FOLDER = {"classes": ["a"], "ids": ["0.png", "train/images/0.png"], "objects": [[], []], **BARE}


@pytest.mark.parametrize("format", formats())
@given(plan=plans())
@example(plan=NONE)
@example(plan=FOLDER)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_a_round_trip_loses_nothing(format: str, plan: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        dataset = build(plan, Path(folder) / "in")
        once = through(dataset, format, Path(folder) / "out")
        assert_same(dataset, once)
        assert_same(dataset, through(once, format, Path(folder) / "again"))


@given(plan=plans(), path=st.lists(st.sampled_from(formats()), min_size=2, max_size=4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_so_does_a_journey_through_formats(plan: dict[str, Any], path: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = dataset = build(plan, Path(folder) / "in")
        for stage, format in enumerate(path):
            dataset = through(dataset, format, Path(folder) / f"out{stage}")
        assert_same(first, dataset)


@pytest.mark.parametrize("format", formats())
def test_what_is_no_dataset_is_not_taken_for_one(format: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.json").write_text('{"images": 1}')
    for path in (tmp_path, tmp_path / "empty", tmp_path / "nowhere", tmp_path / "file.json"):
        assert load(format).sniff(path) is None
    assert load(format).LOOKED_FOR


@pytest.fixture(params=card_names(DatasetCard))
def real(request: pytest.FixtureRequest) -> Dataset:
    """The dataset of a card, where it is on this machine, or can be drawn."""
    card = load_card(DatasetCard, request.param)
    if card.drawn is None and "KIT_DATA" not in os.environ:
        pytest.skip("KIT_DATA names no folder of real datasets")
    try:
        return open_source(card.name)
    except DataError as error:
        if card.drawn is None and "is not here" in str(error):
            pytest.skip(str(error))
        raise


def test_real_datasets_hold_what_they_should(real: Dataset) -> None:
    pictures, objects = COUNTS[real.name]
    assert {split: len(rows) for split, rows in real.splits.items()} == pictures
    counts = real.class_counts()
    assert (counts if isinstance(objects, dict) else sum(counts.values())) == objects
    stray = ("labels/train/000000000656.txt", "labels/train/000000000659.txt")
    expected = {"label_without_picture": stray} if real.name == "coco128" else {}
    assert {k: v for k, v in real.notes.items() if k != "picture_without_label"} == expected


@pytest.mark.parametrize("format", formats())
def test_real_datasets_come_through_every_format(
    real: Dataset, format: str, tmp_path: Path
) -> None:
    away = through(real, format, tmp_path / "away")
    assert_same(real, away, by="bytes")
    assert_same(real, through(away, real.format, tmp_path / "home"), by="bytes")
