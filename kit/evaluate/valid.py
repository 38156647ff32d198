"""The valid split, which alone may choose thresholds and let exports through, and what a detector
says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kit.bundle import Bundle
from kit.data.dataset import Dataset
from kit.data.doctor import usable
from kit.data.findings import require_read
from kit.data.manifest import Manifest
from kit.data.source import open_source
from kit.errors import DataError, UsageError
from kit.evaluate.coco import run
from kit.evaluate.matches import Matches, match
from kit.evaluate.report import require_classes
from kit.pixels import read_picture
from kit.progress import SILENT, Progress
from kit.runtime.detector import EVALUATION_FLOOR
from kit.types import Detector

NAME_ONE = "name a dataset after the bundle"
"""How the verbs with a dataset as their second word are given another one."""


@dataclass(frozen=True)
class Listed:
    """Pictures, usable boxes only, and the manifest that lists them."""

    pictures: Dataset
    manifest: Manifest


def valid_pictures(
    bundle: Bundle,
    source: str | None,
    *,
    choosing: bool = True,
    fix: str = NAME_ONE,
    progress: Progress = SILENT,
) -> Listed:
    """The valid split of a dataset.

    Args:
        source: None takes the dataset the card records, which must then hold the very pictures the
            bundle was validated on.
        choosing: whether they are to choose something. Pictures of test may not, or it would be
            measured on what chose it; they may compare an export with what it was made from.
        fix: how another dataset is named.

    Raises:
        UsageError: no dataset is given and the card's is not here.
        DataError: it can't be read, has no valid split or no picture in it, has other classes, or
            is not what the card records; or, for choosing, shares pictures with its test split.
    """
    dataset = own_dataset(bundle, source, fix=fix, progress=progress)
    if choosing:
        require_read(dataset, before="choosing by it")
    where = dataset.source or dataset.root
    chosen = dataset.split("valid")
    manifest = dataset.manifest(chosen, rule="the valid split")
    expected = bundle.card.manifests.get("valid")
    if source is None and expected is not None and manifest.sha256 != expected:
        raise DataError(
            "the valid pictures or labels have changed since the bundle was trained",
            where=where,
            fix=f"restore them, or {fix}",
        )
    if not len(chosen):
        raise DataError("there is no picture in valid", where=where, fix=dataset.split_command())
    shared = len(np.intersect1d(chosen, dataset.splits.get("test", chosen[:0])))
    if choosing and shared:
        raise DataError(
            f"{shared} picture(s) of valid are in test too, which may choose nothing",
            where=where,
            fix=dataset.split_command(),
        )
    return Listed(dataset.take(manifest), manifest)


def own_dataset(
    bundle: Bundle, source: str | None, *, fix: str = NAME_ONE, progress: Progress = SILENT
) -> Dataset:
    """The dataset a bundle was trained on, or another of its classes; usable boxes only.

    Args:
        source: None takes the one the card records.
        fix: how another one is named.

    Raises:
        UsageError: none is given and the card's is not here.
        DataError: it can't be read, or has other classes.
    """
    recorded = bundle.card.dataset.get("source")
    if source is None and recorded is None:
        raise UsageError("the card records no dataset", where=bundle.directory, fix=fix)
    try:
        dataset = open_source(source or str(recorded), progress=progress)
    except DataError as error:
        if source is not None:
            raise
        raise UsageError(
            f"the dataset that the card records can't be had ({error.what})",
            where=error.where,
            fix=fix,
        ) from error
    dataset = usable(dataset)
    require_classes(bundle.card.classes, dataset)
    return dataset


def matched(
    detector: Detector, dataset: Dataset, *, progress: Progress = SILENT
) -> Mapping[str, Matches]:
    """Detect on every picture, from :data:`EVALUATION_FLOOR` on, and match by class.

    Raises:
        RunFailed: the detector answers with what is not finite.
    """
    found = []
    for example in progress.track(dataset, "looking at valid pictures", len(dataset)):
        picture = read_picture(example.path, bit_depth=dataset.bit_depth)
        found.append(detector.detect([picture], floor=EVALUATION_FLOOR)[0].detections)
    return match(run(dataset, found), dataset)
