"""Which pictures decide a gate: the valid split the bundle was trained with, and no other."""

from __future__ import annotations

from kit.bundle import Bundle
from kit.data.dataset import Dataset
from kit.data.doctor import usable
from kit.data.source import open_source
from kit.errors import DataError, UsageError
from kit.progress import SILENT, Progress


def gate_pictures(
    bundle: Bundle, source: str | None, *, progress: Progress = SILENT
) -> tuple[Dataset, str]:
    """The valid split, usable boxes only, and the sha256 of its manifest.

    Args:
        source: None takes the dataset the card records, which must then hold the very pictures the
            bundle was validated on.

    Raises:
        UsageError: no dataset is given and the card's is not here: there is no unchecked export.
        DataError: the pictures or labels are not those the card records, or of other classes.
    """
    recorded = bundle.card.dataset.get("source")
    if source is None and recorded is None:
        raise UsageError(
            "the card records no dataset, and there is no unchecked export",
            where=bundle.directory,
            fix="give the dataset with --data SRC",
        )
    try:
        dataset = usable(open_source(source or str(recorded), progress=progress))
    except DataError as error:
        raise UsageError(
            f"the pictures of the gate can't be had ({error.what})",
            where=error.where,
            fix="give the dataset with --data SRC; there is no unchecked export",
        ) from error
    if dataset.classes != bundle.card.classes:
        raise DataError(
            f"its classes are {', '.join(dataset.classes)}; "
            f"the bundle's are {', '.join(bundle.card.classes)}",
            where=source or recorded,
        )
    manifest = dataset.manifest(dataset.split("valid"), rule="the valid split")
    expected = bundle.card.manifests.get("valid")
    if source is None and expected is not None and manifest.sha256 != expected:
        raise DataError(
            "the valid pictures or labels have changed since the bundle was trained",
            where=recorded,
            fix="restore them, or name another dataset with --data SRC",
        )
    return dataset.take(manifest), manifest.sha256
