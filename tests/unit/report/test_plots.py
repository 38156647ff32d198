"""Plots say what the data say: heights, widths and names are read back from the drawing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from kit.report import plots

HISTORY = [
    {"epoch": 1, "train_loss": 3.0, "valid_loss": 3.5, "ap50": 0.2, "ap": 0.1},
    {"epoch": 2, "train_loss": 2.0, "valid_loss": None, "ap50": 0.6, "ap": 0.3},
    {"epoch": 3, "train_loss": 1.5, "valid_loss": 2.5, "ap50": 0.8, "ap": 0.5},
]
ROWS = [
    {"label": "fast", "stages": {"decode": {"p50": 2.0}, "run": {"p50": 10.0}, "copy_in": None}},
    {"label": "slow", "stages": {"decode": {"p50": 2.0}, "run": {"p50": 40.0}, "post": {"p50": 1}}},
]


def words(svg: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(svg).iter("text")]


def widths(svg: str, colour: str) -> list[float]:
    """Widths of the bars of a colour, in the order drawn."""
    found = []
    for path in ET.fromstring(svg).iter("path"):
        if f"fill: {colour}" in path.get("style", "") and path.get("clip-path"):
            xs = [float(x) for x in re.findall(r"[ML] (-?[\d.]+) ", path.get("d", ""))]
            found.append(max(xs) - min(xs))
    return found


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.learning_curve(HISTORY),
        lambda: plots.latency_bars(ROWS),
        lambda: plots.class_bars({"a": 3, "b": 1}, {"a": 1, "b": 1}),
    ],
)
def test_the_same_data_give_the_same_bytes(draw: object) -> None:
    assert callable(draw)
    first, second = draw(), draw()
    assert first == second
    assert first.startswith("<svg")
    assert "#010203" not in first
    assert "currentColor" in first


def test_the_latency_of_a_row_is_the_sum_of_its_stages() -> None:
    svg = plots.latency_bars(ROWS)
    told = words(svg)
    assert "12.0 ms" in told
    assert "43.0 ms" in told
    assert "copy_in" not in told  # it was not measured
    fast, slow = widths(svg, "#b36fb0")  # run
    assert slow / fast == pytest.approx(4, rel=1e-3)


def test_class_bars_are_shares_and_their_figures_are_objects() -> None:
    svg = plots.class_bars({"RBC": 90, "WBC": 10}, {"RBC": 5, "WBC": 5})
    assert {"90", "10", "5", "RBC", "WBC"} <= set(words(svg))
    before, after = widths(svg, "#8393a0"), widths(svg, "#3b86c6")
    assert before[0] / before[1] == pytest.approx(9, rel=1e-3)
    assert after[0] == pytest.approx(after[1], rel=1e-3)


def test_cost_bars_are_points_and_what_was_not_measured_has_none() -> None:
    svg = plots.cost_bars({"missed": 0.2, "both": 0.05, "duplicate": None})
    assert {"20.0", "5.0", "missed", "both"} <= set(words(svg))
    assert "duplicate" not in words(svg)
    longer, shorter = widths(svg, "#3b86c6")
    assert longer / shorter == pytest.approx(4, rel=1e-3)
    assert plots.cost_bars({}).startswith("<svg")


def test_a_class_may_have_any_name() -> None:
    names = {"$x$": 1, "<b>&": 2, "赤血球": 3, "n" * 300: 4}
    told = words(plots.class_bars(names, names))
    assert {"$x$", "<b>&", "赤血球"} <= set(told)
    assert max(map(len, told)) < 60


def test_what_was_not_measured_is_not_drawn() -> None:
    told = words(plots.learning_curve([{"epoch": 1, "train_loss": 1.0}]))
    assert "train" in told
    assert "valid" not in told
    assert "AP50" not in told
    assert plots.learning_curve([]).startswith("<svg")
    assert plots.latency_bars([]).startswith("<svg")
    assert plots.class_bars({}, {}).startswith("<svg")
