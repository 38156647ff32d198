"""The plot of a forecast: what was measured, the curves that fit it, and where they meet the
target."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from kit.report.plots import COLOURS, INK, Draw
from kit.study.forecast import HORIZON, Forecast, Needed
from kit.study.power_law import Curves
from kit.study.series import Series

_CURVE, _TARGET, _FAINT = COLOURS[0], COLOURS[1], COLOURS[5]


def forecast_plot(series: Series, told: Forecast, curves: Curves | None) -> Draw:
    """AP50 against labelled pictures, on a logarithmic axis: each seed, the mean of each size, the
    median curve with its 80 % and 95 % bands, and at the height of the target the pictures needed
    with their intervals; an arrow is one that goes on beyond the horizon."""
    right = _right(told)

    def draw() -> Figure:
        figure = Figure(figsize=(9, 4), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_xlim(0.85 * told.sizes[0].pictures, right)
        ticks = _ticks(told, right)
        axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        if curves is not None:
            _bands(axes, told, curves, right)
        sizes = [(size.pictures, size.ap50) for size in told.sizes]
        axes.plot(*zip(*sizes, strict=True), "o", color=_CURVE, markersize=8, label="mean")
        points = series.points
        axes.plot(points.pictures, points.ap50, "_", color=INK, markersize=7, label="a seed")
        axes.axhline(told.target, color=_TARGET, linestyle=(0, (4, 2)), linewidth=1.2)
        axes.annotate(f"target {told.target:g}", (0.005, told.target), color=_TARGET,
                      xycoords=("axes fraction", "data"), xytext=(0, 4),
                      textcoords="offset points")  # fmt: skip
        axes.axvline(told.pool, color=_FAINT, linewidth=1, linestyle=":")
        axes.annotate(f"{told.pool} labelled now", (told.pool, 0.02), color=_FAINT,
                      xycoords=("data", "axes fraction"), xytext=(4, 0),
                      textcoords="offset points")  # fmt: skip
        if told.needed is not None and told.verdict == "within reach":
            _needed(axes, told.needed, told.target, right)
        axes.set(xlabel="labelled pictures", ylabel="test AP50", ylim=_heights(told, curves, right))
        figure.legend(loc="outside upper left", ncols=6)
        return figure

    return draw


def _bands(axes: Axes, told: Forecast, curves: Curves, right: float) -> None:
    """Dashed where nothing was measured."""
    places = np.geomspace(0.85 * told.sizes[0].pictures, right, 120)
    drawn = curves.ap50(places[:, None])
    low95, low80, middle, high80, high95 = np.quantile(drawn, [0.025, 0.1, 0.5, 0.9, 0.975], axis=1)
    axes.fill_between(places, low95, high95, color=_CURVE, alpha=0.12, linewidth=0, label="95 %")
    axes.fill_between(places, low80, high80, color=_CURVE, alpha=0.2, linewidth=0, label="80 %")
    known = places <= told.sizes[-1].pictures
    axes.plot(places[known], middle[known], color=_CURVE, label="median curve")
    axes.plot(places[~known], middle[~known], color=_CURVE, linestyle=(0, (5, 2)))


def _needed(axes: Axes, needed: Needed, target: float, right: float) -> None:
    for (low, high), width in ((needed.interval95, 1.6), (needed.interval80, 5.0)):
        if low is not None:
            axes.hlines(target, low, right if high is None else high, color=_TARGET,
                        linewidth=width, zorder=3)  # fmt: skip
    if needed.interval95[1] is None:
        axes.plot(right, target, ">", color=_TARGET, markersize=9, clip_on=False, zorder=4)
    axes.plot(needed.pictures, target, "D", color=_TARGET, markersize=8, zorder=4,
              label=f"needed: {needed.pictures}")  # fmt: skip


def _right(told: Forecast) -> float:
    """As far as twice the pictures, and the interval of those needed."""
    ends = [2.2 * told.pool, 1.1 * told.sizes[-1].pictures]
    if told.needed is not None and told.verdict == "within reach":
        most = told.needed.interval95[1]
        ends.append(HORIZON * told.pool if most is None else 1.15 * most)
    return max(ends)


def _ticks(told: Forecast, right: float) -> list[float]:
    """What was measured, then multiples of the pictures there are; as far as there is room."""
    ends = [told.pool * times for times in (1, 2, 3, 5, 10)]
    room = (right / told.sizes[0].pictures) ** (1 / 14)
    ticks: list[float] = []
    for place in sorted({*(size.pictures for size in told.sizes), *map(float, ends)}):
        if place <= right and (not ticks or place >= room * ticks[-1]):
            ticks.append(place)
    return ticks


def _heights(told: Forecast, curves: Curves | None, right: float) -> tuple[float, float]:
    """From a little below what was measured or is wanted to a little above."""
    shown = [told.target, *(size.ap50 for size in told.sizes)]
    if curves is not None:
        left = curves.ap50(told.sizes[0].pictures)
        shown += [*np.quantile(left, [0.025, 0.975]), *np.quantile(curves.ap50(right), [0.1, 0.9])]
    room = 0.08 * max(max(shown) - min(shown), 0.05)
    return max(0.0, min(shown) - 2 * room), min(1.0, max(shown) + 1.5 * room)
