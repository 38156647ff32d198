"""Is one detector better than another? From two reports of `kit evaluate` on the same pictures.

Both reports keep their figures on the same draws of pictures (or patients), and with each of them
left out. So what is compared is paired without the detections: the interval and p of the difference
are the paired bootstrap's (:mod:`kit.evaluate.paired`), and a sign-flip test over pictures, which
rests on other assumptions, stands beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kit.data.manifest import require_same_manifest
from kit.errors import DataError
from kit.evaluate.detail import FIGURES, Detail, Figure, unpack
from kit.evaluate.intervals import ALIKE, Interval
from kit.evaluate.paired import Repeated, compare
from kit.evaluate.report import EvalReport

FLIPS = 4000
_SAME = 1e-6  # rows are kept as float32
_AGAIN = "kit evaluate BUNDLE SRC --out REPORT, for both"

Verdict = Literal["better", "worse", "no difference shown", "not measurable"]


@dataclass(frozen=True)
class Change:
    """One figure of the second detector against the first's.

    Attributes:
        first, second: in 0..1; None where it can't be measured.
        difference: second minus first.
        interval: 95 %, of the difference, by the paired bootstrap.
        p: two-sided, by the same. p_flipped: by the sign-flip test.
        verdict: of the second, better or worse where the whole interval lies on one side of 0.
    """

    figure: Figure
    first: float | None
    second: float | None
    difference: float | None
    interval: Interval | None
    p: float | None
    p_flipped: float | None
    verdict: Verdict

    def worse_than(self, margin: float) -> bool:
        """Whether more than ``margin`` is lost for sure: the interval's upper end is below it."""
        return self.interval is not None and self.interval[1] < -margin


@dataclass(frozen=True)
class Versus:
    """The second detector against the first.

    Attributes:
        first, second: bundles by name; ``..._sha256`` exactly.
        drawn_by, units: what was drawn anew, and how many there are.
        images, objects: measured on.
    """

    first: str
    second: str
    first_sha256: str
    second_sha256: str
    manifest_sha256: str
    drawn_by: Literal["patient", "picture"]
    units: int
    images: int
    objects: int
    changes: tuple[Change, ...]

    def of(self, figure: Figure) -> Change:
        """One of the changes."""
        return next(each for each in self.changes if each.figure == figure)


def versus(first: EvalReport, second: EvalReport) -> Versus:
    """Compare two reports.

    Raises:
        DataError: of other pictures or labels, with another lowest score, or without the rows that
            pair.
    """
    require_same_manifest(first, second)
    if first.floor != second.floor:
        raise DataError(
            f"{first.bundle} and {second.bundle} were asked for other lowest scores "
            f"({first.floor:g}, {second.floor:g})",
            fix=_AGAIN,
        )
    one, other = _detail(first), _detail(second)
    if one.paired.draws != other.paired.draws:
        raise DataError(
            f"{first.bundle} and {second.bundle} were not drawn alike: by another version, or "
            "with other patients",
            fix=_AGAIN,
        )
    return Versus(
        first=first.bundle,
        second=second.bundle,
        first_sha256=first.bundle_sha256,
        second_sha256=second.bundle_sha256,
        manifest_sha256=first.manifest_sha256,
        drawn_by=one.drawn_by,
        units=one.units,
        images=first.images,
        objects=first.objects,
        changes=tuple(_change(one, other, figure) for figure in FIGURES),
    )


def sign_flip(differences: NDArray[np.float64], *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p of no difference, by flipping the sign of each unit's part at random (Good 2005,
    "Permutation, parametric and bootstrap tests of hypotheses", 3.2); never below 1 / (flips + 1).

    Args:
        differences: ``(U,)`` of each picture or patient.
    """
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (flips, len(differences)))
    seen, flipped = abs(differences.mean()), np.abs(signs @ differences) / len(differences)
    return float((1 + (flipped >= seen - _SAME).sum()) / (flips + 1))


def _change(one: Detail, other: Detail, figure: Figure) -> Change:
    before, after = one.figures[figure], other.figures[figure]
    if before.value is None or after.value is None:
        return Change(figure, before.value, after.value, None, None, None, None, "not measurable")
    plain = after.value - before.value
    # where all draws are alike there is a difference all the same, e.g. to a detector that is blind
    if any(each.percentile is None and each.why != ALIKE for each in (before, after)):
        return Change(figure, before.value, after.value, plain, None, None, None, "not measurable")
    runs = [
        Repeated(name, "", {0: value}, {0: unpack(each.paired.drawn[figure])})
        for name, value, each in (("second", after.value, other), ("first", before.value, one))
    ]
    found = compare(*runs)
    low, high = found.interval
    verdict: Verdict = "no difference shown"
    if low > 0 or high < 0:
        verdict = "better" if low > 0 else "worse"
    parts = _parts(other, figure) - _parts(one, figure)
    parts = parts[~np.isnan(parts)]
    flipped = sign_flip(parts) if len(parts) > 1 else None
    return Change(
        figure, before.value, after.value, plain, found.interval, found.p, flipped, verdict
    )


def _parts(found: Detail, figure: Figure) -> NDArray[np.float64]:
    """``(U,)`` what each unit adds to a figure that is no mean of them: the jackknife's
    pseudo-values (Tukey 1958). Their mean is the figure, up to the jackknife's correction."""
    without, units = unpack(found.paired.without[figure]), found.units
    return units * (found.figures[figure].value or 0.0) - (units - 1) * without


def _detail(report: EvalReport) -> Detail:
    if report.detail is None:
        raise DataError(f"the report of {report.bundle} has scores only", fix=_AGAIN)
    return report.detail
