"""Percentiles are told only where there are samples enough, and nothing is clipped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.bench.statistics import settled, spread, too_few


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
