"""Which pictures an export may look at: valid decides its gate, train calibrates int8."""

from __future__ import annotations

from kit.bundle import Bundle
from kit.data.sampling import Draw, sample
from kit.errors import UsageError
from kit.evaluate.valid import Listed, own_dataset, valid_pictures
from kit.progress import SILENT, Progress

_NAME_ONE = "give another dataset with --data SRC; there is no unchecked export"


def gate_pictures(bundle: Bundle, source: str | None, *, progress: Progress = SILENT) -> Listed:
    """:func:`kit.evaluate.valid.valid_pictures` for a gate: they compare, and choose nothing."""
    return valid_pictures(bundle, source, choosing=False, fix=_NAME_ONE, progress=progress)


def calibration_pictures(
    bundle: Bundle, source: str | None, count: int, *, progress: Progress = SILENT
) -> Listed:
    """Pictures of the train split, as many as there are up to ``count``, in an order drawn with
    seed 0 so that the first ones hold classes in their shares.

    Raises:
        UsageError: there is none, or no dataset, as in :func:`gate_pictures`.
        DataError: as there.
    """
    dataset = own_dataset(bundle, source, fix=_NAME_ONE, progress=progress)
    pool = dataset.split("train")
    if not len(pool):
        raise UsageError(
            "int8 is calibrated on pictures of train, and it has none",
            where=dataset.source or dataset.root,
            fix="name a dataset that has some with --data SRC",
        )
    manifest = sample(dataset, Draw("random", images=min(count, len(pool))), seed=0)
    return Listed(dataset.take(manifest), manifest)
