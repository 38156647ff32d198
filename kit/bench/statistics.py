"""A column of times in one row. Nothing is clipped: rare slow runs are what a ward waits for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FLOORS: Mapping[str, int] = {"p90": 64, "p95": 130, "p99": 662}
"""Fewest samples behind a percentile: MLPerf Inference's early-stopping figures for its 99 %
confidence that the true percentile is not above the one reported."""


RESAMPLES, LEVEL = 1000, 0.95


@dataclass(frozen=True)
class Spread:
    """Milliseconds; a percentile below its floor of samples is None.

    Attributes:
        interval: 95 % of each percentile that is told, see :func:`redrawn`; empty where nobody
            asked for it.
    """

    mean: float
    p50: float
    p90: float | None
    p95: float | None
    p99: float | None
    max: float
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Drift:
    """Whether times rise while work goes on.

    Attributes:
        minutes: looked at.
        first_ms, last_ms: medians of the first and the last tenth.
        slope: of the medians of thirty windows, milliseconds a minute: the median of the slopes of
            all pairs (Theil 1950, Sen 1968), which a few slow windows don't move.
        interval: 95 %, by Sen's method.
    """

    minutes: float
    first_ms: float
    last_ms: float
    slope: float
    interval: tuple[float, float]


def spread(times_ns: Sequence[int], *, intervals: bool = False) -> Spread:
    """Summarise nanoseconds, of which there must be at least one."""
    times = np.asarray(times_ns, np.float64) / 1e6
    told = {"p50": 50, **{n: int(n[1:]) for n, floor in FLOORS.items() if len(times) >= floor}}
    values = {name: float(np.percentile(times, rank)) for name, rank in told.items()}
    limits: dict[str, tuple[float, float]] = {}
    if intervals:
        drawn = redrawn(times, list(told.values()))
        tails = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        limits = {
            name: (float(low), float(high)) for name, low, high in zip(told, *tails, strict=True)
        }
    return Spread(
        mean=float(times.mean()),
        p50=values["p50"],
        **{name: values.get(name) for name in FLOORS},
        max=float(times.max()),
        interval=limits,
    )


def redrawn(
    times: NDArray[np.float64], ranks: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """``(B, R)`` percentiles of columns of times drawn anew.

    Whole blocks of neighbours are drawn, since a slow run is followed by slow ones (the circular
    block bootstrap, Politis and Romano 1992, with blocks of the cube root of the number).
    """
    rng, count = np.random.default_rng(seed), len(times)
    block = math.ceil(count ** (1 / 3))
    within = np.arange(block)
    drawn = np.empty((resamples, len(ranks)))
    for row in drawn:
        starts = rng.integers(0, count, math.ceil(count / block))
        chosen = (starts[:, None] + within).ravel()[:count] % count
        row[:] = np.percentile(times[chosen], ranks)
    return drawn


def drift(starts_ns: Sequence[int], times_ns: Sequence[int]) -> Drift | None:
    """The trend of times; None where there are too few to tell (under ten a window).

    Args:
        starts_ns: when each began, ascending.
    """
    windows = 30
    if len(times_ns) < 10 * windows:
        return None
    begun = np.asarray(starts_ns, np.float64) / 60e9
    times = np.asarray(times_ns, np.float64) / 1e6
    parts = np.array_split(np.arange(len(times)), windows)
    at = np.array([begun[part].mean() for part in parts])
    medians = np.array([np.median(times[part]) for part in parts])
    one, other = np.triu_indices(windows, 1)
    slopes = np.sort((medians[other] - medians[one]) / (at[other] - at[one]))
    # Sen's interval: ranks around the middle, by the deviation of Kendall's count of rising pairs
    around = 1.96 * math.sqrt(windows * (windows - 1) * (2 * windows + 5) / 18)
    low, high = (len(slopes) - around) / 2, (len(slopes) + around) / 2
    tenth = max(len(times) // 10, 1)
    return Drift(
        minutes=float(begun[-1] - begun[0]),
        first_ms=float(np.median(times[:tenth])),
        last_ms=float(np.median(times[-tenth:])),
        slope=float(np.median(slopes)),
        interval=(float(slopes[int(low)]), float(slopes[min(int(high), len(slopes) - 1)])),
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
