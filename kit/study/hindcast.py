"""Forecasts of what is known already: how far they are to be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from kit.errors import DataError
from kit.study.cell import Setting
from kit.study.forecast import Estimate
from kit.study.power_law import fit, measured
from kit.study.series import Series, Size


@dataclass(frozen=True)
class Hindcast:
    """A forecast of what is known already.

    Attributes:
        fitted: sizes that were looked at.
        pictures, measured: the size that was forecast, and the mean it has.
        expected: of that mean, on the same test pictures.
        error: the median of this minus what was measured.
        carried: the mean of the largest size looked at, minus what was measured: the error of
            forecasting no change.
        inside80, inside95: whether the intervals hold what was measured.
    """

    setting: Setting
    rule: str
    fitted: tuple[Size, ...]
    pictures: float
    measured: float
    expected: Estimate
    error: float
    carried: float
    inside80: bool
    inside95: bool


def hindcast(series: Series, share: float = 0.5) -> Hindcast:
    """Fit what learnt from a share of the pictures at most, and forecast the largest size.

    Raises:
        DataError: the largest size is not above that share, or too few are below.
        MissingPackage: scipy.
    """
    known, last = series.up_to(share), series.sizes[-1]
    part = f"{100 * share:g} % of the pictures"
    if not known.trials or last.pictures <= known.sizes[-1].pictures:
        raise DataError(f"{series}: there are no results on both sides of {part}")
    if reason := known.too_few:
        raise DataError(f"{series}: up to {part}, {reason}")
    points = series.points
    seeds = points.seeds[points.pictures == points.pictures.max()]
    draws = measured(known.points, fit(known.points), last.pictures, seeds)
    expected = Estimate.of(draws)
    return Hindcast(
        setting=series.setting,
        rule=series.rule,
        fitted=known.sizes,
        pictures=last.pictures,
        measured=last.ap50,
        expected=expected,
        error=expected.median - last.ap50,
        carried=known.sizes[-1].ap50 - last.ap50,
        inside80=expected.interval80[0] <= last.ap50 <= expected.interval80[1],
        inside95=expected.interval95[0] <= last.ap50 <= expected.interval95[1],
    )
