"""Datasets: folders that lead elsewhere, labels that are no labels."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from fuzz import seeds
from fuzz.nasty import Look, case
from fuzz.nasty.texts import DEEP, LAUGHS

YOLO = {
    "data.yaml": seeds.DATA_YAML,
    "images/a.png": seeds.picture(),
    "labels/a.txt": b"0 0.5 0.5 0.2 0.2\n",
}
VOC = {"JPEGImages/a.png": seeds.picture(), "Annotations/a.xml": seeds.VOC}
COCO = {"a.png": seeds.picture(), "_annotations.coco.json": seeds.COCO}


def opens(folder: Path, files: dict[str, bytes], spoil: Callable[[Path], Any] = len) -> Look:
    """What is noted of a dataset, and how many boxes are left."""
    root = folder / "set"
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if spoil is not len:
        spoil(root)

    def look() -> object:
        from kit.data.source import open_source

        dataset = open_source(str(root))
        found = sorted(path.name for path in root.parent.iterdir())
        assert found in (["set"], ["secret", "set"]), found  # it made nothing
        return f"{len(dataset)} pictures, {len(dataset.labels)} boxes, {sorted(dataset.notes)}"

    return look


def secret(root: Path, name: str, data: bytes = b"0 0.5 0.5 0.9 0.9\n") -> Path:
    """A file beside the dataset, and not of it."""
    path = root.parent / "secret" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path.resolve()


@case(r"refused \(2\).*can't be read as YAML.*reference")
def data_yaml_that_laughs(folder: Path) -> Look:
    return opens(folder, {**YOLO, "data.yaml": LAUGHS + b"nc: *y\nnames: *y\n"})


@case(r"read: 1 pictures, 1 boxes, \['download_ignored'\]")
def data_yaml_that_would_run(folder: Path) -> Look:
    download = b"download: |\n  import os; os.system('touch ran')\n"
    return opens(folder, {**YOLO, "data.yaml": seeds.DATA_YAML + download})


@case(r"read: 1 pictures, 1 boxes, \['outside_root'\]")
def data_yaml_that_lies_elsewhere(folder: Path) -> Look:
    data = seeds.DATA_YAML.replace(b"path: .", b"path: /etc")
    return opens(folder, {**YOLO, "data.yaml": data})


@case(r"refused \(2\).*outside this folder")
def data_yaml_of_pictures_elsewhere(folder: Path) -> Look:
    data = seeds.DATA_YAML.replace(b"train: images", b"train: ../secret/images")
    return opens(folder, {**YOLO, "data.yaml": data}, lambda root: secret(root, "a.png"))


@case(r"read: 1 pictures, 1 boxes, \['outside_root'\]")
def data_yaml_that_lies_where_no_name_is_so_long(folder: Path) -> Look:
    data = seeds.DATA_YAML.replace(b"path: .", b"path: ." + b"[" * 400)
    return opens(folder, {**YOLO, "data.yaml": data})


@case(r"refused \(2\).*outside this folder")
def data_yaml_with_a_path_of_megabytes(folder: Path) -> Look:
    data = seeds.DATA_YAML.replace(b"train: images", b"train: " + b"i" * 100_000)
    return opens(folder, {**YOLO, "data.yaml": data})


@case(r"refused \(2\).*is not a name")
def class_with_letters_that_nobody_sees(folder: Path) -> Look:
    data = seeds.DATA_YAML.replace(b"cell", b'"ce\\u0000ll"')
    return opens(folder, {**YOLO, "data.yaml": data})


@case(r"refused \(2\).*is not a name")
def class_that_reads_backwards(folder: Path) -> Look:
    data = seeds.DATA_YAML.replace(b"cell", b'"\\u202ecell"')
    return opens(folder, {**YOLO, "data.yaml": data})


@case(r"read: 1 pictures, 1 boxes, \['bad_label'\]")
def labels_that_are_no_numbers(folder: Path) -> Look:
    lines = b"0 nan nan nan nan\n0 inf 0 1 1\n0 1e999 0 1 1\n1e999 0.5 0.5 0.1 0.1\n0 1 1\n"
    return opens(folder, {**YOLO, "labels/a.txt": lines + YOLO["labels/a.txt"]})


@case(r"read: 1 pictures, 1 boxes, \['bad_label', 'unknown_class'\]")
def labels_of_huge_numbers(folder: Path) -> Look:
    lines = b"0 1e308 1e308 1e308 1e308\n1e300 0.5 0.5 0.1 0.1\n-1 0.5 0.5 0.1 0.1\n"
    return opens(folder, {**YOLO, "labels/a.txt": lines + YOLO["labels/a.txt"]})


@case(r"read: 1 pictures, 0 boxes, \['bad_label'\]|refused \(2\)")
def labels_in_utf16(folder: Path) -> Look:
    return opens(folder, {**YOLO, "labels/a.txt": "0 0.5 0.5 0.1 0.1".encode("utf-16")})


@case(r"refused \(2\).*larger than")
def labels_without_end(folder: Path) -> Look:
    def spoil(root: Path) -> None:
        with (root / "labels/a.txt").open("wb") as file:
            file.truncate(100 << 20)

    return opens(folder, YOLO, spoil)


@case(r"refused \(2\)")
def labels_that_are_a_pipe(folder: Path) -> Look:
    def spoil(root: Path) -> None:
        (root / "labels/a.txt").unlink()
        os.mkfifo(root / "labels/a.txt")
        (root / "images/a.png").unlink()
        os.mkfifo(root / "images/a.png")

    return opens(folder, YOLO, spoil)


@case(r"read: 1 pictures, 0 boxes, \['outside_root', 'picture_without_label'\]")
def labels_that_are_a_link_outside(folder: Path) -> Look:
    def spoil(root: Path) -> None:
        (root / "labels/a.txt").unlink()
        (root / "labels/a.txt").symlink_to(secret(root, "a.txt"))

    return opens(folder, YOLO, spoil)


@case(r"read: 1 pictures, 1 boxes, \['outside_root'\]")
def picture_that_is_a_link_outside(folder: Path) -> Look:
    def spoil(root: Path) -> None:
        (root / "images/b.png").symlink_to(secret(root, "b.png", seeds.picture()))

    return opens(folder, YOLO, spoil)


@case(r"read: 1 pictures, 1 boxes, \[.*\]")
def folders_that_are_a_ring(folder: Path) -> Look:
    def spoil(root: Path) -> None:
        (root / "images/ring").symlink_to(root / "images", target_is_directory=True)
        (root / "labels/up").symlink_to("..", target_is_directory=True)
        (root / "images/self.png").symlink_to("self.png")

    return opens(folder, YOLO, spoil)


@case(r"read: 1 pictures, 1 boxes, \['stale_side_file'\]")
def side_file_nested_without_end(folder: Path) -> Look:
    return opens(folder, {**YOLO, "kit.json": b"[" * DEEP})


@case(r"refused \(2\).*DOCTYPE")
def xml_that_laughs_a_billion_times(folder: Path) -> Look:
    names = "abcdefghijkl"
    entities = "".join(f'<!ENTITY {n} "{f"&{m};" * 10}">' for m, n in pairwise(names))
    bomb = f'<!DOCTYPE x [<!ENTITY a "ha">{entities}]><annotation>&l;</annotation>'
    return opens(folder, {**VOC, "Annotations/a.xml": bomb.encode()})


@case(r"refused \(2\).*DOCTYPE")
def xml_that_reads_other_files(folder: Path) -> Look:
    data = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><object><name>&a;</name></object></annotation>'
    return opens(folder, {**VOC, "Annotations/a.xml": data})


@case(r"refused \(2\).*nested more than")
def xml_nested_without_end(folder: Path) -> Look:
    deep = b"<a>" * DEEP + b"</a>" * DEEP
    data = b"<annotation><filename>a.png</filename>" + deep + b"</annotation>"
    return opens(folder, {**VOC, "Annotations/a.xml": data})


@case(r"read: 1 pictures, 0 boxes, \['bad_label'\]")
def xml_boxes_that_are_no_numbers(folder: Path) -> Look:
    data = seeds.VOC.replace(b"<xmin>1<", b"<xmin>nan<")
    return opens(folder, {**VOC, "Annotations/a.xml": data})


def coco(**changes: Any) -> bytes:
    content = json.loads(seeds.COCO)
    for key, value in changes.items():
        part, _, name = key.partition("_of_")
        content[name][0][part] = value
    return json.dumps(content).encode()


@case(r"read: 1 pictures, 0 boxes, \['bad_label'\]")
def coco_boxes_that_are_no_numbers(folder: Path) -> Look:
    data = coco(bbox_of_annotations=[float("nan"), 1, 2, 3])
    return opens(folder, {**COCO, "_annotations.coco.json": data})


@case(r"read: 1 pictures, 0 boxes, \['bad_label'\]")
def coco_boxes_too_large_to_add(folder: Path) -> Look:
    data = coco(bbox_of_annotations=[1e308, 1e308, 1e308, 1e308])
    return opens(folder, {**COCO, "_annotations.coco.json": data})


@case(r"refused \(2\).*outside_root")
def coco_of_a_picture_elsewhere(folder: Path) -> Look:
    data = coco(file_name_of_images="../secret/a.png")
    return opens(
        folder,
        {"_annotations.coco.json": data},
        lambda root: secret(root, "a.png", seeds.picture()),
    )


@case(r"refused \(2\)")
def coco_nested_without_end(folder: Path) -> Look:
    data = b'{"images": [], "categories": [], "annotations": ' + b"[" * DEEP
    return opens(folder, {**COCO, "_annotations.coco.json": data})
