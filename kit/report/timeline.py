"""How many of each class a film shows, by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kit.report.plots import INK, short, svg  # first: it says where matplotlib keeps its cache

# isort: split
import matplotlib.patheffects as effects
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

AXES = "kit-time"
"""Id of the area between the axes: its left edge is the beginning, its right edge the end."""

_MOST_POINTS = 400  # of a line: more are finer than a screen
_COLUMNS = 5  # of the legend
_RIM = (effects.Stroke(linewidth=3.4, foreground=INK, alpha=0.55), effects.Normal())


def timeline(
    counts: Mapping[str, NDArray[np.int64]], seconds: float, colours: Sequence[str]
) -> str:
    """A line a class, as a bare ``<svg>`` element.

    Args:
        counts: ``(frames,)`` by class. Where there are more frames than a screen can show, a line
            is the mean of some in a row, with a band from the fewest to the most.
        seconds: of all frames.
        colours: one a class, as CSS writes them; where a colour comes again, its line is broken.
    """

    def draw() -> Figure:
        lines = -(-len(counts) // _COLUMNS)
        figure = Figure(figsize=(9, 2.3 + 0.25 * lines), layout="constrained")
        axes = figure.subplots()
        axes.patch.set_gid(AXES)
        for place, (name, values) in enumerate(counts.items()):
            at, mean, least, most = _binned(values, seconds)
            dashes = ("-", "--", ":")[colours[:place].count(colours[place]) % 3]
            axes.step(at, mean, where="mid", color=colours[place], ls=dashes, lw=1.8,
                      label=short(name), path_effects=_RIM)  # fmt: skip
            if (least < most).any():
                axes.fill_between(at, least, most, color=colours[place], alpha=0.25, lw=0,
                                  step="mid")  # fmt: skip
        axes.set(xlim=(0, seconds), xlabel="seconds", ylabel="shown at once")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))
        if counts:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=_COLUMNS)
        return figure

    return svg(draw)


def _binned(values: NDArray[np.int64], seconds: float) -> NDArray[np.float64]:
    """``(4, bins)``: the middle of each bin in seconds; mean, fewest and most of its frames."""
    parts = np.array_split(values, min(len(values), _MOST_POINTS))
    ends = np.cumsum([0, *map(len, parts)]) * seconds / len(values)
    middles = (ends[:-1] + ends[1:]) / 2
    return np.array([middles, *([f(part) for part in parts] for f in (np.mean, np.min, np.max))])
