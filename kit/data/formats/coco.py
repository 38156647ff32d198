"""COCO JSON: ``annotations/instances_{train,val,test}.json``, ``{split}/_annotations.coco.json`` as
Roboflow exports it, or one JSON file.

Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014. Boxes are left, top, width and
height. Category ids may have gaps: classes are numbered in the order of their ids.
"""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kit.data import side
from kit.data.dataset import SPLITS, Dataset, Note
from kit.data.formats._coco_entries import (
    Json,
    annotations_of,
    categories_of,
    is_umbrella,
    numbered,
)
from kit.data.reading import Reading, Row, find_root, folders, inside, split_name
from kit.data.writing import copy_picture, new_names, speakable, split_file
from kit.errors import DataError
from kit.files import read_limited, write_text
from kit.pixels import is_picture
from kit.progress import SILENT, Progress
from kit.types import Ignore

LOOKED_FOR = "annotations/instances_*.json, {split}/_annotations.coco.json or one COCO .json"

MOST = 1 << 30
"""Bytes of a COCO file; the largest of COCO itself, instances_train2017.json, has 470 MB."""

_PARTS = ("images", "annotations", "categories")
_OWN = {"image_id", "category_id", "bbox", "iscrowd"}
_OWN_OF_PICTURE = {"file_name", "width", "height"}


def sniff(root: Path) -> Path | None:
    """See :class:`kit.data.formats.Format`; ``root`` may be a COCO JSON file."""
    if root.is_file():
        return root if root.suffix == ".json" and _is_coco(root) else None
    return find_root(root, lambda folder: bool(_files(folder)))


def read(root: Path, *, name: str, progress: Progress = SILENT) -> Dataset:
    """See :class:`kit.data.formats.Format`. A picture may be in several files, as long as each says
    the same of it.

    Raises:
        DataError: also where two files disagree on a category.
    """
    files = [root] if root.is_file() else _files(root)
    if root.is_file():
        root = root.parent.parent if root.parent.name == "annotations" else root.parent
    reading = Reading(root, "coco", name)
    contents = {path: data for path in files if (data := _load(path, reading)) is not None}
    categories = _categories(contents, reading)
    place = {category["id"]: index for index, category in enumerate(categories)}
    pictures = {file for file in reading.files() if is_picture(Path(file))}
    splits: dict[str, list[str]] = {}
    found: dict[str, tuple[Json, list[Row]]] = {}
    for path, data in contents.items():
        reading.label_files.add(path)
        here = _examples(path, data, reading, pictures, place)
        for id_ in here.keys() & found.keys():
            if _bare(here[id_][1]) != _bare(found[id_][1]):
                reading.note("label_conflict", f"{reading.id_of(path)}: {id_}")
        found = {**here, **found}
        if split := _split_of(path):
            splits.setdefault(split, []).extend(here)
    folders_used = {posixpath.dirname(id_) for id_ in found}
    for id_ in sorted(pictures - found.keys()):
        if posixpath.dirname(id_) in folders_used - {""}:
            reading.note("picture_left_out", f"{id_}: not in the JSON")
    for id_ in progress.track(sorted(found), "reading pictures"):
        image, rows = found[id_]
        if (size := reading.size(id_)) is None:
            continue
        told = (image.get("width"), image.get("height"))
        if told != (None, None) and told != size:
            reading.note("size_mismatch", f"{id_}: the JSON says {told}, the picture is {size}")
        reading.add(id_, size, rows, _without(image, _OWN_OF_PICTURE))
    return reading.dataset([category["name"] for category in categories], splits)


def write(dataset: Dataset, out: Path, progress: Progress = SILENT) -> dict[str, int]:
    """See :class:`kit.data.formats.Format`. Pictures go to ``images/``; those of no split are
    listed in ``annotations/instances.json``."""
    extra = dataset.extra.get("coco", {})
    facts = extra.get("dataset", {})
    names = new_names(dataset.ids)
    for index in progress.track(range(len(dataset)), "writing"):
        copy_picture(dataset, index, out / "images" / names[index])
    held = speakable(dataset.splits) and "default" not in dataset.splits
    listed = dataset.splits if held else {}
    parts = {f"_{split_file(split)}": pictures.tolist() for split, pictures in listed.items()}
    rest = sorted(set(range(len(dataset))) - {index for part in parts.values() for index in part})
    if rest or not parts:
        parts[""] = rest
    categories = categories_of(dataset.classes, facts.get("categories", []))
    label_files = []
    for suffix, part in parts.items():
        images = numbered(
            [extra.get("pictures", {}).get(dataset.ids[index], {}) for index in part],
            [
                {
                    "file_name": names[index],
                    "width": int(dataset.sizes[index, 0]),
                    "height": int(dataset.sizes[index, 1]),
                }
                for index in part
            ],
        )
        kept: list[Mapping[str, Any]] = []
        own: list[Json] = []
        for image, index in zip(images, part, strict=True):
            boxes = annotations_of(dataset, index, image["id"], categories)
            extras = extra.get("boxes", {}).get(dataset.ids[index], [{}] * len(boxes))
            kept.extend(extras)
            own.extend(boxes)
        content = {key: facts[key] for key in ("info", "licenses") if key in facts}
        content |= {"images": images, "annotations": numbered(kept, own), "categories": categories}
        path = out / "annotations" / f"instances{suffix}.json"
        write_text(path, json.dumps(content, allow_nan=False))
        label_files.append(path)
    return side.write(
        dataset,
        out,
        [f"images/{name}" for name in names],
        label_files,
        format="coco",
        holds=(Ignore.CROWD,),
        holds_splits=held,
    )


def _files(root: Path) -> list[Path]:
    """The JSON files of a folder; keypoints and captions of the same pictures are passed over."""
    splits = [folder for folder in folders(root) if split_name(folder.name) in SPLITS]
    for places in ([root / "annotations"], splits, [root]):
        found = [
            path
            for place in places
            for path in sorted(place.glob("*.json"))
            if path.name != side.FILE and inside(root, path) and _is_coco(path)
        ]
        if found:
            return [path for path in found if path.stem.startswith("instances")] or found
    return []


def _is_coco(path: Path) -> bool:
    """Whether the three keys stand in it, found without parsing what may be half a gigabyte."""
    missing, tail = {f'"{part}"'.encode() for part in _PARTS}, b""
    with path.open("rb") as file:
        while missing and (block := file.read(1 << 20)):
            missing -= {key for key in missing if key in tail + block}
            tail = block[-16:]
    return not missing


def _load(path: Path, reading: Reading) -> Json | None:
    try:
        data = json.loads(read_limited(path, MOST))
    except (OSError, ValueError, RecursionError) as error:
        reading.note("bad_label", f"{reading.id_of(path)}: {error}")
        return None
    if not isinstance(data, dict) or not all(isinstance(data.get(k), list) for k in _PARTS):
        reading.note("bad_label", f"{reading.id_of(path)}: not COCO's structure")
        return None
    return data


def _categories(contents: Mapping[Path, Json], reading: Reading) -> list[Json]:
    """All files' categories in the order of their ids, without Roboflow's unused umbrella."""
    known: dict[int, Json] = {}
    used: set[Any] = set()
    for path, data in contents.items():
        for category in _dicts(data, "categories"):
            number, name = category.get("id"), category.get("name")
            if not isinstance(number, int) or not isinstance(name, str):
                reading.note("bad_label", f"{reading.id_of(path)}: category {category}")
            elif known.setdefault(number, category)["name"] != name:
                raise DataError(
                    f"category {number} is {known[number]['name']!r} in one file and {name!r} here",
                    where=path,
                )
        used |= {a.get("category_id") for a in _dicts(data, "annotations") if _plain(a)}
        for fact in ("info", "licenses"):
            if data.get(fact):
                reading.facts.setdefault(fact, data[fact])
    categories = [known[number] for number in sorted(known)]
    if categories != categories_of([category["name"] for category in categories], []):
        reading.facts["categories"] = categories
    return [c for c in categories if c["id"] in used or not is_umbrella(c, categories)]


def _examples(
    path: Path, data: Json, reading: Reading, pictures: set[str], place: Mapping[int, int]
) -> dict[str, tuple[Json, list[Row]]]:
    """Each picture's entry and boxes, by id, of one file."""
    where = reading.id_of(path)
    prefixes = _prefixes(path, reading.root)
    found: dict[str, tuple[Json, list[Row]]] = {}
    rows_of: dict[Any, list[Row] | None] = {}
    for image in _dicts(data, "images"):
        number, file_name = image.get("id"), image.get("file_name")
        if not isinstance(number, (int, str)) or not isinstance(file_name, str):
            reading.note("bad_label", f"{where}: image without id or file_name")
        elif (id_ := _resolve(file_name, prefixes, pictures)) is None:
            away = posixpath.isabs(file_name) or posixpath.normpath(file_name).startswith("..")
            code: Note = "outside_root" if away else "label_without_picture"
            reading.note(code, f"{where}: {file_name}")
            rows_of[number] = None
        elif id_ in found or number in rows_of:
            reading.note("bad_label", f"{where}: image {number} ({file_name}) is there twice")
        else:
            rows: list[Row] = []
            found[id_], rows_of[number] = (image, rows), rows
    for annotation in _dicts(data, "annotations"):
        name = f"{where}: annotation {annotation.get('id')}"
        if not _plain(annotation) or annotation.get("image_id") not in rows_of:
            reading.note("label_without_picture", name)
        elif annotation.get("category_id") not in place:
            reading.note("unknown_class", f"{name}: category {annotation.get('category_id')}")
        elif (box := _box(annotation.get("bbox"))) is None:
            reading.note("bad_label", f"{name}: bbox {annotation.get('bbox')}")
        elif (of_picture := rows_of[annotation["image_id"]]) is not None:
            ignore = Ignore.CROWD if annotation.get("iscrowd") else Ignore.NONE
            label = place[annotation["category_id"]]
            of_picture.append(Row(box, label, ignore, _extras(annotation, box)))
    return found


def _prefixes(path: Path, root: Path) -> list[str]:
    """Folders below the root that file names may be relative to, the likeliest first."""
    word = path.stem.removeprefix("instances_")
    words = dict.fromkeys((word, split_name(word), split_file(split_name(word))))
    here = path.parent.relative_to(root).as_posix()
    return [here, *(f"images/{w}" for w in words), *words, "images", "."]


def _resolve(file_name: str, prefixes: Iterable[str], pictures: set[str]) -> str | None:
    for text in (file_name, file_name.replace("\\", "/")):
        for prefix in prefixes:
            if (path := posixpath.normpath(posixpath.join(prefix, text))) in pictures:
                return path
    return None


def _box(bbox: Any) -> tuple[float, float, float, float] | None:
    if not isinstance(bbox, list) or len(bbox) != 4:
        return None
    try:
        left, top, width, height = map(float, bbox)
    except (TypeError, ValueError):
        return None
    box = (left, top, left + width, top + height)
    return box if all(map(math.isfinite, box)) else None


def _extras(annotation: Json, box: tuple[float, float, float, float]) -> Json:
    """What else it says; an area and an outline that say nothing new are made again on writing."""
    extra = _without(annotation, _OWN)
    area, plain = extra.get("area"), (box[2] - box[0]) * (box[3] - box[1])
    if isinstance(area, (int, float)) and abs(area - plain) < 0.01:
        del extra["area"]
    if extra.get("segmentation") == []:
        del extra["segmentation"]
    return extra


def _split_of(path: Path) -> str | None:
    word = path.stem.removeprefix("instances_")
    if word != path.stem and word != "default":
        return split_name(word)
    return next((s for s in map(split_name, (word, path.parent.name)) if s in SPLITS), None)


def _dicts(data: Json, key: str) -> list[Json]:
    part = data.get(key)
    return [item for item in part if isinstance(item, dict)] if isinstance(part, list) else []


def _plain(annotation: Json) -> bool:
    """Whether what it refers to can be looked up at all."""
    return all(isinstance(annotation.get(k), (int, str)) for k in ("image_id", "category_id"))


def _bare(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [(row.box, row.label, row.ignore) for row in rows]


def _without(data: Json, keys: set[str]) -> Json:
    return {key: value for key, value in data.items() if key not in keys}
