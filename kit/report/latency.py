"""The page of a benchmark: each row, how its times are spread, and what they buy in accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Drawing

from kit.bench.report import LatencyReport
from kit.binding import plain
from kit.report.page import Cell, Facts, Page, Plot, Section, Table
from kit.report.plots import COLOURS, latency_bars, short, svg


def tell(reports: Sequence[LatencyReport]) -> Page:
    """A page of one row or more."""
    first = reports[0]
    labels = _labels(reports)
    rows = [{**plain(row), "label": label} for row, label in zip(reports, labels, strict=True)]
    sections: list[Section] = [
        _totals(reports, labels),
        Plot("How the times are spread", spreads(reports), _SPREADS),
        Plot("Where the time goes", latency_bars(rows), "Median of each stage, by a pass apart."),
    ]
    if any(row.ap50 is not None for row in reports):
        sections.append(Plot("What the time buys", front(reports), _FRONT))
    return Page(
        "Latency",
        f"From the file on disk to boxes, on {first.device}: {_shared(reports)}.",
        [*sections, _under(reports, labels), _machine(first)],
    )


_SPREADS = (
    "Share of samples that were done within so many milliseconds. Nothing is clipped: what lies "
    "far to the right is what somebody waited for."
)
_FRONT = (
    "AP50 on the same pictures against the median. The line joins rows that no other beats in both."
)


def spreads(reports: Sequence[LatencyReport]) -> str:
    """Cumulative shares of the totals, one line a row."""

    def draw() -> Drawing:
        figure = Drawing(figsize=(9, 4), layout="constrained")
        axes = figure.subplots()
        for place, (row, label) in enumerate(zip(reports, _labels(reports), strict=True)):
            times = np.sort(row.totals_ms)
            if len(times):
                axes.step(
                    times,
                    np.arange(1, len(times) + 1) / len(times),
                    where="post",
                    color=COLOURS[place % len(COLOURS)],
                    label=short(label),
                )
        axes.set_xlabel("milliseconds a batch")
        axes.set_ylabel("share of samples")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(_two_digits)
        figure.legend(loc="outside lower left", ncols=3)
        return figure

    return svg(draw)


def _two_digits(value: float, _: object) -> str:
    """Marks between powers of ten, but not all of them: the others would touch."""
    return f"{value:g}" if f"{value:e}"[0] in "235" else ""


def front(reports: Sequence[LatencyReport]) -> str:
    """AP50 against the median a picture, with the Pareto front."""

    def draw() -> Drawing:
        figure = Drawing(figsize=(9, 4), layout="constrained")
        axes = figure.subplots()
        known = [
            (_median(row) / row.batch, row.ap50, label)
            for row, label in zip(reports, _labels(reports), strict=True)
            if row.ap50 is not None
        ]
        for place, (time, ap50, label) in enumerate(known):
            colour = COLOURS[place % len(COLOURS)]
            axes.scatter([time], [ap50], color=colour, s=40, zorder=3, label=short(label))
        best = pareto([(time, ap50) for time, ap50, _ in known])
        axes.plot(*zip(*best, strict=True), color=COLOURS[5], linewidth=1.2)
        axes.set_xlabel("milliseconds a picture (median)")
        axes.set_ylabel("AP50")
        axes.margins(x=0.1, y=0.2)
        figure.legend(loc="outside lower left", ncols=3)
        return figure

    return svg(draw)


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points ``(time, score)`` that no other beats in both, the quickest first."""
    best: list[tuple[float, float]] = []
    for time, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or score > best[-1][1]:
            best.append((time, score))
    return best


def _totals(reports: Sequence[LatencyReport], labels: Sequence[str]) -> Table:
    rows: list[list[Cell]] = []
    for row, label in zip(reports, labels, strict=True):
        total = row.stages["total"]
        assert total is not None
        low, high = total.interval.get("p50", (None, None))
        high_ones = (total.p90, total.p99, total.max)
        rows.append(
            [label, total.p50, low, high, *high_ones, row.throughput, row.power_w, row.ap50]
        )
    header = ("", "median", "95 % from", "to", "p90", "p99", "max", "pictures/s", "W", "AP50")
    note = (
        "Milliseconds a batch. A dash is not measured: too few samples for a percentile, no meter "
        "for the power."
    )
    return Table("Latency", header, rows, note)


def _under(reports: Sequence[LatencyReport], labels: Sequence[str]) -> Table:
    """What each row was timed under, and what came with it."""
    header = (
        "", "samples", "warm-up", "settled", "streams", "without a graph", "load", "first batch",
        "too late", "ms a minute", "throttled", "host MB", "GPU MB",
    )  # fmt: skip
    rows: list[list[Cell]] = [
        [
            label,
            row.samples,
            row.warmup,
            "yes" if row.settled else "no",
            row.streams,
            None if row.floor is None else row.floor.p50,
            row.load_ms,
            row.first_ms,
            row.missed,
            None if row.drift is None else row.drift.slope,
            None if row.throttled is None else "yes" if row.throttled else "no",
            row.memory_mb,
            row.device_memory_mb,
        ]
        for row, label in zip(reports, labels, strict=True)
    ]
    note = (
        "Without a graph: the median of the same path with the null backend, below which no engine "
        "could bring it. Too late: pictures without boxes when the next one came."
    )
    told = [place for place in range(len(header)) if any(row[place] is not None for row in rows)]
    shown = [[row[place] for place in told] for row in rows]
    return Table("Under what", [header[place] for place in told], shown, note)


def _machine(row: LatencyReport) -> Facts:
    told: list[tuple[str, Cell]] = [("device", row.device), ("provider", row.provider)]
    for name, value in row.environment.items():
        told.append((name, value if isinstance(value, (str, int, float)) else _words(value)))
    for when, state in row.health.items():
        told += [(f"{name}, {when}", _words(value)) for name, value in state.items()]
    told += [("pictures, sha256", row.manifest_sha256[:12])]
    return Facts("Measured on", told)


def _words(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items())
    return str(value)


def _parts(row: LatencyReport) -> list[str]:
    return [
        row.bundle,
        row.precision,
        f"{row.input_size} px",
        row.provider.removesuffix("ExecutionProvider"),
        f"batch {row.batch}",
        row.regime,
        f"{row.streams} stream" + "s" * (row.streams > 1),
        "no tiles" if row.tiling is None else str(row.tiling),
    ]


def _labels(reports: Sequence[LatencyReport]) -> list[str]:
    """Of each row what tells it from the others; the bundle's name where nothing does."""
    parts = [_parts(row) for row in reports]
    differing = [place for place in range(len(parts[0])) if len({row[place] for row in parts}) > 1]
    labels = [", ".join(row[place] for place in differing or [0]) for row in parts]
    if len(set(labels)) == len(labels):
        return labels
    return [f"{place}. {label}" for place, label in enumerate(labels, 1)]


def _shared(reports: Sequence[LatencyReport]) -> str:
    """What all rows have in common."""
    columns = zip(*(_parts(row) for row in reports), strict=True)
    return ", ".join(column[0] for column in columns if len(set(column)) == 1)


def _median(row: LatencyReport) -> float:
    total = row.stages["total"]
    assert total is not None
    return total.p50
