"""Several datasets into one, without a picture ending up on both sides of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data import similar
from kit.data.dataset import SPLITS, Dataset
from kit.data.writing import new_names
from kit.errors import DataError
from kit.progress import SILENT, Progress

Ints = NDArray[np.int64]

_SHOWN = 5


@dataclass(frozen=True)
class Merged:
    """What came of it.

    Attributes:
        dataset: all pictures; they lie in several folders until it is written.
        duplicates: equal files that were left out, since one stayed in the same split.
    """

    dataset: Dataset
    duplicates: int


def merge(datasets: Sequence[Dataset], name: str, progress: Progress = SILENT) -> Merged:
    """Join datasets: classes by name, splits by name, ids by what follows their layout's folders,
    with the dataset's name before them where two would be equal.

    Raises:
        DataError: only some have splits; the same picture lies in different splits, or has
            different labels in two of the sets; or their bit depths differ.
    """
    _check(datasets)
    names = _names([dataset.name for dataset in datasets])
    ids = _ids(datasets, names)
    classes = tuple(dict.fromkeys(name for dataset in datasets for name in dataset.classes))
    place = {name: index for index, name in enumerate(classes)}
    starts = np.cumsum([0, *(len(dataset) for dataset in datasets)])
    common = set(SPLITS).union(set.intersection(*(set(d.splits) for d in datasets)))
    splits: dict[str, list[int]] = {}
    for dataset, start in zip(datasets, starts[:-1], strict=True):
        for split, pictures in dataset.splits.items():
            if split in common:
                splits.setdefault(split, []).extend((pictures + start).tolist())
            else:  # one set's trainval would look like the trainval of all
                progress.note(f"note: the list {split} is left out, as not all have one")
    counts = np.concatenate([np.diff(dataset.offsets) for dataset in datasets])
    joined = Dataset(
        name=name,
        root=Path(),
        classes=classes,
        ids=tuple(id_ for part in ids for id_ in part),
        sizes=np.concatenate([dataset.sizes for dataset in datasets]),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        boxes=np.concatenate([dataset.boxes for dataset in datasets]),
        labels=np.concatenate(
            [np.array([place[c] for c in d.classes], np.int64)[d.labels] for d in datasets]
        ),
        ignore=np.concatenate([dataset.ignore for dataset in datasets]),
        splits={split: np.array(rows, np.int64) for split, rows in splits.items()},
        groups=(
            tuple(
                f"{own}/{group}"  # patient 7 of one hospital is not patient 7 of the other
                for own, dataset in zip(names, datasets, strict=True)
                for group in dataset.groups or ()
            )
            if all(dataset.groups for dataset in datasets)
            else None
        ),
        source=" + ".join(dataset.source or str(dataset.root) for dataset in datasets),
        notes={},
        bit_depth=datasets[0].bit_depth,
        extra=_extra(datasets, ids),
        files=tuple(d.path(index).absolute() for d in datasets for index in range(len(d))),
    )
    return _without_duplicates(joined, np.repeat(np.arange(len(ids)), [*map(len, ids)]), progress)


def _check(datasets: Sequence[Dataset]) -> None:
    bare = [d for d in datasets if not d.splits]
    if bare and len(bare) < len(datasets):
        raise DataError(
            "it has no splits, the other has",
            where=bare[0].source or bare[0].root,
            fix=bare[0].split_command(),
        )
    if len({dataset.bit_depth for dataset in datasets}) > 1:
        raise DataError(
            "the bit depths of their pictures differ: "
            + ", ".join(f"{d.name} {d.bit_depth or 'as stored'}" for d in datasets)
        )


def _names(names: Sequence[str]) -> list[str]:
    """Names as folders; the same one twice gets a number."""
    plain = [name.replace("/", "-") or "set" for name in names]
    return [
        name if plain.index(name) == place else f"{name}-{place + 1}"
        for place, name in enumerate(plain)
    ]


def _ids(datasets: Sequence[Dataset], names: Sequence[str]) -> list[list[str]]:
    parts = [new_names(dataset.ids) for dataset in datasets]
    times = Counter(_stem(id_) for part in parts for id_ in part)
    return [
        [f"{name}/{id_}" if times[_stem(id_)] > 1 else id_ for id_ in part]
        for name, part in zip(names, parts, strict=True)
    ]


def _stem(id_: str) -> str:
    return str(PurePosixPath(id_).with_suffix("")).casefold()


def _extra(datasets: Sequence[Dataset], ids: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What formats keep of pictures and boxes, under the new ids. What they keep of a dataset as a
    whole is kept where all agree."""
    extra: dict[str, dict[str, dict[str, Any]]] = {}
    for dataset, part in zip(datasets, ids, strict=True):
        new = dict(zip(dataset.ids, part, strict=True))
        for form, held in dataset.extra.items():
            for kind in ("pictures", "boxes"):
                target = extra.setdefault(form, {}).setdefault(kind, {})
                things: Mapping[str, Any] = held.get(kind, {})
                target.update({new[id_]: thing for id_, thing in things.items() if id_ in new})
    for form, held in extra.items():
        facts = [dataset.extra.get(form, {}).get("dataset", {}) for dataset in datasets]
        held["dataset"] = {k: v for k, v in facts[0].items() if all(f.get(k) == v for f in facts)}
    return extra


def _without_duplicates(dataset: Dataset, origin: Ints, progress: Progress) -> Merged:
    """Only pictures of different sets (``origin``) are compared: what one set does within itself
    is for the doctor to judge."""
    scan = similar.scan(dataset, progress)
    side = _splits_of(dataset)
    equal, alike = (
        [(a, b) for a, b in s if origin[a] != origin[b]] for s in (scan.exact, scan.near)
    )
    leaks = [(first, other) for first, other in equal + alike if side[first] != side[other]]
    if leaks:
        shown = "; ".join(
            f"{dataset.path(a)} ({'+'.join(side[a])}) = {dataset.path(b)} ({'+'.join(side[b])})"
            for a, b in leaks[:_SHOWN]
        )
        raise DataError(
            f"{len(leaks)} picture(s) lie in different splits of the two, "
            f"so a score on them would be untrue: {shown}",
            fix="take them out of one, or split the pictures of both anew",
        )
    drop = set()
    for first, other in equal:
        if not _same_labels(dataset, first, other):
            raise DataError(
                "the same picture has different labels in the two: "
                f"{dataset.path(first)} and {dataset.path(other)}",
                fix="correct one of them, or rename its classes first: kit data convert --classes",
            )
        drop.add(int(other))
    keep = np.array([index for index in range(len(dataset)) if index not in drop], np.int64)
    return Merged(dataset.select(keep), len(drop))


def _splits_of(dataset: Dataset) -> list[tuple[str, ...]]:
    """The splits each picture is in; lists that join them, like trainval, are passed over."""
    names: list[list[str]] = [[] for _ in range(len(dataset))]
    for split in SPLITS if set(SPLITS) & set(dataset.splits) else dataset.splits:
        for index in dataset.splits.get(split, ()):
            names[index].append(split)
    return [tuple(found) for found in names]


def _same_labels(dataset: Dataset, first: int, other: int) -> bool:
    rows = []
    for index in (first, other):
        example = dataset[index]
        columns = (np.rint(example.truth.xyxy * 100).tolist(), example.truth.labels.tolist())
        rows.append(sorted(zip(*columns, example.ignore.tolist(), strict=True)))
    return rows[0] == rows[1]
