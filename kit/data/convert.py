"""Another format, and other classes: renamed, merged or dropped on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kit.binding import read_yaml
from kit.data.boxes import keep_boxes
from kit.data.dataset import Dataset
from kit.data.formats import load
from kit.data.reading import check_names
from kit.errors import DataError, UsageError
from kit.files import new_directory
from kit.progress import SILENT, Progress


@dataclass(frozen=True)
class ClassMap:
    """New names of classes; several old names with one new name are merged, None drops a class.

    Classes it doesn't mention stay. The new classes are in the order in which they first appear
    when the old ones are gone through in theirs.
    """

    names: Mapping[str, str | None]

    @classmethod
    def load(cls, path: Path) -> ClassMap:
        """Read a YAML file of lines ``old: new``, or ``old: null`` to drop the class.

        Raises:
            UsageError: missing, not YAML, or not such a map.
        """
        if not path.is_file():
            raise UsageError("there is no such file", where=path)
        data, _ = read_yaml(path)
        if not isinstance(data, dict) or not data:
            raise UsageError("a class map is lines of `old: new` or `old: null`", where=path)
        odd = [
            text
            for text, value in [(k, k) for k in data] + [(v, v) for v in data.values()]
            if isinstance(value, bool) or not isinstance(value, (str, int, type(None)))
        ]
        if odd or None in data:
            raise UsageError(
                f"not a class name: {', '.join(map(str, odd)) or 'null'}",
                where=path,
                fix="write names that YAML takes for something else in quotes, like 'no'",
            )
        return cls({str(old): None if new is None else str(new) for old, new in data.items()})

    def apply(self, dataset: Dataset) -> Dataset:
        """The dataset with the new classes. Boxes of dropped classes go, their pictures stay.

        Raises:
            DataError: it names classes the dataset doesn't have, or drops them all.
        """
        if unknown := sorted(set(self.names) - set(dataset.classes)):
            raise DataError(
                f"the class map names classes that are not there: {', '.join(unknown)}",
                where=dataset.source or dataset.root,
                fix=f"there are: {', '.join(dataset.classes)}",
            )
        renamed = [self.names.get(name, name) for name in dataset.classes]
        classes = check_names(
            dict.fromkeys(name.strip() for name in renamed if name is not None),
            dataset.source or dataset.root,
        )
        if not classes:
            raise DataError("the class map drops every class", where=dataset.source or dataset.root)
        place = np.array([-1 if n is None else classes.index(n.strip()) for n in renamed], np.int64)
        labels = place[dataset.labels]
        dataset = keep_boxes(replace(dataset, classes=classes, labels=labels), labels >= 0)
        notes = dict(dataset.notes)
        notes.pop("unnamed_classes", None)
        return replace(dataset, notes=notes)


def convert(
    dataset: Dataset,
    format: str,
    out: Path,
    classes: ClassMap | None = None,
    progress: Progress = SILENT,
) -> dict[str, int]:
    """Write a dataset in a format; ``out`` appears when it is complete.

    Returns:
        How many of what the format has no place for; ``kit.json`` in ``out`` keeps that, and our
        readers restore it.
    """
    if classes is not None:
        dataset = classes.apply(dataset)
    writer = load(format)
    with new_directory(out) as beside:
        return writer.write(dataset, beside, progress)


def summary(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """``{split: {pictures, objects, class_counts}}`` of each split, and under ``all`` of all."""
    parts = {**dataset.splits, "all": np.arange(len(dataset))}
    rows = {}
    for split, pictures in parts.items():
        counts = dataset.class_counts(pictures)
        rows[split] = {
            "pictures": len(pictures),
            "objects": sum(counts.values()),
            "class_counts": counts,
        }
    return rows
