"""The entries of a COCO file, made from a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kit.data.dataset import Dataset
from kit.types import Ignore

Json = dict[str, Any]

NO_SUPERCATEGORY = "none"
"""How COCO's and Roboflow's files say that a category stands below no other."""


def is_umbrella(category: Mapping[str, Any], categories: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it only stands above all others, as Roboflow's exports have one."""
    if category["name"] == NO_SUPERCATEGORY:
        return False  # that is what the others say that stand below nothing
    others = [other for other in categories if other is not category]
    return bool(others) and all(o.get("supercategory") == category["name"] for o in others)


def categories_of(classes: Sequence[str], known: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Categories to write: with their own ids where those keep the order of the classes."""
    by_name = {category["name"]: category for category in known}
    own = [by_name[name]["id"] for name in classes if name in by_name]
    fresh = list(range(1, len(classes) + 1))
    ids = own if len(own) == len(classes) and own == sorted(set(own)) else fresh
    written = [
        {**by_name.get(name, {"supercategory": NO_SUPERCATEGORY}), "id": number, "name": name}
        for number, name in zip(ids, classes, strict=True)
    ]
    umbrellas = [{**c} for c in known if c["name"] not in classes and is_umbrella(c, [c, *written])]
    free = [umbrella for umbrella in umbrellas if umbrella["id"] not in set(ids)]
    return [*free, *written]


def annotations_of(
    dataset: Dataset, index: int, image: Any, categories: Sequence[Json]
) -> list[Json]:
    """The boxes of a picture."""
    number_of = {category["name"]: category["id"] for category in categories}
    example = dataset[index]
    boxes = []
    for place, (box, _, label) in enumerate(example.truth):
        left, top, right, bottom = box.tolist()
        bbox = [round(value, 6) for value in (left, top, right - left, bottom - top)]
        boxes.append(
            {
                "image_id": image,
                "category_id": number_of[dataset.classes[label]],
                "bbox": bbox,
                "iscrowd": int(example.ignore[place] == Ignore.CROWD),
                "area": round((right - left) * (bottom - top), 6),
                "segmentation": [],
            }
        )
    return boxes


def numbered(kept: Sequence[Mapping[str, Any]], own: Sequence[Json]) -> list[Json]:
    """Join what a format kept to what is known; the old ids stay where they are all there."""
    ids = [extra.get("id") for extra in kept]
    sound = all(isinstance(number, int) for number in ids) and len(set(ids)) == len(ids)
    return [
        {"id": old if sound else new, **known, **{k: v for k, v in extra.items() if k != "id"}}
        for new, (old, known, extra) in enumerate(zip(ids, own, kept, strict=True), 1)
    ]
