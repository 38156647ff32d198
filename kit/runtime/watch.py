"""Does this picture look like those the detector was trained on?

The graph's pooled features of a picture are compared with those of the training pictures. Two
distances from the literature: Mahalanobis' with a shrunk covariance (Lee et al., "A simple unified
framework for detecting out-of-distribution samples", NeurIPS 2018; Ledoit and Wolf, 2004), and the
one to the k-th nearest of a bank of training pictures (Sun et al., "Out-of-distribution detection
with deep nearest neighbors", ICML 2022). A threshold set on pictures held back tells which
distances are unusual; it knows nothing of diseases, only of what the camera shows.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import comb
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kit.bundle import Bundle
from kit.errors import BundleError
from kit.files import load_arrays
from kit.runtime.around import Around
from kit.runtime.quality import complaints, quality
from kit.types import Picture, Result, Watched

FILE = "watch.npz"
"""Name of the file in a bundle."""

_AGAIN = "fit it again: kit calibrate BUNDLE SRC --watch --out NEW"

Method = Literal["mahalanobis", "neighbours"]


@dataclass(frozen=True, eq=False)
class Watch:
    """What the training pictures look like to the detector.

    Attributes:
        method: how far a picture is from them.
        threshold: distance from which a picture is unlike them.
        alarms: share of pictures like those of training that it flags, as measured on others.
        usual: lowest and highest of each figure of :class:`kit.runtime.quality.Quality`.
        arrays: of ``mahalanobis``: ``mean`` ``(D,)`` and ``whiten`` ``(D, R)``, which takes a
            centred feature to coordinates of variance 1; of ``neighbours``: ``bank`` ``(N, D)`` of
            length 1 each and ``k``, which of them counts.
    """

    method: Method
    threshold: float
    alarms: float
    usual: Mapping[str, tuple[float, float]]
    arrays: Mapping[str, NDArray[np.float32]]

    def distance(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """``(B,)`` distances of features ``(B, D)``."""
        if self.method == "mahalanobis":
            centred = (features - self.arrays["mean"]) @ self.arrays["whiten"]
            return np.asarray(np.sqrt((centred.astype(np.float64) ** 2).sum(axis=1)))
        bank, k = self.arrays["bank"], int(self.arrays["k"])
        unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        # of vectors of length 1, the squared distance is 2 less twice their product
        squared = np.maximum(2 - 2 * (unit @ bank.T).astype(np.float64), 0)
        return np.asarray(np.sqrt(np.partition(squared, k - 1, axis=1)[:, k - 1]))

    @property
    def width(self) -> int:
        """D, of the features it compares."""
        kept = self.arrays["mean" if self.method == "mahalanobis" else "bank"]
        return int(kept.shape[-1])

    def look(self, picture: Picture, features: NDArray[np.float32]) -> Watched:
        """What there is to say of a picture.

        Args:
            features: ``(D,)`` of the whole picture.
        """
        distance = float(self.distance(features[None])[0])
        return Watched(
            distance=distance,
            unlike=not distance <= self.threshold,  # true for NaN too
            complaints=complaints(quality(picture), self.usual),
        )


def pack(watch: Watch) -> bytes:
    """The file of a bundle: arrays only, nothing that runs."""
    content = io.BytesIO()
    arrays: dict[str, Any] = dict(watch.arrays)
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def facts(watch: Watch) -> dict[str, Any]:
    """What the card says of it."""
    usual = {name: list(pair) for name, pair in watch.usual.items()}
    return {
        "method": watch.method,
        "threshold": watch.threshold,
        "alarms": watch.alarms,
        "usual": usual,
    }


def load_watch(bundle: Bundle) -> Watch | None:
    """The watch of a bundle; None where it has none.

    Raises:
        BundleError: its file is not what the card says.
    """
    told, where = bundle.card.watch, bundle.directory / FILE
    if not told:
        return None
    try:
        content = load_arrays(where)
        usual = {name: (float(low), float(high)) for name, (low, high) in told["usual"].items()}
        watch = Watch(told["method"], float(told["threshold"]), told["alarms"], usual, content)
        needed = {"mahalanobis": {"mean", "whiten"}, "neighbours": {"bank", "k"}}[watch.method]
        if set(content) != needed:
            raise ValueError(f"it holds {sorted(content)}")
        _require_shapes(watch)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"its watch can't be read ({error})", where=where, fix=_AGAIN) from error
    return watch


def _require_shapes(watch: Watch) -> None:
    """Raise ValueError where the arrays don't fit each other."""
    shapes = {name: each.shape for name, each in watch.arrays.items()}
    if watch.method == "mahalanobis":
        fit = len(shapes["mean"]) == 1 and shapes["whiten"][:1] == shapes["mean"]
        fit &= len(shapes["whiten"]) == 2
    else:
        fit = len(shapes["bank"]) == 2 and shapes["k"] == ()
        fit = fit and 1 <= int(watch.arrays["k"]) <= shapes["bank"][0]
    if not fit:
        raise ValueError(f"arrays of {shapes} don't fit each other")


def require_width(watch: Watch, width: int | None, where: object) -> None:
    """Refuse a watch of another graph's features.

    Args:
        width: of the graph's features; None where that isn't known.

    Raises:
        BundleError: the watch was fitted to features of another width.
    """
    if width not in (None, watch.width):
        raise BundleError(
            f"its watch was fitted to {watch.width} features a picture, its graph has {width}",
            where=where,
            fix=_AGAIN,
        )


@dataclass(frozen=True, eq=False)
class WatchedDetector(Around):
    """Its results say whether a picture looks like those of training.

    Raises:
        BundleError: the watch is of features of another width, where the runner tells its own.
    """

    watch: Watch

    def __post_init__(self) -> None:
        require_width(self.watch, self.runner.width, self.card.name)

    def detect(self, images: Sequence[Picture], *, floor: float | None = None) -> list[Result]:
        """As the detector does, each result with what the watch says.

        Raises:
            BundleError: the watch is of features of another width.
        """
        results = self.detector.detect(images, floor=floor)
        for result in results:
            if result.features is not None:
                require_width(self.watch, len(result.features), self.card.name)
        return [
            result
            if result.features is None
            else replace(result, watched=self.watch.look(image, result.features))
            for image, result in zip(images, results, strict=True)
        ]


@dataclass
class Drift:
    """Tells once when a stream's pictures have become unlike those of training.

    Of the last pictures more are flagged than chance would have: a binomial test on a window, which
    is left before it can warn again. With the level per window, not per picture, it hardly ever
    warns of what is as it was.

    Attributes:
        alarms: share flagged of pictures that are as they should be.
        window: pictures looked at together.
        level: probability of a warning by chance, for one window.
    """

    alarms: float
    window: int = 100
    level: float = 1e-4
    _flags: deque[bool] = field(default_factory=deque, repr=False)
    _told: bool = field(default=False, repr=False)

    def add(self, unlike: bool) -> bool:
        """Count a picture; True where a warning is due now."""
        self._flags.append(unlike)
        if len(self._flags) < self.window:
            return False
        if len(self._flags) > self.window:
            self._flags.popleft()
        flagged = sum(self._flags)
        drifted = _at_least(flagged, self.window, self.alarms) < self.level
        due = drifted and not self._told
        # until it is as it was, the same drift is not told again
        self._told = drifted or (self._told and flagged > 2 * self.alarms * self.window)
        return due


def _at_least(successes: int, trials: int, share: float) -> float:
    """Probability of so many successes or more, by chance."""
    return sum(
        comb(trials, count) * share**count * (1 - share) ** (trials - count)
        for count in range(successes, trials + 1)
    )
