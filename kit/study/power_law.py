"""An inverse power law with a ceiling through measured scores: all the curves that fit them.

The law is ``AP50(n) = a - b n^-c``, n the pictures learnt from, a the ceiling. Figueroa et al.
(2012), "Predicting sample size required for classification performance", BMC Med Inform Decis Mak
12:8, fit it to learning curves of medical classifiers; Hestness et al. (2017), "Deep learning
scaling is predictable, empirically", arXiv 1712.00409, and Rosenfeld et al. (ICLR 2020), "A
constructive prediction of the generalization error across scales", find it from vision to language.
Mahmood et al. (CVPR 2022), "How much more data do I need?", warn of what it is used for here: small
errors of the curve are large ones of the pictures needed. So there is no best fit here, but draws
from the posterior.

Noise. Scores are jointly normal around the curve, with the covariance

    T + training^2 I + drawing^2 D

T is known: all are measured on the same test pictures, so their errors go together, any two of them
alike (all correlations one by one can't be told from a few pictures, and a fit would make use of
the errors in them). ``training`` is the deviation of one training from another on the same
pictures. D is that of a mean over n pictures drawn from a pool, which was drawn itself: pool /
max(n, m) between two samples of one seed, since the smaller lies in the larger; 1 between seeds,
which share nothing but the pool.

Priors, weak and always the same: the score at the smallest size is uniform in 0..1, the ceiling
uniform between it and 1; the exponent is log-normal around 0.5 (95 % in 0.07 to 3.6), both
deviations around 0.01 (95 % in 0.0017 to 0.058).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kit.errors import MissingPackage

Floats = NDArray[np.float64]

DRAWS = 4000
"""Curves from the posterior."""

_EXPONENT, _EXPONENT_SPREAD = 0.5, 1.0  # median, deviation of the logarithm
_NOISE, _NOISE_SPREAD = 0.01, 0.9
_FINE, _COARSE = 200, 7  # nodes of the grid: ceiling and exponent, each of the deviations
_REACH, _NOISE_REACH = 3.0, 2.5  # of the grid, in deviations of the prior


@dataclass(frozen=True, eq=False)
class Points:
    """Scores of detectors that differ in nothing but the pictures they learnt from, and chance.

    Attributes:
        pictures: ``(N,)`` learnt from.
        ap50: ``(N,)`` measured, in 0..1.
        seeds: ``(N,)`` of draw and training.
        test: ``(N,)`` deviations over test pictures.
        together: correlation of any two over test pictures, in 0..1.
        pool: how many pictures there were to draw from.
    """

    pictures: Floats
    ap50: Floats
    seeds: NDArray[np.int64]
    test: Floats
    together: float
    pool: float

    @classmethod
    def of(
        cls,
        pictures: Floats,
        ap50: Floats,
        seeds: NDArray[np.int64],
        drawn: Floats,
        *,
        tests: int,
        pool: float,
    ) -> Points:
        """From scores on test pictures drawn anew.

        Their variance, pooled over seeds, is taken P / (P - 3) times for P pictures: that of the
        bootstrap comes out low by (P - 1) / P, and that of the Student's t it stands for is
        (P - 1) / (P - 3) times the normal's.

        Args:
            drawn: ``(N, B)``, see :class:`kit.evaluate.intervals.Resampled`.
            tests: how many test pictures.
        """
        drawn = drawn[:, np.isfinite(drawn).all(axis=0)]
        with np.errstate(invalid="ignore"):  # scores that never vary go with nothing
            alike = np.nan_to_num(np.atleast_2d(np.corrcoef(drawn)))
        pairs = alike[~np.eye(len(drawn), dtype=bool)]
        variance = drawn.var(axis=1) * tests / max(tests - 3, 1)
        pooled = np.array([variance[pictures == size].mean() for size in pictures])
        together = float(np.clip(pairs.mean(), 0, 1)) if len(pairs) else 0.0
        return cls(pictures, ap50, seeds, np.sqrt(pooled), together, pool)

    def __len__(self) -> int:
        return len(self.ap50)

    def covariance(self, training: float, drawing: float) -> Floats:
        """``(N, N)`` of the scores around the curve."""
        larger = np.maximum(self.pictures[:, None], self.pictures)
        same = self.seeds[:, None] == self.seeds
        drawn = np.where(same, self.pool / np.minimum(larger, self.pool), 1.0)
        alike = np.where(np.eye(len(self)) > 0, 1.0, self.together)
        tested = alike * self.test[:, None] * self.test
        return tested + training**2 * np.eye(len(self)) + drawing**2 * drawn

    def take(self, kept: NDArray[np.bool_]) -> Points:
        """Some of them."""
        return replace(
            self,
            pictures=self.pictures[kept],
            ap50=self.ap50[kept],
            seeds=self.seeds[kept],
            test=self.test[kept],
        )

    def joined(self, pictures: float, seeds: NDArray[np.int64]) -> Points:
        """With detectors after them that have yet to learn from so many pictures; over test
        pictures they will vary as those of the largest size do."""
        new = np.ones(len(seeds))
        test = self.test[self.pictures == self.pictures.max()].mean()
        return replace(
            self,
            pictures=np.concatenate([self.pictures, pictures * new]),
            ap50=np.concatenate([self.ap50, np.nan * new]),
            seeds=np.concatenate([self.seeds, seeds]),
            test=np.concatenate([self.test, test * new]),
        )


@dataclass(frozen=True, eq=False)
class Curves:
    """Draws from the posterior: each array is ``(M,)``, a row a curve with its noise.

    Attributes:
        ceiling: a, in 0..1. exponent: c, above 0.
        start: score at the smallest size that was measured, ``smallest`` pictures.
        training, drawing: deviations of the scores.
    """

    ceiling: Floats
    exponent: Floats
    start: Floats
    smallest: float
    training: Floats
    drawing: Floats

    @property
    def scale(self) -> Floats:
        """b, above 0."""
        return np.asarray((self.ceiling - self.start) * self.smallest**self.exponent)

    def ap50(self, pictures: float | Floats) -> Floats:
        """``(M,)`` expected after learning from so many; ``(..., M)`` for ``(..., 1)`` sizes."""
        gap = (self.ceiling - self.start) * (pictures / self.smallest) ** -self.exponent
        return np.asarray(self.ceiling - gap)

    def needed(self, target: float) -> Floats:
        """``(M,)`` pictures until the curve is at the target; infinite where the ceiling is not
        above it."""
        with np.errstate(divide="ignore", over="ignore"):
            share = (self.ceiling - self.start) / np.maximum(self.ceiling - target, 0.0)
            return np.asarray(self.smallest * share ** (1 / self.exponent))

    def by_noise(self) -> Iterator[tuple[float, float, NDArray[np.int64]]]:
        """The different pairs of deviations, each with the rows that have it."""
        pairs, row = np.unique(np.stack([self.training, self.drawing]), axis=1, return_inverse=True)
        for place, (training, drawing) in enumerate(pairs.T):
            yield float(training), float(drawing), np.flatnonzero(row == place)


def fit(points: Points, *, draws: int = DRAWS, seed: int = 0) -> Curves:
    """Draw curves from the posterior, by quadrature.

    With y the score at the smallest size and ``h = (a - y) / (1 - y)``, the law is linear in y:
    ``y (1 - h u) + h u``, where ``u = 1 - (n / smallest)^-c``. So y is a truncated normal given
    the rest, and what is left to sum over is a grid of h, c and the two deviations.

    Raises:
        MissingPackage: scipy.
    """
    try:
        from scipy.special import ndtr, ndtri
    except ModuleNotFoundError:
        raise MissingPackage("scipy", "study") from None
    rng = np.random.default_rng(seed)
    h, width = (np.arange(_FINE) + 0.5) / _FINE, 1 / _FINE
    z, step = (2 * h - 1) * _REACH, 2 * _REACH / _FINE
    steps = np.linspace(-_NOISE_REACH, _NOISE_REACH, _COARSE)
    noise = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    shape = (len(noise), _FINE, _FINE)
    logs, mean, sd = np.empty(shape), np.empty(shape), np.empty(shape)
    for k, (t, d) in enumerate(noise):
        log, mean[k], sd[k] = _given(points, h, _exponent(z), _deviation(t), _deviation(d))
        with np.errstate(divide="ignore"):
            inside = np.log(ndtr((1 - mean[k]) / sd[k]) - ndtr(-mean[k] / sd[k]))
        logs[k] = log + inside - (z**2 + t**2 + d**2) / 2
    chances = np.exp(logs - logs.max()).cumsum()
    nodes = np.searchsorted(chances, rng.uniform(0, chances[-1], draws))
    place, row, column = np.unravel_index(nodes, shape)
    mean, sd = mean[place, row, column], sd[place, row, column]
    start = mean + sd * ndtri(rng.uniform(ndtr(-mean / sd), ndtr((1 - mean) / sd)))
    within = rng.uniform(-0.5, 0.5, (2, draws))  # a node stands for all around it
    pairs = _deviation(noise[place])
    return Curves(
        ceiling=start + (h[row] + within[0] * width) * (1 - start),
        exponent=_exponent(z[column] + within[1] * step),
        start=start,
        smallest=float(points.pictures.min()),
        training=pairs[:, 0],
        drawing=pairs[:, 1],
    )


def measured(points: Points, curves: Curves, pictures: float, seeds: NDArray[np.int64]) -> Floats:
    """``(M,)`` the mean that detectors with these seeds, which have yet to learn from so many
    pictures, will score on the very test pictures the points were measured on."""
    both = points.joined(pictures, seeds)
    old = len(points)
    mean = np.zeros(len(both))
    mean[old:] = 1 / len(seeds)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(len(curves.ceiling))
    expected = curves.ap50(points.pictures[:, None])
    found = curves.ap50(pictures)
    for training, drawing, rows in curves.by_noise():
        covariance = both.covariance(training, drawing)
        along = covariance @ mean
        gain = np.linalg.solve(covariance[:old, :old], along[:old])
        rest = max(float(mean @ along - gain @ along[:old]), 0.0)
        error = points.ap50[:, None] - expected[:, rows]
        found[rows] += gain @ error + np.sqrt(rest) * noise[rows]
    return found


def rise(points: Points, curves: Curves) -> float:
    """How many standard errors the scores rise by with the logarithm of the pictures: generalised
    least squares of a line, that may also fall."""
    noise = float(np.median(curves.training)), float(np.median(curves.drawing))
    line = np.column_stack([np.ones(len(points)), np.log(points.pictures)])
    half = np.linalg.solve(points.covariance(*noise), line)
    spread = np.linalg.inv(line.T @ half)
    slope = spread[1] @ half.T @ points.ap50
    return float(slope / np.sqrt(spread[1, 1]))


def misfit(points: Points, curves: Curves) -> tuple[float, float]:
    """Whether the law is the wrong one: the lack-of-fit test (Draper and Smith, "Applied Regression
    Analysis"), which sets the distance of each size's mean from the curve beside the scatter of its
    seeds.

    Returns:
        The distance, root mean square, of the curve that lies nearest; and how likely so large a
        one is under the law. That is 1 where there are too few sizes or seeds to tell.
    """
    from scipy.special import fdtrc

    sizes, group = np.unique(points.pictures, return_inverse=True)
    count = np.bincount(group)
    mean = np.bincount(group, points.ap50) / count
    apart = (mean[:, None] - curves.ap50(sizes[:, None])) ** 2
    lack = float((count @ apart).min())
    scatter = float(((points.ap50 - mean[group]) ** 2).sum())
    free, left = len(sizes) - 3, len(points) - len(sizes)
    distance = (lack / len(points)) ** 0.5
    if free < 1 or left < 1:
        return distance, 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(np.float64(lack / free) / (scatter / left))
    return distance, float(fdtrc(free, left, ratio))


def _exponent(z: Floats) -> Floats:
    return np.asarray(_EXPONENT * np.exp(_EXPONENT_SPREAD * z))


def _deviation(z: Floats) -> Floats:
    return np.asarray(_NOISE * np.exp(_NOISE_SPREAD * z))


def _given(
    points: Points, h: Floats, exponent: Floats, training: Floats, drawing: Floats
) -> tuple[Floats, Floats, Floats]:
    """Log evidence, and mean and deviation of the score at the smallest size, each ``(H, C)``."""
    root = np.linalg.cholesky(points.covariance(float(training), float(drawing)))
    u = 1 - (points.pictures[:, None] / points.pictures.min()) ** -exponent
    white = np.linalg.solve(root, np.column_stack([np.ones(len(points)), points.ap50, u]))
    one, y, u = white[:, 0], white[:, 1], white[:, 2:]
    h, squared = h[:, None], (u * u).sum(0)
    precision = one @ one - 2 * h * (one @ u) + h**2 * squared
    mean = (one @ y - h * (one @ u + y @ u) + h**2 * squared) / precision
    rest = y @ y - 2 * h * (y @ u) + h**2 * squared - precision * mean**2
    log = -rest / 2 - np.log(precision) / 2 - np.log(np.diag(root)).sum()
    return log, mean, 1 / np.sqrt(precision)
