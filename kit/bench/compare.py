"""Two benchmarks of the same pictures: which is faster, and is that more than chance?

The figure is the ratio of the medians of the totals, with a 95 % interval: both columns are drawn
anew in blocks (:func:`kit.bench.statistics.redrawn`). A difference under 5 % is called a tie
however sure it is: the same program timed again on another day differs by that much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit.bench.report import LatencyReport
from kit.bench.statistics import LEVEL, redrawn
from kit.data.manifest import require_same_manifest
from kit.errors import DataError

TIE = 0.05
"""Least difference that counts."""

Verdict = Literal["faster", "slower", "tie"]


@dataclass(frozen=True)
class Comparison:
    """The second against the first.

    Attributes:
        ratio: of the medians, second over first; below 1 the second is faster.
        interval: 95 %.
        verdict: of the second: faster or slower where the whole interval says so and the ratio is
            at least 5 % from 1, else a tie.
        ap50: of both, None where it was not measured.
    """

    first: str
    second: str
    ratio: float
    interval: tuple[float, float]
    verdict: Verdict
    ap50: tuple[float | None, float | None]


def compare(first: LatencyReport, second: LatencyReport) -> Comparison:
    """Compare two rows.

    Raises:
        DataError: they timed other pictures, under another load, or don't hold their samples.
    """
    require_same_manifest(first, second)
    for name in ("batch", "regime", "streams", "rate"):
        if getattr(first, name) != getattr(second, name):
            raise DataError(
                f"{title(first)} and {title(second)} were timed under another load "
                f"({name} {getattr(first, name)} and {getattr(second, name)})",
                fix="time both under the same one",
            )
    drawn = []
    for seed, row in enumerate((first, second)):
        if not row.totals_ms:
            raise DataError(f"{title(row)} doesn't hold its samples", fix="time it again")
        drawn.append(redrawn(np.asarray(row.totals_ms), [50], seed=seed)[:, 0])
    ratio = float(np.median(second.totals_ms) / np.median(first.totals_ms))
    low, high = np.quantile(drawn[1] / drawn[0], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    verdict: Verdict = "tie"
    if high < 1 and ratio <= 1 - TIE:
        verdict = "faster"
    elif low > 1 and ratio >= 1 + TIE:
        verdict = "slower"
    return Comparison(
        title(first),
        title(second),
        ratio,
        (float(low), float(high)),
        verdict,
        (first.ap50, second.ap50),
    )


def pair(
    first: Sequence[LatencyReport], second: Sequence[LatencyReport]
) -> list[tuple[LatencyReport, LatencyReport]]:
    """Rows of two files that belong together: of one bundle's precision, batch, regime, streams
    and tiling, and where several are, in their order; where each file holds one row, those two.

    Raises:
        DataError: no two rows belong together.
    """
    if len(first) == len(second) == 1:
        return [(first[0], second[0])]

    def key(row: LatencyReport) -> tuple[object, ...]:
        load = (row.batch, row.regime, row.streams, row.tiling)
        return (row.bundle, row.precision, row.input_size, *load)

    others: dict[tuple[object, ...], list[LatencyReport]] = {}
    for row in second:
        others.setdefault(key(row), []).append(row)
    pairs = [(row, others[key(row)].pop(0)) for row in first if others.get(key(row))]
    if not pairs:
        raise DataError(
            "no row of the one file is like a row of the other",
            fix="time the same bundles under the same loads, or one row each",
        )
    return pairs


def title(row: LatencyReport) -> str:
    """A row in few words."""
    load = f"batch {row.batch}, {row.regime}, {row.streams} stream" + "s" * (row.streams > 1)
    if row.tiling is not None:
        load += f", {row.tiling}"
    return f"{row.bundle}, {row.precision}, {row.input_size} px, {row.provider}, {load}"
