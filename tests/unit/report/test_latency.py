"""The page of a benchmark says what its rows say."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.bench.report import LatencyReport
from kit.bench.statistics import Drift, spread
from kit.report.html import render_html
from kit.report.latency import front, pareto, spreads, tell
from kit.report.page import Table


def row(median: float = 20.0, **changes: Any) -> LatencyReport:
    times = np.random.default_rng(7).normal(median, 1, 100).clip(1)
    total = spread((times * 1e6).astype(int).tolist(), intervals=True)
    facts: dict[str, Any] = {
        "bundle": "cells", "bundle_sha256": "s", "manifest_sha256": "m" * 64,
        "backend": "onnxruntime", "provider": "CPUExecutionProvider", "device": "a CPU",
        "precision": "fp32", "input_size": 416, "batch": 1, "regime": "burst", "samples": 100,
        "warmup": 20, "settled": True, "stages": {"run": total, "total": total},
        "too_few": ("p95", "p99"), "throughput": 50.0, "memory_mb": 100.0, "power_w": None,
        "throttled": None, "ap50": 0.9, "environment": {"cores": 2, "packages": {"numpy": "2"}},
        "totals_ms": tuple(times.tolist()), **changes,
    }  # fmt: skip
    return LatencyReport(**facts)


def words(svg: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(svg).iter("text")]


def test_rows_are_called_by_what_tells_them_apart() -> None:
    page = tell([row(), row(30.0, precision="int8"), row(60.0, precision="int8", batch=4)])
    totals = page.sections[0]
    assert isinstance(totals, Table)
    assert [line[0] for line in totals.rows] == ["fp32, batch 1", "int8, batch 1", "int8, batch 4"]
    assert "cells, 416 px, CPU, burst, 1 stream" in page.subtitle
    assert [line[0] for line in tell([row()]).sections[0].rows] == ["cells"]  # type: ignore[union-attr]


def test_what_nobody_measured_has_no_column() -> None:
    plain, soaked = tell([row()]), tell([row(drift=Drift(10, 20, 25, 0.5, (0.4, 0.6)))])
    for page, there in ((plain, False), (soaked, True)):
        (under,) = [s for s in page.sections if isinstance(s, Table) and s.title == "Under what"]
        assert ("ms a minute" in under.header) == there
        assert "GPU MB" not in under.header


def test_the_page_reaches_for_nothing() -> None:
    html = render_html(tell([row(), row(30.0, precision="int8", ap50=None)]))
    assert "http" not in html.replace("http-equiv", "")
    assert "–" in html  # noqa: RUF001 - power was not measured


@pytest.mark.parametrize("draw", [spreads, front])
def test_plots_name_every_row_and_stay_the_same(draw: Any) -> None:
    rows = [row(), row(30.0, precision="int8", ap50=0.8)]
    assert draw(rows) == draw(rows)
    assert {"fp32", "int8"} <= set(words(draw(rows)))


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20)), min_size=1, max_size=20))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    pairs = [(float(time), float(score)) for time, score in points]
    best = pareto(pairs)
    assert best == sorted(best)
    for time, score in pairs:
        beaten = any(t <= time and s >= score and (t, s) != (time, score) for t, s in pairs)
        assert ((time, score) in best) != beaten
