from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from kit.data.dataset import Dataset
from kit.data.formats import yolo
from kit.errors import DataError
from kit.types import Detections, Example

NAMES = "names: [ape, cow]\n"
LINE = "1 0.5 0.5 0.2 0.25\n"


def ids_by_split(dataset: Dataset) -> dict[str, list[str]]:
    return {split: [dataset.ids[i] for i in rows] for split, rows in dataset.splits.items()}


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (
            {
                "train/images/a.jpg": "", "train/labels/a.txt": LINE,
                "valid/images/b.jpg": "", "valid/labels/b.txt": LINE,
                "data.yaml": NAMES + "train: train/images\nval: valid/images\n",
            },
            {"train": ["train/images/a.jpg"], "valid": ["valid/images/b.jpg"]},
        ),
        (
            {
                "train/images/a.jpg": "", "train/labels/a.txt": LINE,
                "data.yaml": NAMES + "train: ../train/images\n",  # as Roboflow writes it
            },
            {"train": ["train/images/a.jpg"]},
        ),
        (
            {
                "images/train/a.jpg": "", "labels/train/a.txt": LINE,
                "images/val/deep/b.jpg": "", "labels/val/deep/b.txt": LINE,
                "classes.txt": "ape\ncow\n",
            },
            {"train": ["images/train/a.jpg"], "valid": ["images/val/deep/b.jpg"]},
        ),
        (
            {
                "images/a.jpg": "", "labels/a.txt": LINE, "images/b.jpg": "", "labels/b.txt": LINE,
                "train.txt": "./images/a.jpg\n", "val.txt": "images/b.jpg\r\n",
                "other.yaml": "names: {0: ape, 1: cow}\n",
            },
            {"train": ["images/a.jpg"], "valid": ["images/b.jpg"]},
        ),
        (
            {
                "images/a.jpg": "", "labels/a.txt": LINE,
                "data.yaml": NAMES + "train: lists/t.txt\n", "lists/t.txt": "images/a.jpg\n",
            },
            {"train": ["images/a.jpg"]},
        ),
        ({"a.jpg": "", "a.txt": LINE, "classes.txt": "ape\ncow\n", "README.txt": "hello"}, {}),
        (
            {"train/a.jpg": "", "train/a.txt": LINE, "train/_darknet.labels": "ape\ncow\n"},
            {"train": ["train/a.jpg"]},
        ),
        (
            {
                "inner/images/train/a.jpg": "", "inner/labels/train/a.txt": LINE,
                "x.yaml": NAMES + "path: inner\ntrain: images/train\nval:\n",
            },
            {"train": ["images/train/a.jpg"]},
        ),
    ],
)  # fmt: skip
def test_layouts(folder, files: dict[str, str], splits: dict[str, list[str]]) -> None:
    root = folder(files)
    assert yolo.sniff(root) == root
    dataset = yolo.read(root, name="set")
    assert ids_by_split(dataset) == splits
    assert dataset.classes == ("ape", "cow")
    np.testing.assert_allclose(dataset.boxes, [[40, 30, 60, 50]] * len(dataset), atol=1e-9)
    assert set(dataset.labels) == {1}
    assert dataset.notes == {}


def test_lines_that_are_no_boxes(folder) -> None:
    root = folder(
        {
            "images/a.jpg": "",
            "labels/a.txt": f"\n{LINE}1 0.5\nape 0.5 0.5 0.1 0.1\n7 0.5 0.5 0.1 0.1\n"
            "0 nan 0.5 0.1 0.1\n-1 0.5 0.5 0.1 0.1\n0.5 0.5 0.5 0.1 0.1\n",
            "data.yaml": NAMES,
        }
    )
    dataset = yolo.read(root, name="set")
    assert len(dataset.boxes) == 1
    assert [place.split(":")[1] for place in dataset.notes["bad_label"]] == ["3", "4", "6", "8"]
    assert [p.split(":")[1:] for p in dataset.notes["unknown_class"]] == [
        ["5", " class 7"],
        ["7", " class -1"],
    ]


def test_outlines_become_boxes_and_are_written_back(folder, tmp_path: Path) -> None:
    outline = "0 0.1 0.1 0.5 0.2 0.3 0.75"
    root = folder({"images/a.jpg": "", "labels/a.txt": f"{outline}\n{LINE}", "data.yaml": NAMES})
    dataset = yolo.read(root, name="set")
    np.testing.assert_allclose(dataset.boxes[0], [10, 8, 50, 60])
    assert dataset.notes["outline"] == ("labels/a.txt:1",)
    yolo.write(dataset, tmp_path / "out")
    assert (tmp_path / "out/labels/a.txt").read_text().splitlines()[0] == outline


def test_keypoints_after_the_box_are_passed_over(folder) -> None:
    root = folder(
        {
            "images/a.jpg": "",
            "labels/a.txt": "0 0.5 0.5 0.2 0.25 0.1 0.1 2 0.2 0.2 2\n",
            "data.yaml": NAMES + "kpt_shape: [2, 3]\n",
        }
    )
    np.testing.assert_allclose(yolo.read(root, name="set").boxes, [[40, 30, 60, 50]])


def test_pictures_and_labels_without_each_other(folder) -> None:
    root = folder(
        {
            "images/a.jpg": "", "labels/a.txt": "", "images/b.jpg": "", "labels/stray.txt": LINE,
            "labels/classes.txt": "x\ny\n", "data.yaml": NAMES, "cover.jpg": "",
        }
    )  # fmt: skip
    dataset = yolo.read(root, name="set")
    assert dataset.ids == ("images/a.jpg", "images/b.jpg")
    assert dataset.notes == {
        "picture_without_label": ("images/b.jpg",),
        "label_without_picture": ("labels/stray.txt",),
    }


def test_suffixes_in_capitals_and_pictures_that_share_a_label(folder) -> None:
    root = folder(
        {
            "data.yaml": NAMES,
            "images/a.jpg": "",
            "images/b.jpg": "",
            "images/b.png": "",
            "labels/a.TXT": LINE,
            "labels/b.TXT": LINE,
        }
    )
    (root / "images/a.jpg").rename(root / "images/a.JPG")
    dataset = yolo.read(root, name="set")
    assert [len(example.truth) for example in dataset] == [1, 1, 1]
    assert dataset.notes == {"shared_label": ("images/b.png: labels/b.TXT",)}


def test_a_binary_label_leaves_its_picture_out(folder) -> None:
    root = folder(
        {"images/a.jpg": "", "images/b.jpg": "", "labels/b.txt": LINE, "data.yaml": NAMES}
    )
    (root / "labels/a.txt").write_bytes(b"\xff\xfe\x00\x81")
    dataset = yolo.read(root, name="set")
    assert dataset.ids == ("images/b.jpg",)
    assert dataset.notes["bad_label"] == ("labels/a.txt:1: not UTF-8 text",)


def test_classes_without_names_are_numbers_and_noted(folder) -> None:
    root = folder({"images/a.jpg": "", "labels/a.txt": "3 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1\n"})
    dataset = yolo.read(root, name="set")
    assert dataset.classes == ("0", "3")
    assert dataset.labels.tolist() == [1, 0]
    assert "unnamed_classes" in dataset.notes


def test_words_that_yaml_takes_for_truth_stay_names(folder) -> None:
    root = folder({"images/a.jpg": "", "labels/a.txt": LINE, "data.yaml": "names: [yes, no]\n"})
    assert yolo.read(root, name="set").classes == ("yes", "no")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("names: [ape, cow\n", "can't be read as YAML"),
        ("names: [ape, ape]\n", "occur twice"),
        ("names: {0: ape, 2: cow}\n", "without gaps"),
        ("names: [ape, cow]\nnc: 3\n", "nc says 3 classes, names has 2"),
        ("names: [ape, cow]\ntrain: {a: b}\n", "train must be a path"),
        ("names: [ape, cow]\ntrain: ../../etc\n", "outside this folder"),
        ("names: [ape, cow]\ntrain: /etc\n", "outside this folder"),
        ("names: 5\n", "names must be a list"),
    ],
)
def test_a_description_that_contradicts_itself(folder, config: str, message: str) -> None:
    root = folder({"images/a.jpg": "", "labels/a.txt": LINE, "data.yaml": config})
    with pytest.raises(DataError, match=message):
        yolo.read(root, name="set")


def test_two_descriptions_are_one_too_many(folder) -> None:
    files = {"images/a.jpg": "", "labels/a.txt": LINE, "x.yaml": NAMES, "y.yaml": NAMES}
    root = folder(files)
    with pytest.raises(DataError, match=r"x\.yaml, y\.yaml"):
        yolo.read(root, name="set")
    assert yolo.read(root / "y.yaml", name="set").classes == ("ape", "cow")


def test_nothing_is_run_fetched_or_unpickled(folder, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    root = folder(
        {
            "images/a.jpg": "",
            "labels/a.txt": LINE,
            "data.yaml": NAMES + "train: images\n"
            f"download: |\n  import pathlib\n  pathlib.Path('{tmp_path}/sprung').touch()\n"
            f"tag: !!python/object/apply:os.mkdir ['{tmp_path / 'sprung'}']\n",
        }
    )
    for name in ("labels.cache", "images.cache", "images/a.npy", "labels/a.cache"):
        (root / name).write_bytes(pickle.dumps(Trap()))
    dataset = yolo.read(root, name="set")
    assert len(dataset.boxes) == 1
    assert not (tmp_path / "sprung").exists()
    assert len(dataset.notes["download_ignored"]) == 1


def test_a_foreign_path_is_passed_over(folder) -> None:
    root = folder(
        {
            "images/a.jpg": "",
            "labels/a.txt": LINE,
            "data.yaml": NAMES + "path: /home/somebody/set\ntrain: images\n",
        }
    )
    dataset = yolo.read(root, name="set")
    assert ids_by_split(dataset) == {"train": ["images/a.jpg"]}
    assert "path /home/somebody/set ignored" in dataset.notes["outside_root"][0]


def test_lists_and_links_can_not_lead_out(folder, tmp_path: Path, draw) -> None:
    draw(tmp_path / "secret.jpg")
    (tmp_path / "elsewhere").mkdir()
    root = folder(
        {
            "images/a.jpg": "", "labels/a.txt": LINE, "data.yaml": NAMES + "train: train.txt\n",
            "train.txt": f"images/a.jpg\n../secret.jpg\n{tmp_path}/secret.jpg\nimages/gone.jpg\n",
        }
    )  # fmt: skip
    (root / "images/link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "images/folder").symlink_to(tmp_path / "elsewhere")
    dataset = yolo.read(root, name="set")
    assert dataset.ids == ("images/a.jpg",)
    assert len(dataset.notes["outside_root"]) == 4
    assert dataset.notes["split_without_picture"] == ("train.txt:4: images/gone.jpg",)


def test_digits_suffice_for_a_slide(tmp_path: Path, draw) -> None:
    draw(tmp_path / "in/a.png", (10, 10))
    box = np.array([[12345.678, 0.001, 19999.999, 3.333]])
    example = Example(
        "a.png", tmp_path / "in/a.png", (20000, 20000), Detections.truth(box, [0]),
        np.zeros(1, np.uint8),
    )  # fmt: skip
    yolo.write(Dataset.from_examples("s", tmp_path / "in", ["x"], [example], {}), tmp_path / "out")
    _, x, y, w, h = map(float, (tmp_path / "out/labels/a.txt").read_text().split())
    back = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) * 20000
    np.testing.assert_allclose(back, box[0], atol=1e-3)
