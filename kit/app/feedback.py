"""Corrected pictures, kept as a COCO dataset that ``kit data check`` and ``kit train`` take as is.

::

    DIR/images/<sha256 of the file>.png
    DIR/annotations/instances_train.json
    DIR/annotations/instances_valid.json

One picture in five, from the second on, goes into the valid split, which ``kit train`` asks for,
the others into train; but one that looks nearly the same as another follows it, since a scene in
both would flatter. There is no test split, for what a few visitors corrected is no measure of a
detector. ``kit data merge ORIGINAL DIR --out BOTH`` adds each to its like.

Pictures are PNG, whatever they came as: these are the very pixels that were looked at and
corrected, and what is learned from is not compressed a second time. PNG takes several times the
room of a JPEG. They hold no metadata. A picture with the same pixels is there once: kept again, its
boxes are replaced.

The picture is written first, then the list, each beside and renamed: whenever the process is
killed, the list is whole and names only pictures that are there. A picture that is in no list is
harmless; ``kit data check`` says that it is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from kit import __version__
from kit.app import strings as say
from kit.app.apart import KEPT, LOOKS, packed, split_of
from kit.app.correction import Correction, Settled, bbox
from kit.app.looked import Looked
from kit.app.shelf import Served
from kit.data import similar
from kit.data.formats._coco_entries import categories_of
from kit.errors import DataError, RunFailed, UsageError
from kit.files import read_json, write_bytes, write_text
from kit.lock import locked
from kit.parts import sweep
from kit.pixels import encode_picture

LISTS = {
    "train": "annotations/instances_train.json",
    "valid": "annotations/instances_valid.json",
}
PICTURES = "images"
_BY = "kit serve --feedback"
_PATIENCE = 10.0  # seconds that others may be keeping theirs
_MODE = 0o600  # pictures of patients, names of users: nobody else's on this machine
_OURS = re.compile(r"[0-9a-f]{64}\.png")


@dataclass(frozen=True)
class Kept:
    """The dataset after a picture was kept.

    Attributes:
        replaced: it was there already.
        pictures, boxes: that the dataset has now.
    """

    replaced: bool
    pictures: int
    boxes: int


class Feedback:
    """The folder of one dataset; threads and processes may share it.

    Args:
        folder: made where it isn't there. Otherwise empty, or one that was kept before, of the
            same classes.
        served: the bundles; all of one list of classes, for a dataset has one.

    Raises:
        UsageError: it can't be written to, holds something else, or the classes differ.
        DataError: what was kept before can't be read.
    """

    def __init__(self, folder: Path, served: Iterable[Served]) -> None:
        self._folder = folder
        self._classes = _classes(served)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._require_writable()
            with locked(self._folder, wait=_PATIENCE):
                _require_ours(folder)
                self._read()
                for name in (PICTURES, "annotations"):
                    sweep(folder / name)  # it may be a picture, and is in no dataset
        except OSError as error:
            raise UsageError(f"can't be written to ({error.strerror})", where=folder) from error

    def keep(self, looked: Looked, correction: Correction, settled: list[Settled]) -> Kept:
        """Add a picture, or replace what is known of it.

        Args:
            settled: what :func:`kit.app.correction.settle` made of the correction.

        Raises:
            RunFailed: it can't be written (the disk is full), or another process keeps its own for
                long; the dataset is as it was.
            DataError: somebody has changed the dataset so that it can't be read any more.
        """
        try:
            with self._held():
                return self._keep(looked, correction, settled)
        except OSError as error:
            raise RunFailed(say.KEEP_FAILED.format(why=error.strerror)) from error

    def _keep(self, looked: Looked, correction: Correction, settled: list[Settled]) -> Kept:
        lists = self._read()
        images = [each for content in lists.values() for each in content["images"]]
        annotations = [each for content in lists.values() for each in content["annotations"]]
        pixels, seen = _pixels_sha256(looked), similar.look(looked.picture)
        old = next((e for e in images if e.get(KEPT, {}).get("pixels_sha256") == pixels), None)
        split = split_of(lists, old, seen)
        number = old["id"] if old else 1 + max((e["id"] for e in images), default=0)
        first = 1 + max((each["id"] for each in annotations), default=0)
        content = lists[split]
        path, new = self._picture(looked, old)
        entry = {
            "id": number,
            "file_name": path.name,
            "width": looked.picture.shape[1],
            "height": looked.picture.shape[0],
            KEPT: {**_provenance(looked, correction, settled, pixels), LOOKS: packed(seen)},
        }
        boxes = [each for each in content["annotations"] if each["image_id"] != number]
        boxes += _annotations(settled, number, first, content["categories"])
        content["images"] = [*(each for each in content["images"] if each is not old), entry]
        content["annotations"] = boxes
        try:
            text = json.dumps(content, allow_nan=False)
            write_text(self._folder / LISTS[split], text, mode=_MODE)
        except OSError:
            if new:
                path.unlink(missing_ok=True)
            raise
        pictures, all_boxes = (
            sum(len(content[part]) for content in lists.values())
            for part in ("images", "annotations")
        )
        return Kept(old is not None, pictures, all_boxes)

    def _picture(self, looked: Looked, old: dict[str, Any] | None) -> tuple[Path, bool]:
        """Where the picture lies, and whether it was written for this."""
        folder = self._folder / PICTURES
        if old is not None and (path := folder / old["file_name"]).is_file():
            return path, False
        data = encode_picture(looked.picture, ".png")
        path = folder / f"{hashlib.sha256(data).hexdigest()}.png"
        if path.is_file():  # an orphan
            return path, False
        write_bytes(path, data, mode=_MODE)
        return path, True

    def _read(self) -> dict[str, dict[str, Any]]:
        """The list of each split."""
        return {split: self._list(self._folder / place) for split, place in LISTS.items()}

    def _list(self, path: Path) -> dict[str, Any]:
        if not path.exists():
            return {
                "info": {"description": "Pictures that visitors corrected", "kept_by": _BY},
                "images": [],
                "annotations": [],
                "categories": categories_of(self._classes, []),
            }
        fix = "mend it, or name another --feedback folder"
        content: Any = read_json(path, "a dataset that was kept", error=DataError, fix=fix)
        try:
            by = content["info"]["kept_by"]
            classes = tuple(
                each["name"] for each in sorted(content["categories"], key=lambda each: each["id"])
            )
            whole = by == _BY and _listed(content) and all(isinstance(n, str) for n in classes)
        except (KeyError, TypeError, AttributeError):
            whole, classes = False, ()
        if not whole:
            raise DataError(f"not a dataset that `{_BY}` kept", where=path, fix=fix)
        if classes != self._classes:
            raise UsageError(
                f"its classes are {', '.join(classes)}, the bundle's {', '.join(self._classes)}",
                where=self._folder,
                fix="one --feedback folder for each list of classes",
            )
        return dict(content)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Alone, among threads and processes; who waits in vain is a visitor, not at fault."""
        with ExitStack() as held:
            try:
                held.enter_context(locked(self._folder, wait=_PATIENCE))
            except UsageError as error:
                raise RunFailed(say.KEEP_FAILED.format(why=say.KEEP_IN_USE)) from error
            yield

    def _require_writable(self) -> None:
        for path in (self._folder, *(self._folder / name for name in (PICTURES, "annotations"))):
            if path.exists() and not os.access(path, os.W_OK | os.X_OK):
                raise UsageError("can't be written to", where=path)


def _classes(served: Iterable[Served]) -> tuple[str, ...]:
    lists = {each.name: each.bundle.card.classes for each in served}
    first, *others = lists.items()
    for name, classes in others:
        if classes != first[1]:
            raise UsageError(
                f"{first[0]} and {name} have different classes, and a dataset has one list of them",
                where="--feedback",
                fix="serve them apart, each with a --feedback folder of its own",
            )
    return first[1]


def _require_ours(folder: Path) -> None:
    """Refuse a folder in which other things lie: what is kept must not get mixed with them.

    Raises:
        UsageError: naming one of them.
    """
    listed = any((folder / place).is_file() for place in LISTS.values())
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        place = path.relative_to(folder).as_posix()
        ours = place in LISTS.values() or (
            path.parent == folder / PICTURES and _OURS.fullmatch(path.name)
        )
        note = listed and path.parent == folder and path.suffix in (".md", ".txt")
        if not ours and not note:
            raise UsageError(
                f"the folder holds other things ({place})",
                where=folder,
                fix="name an empty or new folder, or one that was kept before",
            )


def _listed(content: dict[str, Any]) -> bool:
    """Whether all that is added to is there."""
    images = all(isinstance(e["id"], int) and e["file_name"] for e in content["images"])
    boxes = all(isinstance(e["id"], int) and e["image_id"] for e in content["annotations"])
    return images and boxes and all(isinstance(e.get(KEPT, {}), dict) for e in content["images"])


def _pixels_sha256(looked: Looked) -> str:
    """Of what is seen, so that the same picture from two files is one."""
    height, width = looked.picture.shape[:2]
    digest = hashlib.sha256(f"{width}x{height} ".encode())
    digest.update(np.ascontiguousarray(looked.picture).data)
    return digest.hexdigest()


def _provenance(
    looked: Looked, correction: Correction, settled: list[Settled], pixels: str
) -> dict[str, Any]:
    bundle = looked.served.bundle
    threshold = looked.served.threshold if correction.threshold is None else correction.threshold
    return {
        "bundle": bundle.card.name,
        "bundle_sha256": bundle.sha256,
        "picture_sha256": looked.picture_sha256,
        "pixels_sha256": pixels,
        "user": looked.user,
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "kit": __version__,
        "threshold": threshold,
        "rejected": [each.told["proposed"] for each in settled if each.xyxy is None],
    }


def _annotations(
    settled: list[Settled], image: int, first: int, categories: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    ids = [category["id"] for category in sorted(categories, key=lambda each: each["id"])]
    true = [(each, each.xyxy, each.label) for each in settled]
    boxes = [
        {
            "image_id": image,
            "category_id": ids[label],
            "bbox": (place := bbox(xyxy)),
            "area": round(place[2] * place[3], 3),
            "iscrowd": 0,
            "segmentation": [],
            KEPT: each.told,
        }
        for each, xyxy, label in true
        if xyxy is not None and label is not None
    ]
    return [{"id": number, **box} for number, box in enumerate(boxes, first)]
