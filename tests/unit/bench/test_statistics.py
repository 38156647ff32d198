"""Percentiles are told only where there are samples enough, and nothing is clipped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.bench.statistics import drift, redrawn, settled, spread, too_few


@pytest.mark.parametrize(
    ("samples", "missing"),
    [(1, ("p90", "p95", "p99")), (63, ("p90", "p95", "p99")), (64, ("p95", "p99")),
     (130, ("p99",)), (661, ("p99",)), (662, ())],
)  # fmt: skip
def test_floors(samples: int, missing: tuple[str, ...]) -> None:
    row = spread([1_000_000] * samples)
    assert too_few(samples) == missing
    assert tuple(name for name in ("p90", "p95", "p99") if getattr(row, name) is None) == missing


@given(st.lists(st.integers(1, 10**10), min_size=1, max_size=800))
def test_equal_to_numpy(times: list[int]) -> None:
    row, expected = spread(times), np.array(times) / 1e6
    assert row.p50 == pytest.approx(np.percentile(expected, 50))
    assert row.mean == pytest.approx(expected.mean())
    assert row.max == expected.max()  # the one slow run is in the row
    for name in ("p90", "p95", "p99"):
        if (value := getattr(row, name)) is not None:
            assert value == pytest.approx(np.percentile(expected, int(name[1:])))


def test_settled_when_two_windows_agree() -> None:
    assert not settled([100] * 9, window=5, tolerance=0.05)
    assert settled([100] * 10, window=5, tolerance=0.05)
    assert not settled([900] * 5 + [100] * 5, window=5, tolerance=0.05)
    assert settled([900] * 5 + [100] * 5 + [104] * 5, window=5, tolerance=0.05)


def test_intervals_hold_the_median_they_should() -> None:
    """Of a hundred columns drawn from one distribution, about 95 intervals hold its median."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        times = (rng.lognormal(3, 0.2, 200) * 1e6).astype(int)
        low, high = spread(times.tolist(), intervals=True).interval["p50"]
        held += low <= np.exp(3) <= high
    assert 88 <= held <= 100


def test_slow_runs_in_a_row_widen_the_interval() -> None:
    """Single values drawn anew would take a slow minute for so many accidents."""
    slow = np.where(np.arange(400) % 100 < 50, 10.0, 12.0) + np.linspace(0, 0.01, 400)
    shuffled = np.random.default_rng(0).permutation(slow)
    assert redrawn(slow, [60]).std() > redrawn(shuffled, [60]).std()


@given(slope=st.floats(-5, 5), noise=st.floats(0, 0.2))
def test_drift_is_the_slope(slope: float, noise: float) -> None:
    starts = (np.arange(600) * 1e8).astype(int)  # one minute
    times = 20 + slope * starts / 60e9 + noise * np.random.default_rng(0).normal(size=600)
    times[7] = 500  # one slow run is not a trend
    found = drift(starts.tolist(), (times * 1e6).tolist())
    assert found is not None
    assert found.slope == pytest.approx(slope, abs=0.2)
    assert found.interval[0] <= slope + 1e-6
    assert found.interval[1] >= slope - 1e-6
    assert found.minutes == pytest.approx(1, abs=0.01)


def test_too_short_a_soak_has_no_drift() -> None:
    assert drift(list(range(299)), [1] * 299) is None
