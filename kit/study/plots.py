"""The plots of a study: AP50 against the sample, settings side by side, learning curves.

They return functions that draw, for :func:`kit.report.plots.svg` and :func:`kit.report.plots.png`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from kit.report.plots import COLOURS, INK, Draw, short
from kit.study.compared import Row
from kit.study.overfit import Overfit, overfitting
from kit.study.reading import mean

_WIDTH = 9.0  # inches
_BESIDE = 3  # panels in a row
_WARN = "#d1495b"
_STROKES: Mapping[str, Any] = {"balanced": "-", "random": (0, (4, 2))}
_UNITS = {
    "fraction": "% of the training pictures",
    "objects": "labelled objects trained on",
    "images": "pictures trained on",
}


_Panel = dict[tuple[str, str], list[Row]]
"""Curves by what they are of and the rule of their samples."""


def has_curves(rows: Sequence[Row]) -> bool:
    """Whether settings that differ in nothing but their sample have been measured."""
    return any(len(curve) > 1 for panel in _panels(rows).values() for curve in panel.values())


def sample_curves(rows: Sequence[Row]) -> Draw:
    """Test AP50 against the size of the training sample, with 95 % bands: figure 5 of the study.

    A panel a dataset; in it a curve for each model (and whatever else differs) and rule. All the
    pictures are the last point of every rule's curve. Hollow marks are published figures. The axis
    is the share of the pictures where every sample is one, the labelled objects where every sample
    is a number of those, else the pictures.
    """
    unit, panels = _unit(rows), _panels(rows)
    names = list(dict.fromkeys(name for panel in panels.values() for name, _ in panel))
    rules = sorted({rule for panel in panels.values() for _, rule in panel})
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}

    def draw() -> Figure:
        beside = min(_BESIDE, len(panels))
        below = -(-len(panels) // beside)
        figure = Figure(figsize=(_WIDTH, 0.6 + 3.0 * below), layout="constrained")
        grid = figure.subplots(below, beside, squeeze=False, sharey=True).ravel()
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        for axes, (dataset, panel) in zip(grid, panels.items(), strict=False):
            for (name, rule), curve in panel.items():
                _curve(axes, curve, unit, colours[name], _STROKES[rule])
            shown = [row for curve in panel.values() for row in curve]
            _x_axis(axes, sorted({_size(row, unit) for row in shown}), log=unit != "fraction")
            axes.set(title=short(dataset, 30), xlabel=_UNITS[unit])
        for axes in grid[::beside]:
            axes.set_ylabel("test AP50")
        keys = [Line2D([], [], color=colours[n], marker="o", label=short(n)) for n in names]
        if len(rules) > 1:
            keys += [Line2D([], [], color=INK, linestyle=_STROKES[r], label=r) for r in rules]
        _legend(figure, keys, rows)
        return figure

    return draw


def dots(rows: Sequence[Row]) -> Draw:
    """Test AP50 of each setting: mean, 95 % interval, each seed, and what was published."""
    measured = [(row, runs) for row in rows if (runs := row.reading.ap50) is not None]

    def draw() -> Figure:
        figure = Figure(figsize=(_WIDTH, 1.2 + 0.34 * len(measured)), layout="constrained")
        axes = figure.subplots()
        for place, (row, runs) in enumerate(measured):
            axes.plot(runs.interval, (place, place), color=COLOURS[0], linewidth=3, alpha=0.4)
            seeds = list(runs.scores.values())
            axes.plot(seeds, [place] * len(seeds), "|", color=INK, markersize=8)
            axes.plot(runs.mean, place, "o", color=COLOURS[0])
            if row.published is not None:
                axes.plot(row.published.ap50, place, **_hollow(COLOURS[1]))
        axes.set_yticks(range(len(measured)), [short(row.label, 60) for row, _ in measured])
        axes.set_ylim(len(measured) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("test AP50")
        keys = [
            Line2D([], [], color=COLOURS[0], marker="o", label="mean and 95 % interval"),
            Line2D([], [], color=INK, marker="|", linestyle="none", label="a seed"),
        ]
        _legend(figure, keys, rows)
        return figure

    return draw


def learning_curves(rows: Sequence[Row]) -> Draw:
    """Small multiples: of each setting the losses, and beside them AP50, by epoch; a line a cell.
    A ring marks the lowest valid loss of a cell that overfits (:mod:`kit.study.overfit`)."""
    shown = [(row, [each.history() for each in row.reading.cells]) for row in rows]
    shown = [(row, histories) for row, histories in shown if histories]

    def draw() -> Figure:
        beside = min(2, len(shown))
        below = -(-len(shown) // beside)
        height = 0.6 + 1.6 * below
        figure = Figure(figsize=(_WIDTH, height))  # a layout engine takes minutes for large studies
        figure.subplots_adjust(0.04, 0.28 / height, 0.99, 1 - 0.6 / height, hspace=0.45)
        grid = figure.subplots(below, 2 * beside, squeeze=False).ravel()
        for axes in grid:
            axes.tick_params(labelsize=8)
            axes.set_axis_off()
        for place, (row, histories) in enumerate(shown):
            loss, score = grid[2 * place : 2 * place + 2]
            answers = [_cell(loss, score, history) for history in histories]
            loss.set_title(short(row.label, 52), fontsize=8.5)
            if bad := sum(answer.overfits is True for answer in answers):
                text = f"{bad} of {len(answers)} overfit"
                score.set_title(text, fontsize=8.5, color=_WARN, loc="right")
            loss.set_ylim(*_loss_limits(histories))
            score.set_ylim(0, 1)
        keys = [
            Line2D([], [], color=colour, label=label)
            for label, colour in (
                ("loss, train", COLOURS[0]),
                ("loss, valid", COLOURS[1]),
                ("AP50, train", COLOURS[5]),
                ("AP50, valid", COLOURS[2]),
            )
        ]
        _legend(figure, keys, ())
        return figure

    return draw


def _panels(rows: Sequence[Row]) -> dict[str, _Panel]:
    """Measured rows by dataset and curve."""
    rules = sorted({r.setting.draw.rule for r in rows if r.setting.draw.budget is not None})
    panels: dict[str, _Panel] = {}
    for row in rows:
        if row.reading.ap50 is None:
            continue
        words, draw = row.setting.parts(), row.setting.draw
        rest = [word for name, word in row.words.items() if name not in ("dataset", "sample")]
        name = ", ".join(rest) or words["model"]
        for rule in (rules or [draw.rule]) if draw.budget is None else [draw.rule]:
            panels.setdefault(words["dataset"], {}).setdefault((name, rule), []).append(row)
    return panels


def _unit(rows: Sequence[Row]) -> str:
    """What the samples of all rows can be told by."""
    kinds = {budget[0] for row in rows if (budget := row.setting.draw.budget) is not None}
    if kinds <= {"fraction"}:
        return "fraction"
    return "objects" if kinds <= {"objects", "per_class"} else "images"


def _size(row: Row, unit: str) -> float:
    """Where a row stands on the axis."""
    if unit == "fraction":
        return 100 * (row.setting.draw.fraction or 1.0)
    trained = [each.result for each in row.reading.cells]
    return mean([each.objects if unit == "objects" else each.pictures for each in trained]) or 1.0


def _curve(axes: Axes, curve: Sequence[Row], unit: str, colour: str, stroke: Any) -> None:
    points = sorted(((_size(row, unit), row) for row in curve), key=lambda point: point[0])
    places = [place for place, _ in points]
    runs = [row.reading.ap50 for _, row in points if row.reading.ap50 is not None]
    low, high = zip(*(each.interval for each in runs), strict=True)
    if len(points) > 1:
        axes.fill_between(places, low, high, color=colour, alpha=0.13, linewidth=0)
    else:
        axes.vlines(places, low, high, color=colour, alpha=0.4, linewidth=3)
    means = [each.mean for each in runs]
    axes.plot(places, means, color=colour, linestyle=stroke, marker="o", markersize=5)
    for place, row in points:
        if row.published is not None:
            axes.plot(place, row.published.ap50, **_hollow(colour))


def _x_axis(axes: Axes, places: Sequence[float], *, log: bool) -> None:
    """Ticks where there are points, as far as there is room."""
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    span = np.log(places) if log else np.asarray(places)
    room = (span[-1] - span[0]) / 9
    kept = [len(places) - 1]
    for place in range(len(places) - 2, -1, -1):
        if span[kept[-1]] - span[place] >= room:
            kept.append(place)
    form = ".0f" if log else "g"  # counts are means over cells
    shown = [places[place] for place in kept]
    axes.set_xticks(shown, [format(place, form) for place in shown])


def _cell(loss: Axes, score: Axes, history: Sequence[Mapping[str, Any]]) -> Overfit:
    """Draw one cell's lines."""
    epochs = [row["epoch"] for row in history]
    marker = "o" if len(history) < 10 else None
    for axes, key, colour in (
        (loss, "train_loss", COLOURS[0]),
        (loss, "valid_loss", COLOURS[1]),
        (score, "train_ap50", COLOURS[5]),
        (score, "ap50", COLOURS[2]),
    ):
        axes.set_axis_on()
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        values = [np.nan if row.get(key) is None else row[key] for row in history]
        axes.plot(epochs, values, color=colour, linewidth=1.1, marker=marker, markersize=2.5)
    answer = overfitting(history)
    if answer.overfits and answer.since is not None:
        height = next(row["valid_loss"] for row in history if row["epoch"] == answer.since)
        loss.plot(answer.since, height, "o", color=_WARN, markerfacecolor="none", markersize=7)
    return answer


def _loss_limits(histories: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[float, float]:
    """Leave out the height of the first epochs, beside which nothing else could be seen."""
    values = [
        row[name]
        for history in histories
        for row in history[len(history) // 10 :]
        for name in ("train_loss", "valid_loss")
        if row.get(name) is not None
    ]
    return 0.0, 1.05 * max(values, default=1.0)


def _hollow(colour: str) -> dict[str, Any]:
    """The mark of a published figure."""
    return {
        "color": colour,
        "marker": "D",
        "markersize": 6,
        "markerfacecolor": "none",
        "markeredgewidth": 1.4,
        "linestyle": "none",
    }


def _legend(figure: Figure, keys: Sequence[Line2D], rows: Sequence[Row]) -> None:
    published = [row for row in rows if row.published is not None]
    if published:
        keys = [*keys, Line2D([], [], **_hollow(INK), label="published")]
    columns = len(keys) if len(keys) < 7 else 4
    if figure.get_layout_engine() is None:
        figure.legend(handles=keys, loc="upper left", ncols=columns)
    else:
        figure.legend(handles=keys, loc="outside upper left", ncols=columns)
