from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kit.data.boxes import keep_boxes
from kit.data.convert import ClassMap, convert, summary
from kit.data.dataset import Dataset
from kit.data.formats import coco, voc, yolo
from kit.data.writing import new_names
from kit.errors import DataError, UsageError

VOC = (
    "<annotation><object><name>{}</name><difficult>{}</difficult><pose>{}</pose><bndbox><xmin>1</xmin>"
    "<ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>"
)


@pytest.fixture
def zoo(folder) -> Dataset:
    """Three pictures with an ape, a difficult cow seen from the left, and a zebra."""
    things = [
        ("a", "ape", 0, "Unspecified"),
        ("b", "cow", 1, "Left"),
        ("c", "zebra", 0, "Unspecified"),
    ]
    files = {f"Annotations/{stem}.xml": VOC.format(*thing) for stem, *thing in things}
    files |= {f"JPEGImages/{stem}.jpg": "" for stem in "abc"}
    files |= {"ImageSets/Main/train.txt": "a\nb\n", "ImageSets/Main/trainval.txt": "a\nb\nc\n"}
    return voc.read(folder(files), name="zoo")


def written(tmp_path: Path, text: str) -> ClassMap:
    (tmp_path / "map.yaml").write_text(text)
    return ClassMap.load(tmp_path / "map.yaml")


def test_rename_merge_and_drop(zoo: Dataset, tmp_path: Path) -> None:
    changed = written(tmp_path, "ape: mammal\nzebra: mammal\ncow: null\n").apply(zoo)
    assert changed.classes == ("mammal",)
    assert changed.labels.tolist() == [0, 0]
    assert np.diff(changed.offsets).tolist() == [1, 0, 1]  # the cow's picture stays, empty
    assert changed.extra["voc"]["boxes"]["JPEGImages/b.jpg"] == []
    assert voc.read(_out(changed, "voc", tmp_path), name="zoo").classes == ("mammal",)


def test_the_order_is_that_of_first_appearance(zoo: Dataset) -> None:
    assert ClassMap({"cow": "x", "ape": "y"}).apply(zoo).classes == ("y", "x", "zebra")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lion: cat\n", "not there: lion\n.*ape, cow, zebra"),
        ("{ape: null, cow: null, zebra: null}", "drops every class"),
        ("ape: ''\n", "not a name"),
        ("ape: no\n", "in quotes"),
        ("- ape\n", "lines of `old: new`"),
        ("ape: [x]\n", "not a class name"),
        ("ape: {\n", "YAML"),
    ],
)
def test_maps_that_make_no_sense(zoo: Dataset, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        written(tmp_path, text).apply(zoo)


def test_what_is_not_held_is_counted_and_comes_back(zoo: Dataset, tmp_path: Path) -> None:
    lost = convert(zoo, "yolo", tmp_path / "y")
    assert lost == {"difficult flag": 1, "voc pose": 1, "split list": 2}
    through = yolo.read(tmp_path / "y", name="zoo")
    assert convert(through, "coco", tmp_path / "c") == {"difficult flag": 1, "voc pose": 1}
    back = coco.read(tmp_path / "c", name="zoo")
    assert convert(back, "voc", tmp_path / "v").keys() <= {"coco id"}
    again = voc.read(tmp_path / "v", name="zoo")
    assert again.ignore.tolist() == zoo.ignore.tolist()
    assert again.extra["voc"]["boxes"] == zoo.extra["voc"]["boxes"]
    assert {k: v.tolist() for k, v in again.splits.items()} == {
        "train": [0, 1],
        "trainval": [0, 1, 2],
    }


def test_a_side_file_is_left_alone_once_labels_change(zoo: Dataset, tmp_path: Path) -> None:
    convert(zoo, "yolo", tmp_path / "y")
    label = next((tmp_path / "y").rglob("b.txt"))
    label.write_text(label.read_text() + "0 0.5 0.5 0.1 0.1\n")
    changed = yolo.read(tmp_path / "y", name="zoo")
    assert changed.ignore.tolist() == [0, 0, 0, 0]
    assert "labels were changed" in changed.notes["stale_side_file"][0]


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', "[" * 100_000, '{"labels_sha256": 3}'])
def test_a_damaged_side_file_does_not_stop_reading(zoo: Dataset, tmp_path: Path, text: str) -> None:
    convert(zoo, "yolo", tmp_path / "y")
    (tmp_path / "y/kit.json").write_text(text)
    assert "stale_side_file" in yolo.read(tmp_path / "y", name="zoo").notes


def test_a_side_file_can_not_smuggle_boxes_or_pictures(zoo: Dataset, tmp_path: Path) -> None:
    convert(zoo, "yolo", tmp_path / "y")
    path = tmp_path / "y/kit.json"
    side = json.loads(path.read_text())
    side["splits"] = {"train": ["../../etc/passwd", "train/images/a.jpg"]}
    side["ignore"] = {"train/images/a.jpg": [1, 1, 1], "nowhere": [1]}
    path.write_text(json.dumps(side))
    dataset = yolo.read(tmp_path / "y", name="zoo")
    assert [dataset.ids[i] for i in dataset.splits["train"]] == ["train/images/a.jpg"]
    assert dataset.ignore.tolist() == [0, 0, 0]


def test_pictures_are_copied_byte_for_byte_into_files_of_their_own(
    zoo: Dataset, tmp_path: Path
) -> None:
    out = _out(zoo, "coco", tmp_path)
    for id_ in zoo.ids:
        source, target = zoo.root / id_, out / "images" / Path(id_).name
        assert source.read_bytes() == target.read_bytes()
        assert source.stat().st_ino != target.stat().st_ino


def test_nothing_is_left_of_a_conversion_that_fails(zoo: Dataset, tmp_path: Path) -> None:
    (zoo.root / zoo.ids[2]).unlink()
    before = set(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        convert(zoo, "yolo", tmp_path / "out")
    assert set(tmp_path.iterdir()) == before


def test_names_never_collide() -> None:
    ids = (
        "train/images/1.jpg", "test/images/1.jpg", "images/p/1.png", "P/1.jpg", "1.JPG", "a\n.jpg",
        "a_.jpg", "x/train.jpg",
    )  # fmt: skip
    names = new_names(ids)
    assert names[:5] == ["1.jpg", "test-images-1.jpg", "p/1.png", "P/1-2.jpg", "1-2.JPG"]
    assert names[7] == "x/train.jpg"
    stems = [name.rpartition(".")[0].casefold() for name in names]
    assert len(set(stems)) == len(ids)


def test_the_summary_counts_by_split(zoo: Dataset) -> None:
    rows = summary(zoo)
    counts = {"ape": 1, "cow": 1, "zebra": 0}
    assert rows["train"] == {"pictures": 2, "objects": 2, "class_counts": counts}
    assert rows["all"]["objects"] == 3


def test_keeping_boxes_keeps_pictures(zoo: Dataset) -> None:
    kept = keep_boxes(zoo, np.array([False, False, True]))
    assert np.diff(kept.offsets).tolist() == [0, 0, 1]


def test_an_unknown_format_is_named(zoo: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="coco, voc, yolo"):
        convert(zoo, "createml", tmp_path / "out")


def test_bit_depth_and_groups_travel(zoo: Dataset, tmp_path: Path) -> None:
    from dataclasses import replace

    deep = replace(zoo, bit_depth=12, groups=("p1", "p1", "p2"))
    out = _out(deep, "yolo", tmp_path)
    again = yolo.read(out, name="zoo")
    assert again.bit_depth == 12
    groups = dict(zip(again.ids, again.groups or (), strict=True))
    assert {Path(id_).stem: group for id_, group in groups.items()} == {
        "a": "p1", "b": "p1", "c": "p2",
    }  # fmt: skip


def test_classes_dropped_from_coco_stay_dropped(zoo: Dataset, tmp_path: Path) -> None:
    convert(zoo, "coco", tmp_path / "c")
    fewer = ClassMap({"ape": None}).apply(coco.read(tmp_path / "c", name="zoo"))
    convert(fewer, "coco", tmp_path / "d")
    assert coco.read(tmp_path / "d", name="zoo").classes == ("cow", "zebra")
    with pytest.raises(DataError):
        ClassMap({"ape": None}).apply(coco.read(tmp_path / "d", name="zoo"))


def _out(dataset: Dataset, format: str, tmp_path: Path) -> Path:
    convert(dataset, format, tmp_path / format)
    return tmp_path / format
