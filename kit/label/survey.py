"""What a detector makes of a folder of unlabelled pictures: one look at each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.errors import DataError, RunFailed
from kit.files import sha256_file
from kit.pixels import find_pictures, read_picture
from kit.progress import SILENT, Progress
from kit.runtime.suppress import reaching
from kit.types import Detections, Detector

FLOOR = 0.01
"""Lowest score looked at: a box below it adds less than 0.0004 to a picture's uncertainty."""


@dataclass(frozen=True, eq=False)
class Seen:
    """One picture.

    Attributes:
        id: its path below the folder, with forward slashes.
        sha256: of the file.
        size: ``(width, height)`` in pixels.
        found: boxes at the thresholds of the detector's card, in its pixels.
        uncertainty: 0 or more, see :func:`uncertainty`.
        features: ``(D,)`` float32, the detector's pooled features; None where it has none.
    """

    id: str
    sha256: str
    size: tuple[int, int]
    found: Detections
    uncertainty: float
    features: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Survey:
    """All pictures of a folder, in order of their names.

    Attributes:
        folder: they lie below it.
        classes: of the detector.
        seen: those that could be read.
        failed: those that could not, by id, with why.
    """

    folder: Path
    classes: tuple[str, ...]
    seen: Sequence[Seen]
    failed: Mapping[str, str]

    @property
    def features(self) -> NDArray[np.float32] | None:
        """``(P, D)``, or None where the detector has none."""
        rows = [one.features for one in self.seen if one.features is not None]
        return np.stack(rows) if rows else None

    def labelled(self, digests: Collection[str]) -> NDArray[np.bool_]:
        """``(P,)`` which pictures are among those with these sha256."""
        return np.array([one.sha256 in digests for one in self.seen], bool)


def uncertainty(scores: NDArray[np.float32]) -> float:
    """How unsure a detector is of one picture: ``sum((1 - |2 p - 1|) ** 2)`` over its boxes.

    The squared 1-vs-2 margin, summed over the picture (Brust, Käding and Denzler 2019, "Active
    learning for deep object detection", whose sum did better than their mean and maximum). There
    the margin lies between the two likeliest classes; here each score is a yes or no of its own,
    "an object of this class" with p and "none" with 1 - p, whose margin is ``|2 p - 1|``. A box
    counts 1 at score 0.5 and 0 when it is certain; the square keeps the hundreds of boxes with
    hardly any score, which every detector leaves, from counting. A picture without a box counts 0.

    Args:
        scores: ``(n,)`` in 0..1, after suppression.
    """
    margin = np.abs(2 * scores.astype(np.float64) - 1)
    return float(((1 - margin) ** 2).sum())


def survey(
    detector: Detector, folder: Path, *, bit_depth: int | None = None, progress: Progress = SILENT
) -> Survey:
    """Look at every picture below a folder once; labels, if there are any, are not read.

    Args:
        bit_depth: bits really used by 16-bit pictures.

    Raises:
        DataError: no such folder, no picture in it, or none that can be read.
        RunFailed: the detector answered with features that are not finite.
    """
    names = find_pictures(folder)
    seen, failed = [], {}
    for name in progress.track(names, "looking at pictures", len(names)):
        text = name.encode(errors="backslashreplace").decode()
        try:
            if text != name:
                raise DataError("its name is not UTF-8, and can't be listed")
            seen.append(_look(detector, folder, name, bit_depth))
        except DataError as error:  # one damaged picture must not cost the other thousand
            failed[text] = error.what
    if not seen:
        name, why = next(iter(failed.items()))
        raise DataError(
            f"none of the {len(failed)} picture(s) could be read; {name}: {why}", where=folder
        )
    return Survey(folder, tuple(detector.classes), seen, failed)


def _look(detector: Detector, folder: Path, name: str, bit_depth: int | None) -> Seen:
    picture = read_picture(folder / name, bit_depth=bit_depth)
    thresholds: tuple[float, ...] = detector.card.thresholds
    result = detector.detect([picture], floor=min(FLOOR, *thresholds))[0]
    if result.features is not None and not np.isfinite(result.features).all():
        raise RunFailed(
            "the detector's features are not finite",
            where=name,
            fix="use a bundle of higher precision",
        )
    found = result.detections
    return Seen(
        id=name,
        sha256=sha256_file(folder / name),
        size=(picture.shape[1], picture.shape[0]),
        found=reaching(found, thresholds),
        uncertainty=uncertainty(found.scores),
        features=result.features,
    )
