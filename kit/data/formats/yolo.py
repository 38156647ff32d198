"""YOLO: one text file a picture, ``class x y width height`` a line as fractions of the picture.

Layouts read: ``{train,valid,test}/{images,labels}``, ``{images,labels}/{train,val,test}``, plain
``images`` and ``labels``, labels beside the pictures, and lists of picture paths. A ``data.yaml``
(or another YAML file with ``names``) is read as plain text: its ``download:`` is never run.
Outlines of segmentation and oriented boxes are read as the upright box around them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from kit.data import side
from kit.data.dataset import SPLITS, Dataset
from kit.data.formats._description import (
    NAME_FILES,
    is_config,
    load,
    names_beside,
    read_config,
    read_splits,
    yaml_files,
)
from kit.data.reading import Reading, Row, find_root, folders, read_lines, split_name
from kit.data.writing import copy_picture, new_names
from kit.files import write_text
from kit.pixels import is_picture
from kit.progress import SILENT, Progress
from kit.types import Example

LOOKED_FOR = "data.yaml with names, images/ with labels/, or .txt labels beside the pictures"


def sniff(root: Path) -> Path | None:
    """See :class:`kit.data.formats.Format`; ``root`` may be a data.yaml."""
    if root.is_file():
        return root if root.suffix in (".yaml", ".yml") and is_config(load(root)) else None
    return find_root(root, _matches)


def read(root: Path, *, name: str, progress: Progress = SILENT) -> Dataset:
    """See :class:`kit.data.formats.Format`. Where no file names the classes they are called by
    their numbers and ``unnamed_classes`` is noted, for the caller to name or refuse.

    Raises:
        DataError: also where the YAML contradicts itself or names folders outside its own.
    """
    config = read_config(root)
    reading = Reading(config.base, "yolo", name)
    for code, where in config.notes:
        reading.note(code, where)
    files = reading.files()
    pictures = [file for file in files if is_picture(Path(file))]
    splits = read_splits(config, reading, pictures)
    if any(_below_images(id_) for id_ in pictures):  # else a cover picture would be a negative
        listed = {id_ for ids in splits.values() for id_ in ids}
        pictures = [id_ for id_ in pictures if _below_images(id_) or id_ in listed]
    names = config.names or names_beside(reading, files)
    label_of = _pair(reading, files, pictures)
    found = []
    for id_ in progress.track(pictures, "reading labels"):
        size = reading.size(id_)
        lines = _lines(reading, label_of[id_], names, config.keypoints)
        if size is not None and lines is not None:
            found.append((id_, size, lines))
    numbers = list(range(len(names)))
    if not names:
        numbers = sorted({line.label for _, _, lines in found for line in lines})
        names = [str(number) for number in numbers]
        reading.note("unnamed_classes", ", ".join(names) or "no boxes")
    place = {number: index for index, number in enumerate(numbers)}
    for id_, size, lines in found:
        reading.add(id_, size, [line.row(size, place) for line in lines])
    return reading.dataset(names, splits)


def write(dataset: Dataset, out: Path, progress: Progress = SILENT) -> dict[str, int]:
    """See :class:`kit.data.formats.Format`. A picture lies in the folder of its split."""
    split_of: dict[int, str] = {}
    for split, rows in dataset.splits.items():
        for index in rows:
            split_of.setdefault(int(index), split if split in SPLITS else "")
    held = set(dataset.splits) <= set(SPLITS) and len(split_of) == sum(
        len(rows) for rows in dataset.splits.values()
    )
    extra = dataset.extra.get("yolo", {}).get("boxes", {})
    ids, label_files = [], []
    for split in dataset.splits:
        for kind in ("images", "labels") if split in SPLITS else ():
            (out / split / kind).mkdir(parents=True)
    for index, name in progress.track(
        list(enumerate(new_names(dataset.ids))), "writing", total=len(dataset)
    ):
        folder = split_of.get(index, "")
        ids.append("/".join(part for part in (folder, "images", name) if part))
        copy_picture(dataset, index, out / ids[-1])
        label = out / _label_of(ids[-1])
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_bytes(_text(dataset[index], extra.get(dataset.ids[index], ())).encode())
        label_files.append(label)
    config: dict[str, Any] = {
        "val" if split == "valid" else split: f"{split}/images"
        for split in SPLITS
        if split in dataset.splits
    }
    config |= {"nc": len(dataset.classes), "names": dict(enumerate(dataset.classes))}
    write_text(out / "data.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    return side.write(dataset, out, ids, label_files, format="yolo", holds_splits=held)


@dataclass(frozen=True)
class _Line:
    """One line: the box in fractions and, where it was an outline, that."""

    label: int
    box: tuple[float, float, float, float]
    outline: list[float] | None = None

    def row(self, size: tuple[int, int], place: Mapping[int, int]) -> Row:
        scaled = [value * side for value, side in zip(self.box, (*size, *size), strict=True)]
        extra = {} if self.outline is None else {"outline": self.outline}
        return Row((scaled[0], scaled[1], scaled[2], scaled[3]), place[self.label], extra=extra)


def _matches(root: Path) -> bool:
    if any(is_config(load(path)) for path in yaml_files(root)):
        return True
    splits = [child for child in folders(root) if split_name(child.name) in SPLITS]
    if any((f / "images").is_dir() and (f / "labels").is_dir() for f in (root, *splits)):
        return True
    return any(
        is_picture(path) and _looks_like_labels(path.with_suffix(".txt"))
        for folder in (root, *splits)
        for path in folder.iterdir()
    )


def _pair(reading: Reading, files: Sequence[str], pictures: Sequence[str]) -> dict[str, str | None]:
    """The label file of each picture, or None; noted, as are labels without a picture."""
    texts = {
        PurePosixPath(file).with_suffix(".txt").as_posix(): file
        for file in files
        if file.lower().endswith(".txt")
    }
    label_of: dict[str, str | None] = {}
    taken: set[str] = set()
    for id_ in pictures:
        beside = PurePosixPath(id_).with_suffix(".txt").as_posix()
        label = next((texts[path] for path in (_label_of(id_), beside) if path in texts), None)
        label_of[id_] = label
        if label is None:
            reading.note("picture_without_label", id_)
        elif label in taken:
            reading.note("shared_label", f"{id_}: {label}")
        else:
            taken.add(label)
    apart = any(_below_images(id_) for id_ in pictures)
    for file in sorted(set(texts.values()) - taken):
        path = PurePosixPath(file)
        if path.name in NAME_FILES:
            continue
        if "labels" in path.parts[:-1] or (not apart and _looks_like_labels(reading.root / file)):
            reading.note("label_without_picture", file)
    return label_of


def _label_of(id_: str) -> str:
    """Where the labels of a picture lie: the last ``images`` of its path becomes ``labels``."""
    *dirs, name = PurePosixPath(id_).with_suffix(".txt").parts
    if "images" in dirs:
        dirs[len(dirs) - 1 - dirs[::-1].index("images")] = "labels"
    return "/".join([*dirs, name])


def _below_images(id_: str) -> bool:
    return "images" in PurePosixPath(id_).parts[:-1]


def _lines(
    reading: Reading, file: str | None, names: Sequence[str], keypoints: bool
) -> list[_Line] | None:
    """Parse a label file; None where it can't be read at all, which is not the same as no boxes."""
    if file is None:
        return []
    faults = len(reading.notes.get("bad_label", ()))
    texts = reading.lines(reading.root / file)
    if not texts and len(reading.notes.get("bad_label", ())) > faults:
        return None
    reading.label_files.add(reading.root / file)
    lines = []
    for number, text in enumerate(texts, 1):
        if not text.strip():
            continue
        if (line := _parse(text, keypoints)) is None:
            reading.note("bad_label", f"{file}:{number}: {text.strip()[:60]}")
        elif line.label < 0 or (names and line.label >= len(names)):
            reading.note("unknown_class", f"{file}:{number}: class {line.label}")
        else:
            lines.append(line)
            if line.outline:
                reading.note("outline", f"{file}:{number}")
    return lines


def _parse(text: str, keypoints: bool = False) -> _Line | None:
    try:
        label, *values = map(float, text.split())
    except ValueError:
        return None
    if not label.is_integer() or not all(map(math.isfinite, values)) or len(values) < 4:
        return None
    if keypoints or len(values) == 4:
        x, y, width, height = values[:4]
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return _Line(int(label), box)
    if len(values) < 6 or len(values) % 2:
        return None
    x_, y_ = values[::2], values[1::2]
    return _Line(int(label), (min(x_), min(y_), max(x_), max(y_)), values)


def _looks_like_labels(path: Path) -> bool:
    """Whether a text file has label lines and nothing else; an empty one counts too."""
    try:
        return all(_parse(line) for line in read_lines(path) if line.strip())
    except (OSError, ValueError):
        return False


def _text(example: Example, extras: Sequence[Mapping[str, Any]]) -> str:
    width, height = example.size
    lines = []
    for number, (box, _, label) in enumerate(example.truth):
        outline = extras[number].get("outline") if number < len(extras) else None
        left, top, right, bottom = box
        values = outline or [
            (left + right) / 2 / width,
            (top + bottom) / 2 / height,
            (right - left) / width,
            (bottom - top) / height,
        ]
        lines.append(f"{label} {' '.join(map(_fraction, values))}\n")
    return "".join(lines)


def _fraction(value: float) -> str:
    """Ten decimals: 1/1000 pixel stays exact on a slide 20,000 pixels wide."""
    return f"{value:.10f}".rstrip("0").rstrip(".")
