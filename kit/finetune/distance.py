"""How far a dataset lies from another one, as a pretrained network sees them.

Three measures, as in Chu et al., "Best Practices for Fine-tuning Visual Classifiers to New Domains"
(2016): the cosine distance of the mean features, the maximum mean discrepancy with a linear kernel,
and how well a linear classifier tells the two apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from kit.errors import DataError
from kit.files import write_bytes
from kit.finetune.features import Features

RESAMPLES = 1000
LEVEL = 0.95
FEWEST = 10
"""Pictures on either side; fewer say nothing about the spread."""

_FOLDS = 5
_STRENGTH = 0.01  # C of the classifier: so many channels tell few pictures apart by chance

_ARRAYS = ("pictures", "objects")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval over pictures."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


@dataclass(frozen=True)
class Distance:
    """Between two sets of pictures.

    Attributes:
        cosine: of their mean features, 0..2; 0 to 0.2 is called low, 0.2 to 0.4 medium.
        mmd: squared, in units of the reference's mean squared feature vector; without bias, so
            that of two samples of one set it lies around 0.
        svm: share of the pictures that a linear classifier puts on the right side, both sides
            counting the same: 0.5 is chance. Its interval may end below 1 where all are right.
    """

    cosine: Estimate
    mmd: Estimate
    svm: Estimate

    def facts(self) -> dict[str, Any]:
        """``{cosine, mmd, svm, interval: {name: [low, high]}}``."""
        found = {name: round(each.value, 4) for name, each in vars(self).items()}
        spans = {n: [round(e.low, 4), round(e.high, 4)] for n, e in vars(self).items()}
        return {**found, "interval": spans}


@dataclass(frozen=True, eq=False)
class Reference:
    """What a network made of the pictures others are compared with.

    Attributes:
        model: name of its card.
        weights_sha256: of the weights it had.
        size: side of its input in pixels.
        source: what the pictures are, in words.
        sha256: of each picture, by id.
        pictures: ``(P, D)``, objects: ``(Q, D)``, float32; a row a picture.
        yardsticks: distances of whole pictures of known sets to these, ``{set: {measure: value}}``.
    """

    model: str
    weights_sha256: str
    size: int
    source: str
    sha256: Mapping[str, str]
    pictures: NDArray[np.float32]
    objects: NDArray[np.float32]
    yardsticks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it as one small file, in half precision."""
        told = {name: value for name, value in vars(self).items() if name not in _ARRAYS}
        arrays = {name: getattr(self, name).astype(np.float16) for name in _ARRAYS}
        write_bytes(path, save(arrays, {"reference": json.dumps(told)}))

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read one.

        Raises:
            DataError: it is not there, or is no reference.
        """
        if not path.is_file():
            raise DataError("there is no such reference", where=path, fix=_FIX)
        try:
            with safe_open(path, "numpy") as file:
                told = json.loads((file.metadata() or {})["reference"])
                arrays = {name: file.get_tensor(name).astype(np.float32) for name in _ARRAYS}
            return cls(**told, **arrays)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise DataError("is no reference of this kit's", where=path, fix=_FIX) from error

    def require_model(self, model: str, weights_sha256: str, size: int, where: object) -> None:
        """Raise unless it is what this very model made of its pictures.

        Raises:
            DataError: naming what differs.
        """
        for what, own, asked in (
            ("model", self.model, model),
            ("weights", self.weights_sha256, weights_sha256),
            ("input size", self.size, size),
        ):
            if own != asked:
                raise DataError(
                    f"is a reference of another {what}: of {own}, not of {asked}",
                    where=where,
                    fix=_FIX,
                )


_FIX = "make one with `kit advise MODEL COCO_FOLDER --write-reference FILE`"


def measure(target: NDArray[np.float32], reference: NDArray[np.float32]) -> Distance:
    """All three measures.

    Args:
        target: ``(n, D)``, reference: ``(m, D)`` features; a row a picture.

    Raises:
        DataError: fewer than 10 pictures on one side.
    """
    for name, side in (("the dataset", target), ("the reference", reference)):
        if len(side) < FEWEST:
            raise DataError(
                f"{name} has {len(side)} pictures to look at, a distance needs {FEWEST}",
                fix="label more pictures",
            )
    unit = np.sqrt((reference.astype(np.float64) ** 2).sum(1).mean())
    one, two = target / unit, reference / unit
    return Distance(_means(one, two, _cosine), _means(one, two, _squared), _svm(one, two))


def of(features: Features, reference: Reference) -> dict[str, Distance]:
    """``{"pictures": of whole pictures, "objects": of what is labelled on them}``."""
    return {
        "pictures": measure(features.pictures, reference.pictures),
        "objects": measure(features.pictures_by_object, reference.objects),
    }


def _means(one: Array, two: Array, distance: Callable[[Array, Array], Array]) -> Estimate:
    """A distance of two means, and its interval: the bootstrap's, moved by how much the draws'
    mean lies above the estimate, since means of fewer pictures lie further apart."""
    rng = np.random.default_rng(0)
    drawn = [
        rng.multinomial(len(side), np.full(len(side), 1 / len(side)), RESAMPLES) @ side / len(side)
        for side in (one, two)
    ]
    value = float(distance(one.mean(0)[None], two.mean(0)[None])[0])
    draws = distance(*drawn)
    if distance is _squared:  # without bias (Gretton et al., "A Kernel Two-Sample Test", 2012)
        value -= sum(float(side.var(0, ddof=1).sum()) / len(side) for side in (one, two))
    return Estimate(value, *_tails(draws - draws.mean() + value))


def _cosine(one: Array, two: Array) -> Array:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return np.asarray(1 - (one * two).sum(1) / np.maximum(lengths, np.finfo(np.float64).tiny))


def _squared(one: Array, two: Array) -> Array:
    return np.asarray(((one - two) ** 2).sum(1))


def _svm(one: Array, two: Array) -> Estimate:
    """Each picture is judged by a classifier that was trained without it.

    The interval is Jeffreys' (Brown, Cai and DasGupta, "Interval Estimation for a Binomial
    Proportion", 2001): drawing pictures anew would find no chance at all where every one is right.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    side = np.repeat([1, 0], [len(one), len(two)])
    judge = make_pipeline(
        StandardScaler(),
        LinearSVC(C=_STRENGTH, class_weight="balanced", max_iter=10_000, random_state=0),
    )
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    right = cross_val_predict(judge, np.concatenate([one, two]), side, cv=folds) == side
    rng = np.random.default_rng(0)
    draws = [
        rng.beta(hits.sum() + 0.5, (~hits).sum() + 0.5, RESAMPLES)
        for hits in (right[side == 1], right[side == 0])
    ]
    value = (right[side == 1].mean() + right[side == 0].mean()) / 2
    return Estimate(float(value), *_tails((draws[0] + draws[1]) / 2))


def _tails(draws: Array) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
