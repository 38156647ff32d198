"""Shares of patients or pictures, each of which says yes or no once: Wilson's score interval.

It is for what is independent. Objects of one picture are found or missed together, so sensitivity
per object is no such share and gets a bootstrap interval (:mod:`kit.evaluate.intervals`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from kit.evaluate.intervals import LEVEL, Interval, Units
from kit.evaluate.operating import Counts


@dataclass(frozen=True)
class Share:
    """Of how many units something is true.

    Attributes:
        count: of them. n: units asked.
        interval: 95 %, Wilson's; None where there is no unit.
    """

    count: int
    n: int
    interval: Interval | None

    @property
    def value(self) -> float | None:
        """In 0..1; None where there is no unit."""
        return self.count / self.n if self.n else None


def wilson(count: int, n: int, level: float = LEVEL) -> Interval | None:
    """Score interval of a proportion (Wilson 1927, "Probable inference, the law of succession, and
    statistical inference"); None for none of none.

    Raises:
        ValueError: not 0 <= count <= n.
    """
    if not 0 <= count <= n:
        raise ValueError(f"{count} of {n} is not a share")
    if not n:
        return None
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, shrunk = count / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrunk
    half = z / shrunk * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == n else min(1.0, centre + half)
    return low, high


def shares(counts: Counts, units: Units | None = None) -> Mapping[str, Share]:
    """At one threshold: units with every object found (of those that hold one), and units without
    a false positive. A unit is a patient where they are known, else a picture."""
    own = np.arange(len(counts.objects)) if units is None else units
    hits, false, objects = (
        np.bincount(own, weights=each).astype(int)
        for each in (counts.hits, counts.false, counts.objects)
    )
    holding = objects > 0
    asked = {
        "every_object_found": (int((hits == objects)[holding].sum()), int(holding.sum())),
        "no_false_positive": (int((false == 0).sum()), len(false)),
    }
    return {name: Share(count, n, wilson(count, n)) for name, (count, n) in asked.items()}
