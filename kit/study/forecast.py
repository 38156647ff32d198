"""How many more labelled pictures until a target? The curves of a study, carried on.

AP50 is here what is expected on pictures like the test pictures, so an interval holds the chance in
these, in the seeds and in the pool. Where the points can't carry an answer there is none, and the
reason stands in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from kit.errors import UsageError
from kit.study.cell import Setting
from kit.study.power_law import Curves, Floats, Points, fit, misfit, rise
from kit.study.series import Series, Size

HORIZON = 10.0
"""Times the labelled pictures; nothing is forecast beyond."""

RISE = 1.645
"""Standard errors that scores must rise by: 5 %, one-sided."""

MISFIT, MISFIT_P = 0.02, 0.01
"""The law is given up where sizes lie farther off than this, and chance so rarely does that."""

BELOW, EVIDENCE = 0.9, 3.0
"""A target is out of reach where so many curves level off below it, as many as the upper end of the
80 % interval tells, and the Bayes factor for that is "positive" (Kass and Raftery, 1995); else it
might be the prior's opinion."""

TOLD = 0.05
"""Share of curves that is worth a word."""

Interval: TypeAlias = tuple[float, float]
Pictures: TypeAlias = int | None
"""None: more than the horizon."""

Verdict: TypeAlias = Literal["reached", "within reach", "not within reach", "no forecast"]


@dataclass(frozen=True)
class Estimate:
    """A figure: its median and intervals."""

    median: float
    interval80: Interval
    interval95: Interval

    @classmethod
    def of(cls, draws: Floats) -> Estimate:
        """From draws, some of which may be infinite."""
        levels = (0.025, 0.1, 0.5, 0.9, 0.975)
        at = np.quantile(draws, levels, method="inverted_cdf").astype(float).tolist()
        return cls(at[2], (at[1], at[3]), (at[0], at[4]))

    def __str__(self) -> str:
        low, high = self.interval95
        return f"{self.median:.3f} (95 %: {low:.3f} to {high:.3f})"


@dataclass(frozen=True)
class Needed:
    """Labelled pictures until the target.

    Attributes:
        pictures: in all. more: than there are.
        interval80, interval95: of ``pictures``.
    """

    pictures: int
    more: int
    interval80: tuple[Pictures, Pictures]
    interval95: tuple[Pictures, Pictures]


@dataclass(frozen=True)
class Fit:
    """What the curves say, whatever the verdict.

    Attributes:
        ceiling, scale, exponent: of AP50(n) = ceiling - scale n^-exponent.
        now, twice: AP50 expected after learning from the pool, and from twice as many.
        share_reached: of the curves, those at the target now.
        share_soon: within the horizon.
        share_below: never, since they level off below it.
        test_deviation: of AP50 now, by the choice of test pictures alone.
    """

    ceiling: Estimate
    scale: Estimate
    exponent: Estimate
    now: Estimate
    twice: Estimate
    share_reached: float
    share_soon: float
    share_below: float
    test_deviation: float


@dataclass(frozen=True)
class Outlook:
    """The answer.

    Attributes:
        verdict, answer: in a word, and in a sentence.
        fit: None where there are too few sizes.
        needed: where the verdict is ``reached`` or ``within reach``.
    """

    verdict: Verdict
    answer: str
    fit: Fit | None = None
    needed: Needed | None = None


@dataclass(frozen=True)
class Forecast(Outlook):
    """The answer for a series.

    Attributes:
        setting: without its draw. rule: of drawing.
        pool: labelled pictures there are.
        test_pictures: that scores are measured on.
        target: AP50 in 0..1.
        sizes: what was measured.
        objects: about so many labels in the pictures needed more, at as many a picture as now.
        gaps: what doesn't count, and why.
    """

    setting: Setting = field(kw_only=True)
    rule: str = field(kw_only=True)
    pool: int = field(kw_only=True)
    test_pictures: int = field(kw_only=True)
    target: float = field(kw_only=True)
    sizes: tuple[Size, ...] = field(kw_only=True)
    objects: int | None = field(kw_only=True)
    gaps: tuple[str, ...] = field(kw_only=True)


def forecast(series: Series, target: float) -> tuple[Forecast, Curves | None]:
    """Answer for one series.

    Args:
        target: AP50, above 0 and below 1.

    Returns:
        The answer, and the curves behind it; None where there are too few sizes.

    Raises:
        UsageError: the target is no AP50.
        MissingPackage: scipy.
    """
    if not 0 < target < 1:
        raise UsageError(f"the target must lie between 0 and 1, it is {target:g}")
    curves = None
    if reason := series.too_few:
        found = Outlook("no forecast", _unsupported(reason))
    else:
        curves = fit(series.points)
        found = outlook(series.points, curves, target)
    last, needed = series.sizes[-1], found.needed
    a_picture = last.objects / last.pictures
    told = Forecast(
        **vars(found),
        setting=series.setting,
        rule=series.rule,
        pool=series.pool,
        test_pictures=series.tests,
        target=target,
        sizes=series.sizes,
        objects=None if needed is None else round(needed.more * a_picture),
        gaps=series.gaps,
    )
    return told, curves


def outlook(points: Points, curves: Curves, target: float) -> Outlook:
    """Read the answer off the curves, or why there is none."""
    found = _fit(points, curves, target)
    verdict, answer = _judge(points, curves, found, target)
    if verdict not in ("reached", "within reach"):
        return Outlook(verdict, answer, found)
    needed = _needed(points, curves.needed(target))
    return Outlook(verdict, answer.format(needed=_in_words(needed, points.pool)), found, needed)


def _fit(points: Points, curves: Curves, target: float) -> Fit:
    now, needed = curves.ap50(points.pool), curves.needed(target)
    return Fit(
        ceiling=Estimate.of(curves.ceiling),
        scale=Estimate.of(curves.scale),
        exponent=Estimate.of(curves.exponent),
        now=Estimate.of(now),
        twice=Estimate.of(curves.ap50(2 * points.pool)),
        share_reached=float((now >= target).mean()),
        share_soon=float((needed <= HORIZON * points.pool).mean()),
        share_below=float((curves.ceiling <= target).mean()),
        test_deviation=float(points.test[points.pictures.argmax()]),
    )


def _judge(points: Points, curves: Curves, found: Fit, target: float) -> tuple[Verdict, str]:
    """The verdict, and the answer in a sentence; ``{needed}`` stands for the pictures needed."""
    goal, pool = f"AP50 {target:g}", points.pool
    distance, chance = misfit(points, curves)
    if distance > MISFIT and chance < MISFIT_P:
        reason = f"they lie {distance:.3f} off any such curve, farther than seeds explain"
        return "no forecast", _unsupported(reason)
    if found.share_reached > 0.5:
        return "reached", (
            f"{goal} is reached with the {pool:g} pictures there are, in "
            f"{_percent(found.share_reached)} of the curves: expected is {found.now}."
        )
    if (errors := rise(points, curves)) < RISE:
        return "no forecast", _unsupported(
            f"from {points.pictures.min():g} to {points.pictures.max():g} pictures AP50 doesn't "
            f"rise by more than chance may ({errors:.1f} standard errors)"
        )
    if np.median(curves.needed(target)) <= HORIZON * pool:
        never = f"; {_percent(found.share_below)} of the curves never get there"
        return "within reach", f"{goal} takes {{needed}}{never * (found.share_below >= TOLD)}."
    before = (target - found.now.median) / (1 - found.now.median)  # the prior's share
    known = found.share_below * (1 - before) >= EVIDENCE * before * (1 - found.share_below)
    if found.share_below >= BELOW and known:
        return "not within reach", (
            f"{goal} is not within reach at this model size: {_percent(found.share_below)} of the "
            f"curves level off below, at {found.ceiling}."
        )
    return "no forecast", _unsupported(
        f"they don't tell where the curve levels off, at {found.ceiling}; {goal} comes within "
        f"{HORIZON:g} times the {pool:g} pictures in {_percent(found.share_soon)} of the curves, "
        f"and never in {_percent(found.share_below)}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _unsupported(reason: str) -> str:
    return f"The points don't support a forecast: {reason}."


def _needed(points: Points, draws: Floats) -> Needed:
    """In whole pictures, from the smallest size to the horizon."""
    found = Estimate.of(np.ceil(np.maximum(draws, points.pictures.min())))

    def seen(interval: Interval) -> tuple[Pictures, Pictures]:
        low, high = (None if n > HORIZON * points.pool else int(n) for n in interval)
        return low, high

    pictures = int(found.median)
    more = max(0, pictures - int(points.pool))
    return Needed(pictures, more, seen(found.interval80), seen(found.interval95))


def _in_words(needed: Needed, pool: float) -> str:
    def span(interval: tuple[Pictures, Pictures]) -> str:
        most = f"more than {HORIZON * pool:.0f}"
        low, high = (most if n is None else str(n) for n in interval)
        return low if low == high else f"{low} to {high}"

    more = f", {needed.more} more than there are" if needed.more else ""
    return (
        f"about {needed.pictures} labelled pictures{more} (80 %: {span(needed.interval80)}; "
        f"95 %: {span(needed.interval95)})"
    )
