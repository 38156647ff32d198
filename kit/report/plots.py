"""The plots of reports, as SVG that stands in an HTML page: same data, same bytes.

Text and axes take the colour of the page they stand in, so one drawing suits light, dark and paper.
Outside of a page, as a file of its own or as PNG, a drawing has white paper.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, TypeAlias

import numpy as np

from kit import offline
from kit.bench.report import STAGES

offline.seal("matplotlib")
import matplotlib as mpl  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

_STAGES = tuple(stage for stage in STAGES if stage != "total")
COLOURS = ("#3b86c6", "#e08a3c", "#3fa37a", "#b36fb0", "#c9a62c", "#8393a0")
INK = "#010203"
"""Replaced by the colour of the page's text."""

Draw: TypeAlias = Callable[[], Figure]
"""Makes a drawing; called within the kit's style."""

_DPI = 160
_ONE_AT_A_TIME = RLock()  # the style and the filter of warnings are the whole process's
_STYLE: Any = {
    "svg.hashsalt": "kit",  # else every drawing gets random ids
    "svg.fonttype": "none",  # text stays text: selectable, and in the page's font
    "text.parse_math": False,  # a class may be called $x$
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.12,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def learning_curve(history: Sequence[Mapping[str, float | None]]) -> str:
    """Loss and AP on train and valid by epoch: where the two part, it overfits.

    Args:
        history: one row an epoch with ``epoch`` and any of ``train_loss``, ``valid_loss``,
            ``ap50``, ``ap`` (both on valid) and ``train_ap``; a missing value leaves a gap.
    """

    def draw() -> Figure:
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        epochs = [row["epoch"] for row in history]
        _lines(left, epochs, history, (("train_loss", "train"), ("valid_loss", "valid")))
        series = (("train_ap", "AP, train"), ("ap", "AP, valid"), ("ap50", "AP50, valid"))
        _lines(right, epochs, history, series)
        left.set(title="loss", xlabel="epoch")
        right.set(title="AP", xlabel="epoch", ylim=(0, 1))
        return figure

    return svg(draw)


def latency_bars(rows: Sequence[Mapping[str, Any]]) -> str:
    """Median milliseconds of each stage, stacked, one bar a row of ``kit bench``.

    Args:
        rows: as ``kit bench --json`` writes them, each with a ``label`` or ``bundle``; a stage
            that was not measured is left out.
    """

    def draw() -> Figure:
        figure = Figure(figsize=(9, 1.3 + 0.42 * len(rows)), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(rows))
        ends = np.zeros(len(rows))
        for stage, colour in zip(_STAGES, COLOURS, strict=True):
            widths = np.array([_median(row, stage) for row in rows])
            if widths.any():
                axes.barh(places, widths, left=ends, height=0.6, color=colour, label=stage)
                ends += widths
        for place, end in zip(places, ends, strict=True):
            axes.annotate(f"{end:.1f} ms", (end, place), xytext=(4, 0), textcoords="offset points",
                          va="center")  # fmt: skip
        axes.set_yticks(
            places, [short(str(row.get("label", row.get("bundle", "")))) for row in rows]
        )
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.12)
        axes.set_xlabel("milliseconds (medians)")
        if len(rows):
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(_STAGES))
        return figure

    return svg(draw)


def class_bars(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """Share of each class among all objects, before and after a choice of pictures."""

    def draw() -> Figure:
        names = list(dict.fromkeys([*before, *after]))
        figure = Figure(figsize=(9, 1.2 + 0.5 * len(names)), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(names))
        for shift, counts, label, colour in (
            (-0.2, before, "before", COLOURS[5]),
            (0.2, after, "after", COLOURS[0]),
        ):
            total = sum(counts.values()) or 1
            shares = [100 * counts.get(name, 0) / total for name in names]
            bars = axes.barh(places + shift, shares, height=0.36, color=colour, label=label)
            axes.bar_label(bars, [str(counts.get(name, 0)) for name in names], padding=4)
        axes.set_yticks(places, [short(name) for name in names])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.1)
        axes.set_xlabel("% of all objects (the figure at the bar: objects)")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        return figure

    return svg(draw)


def cost_bars(costs: Mapping[str, float | None]) -> str:
    """What each kind of error costs, in points of AP50; what is not measurable has no bar."""

    def draw() -> Figure:
        known = {name: 100 * cost for name, cost in costs.items() if cost is not None}
        figure = Figure(figsize=(9, 1.2 + 0.35 * len(known)), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(np.arange(len(known)), list(known.values()), color=COLOURS[0])
        axes.bar_label(bars, [f"{cost:.1f}" for cost in known.values()], padding=4)
        axes.set_yticks(np.arange(len(known)), list(known))
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.1)
        axes.set_xlabel("points of AP50 (0..100) gained where this kind alone is fixed")
        return figure

    return svg(draw)


def stage_bars(rows: Sequence[Mapping[str, Any]]) -> str:
    """How alike each stage's answers are before and after training, and the most that runs from
    random weights share: a bar that ends before its mark was made anew.

    Args:
        rows: as ``kit similarity --json`` writes them.
    """

    def draw() -> Figure:
        figure = Figure(figsize=(9, 1.2 + 0.5 * len(rows)), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(rows))
        for shift, name, label, colour in (
            (-0.2, "cka", "linear CKA", COLOURS[0]),
            (0.2, "svcca", "SVCCA", COLOURS[2]),
        ):
            axes.barh(
                places + shift, [r[name] for r in rows], height=0.36, color=colour, label=label
            )
            known = [(place, max(most)) for place, row in zip(places, rows, strict=True)
                     if (most := row[f"random_{name}"])]  # fmt: skip
            for number, (place, most) in enumerate(known):
                said = "runs from random weights, at most" if name == "svcca" else ""
                ends = (place + shift - 0.18, place + shift + 0.18)
                axes.vlines(most, *ends, colors=INK, lw=2, label="" if number else said)
        axes.set_yticks(places, [short(row["stage"]) for row in rows])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, 1)
        axes.set_xlabel("before and after training: 1 is the same, up to a turn of the channels")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
        return figure

    return svg(draw)


def _lines(
    axes: Axes,
    epochs: Sequence[float | None],
    history: Sequence[Mapping[str, float | None]],
    series: Sequence[tuple[str, str]],
) -> None:
    marker = "o" if len(history) < 20 else None
    for (key, label), colour in zip(series, COLOURS, strict=False):
        values = [row.get(key) for row in history]
        if any(value is not None for value in values):
            heights = [np.nan if value is None else value for value in values]
            axes.plot(
                np.asarray(epochs, float),
                heights,
                color=colour,
                label=label,
                marker=marker,
                markersize=3,
            )
    if axes.lines:
        axes.legend()


def short(label: str, most: int = 36) -> str:
    """A label that leaves room for its bar."""
    return label if len(label) <= most else label[: most - 1] + "…"


def _median(row: Mapping[str, Any], stage: str) -> float:
    measured = row["stages"].get(stage)
    return float((measured or {}).get("p50") or 0)


def svg(draw: Draw) -> str:
    """Draw in the kit's style; the bare ``<svg>`` element, to stand in an HTML page."""
    buffer = io.StringIO()
    with _style():
        draw().savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)  # not needed inside HTML
    return text.replace("xlink:href", "href").replace(INK, "currentColor").strip()


def svg_file(element: str) -> str:
    """What :func:`svg` made, as a file of its own."""
    own = 'xmlns="http://www.w3.org/2000/svg" style="background: #fff; color: #1d2326"'
    return element.replace("<svg", f"<svg {own}", 1) + "\n"


def png(draw: Draw) -> bytes:
    """Draw in the kit's style; a PNG file's bytes."""
    buffer = io.BytesIO()
    with _style():
        draw().savefig(
            buffer, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None}
        )
    return buffer.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    with _ONE_AT_A_TIME, mpl.rc_context(_STYLE), warnings.catch_warnings():
        # A class name in another script: the page's font has it, the one that measures may not.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield
