"""Rows of an evaluation's tables, for a page and for the terminal alike; every one gives its n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kit.evaluate.detail import Detail, Estimate
from kit.evaluate.froc import RATES, Curve, Froc
from kit.evaluate.intervals import Interval
from kit.evaluate.proportions import Share
from kit.evaluate.report import EvalReport
from kit.report.page import Cell

NAMES = {"ap": "AP", "ap50": "AP50", "sensitivity": "sensitivity", "precision": "precision"}

NAMED = 6
"""Classes up to which each is named with its threshold."""

SHARES = {
    "every_object_found": "every object found (of those with objects)",
    "no_false_positive": "no false positive",
}


def spoken_rate(rate: float) -> str:
    """1/8, 1/4, 1/2, 1, 2 ..."""
    return f"1/{round(1 / rate)}" if rate < 1 else f"{rate:g}"


def spoken(interval: Interval | None) -> str | None:
    """An interval to three places."""
    return None if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def spoken_thresholds(thresholds: Mapping[str, float]) -> str:
    """Scores from which boxes are shown, by class, in words: "0.25 or more" where all are alike."""
    low, high = min(thresholds.values()), max(thresholds.values())
    if low == high:
        return f"{low:.3g} or more"
    if len(thresholds) > NAMED:
        return f"{low:.3g} to {high:.3g} or more, by class"
    each = (f"{name} {threshold:.3g}" for name, threshold in thresholds.items())
    return f"{', '.join(each)} or more"


CLASS_HEADER = ("class", "objects", *NAMES.values(), "shown")
FIGURE_HEADER = ("figure", "value", "percentile", "BCa", "n", "remark")
SHARE_HEADER = ("what", "share", "95 % interval (Wilson)", "count", "n")


def class_rows(report: EvalReport) -> list[list[str]]:
    """A row a class, figures with their BCa intervals; ``objects`` is the n of all but precision,
    whose n is the detections ``shown``."""
    if report.detail is None:
        return []
    found = report.detail
    groups = [("all", found.figures), *found.per_class.items()]
    return [
        [name, str(each["ap50"].n), *map(_told, each.values()), str(each["precision"].n)]
        for name, each in groups
    ]


def figure_rows(figures: Mapping[str, Estimate], name: str = "all") -> list[list[Cell]]:
    """A row a figure: class, figure, value, both intervals, n, and what is missing."""
    return [
        [
            name,
            NAMES[figure],
            each.value,
            spoken(each.percentile),
            spoken(each.bca),
            each.n,
            each.why or "",
        ]
        for figure, each in figures.items()
    ]


def share_rows(shares: Mapping[str, Share]) -> list[list[Cell]]:
    """A row a share: what, value, Wilson's interval, count, n."""
    return [
        [SHARES[name], each.value, spoken(each.interval), each.count, each.n]
        for name, each in shares.items()
    ]


def rate_rows(froc: Froc) -> list[list[Cell]]:
    """A row a class: class, objects, sensitivity at each of the rates, mean, its interval."""
    curves: list[tuple[str, Curve]] = [("all", froc.pooled)]
    if len(froc.per_class) > 1:
        curves += froc.per_class.items()
    rows: list[list[Cell]] = []
    for name, curve in curves:
        values: Sequence[Cell] = [value for _, value, _ in curve.at_rates()]
        values = values or [None] * len(RATES)
        told = spoken(curve.interval) or curve.why
        rows.append([name, curve.objects, *values, curve.score, told])
    return rows


def pooled_rate_rows(froc: Froc) -> list[list[Cell]]:
    """A row a rate, of all classes: false positives per picture, sensitivity, interval, n."""
    return [
        [spoken_rate(rate), value, spoken(interval), froc.pooled.objects]
        for rate, value, interval in froc.pooled.at_rates()
    ]


def mean_rows(froc: Froc) -> list[list[Cell]]:
    """A row a class that has objects: class, mean sensitivity over the rates, interval, n."""
    curves = [("all", froc.pooled), *froc.per_class.items()]
    return [
        [name, each.score, spoken(each.interval), each.objects]
        for name, each in curves
        if each.objects
    ]


def rate_header() -> list[str]:
    """Of :func:`rate_rows`."""
    return ["class", "objects", *map(spoken_rate, RATES), "mean", "95 %"]


def drawn_how(found: Detail) -> str:
    """What the intervals are, in a sentence."""
    return (
        f"95 % bootstrap intervals: {found.units} {found.drawn_by}s drawn anew "
        f"{found.resamples} times"
    )


def _told(estimate: Estimate) -> str:
    value, interval = estimate.value, estimate.bca
    if value is None:
        return "-"
    return f"{value:.3f}" if interval is None else f"{value:.3f} {_brief(interval)}"


def _brief(interval: Interval) -> str:
    return f"{interval[0]:.2f}-{interval[1]:.2f}"
