"""``kit.json``: what a dataset has and its format can't hold, kept beside it and restored later.

It names the labels it belongs to by their hash, so once somebody edits those it is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kit.binding import bind, plain
from kit.data.dataset import Dataset, Note
from kit.errors import DataError
from kit.files import MOST_JSON, parse_json, read_limited, write_json
from kit.types import Ignore

FILE = "kit.json"


@dataclass(frozen=True)
class Side:
    """The content of the file.

    Attributes:
        labels_sha256: of the label files it was written with.
        classes: all names in order, where the format doesn't say.
        splits: ids by split, where the format can't hold them.
        groups: patient or slide by id.
        ignore: flags of all boxes of a picture, where the format can't hold one of them.
        extra: what other formats hold, as in :class:`kit.data.dataset.Dataset`.
    """

    labels_sha256: str
    classes: tuple[str, ...] | None = None
    splits: Mapping[str, tuple[str, ...]] | None = None
    groups: Mapping[str, str] | None = None
    ignore: Mapping[str, tuple[Literal[0, 1, 2], ...]] = field(default_factory=dict)
    extra: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    bit_depth: int | None = None
    schema: Literal[1] = 1


def write(
    dataset: Dataset,
    out: Path,
    ids: Sequence[str],
    label_files: Iterable[Path],
    *,
    format: str,
    holds: Collection[Ignore] = (),
    holds_classes: bool = True,
    holds_splits: bool = True,
) -> dict[str, int]:
    """Write what the format can't hold; no file where it can hold everything.

    Args:
        ids: the pictures' ids in ``out``, in the dataset's order.
        holds: the ignore flags the format has a place for.

    Returns:
        How many of each thing it had no place for, in words.
    """
    new = dict(zip(dataset.ids, ids, strict=True))
    counts: dict[str, int] = {}
    lost = np.zeros(len(dataset.ignore), bool)
    for flag in (Ignore.DIFFICULT, Ignore.CROWD):
        if flag not in holds and (these := dataset.ignore == flag).any():
            lost |= these
            counts[f"{flag.name.lower()} flag"] = int(these.sum())
    extra = {name: _renamed(held, new) for name, held in dataset.extra.items() if name != format}
    for name, held in extra.items():
        _count(name, held, counts)
    if dataset.groups:
        counts["group of a picture"] = len(dataset.groups)
    if not holds_splits:
        counts["split list"] = len(dataset.splits)
    if dataset.bit_depth:
        counts["bit depth"] = 1
    if not holds_classes and dataset.classes != tuple(sorted(_used(dataset))):
        counts["order of classes"] = 1
    if not counts and not extra:
        return counts
    side = Side(
        labels_sha256=_digest(out, label_files),
        classes=None if holds_classes else dataset.classes,
        splits=(
            None
            if holds_splits
            else {name: tuple(ids[i] for i in rows) for name, rows in dataset.splits.items()}
        ),
        groups=dict(zip(ids, dataset.groups, strict=True)) if dataset.groups else None,
        ignore={
            ids[p]: tuple(int(flag) for flag in dataset[p].ignore)  # type: ignore[misc]
            for p in np.unique(dataset.picture_of[lost])
        },
        extra=extra,
        bit_depth=dataset.bit_depth,
    )
    write_json(out / FILE, plain(side))
    return counts


def restore(
    dataset: Dataset, label_files: Iterable[Path], note: Callable[[Note, object], None]
) -> Dataset:
    """The dataset with what its side file remembers; a stale or damaged one is noted and left."""
    path = dataset.root / FILE
    if not path.is_file() or path.is_symlink():
        return dataset
    try:
        side = bind(Side, parse_json(read_limited(path, MOST_JSON)), where=path, error=DataError)
    except (DataError, OSError, ValueError, RecursionError):
        note("stale_side_file", f"{FILE}: not one the kit wrote, left alone")
        return dataset
    if side.bit_depth is not None:  # of the pictures, so it holds whatever became of the labels
        dataset = replace(dataset, bit_depth=side.bit_depth)
    if side.labels_sha256 != _digest(dataset.root, label_files):
        note("stale_side_file", f"{FILE}: the labels were changed since, left alone")
        return dataset
    ignore = dataset.ignore.copy()
    for id_, flags in side.ignore.items():
        place = dataset.index.get(id_)
        if place is not None and len(flags) == np.diff(dataset.offsets)[place]:
            ignore[dataset.offsets[place] : dataset.offsets[place + 1]] = flags
    labels, classes = dataset.labels, dataset.classes
    if side.classes is not None and set(classes) <= set(side.classes):
        order = np.array([side.classes.index(name) for name in classes], np.int64)
        labels, classes = order[labels] if len(labels) else labels, side.classes
    splits = dataset.splits
    if side.splits is not None:
        place_of = dataset.index
        splits = {
            name: np.array([place_of[id_] for id_ in ids if id_ in place_of], np.int64)
            for name, ids in side.splits.items()
        }
    groups = dataset.groups
    if side.groups and all(id_ in side.groups for id_ in dataset.ids):
        groups = tuple(side.groups[id_] for id_ in dataset.ids)
    return replace(
        dataset,
        ignore=ignore,
        labels=labels,
        classes=classes,
        splits=splits,
        groups=groups,
        extra={**side.extra, **dataset.extra},
    )


def _digest(root: Path, files: Iterable[Path]) -> str:
    """Of the files' places and bytes; the line ends a checkout may change don't count."""
    digest = hashlib.sha256()
    for path in sorted(files):
        data = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def _renamed(held: Mapping[str, Mapping[str, Any]], new: Mapping[str, str]) -> dict[str, Any]:
    """Keyed by the new ids; pictures the dataset no longer has fall away."""
    return {
        part: (
            dict(things)
            if part == "dataset"
            else {new[id_]: thing for id_, thing in things.items() if id_ in new}
        )
        for part, things in held.items()
    }


def _count(name: str, held: Mapping[str, Mapping[str, Any]], counts: dict[str, int]) -> None:
    for part, things in held.items():
        many = [things] if part == "dataset" else list(things.values())
        if part == "boxes":
            many = [thing for boxes in many for thing in boxes]
        for thing in many:
            for key in thing:
                if key != "id":
                    what = f"{name} {key}" + (" of a picture" if part == "pictures" else "")
                    counts[what] = counts.get(what, 0) + 1


def _used(dataset: Dataset) -> set[str]:
    return {dataset.classes[label] for label in np.unique(dataset.labels)}
