from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kit.data.formats import voc
from kit.errors import DataError
from kit.types import Ignore


def annotation(*objects: str, size: tuple[int, int] = (100, 80), filename: str = "a.jpg") -> str:
    return (
        f"<annotation><filename>{filename}</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height></size>{''.join(objects)}</annotation>"
    )


def thing(name: str, box: tuple[float, ...] = (1, 2, 30, 40), more: str = "") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    corners = "".join(f"<{tag}>{value}</{tag}>" for tag, value in sides)
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>"


def test_boxes_are_read_as_they_stand(folder) -> None:
    root = folder(
        {
            "Annotations/a.xml": annotation(
                thing("zebra", (1, 2, 30.5, 40)), thing("ape", (5, 5, 5, 5))
            ),
            "JPEGImages/a.jpg": "",
        }
    )
    dataset = voc.read(root, name="set")
    assert dataset.classes == ("ape", "zebra")
    assert dataset.ids == ("JPEGImages/a.jpg",)
    np.testing.assert_array_equal(dataset.boxes, [[1, 2, 30.5, 40], [5, 5, 5, 5]])
    assert dataset.labels.tolist() == [1, 0]
    assert dataset.splits == {}
    assert dataset.notes == {}


def test_a_names_file_tells_the_order_of_classes(folder) -> None:
    root = folder(
        {
            "Annotations/a.xml": annotation(thing("ape"), thing("cow")),
            "JPEGImages/a.jpg": "",
            "classes.txt": "zebra\ncow\n",
        }
    )
    assert voc.read(root, name="set").classes == ("zebra", "cow", "ape")


def test_lists_make_splits_and_val_is_valid(folder) -> None:
    root = folder(
        {
            **{f"Annotations/{stem}.xml": annotation(thing("ape")) for stem in ("a", "b c", "d")},
            **{f"JPEGImages/{stem}.jpg": "" for stem in ("a", "b c", "d")},
            "ImageSets/Main/train.txt": "a\n",
            "ImageSets/Main/val.txt": "b c\r\nmissing\n",
            "ImageSets/Main/trainval.txt": "a\nb c\n",
            "ImageSets/Main/test.txt": "d 1\n",
            "ImageSets/Main/ape_train.txt": "a -1\n",
        }
    )
    dataset = voc.read(root, name="set")
    named = {split: [dataset.ids[i] for i in rows] for split, rows in dataset.splits.items()}
    assert named == {
        "train": ["JPEGImages/a.jpg"],
        "valid": ["JPEGImages/b c.jpg"],
        "test": ["JPEGImages/d.jpg"],
        "trainval": ["JPEGImages/a.jpg", "JPEGImages/b c.jpg"],
    }
    assert dataset.notes["split_without_picture"] == ("ImageSets/Main/val.txt: missing",)


def test_flags_and_parts_come_back(folder, tmp_path: Path) -> None:
    more = "<difficult>1</difficult><pose>Left</pose><truncated>1</truncated><occluded>1</occluded>"
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    root = folder(
        {
            "Annotations/a.xml": annotation(
                "<source><database>Ward 7</database></source>", thing("ape", more=more + part)
            ),
            "JPEGImages/a.jpg": "",
        }
    )
    dataset = voc.read(root, name="set")
    assert dataset.ignore.tolist() == [Ignore.DIFFICULT]
    held = dataset.extra["voc"]["boxes"]["JPEGImages/a.jpg"][0]
    assert (held["pose"], held["truncated"], held["occluded"]) == ("Left", "1", "1")
    assert voc.write(dataset, tmp_path / "out") == {}
    written = (tmp_path / "out/Annotations/a.xml").read_text()
    assert "Ward 7" in written
    assert written.count("<truncated>") == 1
    again = voc.read(tmp_path / "out", name="set")
    assert again.extra["voc"]["boxes"]["JPEGImages/a.jpg"][0].keys() == held.keys()
    assert again.ignore.tolist() == [Ignore.DIFFICULT]


def test_the_header_of_the_picture_wins_over_the_stated_size(folder) -> None:
    root = folder(
        {"Annotations/a.xml": annotation(thing("ape"), size=(0, 0)), "JPEGImages/a.jpg": ""}
    )
    dataset = voc.read(root, name="set")
    assert dataset.sizes.tolist() == [[100, 80]]
    assert len(dataset.notes["size_mismatch"]) == 1


def test_what_is_damaged_is_noted_and_the_rest_is_read(folder) -> None:
    root = folder(
        {
            "Annotations/good.xml": annotation(thing("ape"), "<object><name>cow</name></object>"),
            "JPEGImages/good.jpg": "",
            "Annotations/torn.xml": "<annotation><obj",
            "JPEGImages/torn.jpg": "",
            "Annotations/lonely.xml": annotation(thing("ape")),
            "JPEGImages/bare.jpg": "",
            "Annotations/broken.xml": annotation(thing("ape")),
            "JPEGImages/broken.jpg": "not a picture",
            "Annotations/nan.xml": annotation(thing("ape", (float("nan"), 0, 1, 1))),
            "JPEGImages/nan.jpg": "",
        }
    )
    dataset = voc.read(root, name="set")
    assert dataset.ids == ("JPEGImages/good.jpg", "JPEGImages/nan.jpg")
    assert len(dataset.boxes) == 1
    torn = [place.split(":")[0] for place in dataset.notes["bad_label"]]
    assert torn == ["Annotations/good.xml", "Annotations/nan.xml", "Annotations/torn.xml"]
    assert dataset.notes["label_without_picture"] == ("Annotations/lonely.xml",)
    assert dataset.notes["picture_left_out"] == ("JPEGImages/bare.jpg: no label",)
    assert dataset.notes["unreadable_picture"][0].startswith("JPEGImages/broken.jpg")


def test_lists_that_are_no_text_are_noted(folder) -> None:
    root = folder({"Annotations/a.xml": annotation(thing("ape")), "JPEGImages/a.jpg": ""})
    (root / "classes.txt").write_bytes("é".encode("latin-1"))
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/train.txt").write_bytes("é".encode("latin-1"))
    dataset = voc.read(root, name="set")
    assert dataset.classes == ("ape",)
    assert len(dataset.notes["bad_label"]) == 2


def test_suffixes_in_capitals_and_pictures_that_share_a_label(folder) -> None:
    root = folder(
        {
            "Annotations/a.XML": annotation(thing("ape")),
            "JPEGImages/a.jpg": "",
            "JPEGImages/a.png": "",
        }
    )
    assert voc.sniff(root) == root
    dataset = voc.read(root, name="set")
    assert dataset.ids == ("JPEGImages/a.jpg",)
    assert dataset.notes["picture_left_out"][0].startswith("JPEGImages/a.png: ")


def test_nothing_readable_is_an_error(folder) -> None:
    root = folder({"Annotations/a.xml": "<annotation", "JPEGImages/a.jpg": ""})
    with pytest.raises(DataError, match=r"none of its pictures can be used .*bad_label"):
        voc.read(root, name="set")


def test_entities_are_refused(folder) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x "ape"><!ENTITY y "&x;&x;">]>' + annotation(thing("&y;"))
    root = folder(
        {
            "Annotations/a.xml": bomb,
            "JPEGImages/a.jpg": "",
            "Annotations/b.xml": annotation(thing("ape")),
            "JPEGImages/b.jpg": "",
        }
    )
    dataset = voc.read(root, name="set")
    assert dataset.ids == ("JPEGImages/b.jpg",)
    assert "DOCTYPE" in dataset.notes["bad_label"][0]


def test_labels_beside_pictures_in_split_folders(folder) -> None:
    root = folder(
        {
            "train/a.xml": annotation(thing("ape")),
            "train/a.jpg": "",
            "valid/a.xml": annotation(thing("cow")),
            "valid/a.jpg": "",
        }
    )
    assert voc.sniff(root) == root
    dataset = voc.read(root, name="set")
    assert {split: len(rows) for split, rows in dataset.splits.items()} == {"train": 1, "valid": 1}


def test_the_child_folder_is_found(folder) -> None:
    root = folder(
        {"inner/Annotations/a.xml": annotation(), "inner/JPEGImages/a.jpg": "", "b/c": ""}
    )
    assert voc.sniff(root) == root / "inner"
    assert voc.sniff(root / "b") is None


def test_of_pictures_with_one_stem_the_named_one_is_taken(folder) -> None:
    root = folder(
        {
            "Annotations/a.xml": annotation(thing("ape"), filename="a.png"),
            "JPEGImages/a.jpg": "",
            "JPEGImages/a.png": "",
        }
    )
    assert voc.read(root, name="set").ids == ("JPEGImages/a.png",)
