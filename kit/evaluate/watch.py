"""Fits what :mod:`kit.runtime.watch` knows of the training pictures, and measures what it is worth.

Training pictures say what is usual, valid pictures how far is too far: the detector has seen the
former, and features of what it was trained on lie closer together than those of new pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.bundle import Bundle
from kit.data.dataset import Dataset
from kit.errors import DataError
from kit.evaluate.valid import Listed, own_dataset
from kit.pixels import read_picture
from kit.progress import SILENT, Progress
from kit.runtime.quality import SAYS, Quality, quality
from kit.runtime.watch import Method, Watch
from kit.types import Detector

ALARMS = 0.05
"""Share of pictures like those of training that may be flagged."""

LEAST = 20
"""Fewest pictures of each split that a watch is fitted on."""

_NEIGHBOURS = 10  # of Sun et al.'s range; fewer where the bank is small
_BANK = 2000  # most pictures of a bank
_MARGIN, _SLACK = 0.1, 0.02  # of a figure's range, and of its size
_HALVES = 50


@dataclass(frozen=True, eq=False)
class Looks:
    """Features ``(n, D)`` and figures of n pictures."""

    features: NDArray[np.float32]
    qualities: Sequence[Quality]


def looks(
    detector: Detector, dataset: Dataset, *, label: str = "looking", progress: Progress = SILENT
) -> Looks:
    """Look at every picture of a dataset.

    Raises:
        DataError: the detector's graph has no features.
    """
    features, qualities = [], []
    for example in progress.track(dataset, label, total=len(dataset)):
        picture = read_picture(example.path, bit_depth=dataset.bit_depth)
        result = detector.detect([picture])[0]
        if result.features is None:
            raise DataError(
                "the graph tells no features, by which pictures could be compared",
                where=detector.card.name,
                fix="export it again with `kit export`",
            )
        features.append(result.features)
        qualities.append(quality(picture))
    return Looks(np.array(features, np.float32), qualities)


def fitted(
    detector: Detector,
    bundle: Bundle,
    source: str | None,
    valid: Listed,
    *,
    method: Method = "mahalanobis",
    progress: Progress = SILENT,
) -> Watch:
    """Fit a watch on the train split of what the bundle was trained on.

    Args:
        source: None takes the dataset the card records.
        valid: pictures that set the threshold.

    Raises:
        DataError: the pictures can't be read, are too few, or the graph has no features.
    """
    dataset = own_dataset(bundle, source, progress=progress)
    train = dataset.take(dataset.manifest(dataset.split("train"), rule="the train split"))
    label = "looking at {} pictures".format
    return fit(
        looks(detector, train, label=label("train"), progress=progress),
        looks(detector, valid.pictures, label=label("valid"), progress=progress),
        method=method,
    )


def fit(
    train: Looks, held_back: Looks, *, method: Method = "mahalanobis", alarms: float = ALARMS
) -> Watch:
    """Fit a watch.

    Args:
        train: of the pictures that the detector was trained on.
        held_back: of others of the same kind; they set the threshold.
        alarms: share of such pictures that may be flagged.

    Raises:
        DataError: too few pictures to tell.
    """
    for what, each in (("train", train), ("valid", held_back)):
        if len(each.features) < LEAST:
            raise DataError(
                f"{what} has {len(each.features)} pictures; a watch needs {LEAST} of each",
                fix="label more pictures, or split anew with `kit data split`",
            )
    arrays = _mahalanobis(train.features) if method == "mahalanobis" else _bank(train.features)
    bare = Watch(method, np.inf, alarms, usual(train.qualities), arrays)
    distances = bare.distance(held_back.features)
    return Watch(
        method,
        threshold(distances, alarms),
        _measured(distances, alarms),
        bare.usual,
        arrays,
    )


def threshold(distances: NDArray[np.float64], alarms: float) -> float:
    """The distance beyond which at most this share lies of pictures such as these.

    The smallest of them that bounds the share for a further picture too (split conformal
    prediction: Vovk et al., "Algorithmic learning in a random world", 2005), or the largest where
    there are too few.
    """
    count = len(distances)
    place = min(int(np.ceil((count + 1) * (1 - alarms))), count)
    return float(np.sort(distances)[place - 1])


def usual(qualities: Sequence[Quality]) -> dict[str, tuple[float, float]]:
    """Lowest and highest of each figure that is nothing to complain about: what training pictures
    have, and a little more."""
    found = {}
    for name in SAYS:
        values = np.array([getattr(each, name) for each in qualities])
        low, high = float(values.min()), float(values.max())
        room = _MARGIN * (high - low) + _SLACK * max(abs(low), abs(high), 1.0)
        found[name] = (low - room, high + room)
    return found


def auroc(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    """Probability that a picture from outside is farther away than one from inside, ties half
    (Mann and Whitney, 1947): the area under the ROC curve, in 0..1."""
    together = np.concatenate([inside, outside])
    _, place, counts = np.unique(together, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    above = ranks[len(inside) :].sum() - len(outside) * (len(outside) + 1) / 2
    return float(above / (len(inside) * len(outside)))


def _mahalanobis(features: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
    mean = features.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(shrunk_covariance(features))
    whiten = vectors / np.sqrt(np.maximum(values, max(values.max() * 1e-9, 1e-12)))
    return {"mean": mean.astype(np.float32), "whiten": whiten.astype(np.float32)}


def shrunk_covariance(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """``(D, D)`` covariance of features ``(n, D)``, drawn towards a multiple of the identity by as
    much as few pictures call for (Ledoit and Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", 2004)."""
    centred = features - features.mean(axis=0, dtype=np.float64)
    count, size = centred.shape
    plain = centred.T @ centred / count
    level = np.trace(plain) / size
    apart = ((plain - level * np.eye(size)) ** 2).sum() / size
    squares = centred**2
    noise = ((squares.T @ squares).sum() / count - (plain**2).sum()) / (count * size)
    share = 1.0 if apart == 0 else min(max(noise / apart, 0.0), 1.0)
    return np.asarray((1 - share) * plain + share * level * np.eye(size))


def _bank(features: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
    chosen = features
    if len(features) > _BANK:
        order = np.random.default_rng(0).permutation(len(features))[:_BANK]
        chosen = features[np.sort(order)]
    unit = chosen / np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1e-12)
    k = max(1, min(_NEIGHBOURS, len(unit) // 10))
    return {"bank": unit.astype(np.float32), "k": np.array(k, np.float32)}


def _measured(distances: NDArray[np.float64], alarms: float) -> float:
    """Share flagged of pictures that did not set the threshold, over halves drawn anew."""
    rng, flagged = np.random.default_rng(0), []
    for _ in range(_HALVES):
        order = rng.permutation(len(distances))
        one, other = np.array_split(distances[order], 2)
        flagged.append((other > threshold(one, alarms)).mean())
    return float(np.mean(flagged))
