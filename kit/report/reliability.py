"""The page of a calibration: what a rule chose, and whether scores can be read as chances."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure as Drawing

from kit.evaluate.operating import Estimate
from kit.evaluate.reliability import Gain, Reliability
from kit.evaluate.rules import Choice, Chosen
from kit.report.page import Cell, Facts, Page, Plot, Section, Table
from kit.report.plots import COLOURS, INK, svg


def tell(
    name: str, pictures: int, choice: Choice | None, gain: Gain | str | None, method: str | None
) -> Page:
    """A page of what was chosen on the valid pictures, fitted to them, or both."""
    sections: list[Section] = []
    if choice is not None:
        sections.append(_chosen(choice))
    if isinstance(gain, str):
        sections.append(Facts("Scores as chances", [("calibration error", gain)]))
    elif gain is not None and method is not None:
        sections += _scaled(gain, method)
    return Page(f"Calibration of {name}", f"On {pictures} valid pictures.", sections)


def reliability_plot(sides: Sequence[tuple[str, Reliability]]) -> str:
    """Precision against mean score, bin by bin, and how many detections each bin holds.

    Args:
        sides: what to call each, and its bins; on the diagonal scores are chances.
    """

    def draw() -> Drawing:
        figure = Drawing(figsize=(9, 4.6), layout="constrained")
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.plot([0, 1], [0, 1], color=INK, lw=1, ls=":", label="scores that are chances")
        for (label, side), colour in zip(sides, COLOURS, strict=False):
            bins = side.bins
            scores = [each.score for each in bins]
            told = f"{label}: D-ECE {side.error:.3f}, n = {side.detections}"
            style = {"marker": "o", "ms": 4, "color": colour, "clip_on": False}
            top.plot(scores, [each.precision for each in bins], label=told, **style)
            below.plot(scores, [each.detections for each in bins], **style)
        top.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
        below.set(xlabel="score", ylabel="detections", yscale="log")
        below.set_ylim(bottom=0.8)
        below.yaxis.set_major_formatter("{x:.0f}")
        below.yaxis.set_minor_formatter("")
        top.legend(loc="upper left")
        return figure

    return svg(draw)


def _chosen(choice: Choice) -> Table:
    rows = [
        _row("all together", choice.together, None if choice.own else choice.together.threshold)
    ]
    rows += [_row(name, each, each.threshold) for name, each in choice.classes.items()]
    return Table(
        f"Operating point by the rule {choice.rule}",
        (
            "class", "objects", "shown", "from score", "sensitivity", "brings", "precision",
            "brings", "false a picture", "brings",
        ),
        rows,
        "Brings: what the rule brings on as many other pictures, 95 % of the time. The figures "
        "beside are of the pictures that chose, and flatter.",
    )  # fmt: skip


def _row(name: str, chosen: Chosen, threshold: float | None) -> list[Cell]:
    row: list[Cell] = [name, chosen.fitted.objects, chosen.fitted.shown, threshold]
    for figure in ("sensitivity", "precision", "fppi"):
        estimate: Estimate = getattr(chosen.fitted, figure)
        interval = chosen.expected[figure]
        row += [estimate.value, interval and f"{interval[0]:.3f} to {interval[1]:.3f}"]
    return row


def _scaled(gain: Gain, method: str) -> list[Section]:
    sides = [("raw scores", gain.before), (f"{method} scaling", gain.after)]
    rows: list[list[Cell]] = [
        [name, each.detections, each.right, len(each.bins), each.error] for name, each in sides
    ]
    before = gain.before
    note = (
        f"D-ECE: the mean distance of score and share that is right, over bins of equal "
        f"{before.binning}, weighed by detections. Detections scored {before.lowest:g} or more; "
        f"right is an overlap of 0.5. Each of {gain.folds} parts of the pictures was scaled by a "
        "fit to the others."
    )
    table = Table(
        "Scores as chances", ("scores", "detections", "right", "bins", "D-ECE"), rows, note
    )
    caption = "Below the dotted line scores promise too much, above it too little."
    return [table, Plot("Reliability", reliability_plot(sides), caption)]
