"""A column of times in one row. Nothing is clipped: rare slow runs are what a ward waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FLOORS: Mapping[str, int] = {"p90": 64, "p95": 130, "p99": 662}
"""Fewest samples behind a percentile: MLPerf Inference's early-stopping figures for its 99 %
confidence that the true percentile is not above the one reported."""


@dataclass(frozen=True)
class Spread:
    """Milliseconds; a percentile below its floor of samples is None."""

    mean: float
    p50: float
    p90: float | None
    p95: float | None
    p99: float | None
    max: float


def spread(times_ns: Sequence[int]) -> Spread:
    """Summarise nanoseconds, of which there must be at least one."""
    times = np.asarray(times_ns, np.float64) / 1e6
    high = {
        name: float(np.percentile(times, int(name[1:]))) if len(times) >= floor else None
        for name, floor in FLOORS.items()
    }
    return Spread(
        mean=float(times.mean()), p50=float(np.median(times)), **high, max=float(times.max())
    )


def too_few(samples: int) -> tuple[str, ...]:
    """Percentiles that so many samples can't tell."""
    return tuple(name for name, floor in FLOORS.items() if samples < floor)


def settled(times_ns: Sequence[int], window: int, tolerance: float) -> bool:
    """Whether the medians of the last two windows differ by no more than the tolerance."""
    if len(times_ns) < 2 * window:
        return False
    last = float(np.median(times_ns[-window:]))
    before = float(np.median(times_ns[-2 * window : -window]))
    return abs(last - before) <= tolerance * before
