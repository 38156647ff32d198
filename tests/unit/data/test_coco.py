from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.data.formats import coco
from kit.errors import DataError
from kit.types import Ignore

CATEGORIES = [
    {"id": 7, "name": "zebra", "supercategory": "animal"},
    {"id": 3, "name": "ape", "supercategory": "animal"},
]


def image(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": 100, "height": 80, **more}


def thing(number: int, picture: int, category: int = 3, **more: Any) -> dict[str, Any]:
    usual = {"bbox": [10, 20, 30, 40], "iscrowd": 0, "area": 1200, "segmentation": []}
    return {"id": number, "image_id": picture, "category_id": category, **usual, **more}


def content(images: list[Any], things: list[Any], categories: list[Any] = CATEGORIES) -> str:
    return json.dumps({"images": images, "annotations": things, "categories": categories})


def test_sparse_ids_become_classes_in_their_order(folder) -> None:
    root = folder(
        {
            "annotations/instances_train2017.json": content(
                [image(5, "a.jpg")], [thing(1, 5, 7), thing(2, 5, 3, iscrowd=1)]
            ),
            "annotations/instances_val2017.json": content([image(5, "b.jpg")], []),
            "annotations/captions_train2017.json": content([image(1, "a.jpg")], []),
            "train2017/a.jpg": "",
            "val2017/b.jpg": "",
        }
    )
    assert coco.sniff(root) == root
    dataset = coco.read(root, name="set")
    assert dataset.classes == ("ape", "zebra")
    assert dataset.labels.tolist() == [1, 0]
    assert dataset.ignore.tolist() == [Ignore.NONE, Ignore.CROWD]
    np.testing.assert_array_equal(dataset.boxes[0], [10, 20, 40, 60])
    assert {split: [dataset.ids[i] for i in rows] for split, rows in dataset.splits.items()} == {
        "train": ["train2017/a.jpg"],
        "valid": ["val2017/b.jpg"],
    }
    assert dataset.notes == {}


def test_roboflow_umbrella_is_dropped_only_when_unused(folder) -> None:
    categories = [
        {"id": 0, "name": "cells", "supercategory": "none"},
        {"id": 1, "name": "RBC", "supercategory": "cells"},
    ]
    files = {"train/a.jpg": "", "valid/b.jpg": ""}
    for split, name in (("train", "a.jpg"), ("valid", "b.jpg")):
        text = content([image(0, name)], [thing(0, 0, 1)], categories)
        files[f"{split}/_annotations.coco.json"] = text
    dataset = coco.read(folder(files), name="set")
    assert dataset.classes == ("RBC",)
    assert set(dataset.splits) == {"train", "valid"}
    used = content([image(0, "b.jpg")], [thing(0, 0, 0)], categories)
    dataset = coco.read(folder({**files, "valid/_annotations.coco.json": used}), name="set")
    assert dataset.classes == ("cells", "RBC")


def test_a_round_trip_keeps_every_key(folder, tmp_path: Path) -> None:
    mask = {"segmentation": [[10, 20, 40, 20, 40, 60.5]], "area": 600, "attributes": {"blur": 2}}
    categories = [{"id": 1, "name": "all", "supercategory": "none"}] + [
        {**category, "supercategory": "all", "keypoints": ["nose"]} for category in CATEGORIES
    ]
    data = {
        "info": {"year": 2020},
        "licenses": [{"id": 4, "name": "CC0"}],
        "images": [image(9, "a.jpg", license=4, date_captured="x"), image(12, "sub/b.jpg")],
        "annotations": [
            thing(77, 9, 7, **mask),
            thing(5, 9, 3, iscrowd=1, area=3.5, segmentation={"counts": "ab", "size": [80, 100]}),
        ],
        "categories": categories,
    }
    root = folder(
        {"all.json": json.dumps(data), "images/a.jpg": "", "images/sub/b.jpg": "", "n.json": "{}"}
    )
    assert coco.write(coco.read(root, name="set"), tmp_path / "out") == {}
    assert not (tmp_path / "out/kit.json").exists()
    written = json.loads((tmp_path / "out/annotations/instances.json").read_text())
    assert written["info"] == data["info"]
    assert written["licenses"] == data["licenses"]
    assert written["images"] == data["images"]
    assert written["annotations"] == data["annotations"]
    assert written["categories"] == sorted(categories, key=lambda category: category["id"])


def test_faults_are_noted(folder) -> None:
    images = [
        image(1, "a.jpg"),
        image(2, "gone.jpg"),
        image(3, "../secret.jpg"),
        image(4, "/etc/passwd.jpg"),
        image(5, "a.jpg"),
        image(6, "wide.jpg", width=1),
        {"id": 7},
    ]
    things = [
        thing(1, 1),
        thing(2, 99),
        thing(3, 1, 55),
        thing(4, 1, bbox=[1, 2, 3]),
        thing(5, 1, bbox=[1, 2, None, 4]),
        thing(6, 2),
        thing(7, 1, category=[3]),  # type: ignore[arg-type]
        "nonsense",
    ]
    root = folder(
        {
            "x.json": content(images, things), "images/a.jpg": "", "images/wide.jpg": "",
            "images/more.jpg": "",
        }
    )  # fmt: skip
    (root.parent / "secret.jpg").write_bytes((root / "images/a.jpg").read_bytes())
    dataset = coco.read(root, name="set")
    assert dataset.ids == ("images/a.jpg", "images/wide.jpg")
    assert len(dataset.boxes) == 1
    assert {code: len(found) for code, found in dataset.notes.items()} == {
        "label_without_picture": 3,
        "outside_root": 2,
        "bad_label": 4,
        "unknown_class": 1,
        "size_mismatch": 1,
        "picture_left_out": 1,
    }


def test_files_that_disagree(folder) -> None:
    other = [{"id": 3, "name": "cow"}]
    files = {
        "annotations/instances_train.json": content([image(1, "a.jpg")], [thing(1, 1)]),
        "annotations/instances_test.json": content([image(1, "a.jpg")], []),
        "images/a.jpg": "",
    }
    dataset = coco.read(folder(files), name="set")
    assert dataset.notes["label_conflict"] == ("annotations/instances_train.json: images/a.jpg",)
    assert set(dataset.splits) == {"train", "test"}
    files["annotations/instances_test.json"] = content([image(1, "a.jpg")], [], other)
    with pytest.raises(DataError, match="category 3 is 'cow' in one file and 'ape' here"):
        coco.read(folder(files), name="set")


def test_json_that_is_none(folder) -> None:
    good = content([image(1, "a.jpg")], [thing(1, 1)])
    deep = '{"images": ' + "[" * 100_000 + ', "annotations": [], "categories": []}'
    root = folder(
        {
            "annotations/instances_train.json": good,
            "annotations/instances_val.json": good[:-20],
            "annotations/instances_test.json": deep,
            "images/a.jpg": "",
        }
    )
    dataset = coco.read(root, name="set")
    assert set(dataset.splits) == {"train"}
    assert len(dataset.notes["bad_label"]) == 2
    assert coco.sniff(root / "annotations/instances_train.json") is not None


def test_one_file_by_its_name(folder) -> None:
    good = content([image(1, "a.jpg")], [thing(1, 1)])
    root = folder({"annotations/instances_val.json": good, "annotations/instances_train.json": good,
                   "images/a.jpg": ""})  # fmt: skip
    dataset = coco.read(root / "annotations/instances_val.json", name="set")
    assert dataset.root == root
    assert set(dataset.splits) == {"valid"}


@pytest.mark.parametrize("bbox", [[float("nan"), 1, 2, 3], [1e308, 1e308, 1e308, 1e308]])
def test_a_box_that_is_no_box_is_named(folder, bbox: list[float]) -> None:
    root = folder(
        {
            "annotations/instances_train.json": content(
                [image(5, "a.jpg")], [thing(1, 5, bbox=bbox)]
            ),
            "train/a.jpg": "",
        }
    )
    dataset = coco.read(root, name="set")
    assert len(dataset.boxes) == 0
    [note] = dataset.notes["bad_label"]
    assert "annotation 1: bbox" in note
