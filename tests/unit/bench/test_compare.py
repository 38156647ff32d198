"""Which of two is faster: certain and large enough, or a tie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kit.bench.compare import compare, pair
from kit.bench.report import LatencyReport
from kit.bench.statistics import spread
from kit.errors import DataError
from kit.types import Tiling


def row(median: float = 20.0, noise: float = 0.5, count: int = 400, **changes: Any) -> Any:
    times = np.random.default_rng(7).normal(median, noise, count).clip(1)
    facts: dict[str, Any] = {
        "bundle": "b", "bundle_sha256": "s", "manifest_sha256": "m", "backend": "onnxruntime",
        "provider": "CPUExecutionProvider", "device": "d", "precision": "fp32", "input_size": 416,
        "batch": 1, "regime": "burst", "samples": count, "warmup": 20, "settled": True,
        "stages": {"total": spread((times * 1e6).astype(int).tolist())}, "too_few": (),
        "throughput": 50.0, "memory_mb": None, "power_w": None, "throttled": None, "ap50": 0.9,
        "environment": {}, "totals_ms": tuple(times.tolist()), **changes,
    }  # fmt: skip
    return LatencyReport(**facts)


@pytest.mark.parametrize(
    ("median", "noise", "verdict"),
    [
        (20.0, 0.5, "tie"),
        (16.0, 0.5, "faster"),
        (25.0, 0.5, "slower"),
        (19.2, 0.01, "tie"),  # for sure, but too little to count on another day
        (20.8, 0.01, "tie"),
    ],
)
def test_verdicts(median: float, noise: float, verdict: str) -> None:
    found = compare(row(noise=noise), row(median, noise))
    assert found.verdict == verdict
    assert found.ratio == pytest.approx(median / 20, rel=0.02)
    assert found.interval[0] <= found.ratio <= found.interval[1]


def test_few_noisy_samples_are_a_tie() -> None:
    assert compare(row(noise=15, count=5), row(16.0, noise=15, count=5)).verdict == "tie"


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataError, match="different pictures"):
        compare(row(), row(manifest_sha256="other"))
    with pytest.raises(DataError, match=r"another load \(batch 1 and 4\)"):
        compare(row(), row(batch=4))
    with pytest.raises(DataError, match="doesn't hold its samples"):
        compare(row(), replace(row(), totals_ms=()))


def test_rows_are_paired_by_what_they_are() -> None:
    one = [row(batch=1), row(batch=4), row(batch=8)]
    other = [row(30.0, batch=4), row(40.0, batch=1)]
    assert [(a.batch, b.batch) for a, b in pair(one, other)] == [(1, 1), (4, 4)]
    assert len(pair([row()], [row(precision="int8")])) == 1, "one row each: those two"
    seeds = pair([row(20.0), row(30.0)], [row(40.0), row(50.0)])
    assert [(round(a.totals_ms[0] / 10), round(b.totals_ms[0] / 10)) for a, b in seeds] == [
        (2, 4), (3, 5)
    ], "several that are alike: in their order"  # fmt: skip
    tiled = row(tiling=Tiling(640))
    [(first, second)] = pair([row(), tiled], [replace(tiled, bundle="other"), tiled])
    assert first.tiling == second.tiling == Tiling(640), "tiled with tiled"
    assert compare(*pair([row()], [tiled])[0]).second.endswith("tiles of 640 px, overlap 0.2")
    with pytest.raises(DataError, match="no row of the one"):
        pair(one, [row(precision="int8"), row(precision="fp16")])
