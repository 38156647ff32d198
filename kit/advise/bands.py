"""The study's table: what to do with pretrained weights, by distance and by the amount of data.

From Chu et al., "Best Practices for Fine-tuning Visual Classifiers to New Domains" (2016), who
measured classifiers. For detectors its bounds are not calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Band = Literal["low", "medium", "high"]
Says = Literal["freeze", "try both", "tune"]

DISTANCE: tuple[float, float] = (0.2, 0.4)
"""Cosine distances from which on it is medium, and high."""

DATA: tuple[int, int] = (21, 100)
"""Pictures per class from which on there is a medium and a high amount of data."""

_SAYS: Mapping[Band, Mapping[Band, Says]] = {
    "low": {"low": "freeze", "medium": "try both", "high": "tune"},
    "medium": {"low": "try both", "medium": "tune", "high": "tune"},
    "high": {"low": "try both", "medium": "tune", "high": "tune"},
}
"""By distance, then by data."""


@dataclass(frozen=True)
class Bands:
    """Where a dataset falls, and what the table says of it."""

    distance: Band
    data: Band
    says: Says


def fall(cosine: float, pictures: int) -> Bands:
    """Read the table.

    Args:
        cosine: distance of the mean features from those of what the weights were trained on.
        pictures: that show the class which the fewest show.
    """
    distance, data = _band(cosine, DISTANCE), _band(pictures, DATA)
    return Bands(distance, data, _SAYS[distance][data])


def _band(value: float, bounds: tuple[float, float]) -> Band:
    if value < bounds[0]:
        return "low"
    return "medium" if value < bounds[1] else "high"
