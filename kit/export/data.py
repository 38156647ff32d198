"""Which pictures an export may look at: valid decides its gate, train calibrates int8."""

from __future__ import annotations

from kit.bundle import Bundle
from kit.data.dataset import Dataset
from kit.data.doctor import usable
from kit.data.sampling import Draw, sample
from kit.data.source import open_source
from kit.errors import DataError, UsageError
from kit.evaluate.valid import Listed
from kit.progress import SILENT, Progress


def gate_pictures(bundle: Bundle, source: str | None, *, progress: Progress = SILENT) -> Listed:
    """The valid split.

    Args:
        source: None takes the dataset the card records, which must then hold the very pictures the
            bundle was validated on.

    Raises:
        UsageError: no dataset is given and the card's is not here: there is no unchecked export.
        DataError: the pictures or labels are not those the card records, or of other classes.
    """
    dataset = _dataset(bundle, source, progress)
    manifest = dataset.manifest(dataset.split("valid"), rule="the valid split")
    expected = bundle.card.manifests.get("valid")
    if source is None and expected is not None and manifest.sha256 != expected:
        raise DataError(
            "the valid pictures or labels have changed since the bundle was trained",
            where=bundle.card.dataset.get("source"),
            fix="restore them, or name another dataset with --data SRC",
        )
    return Listed(dataset.take(manifest), manifest)


def calibration_pictures(
    bundle: Bundle, source: str | None, count: int, *, progress: Progress = SILENT
) -> Listed:
    """Pictures of the train split, as many as there are up to ``count``, in an order drawn with
    seed 0 so that the first ones hold classes in their shares.

    Raises:
        UsageError: there is none, or no dataset, as in :func:`gate_pictures`.
        DataError: as there.
    """
    dataset = _dataset(bundle, source, progress)
    pool = dataset.split("train")
    if not len(pool):
        raise UsageError(
            "int8 is calibrated on pictures of train, and it has none",
            where=dataset.source or dataset.root,
            fix="name a dataset that has some with --data SRC",
        )
    manifest = sample(dataset, Draw("random", images=min(count, len(pool))), seed=0)
    return Listed(dataset.take(manifest), manifest)


def _dataset(bundle: Bundle, source: str | None, progress: Progress) -> Dataset:
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
    return dataset
