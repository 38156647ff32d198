"""Scores that can be read as chances: a scaling fitted on valid pictures, applied where asked for.

A detector around a detector, like tiling. Thresholds and floors are of raw scores, whether what is
returned is scaled or not, so it never changes which boxes are shown, and no greater score becomes
smaller than a lesser one. (In float32 scores that nearly agree may become equal.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.bundle import Scaling
from kit.runtime.around import Around
from kit.types import Detections, Picture, Result

SLOPE = 0.01
"""Share of the raw score in what isotonic scaling gives: where that is flat, order is kept."""

_EDGE = 1e-7  # a score of 0 or 1 has no finite logit


def scale(scores: NDArray[np.floating], scaling: Scaling) -> NDArray[np.float64]:
    """Scale raw scores, strictly increasing.

    Temperature: ``sigmoid(logit(s) / T)`` (Guo et al. 2017, "On calibration of modern neural
    networks"). Isotonic: lines between the knots, level beyond them, and of that ``1 - SLOPE``
    plus ``SLOPE`` of the raw score.

    Args:
        scores: ``(n,)`` in 0..1.
    """
    raw = np.asarray(scores, np.float64)
    if scaling.method == "temperature":
        inside = np.clip(raw, _EDGE, 1 - _EDGE)
        return np.asarray(1 / (1 + ((1 - inside) / inside) ** (1 / scaling.temperature)))
    level = np.interp(raw, scaling.scores, scaling.chances)
    return np.asarray((1 - SLOPE) * level + SLOPE * raw)


@dataclass(frozen=True, eq=False)
class ScaledDetector(Around):
    """It scales the scores of what it shows."""

    scaling: Scaling

    def detect(self, images: Sequence[Picture], *, floor: float | None = None) -> list[Result]:
        """Detect with the detector inside; ``floor`` is of raw scores."""
        return [
            Result(self._scaled(result.detections), result.stages_ns, result.features)
            for result in self.detector.detect(images, floor=floor)
        ]

    def _scaled(self, found: Detections) -> Detections:
        scores = scale(found.scores, self.scaling).astype(np.float32)
        return Detections(found.xyxy, scores, found.labels)
