"""Scores of detectors trained with several seeds, measured on the same test pictures: how sure the
mean is, and whether two of them differ.

Two things move a score, and both are drawn anew together:

- Test pictures: with replacement, row b of :class:`kit.evaluate.intervals.Resampled`. It is of the
  same pictures for every seed and detector, so what is compared is paired by subtraction.
- Seeds: two to five of them are too few to draw from. Where seeds are most of the chance, drawing
  them with replacement makes a test at 5 % reject 50 % of true null hypotheses with two seeds, 25 %
  with three, 16 % with five (simulated). So the mean over seeds is moved by Student's t instead,
  with the seeds' deviation and one degree of freedom less than there are seeds ("Student" 1908):
  5 % for any number of seeds, where scores are normal; and wide where seeds are few.

Without spread between pictures this is the t-test (paired, for a comparison), with one seed the
percentile bootstrap over pictures (Efron and Tibshirani 1993). In between it errs to the wide side,
since what seed and picture do together is counted twice. Tests hold all three to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kit.errors import DataError
from kit.evaluate.intervals import LEVEL
from kit.evaluate.report import require_same_manifest

_MOVES = 50  # draws of the seeds' mean for each draw of pictures; each is used with both signs


@dataclass(frozen=True, eq=False)
class Repeated:
    """One figure of a detector that was trained with several seeds.

    Attributes:
        bundle: what it is called.
        manifest_sha256: of the test pictures, the same for all seeds.
        scores: by seed, at least one.
        drawn: by seed ``(B,)`` the score on pictures drawn anew; NaN for a draw without objects.

    Raises:
        ValueError: seeds or draws differ between the two.
    """

    bundle: str
    manifest_sha256: str
    scores: Mapping[int, float]
    drawn: Mapping[int, NDArray[np.float64]]

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
        """95 % interval of the mean, over seeds and pictures; with one seed over pictures alone."""
        low, high = _interval(_moved(self))
        return max(low, 0.0), min(high, 1.0)


@dataclass(frozen=True)
class Difference:
    """How much better one is than another.

    Attributes:
        mean: over the seeds both have.
        interval: 95 %, of the mean.
        p: two-sided, of no difference; never below 2 / (B + 1) with B draws of pictures.
        seeds: that both have; with one, chance is in the pictures alone.
    """

    mean: float
    interval: tuple[float, float]
    p: float
    seeds: int


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


def _moved(runs: Repeated) -> NDArray[np.float64]:
    """``(B, 2 x _MOVES)`` means over seeds, on other pictures and with other seeds; ``(B, 1)`` for
    one seed."""
    pictures = np.mean(list(runs.drawn.values()), axis=0)
    pictures = pictures[~np.isnan(pictures)]
    seeds = len(runs.scores)
    if runs.deviation is None:
        return np.asarray(pictures[:, None])
    moves = np.random.default_rng(0).standard_t(seeds - 1, (len(pictures), _MOVES))
    moves *= runs.deviation / seeds**0.5
    return np.asarray(pictures[:, None] + np.concatenate([moves, -moves], axis=1))


def _interval(moved: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(moved, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
