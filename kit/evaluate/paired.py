"""Scores of detectors trained with several seeds, measured on the same test pictures: how sure the
mean is, and whether two of them differ.

Two things move a score, and both are drawn anew together:

- Test pictures: with replacement, row b of :class:`kit.evaluate.intervals.Resampled`. It is of the
  same pictures for every seed and detector, so what is compared is paired by subtraction.
- Seeds: two to five of them are too few to draw from. Where seeds are most of the chance, drawing
  them with replacement makes a test at 5 % reject 50 % of true null hypotheses with two seeds, 25 %
  with three, 16 % with five (simulated). So the mean over seeds is moved by Student's t instead,
  with the seeds' deviation and one degree of freedom less than there are seeds ("Student" 1908).

Without spread between pictures this is the t-test (paired, for a comparison), with one seed the
percentile bootstrap over pictures (Efron and Tibshirani 1993). In between, what a seed does on a
single picture is in the seeds' deviation already, so its part is taken out of the spread over
pictures, as an analysis of variance would; simulated, tests at 5 % then reject 2 to 6 %.

Two or three seeds alone tell little about their deviation, so it may be moderated by the usual one
of other detectors on the same pictures (Smyth 2004, "Linear models and empirical Bayes methods"):
this counts like two more seeds. Simulated with equal deviations, 95 % intervals of two seeds then
hold 98 % at a third of the width; with deviations up to three times as large as others, 92 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kit.data.manifest import require_same_manifest
from kit.errors import DataError
from kit.evaluate.intervals import LEVEL

LENT = 2
"""Degrees of freedom that the usual deviation counts for."""

_MOVES = 50  # draws of the seeds' mean for each draw of pictures; each is used with both signs


@dataclass(frozen=True)
class Usual:
    """Variance over seeds, pooled, and its degrees of freedom."""

    variance: float
    degrees: int


@dataclass(frozen=True, eq=False)
class Repeated:
    """One figure of a detector that was trained with several seeds.

    Attributes:
        bundle: what it is called.
        manifest_sha256: of the test pictures, the same for all seeds.
        scores: by seed, at least one.
        drawn: by seed ``(B,)`` the score on pictures drawn anew; NaN for a draw without objects.
        usual: variance over seeds of other detectors, see :func:`usual`; None leaves the seeds to
            themselves.

    Raises:
        ValueError: seeds or draws differ between the two.
    """

    bundle: str
    manifest_sha256: str
    scores: Mapping[int, float]
    drawn: Mapping[int, NDArray[np.float64]]
    usual: Usual | None = None

    def __post_init__(self) -> None:
        if not self.scores or set(self.scores) != set(self.drawn):
            raise ValueError("scores and drawn must be of the same seeds, at least one")
        if len({len(rows) for rows in self.drawn.values()}) > 1:
            raise ValueError("every seed needs as many draws")

    @cached_property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(list(self.scores.values())))

    @cached_property
    def deviation(self) -> float | None:
        """Standard deviation over seeds (of the population they are drawn from: n - 1); None for
        one seed."""
        values = list(self.scores.values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean, over seeds and pictures; over pictures alone where there is
        one seed and nothing usual."""
        low, high = _interval(_moved(self))
        return max(low, 0.0), min(high, 1.0)


@dataclass(frozen=True)
class Difference:
    """How much better one is than another.

    Attributes:
        mean: over the seeds both have.
        interval: 95 %, of the mean.
        p: two-sided, of no difference; never below 2 / (B + 1) with B draws of pictures.
        seeds: that both have; with one, and nothing usual, chance is in the pictures alone.
    """

    mean: float
    interval: tuple[float, float]
    p: float
    seeds: int


def usual(others: Sequence[Repeated]) -> Usual | None:
    """Pool the variance over seeds of detectors measured on the same pictures; None where none was
    trained with more than one."""
    known = [each for each in others if len(each.scores) > 1]
    if not known:
        return None
    degrees = [len(each.scores) - 1 for each in known]
    variances = [np.var(list(each.scores.values()), ddof=1) for each in known]
    return Usual(float(np.average(variances, weights=degrees)), sum(degrees))


def compare(one: Repeated, other: Repeated) -> Difference:
    """``one`` minus ``other``, paired over the seeds both have and over the drawn pictures.

    The p-value is twice the smaller share of differences on one side of 0, each side counted with
    one more than was seen (Davison and Hinkley 1997, 4.2), since draws that were not made might
    have landed there.

    Raises:
        DataError: they were measured on different pictures, or have no seed in common.
    """
    require_same_manifest(one, other)
    seeds = sorted(set(one.scores) & set(other.scores))
    if not seeds:
        raise DataError(f"{one.bundle} and {other.bundle} have no seed in common")
    both = Repeated(
        bundle=f"{one.bundle} minus {other.bundle}",
        manifest_sha256=one.manifest_sha256,
        scores={seed: one.scores[seed] - other.scores[seed] for seed in seeds},
        drawn={seed: one.drawn[seed] - other.drawn[seed] for seed in seeds},
        usual=_of_difference(one.usual, other.usual),
    )
    moved = _moved(both)
    draws = len(moved)
    below = float((moved <= 0).mean(axis=1).sum())
    above = float((moved >= 0).mean(axis=1).sum())
    p = min(1.0, 2 * (1 + min(below, above)) / (draws + 1))
    return Difference(both.mean, _interval(moved), p, len(seeds))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of a family of comparisons, so that with any number of true null
    hypotheses the chance to reject one or more of them stays below the level.

    Step-down: the smallest is multiplied by the size of the family, the next by one less, and so
    on, none becoming smaller than the one before (Holm 1979, "A simple sequentially rejective
    multiple test procedure").

    Returns:
        In the order given.
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    for step, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - step) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _of_difference(one: Usual | None, other: Usual | None) -> Usual | None:
    """What is usual of the difference of two: both vary."""
    known = [each for each in (one, other) if each is not None]
    if not known:
        return None
    variance = 2 * float(np.mean([each.variance for each in known]))
    return Usual(variance, min(each.degrees for each in known))


def _moved(runs: Repeated) -> NDArray[np.float64]:
    """``(B, 2 x _MOVES)`` means over seeds, on other pictures and with other seeds; ``(B, 1)``
    where nothing is known of seeds."""
    pictures, seeds = _on_other_pictures(runs), len(runs.scores)
    own, lent = seeds - 1, 0 if runs.usual is None else min(LENT, runs.usual.degrees)
    if not own + lent:
        return np.asarray(pictures[:, None])
    squares = own * (runs.deviation or 0.0) ** 2
    if runs.usual is not None:
        squares += lent * runs.usual.variance
    moves = np.random.default_rng(0).standard_t(own + lent, (len(pictures), _MOVES))
    moves *= (squares / (own + lent) / seeds) ** 0.5
    return np.asarray(pictures[:, None] + np.concatenate([moves, -moves], axis=1))


def _on_other_pictures(runs: Repeated) -> NDArray[np.float64]:
    """``(B,)`` means over seeds, without what single seeds do on single pictures."""
    drawn = np.stack(list(runs.drawn.values()))
    drawn = drawn[:, ~np.isnan(drawn).any(axis=0)]
    means = drawn.mean(axis=0)
    whole, seeds = means.var(), len(drawn)
    if seeds == 1 or not whole:
        return np.asarray(means)
    single = (drawn - means).var(axis=1).sum() / (seeds - 1) / seeds
    common = max(0.0, 1 - single / whole) ** 0.5
    return np.asarray(means.mean() + common * (means - means.mean()))


def _interval(moved: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(moved, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
