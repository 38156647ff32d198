"""The page of an evaluation: every figure with its interval, and the FROC curve."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure as Drawing

from kit.errors import DataError
from kit.evaluate.detail import Detail
from kit.evaluate.froc import GRID, RATES, Curve, Froc
from kit.evaluate.report import EvalReport
from kit.report.page import Facts, Page, Plot, Section, Table, Text
from kit.report.plots import COLOURS, short, svg
from kit.report.scores import (
    FIGURE_HEADER,
    SHARE_HEADER,
    drawn_how,
    figure_rows,
    rate_header,
    rate_rows,
    share_rows,
    spoken_rate,
    spoken_thresholds,
)

RIGHT = {
    "iou": "its overlap with an object of its class is at least 0.5",
    "centre": "its centre lies in the box of an object of its class",
}
MOST_CURVES = 6
"""Classes drawn beside the pooled curve; more could not be told apart."""


def tell(report: EvalReport, errors: Sequence[Section] = ()) -> Page:
    """The page of a report that has its detail.

    Args:
        errors: what the detector gets wrong, see :mod:`kit.report.anatomy`.

    Raises:
        DataError: it has none.
    """
    if report.detail is None:
        raise DataError(f"the report of {report.bundle} has scores only", fix="kit evaluate again")
    sections: list[Section] = [
        *figures(report.detail),
        *errors,
        what(report),
        Text("Use", ["For research only: this detector is not a medical device."]),
    ]
    subtitle = f"{report.dataset} {report.split}: {report.images} pictures"
    return Page(report.bundle, f"{subtitle}, {report.objects} objects", sections)


def figures(found: Detail) -> list[Section]:
    """Every figure with its interval, shares of pictures or patients, and FROC."""
    return [
        _estimates(found),
        _shares(found),
        Plot("FROC", froc_plot(found.froc), _caption(found)),
        _rates(found),
    ]


def froc_plot(froc: Froc) -> str:
    """Sensitivity against false positives per picture, with the pooled curve's band."""
    drawn = {name: each for name, each in froc.per_class.items() if each.sensitivity}
    several = dict(list(drawn.items())[:MOST_CURVES]) if len(drawn) > 1 else {}

    def draw() -> Drawing:
        figure = Drawing(figsize=(9, 4), layout="constrained")
        axes = figure.subplots()
        for (name, curve), colour in zip(several.items(), [*COLOURS[1:], "#5a4fcf"], strict=False):
            axes.plot(GRID, curve.sensitivity, color=colour, lw=1.2, label=_label(name, curve))
        if froc.pooled.low:
            axes.fill_between(
                GRID, froc.pooled.low, froc.pooled.high, color=COLOURS[0], alpha=0.2, lw=0
            )
        if froc.pooled.sensitivity:
            label = _label("all classes" if several else "all", froc.pooled)
            axes.plot(GRID, froc.pooled.sensitivity, color=COLOURS[0], lw=2.2, label=label)
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1))  # beside it: curves go anywhere
        axes.set_xscale("log", base=2)
        axes.set_xticks(RATES, [spoken_rate(rate) for rate in RATES])
        axes.set(xlabel="false positives per picture", ylabel="sensitivity", ylim=(0, 1.02))
        return figure

    return svg(draw)


def _label(name: str, curve: Curve) -> str:
    score = "-" if curve.score is None else f"{curve.score:.3f}"
    return f"{short(name)}: mean {score}, n = {curve.objects}"


def _estimates(found: Detail) -> Table:
    groups = {"all classes": found.figures}
    if len(found.per_class) > 1:
        groups |= found.per_class
    return Table(
        "Scores",
        ("class", *FIGURE_HEADER),
        [row for name, figures in groups.items() for row in figure_rows(figures, name)],
        f"{drawn_how(found)}. Sensitivity and precision count detections scored "
        f"{spoken_thresholds(found.thresholds)}, at an overlap of 0.5. n is objects, for precision "
        "the detections shown. AP of all classes is their mean, sensitivity and precision are "
        "pooled.",
    )


def _shares(found: Detail) -> Table:
    return Table(
        f"Of the {found.drawn_by}s",
        SHARE_HEADER,
        share_rows(found.shares),
        f"At the same threshold. Each {found.drawn_by} counts once, so these are proportions; "
        "sensitivity per object is not, since objects of one picture are found or missed together.",
    )


def _rates(found: Detail) -> Table:
    return Table(
        "Sensitivity at false positives per picture",
        rate_header(),
        rate_rows(found.froc),
        "The largest sensitivity of any threshold with no more false positives. "
        f"With every detection shown there are {found.froc.pooled.ends:.3g} a picture; beyond "
        "that a curve keeps its last value.",
    )


def _caption(found: Detail) -> str:
    shown = [each for each in found.froc.per_class.values() if each.sensitivity]
    left = f" The first {MOST_CURVES} classes are drawn." if len(shown) > MOST_CURVES else ""
    return (
        f"A detection is right where {RIGHT[found.froc.match]}; a second one of the same object is "
        f"a false positive. The band holds 95 % of {found.resamples} draws of {found.units} "
        f"{found.drawn_by}s, rate by rate. Means are over 1/8 to 8 false positives.{left}"
    )


def what(report: EvalReport) -> Facts:
    """What exactly was measured, on what, by what."""
    tiling = "none" if report.tiling is None else str(report.tiling)
    return Facts(
        "What exactly",
        [
            ("Bundle", report.bundle_sha256),
            ("Measured on", report.manifest_sha256),
            ("Pictures", report.images),
            ("Objects", report.objects),
            ("Precision of the weights", report.precision),
            ("Run by", f"{report.backend} ({report.provider}) on {report.device}"),
            ("Tiles", tiling),
            ("Lowest score asked for", report.floor),
        ],
    )
