"""An inverse power law with a ceiling through measured scores, and all curves that fit about as
well.

The law is ``AP50(n) = a - b n^-c``, n the pictures learnt from, a the ceiling. Figueroa et al.
(2012), Predicting sample size required for classification performance, BMC Med Inform Decis Mak
12:8, fit it to learning curves of medical classifiers by weighted least squares; Hestness et al.
(2017), Deep learning scaling is predictable, empirically, arXiv 1712.00409, and Rosenfeld et al.
(ICLR 2020), A constructive prediction of the generalization error across scales, find it from
vision to language. Mahmood et al. (CVPR 2022), How much more data do I need?, warn of what it is
used for here: small errors of the curve are large ones of the pictures needed. Hence no best fit,
but the whole posterior.

Noise. The scores of N cells are jointly normal around the curve, with the covariance

    T + training^2 I + drawing^2 D

T, known, is of the test pictures: all cells are scored on the same ones, so their errors go
together (:class:`kit.evaluate.intervals.Resampled`). ``training`` is the deviation between two
trainings on the same pictures. D is that of a mean over n pictures drawn from a pool of N, which
itself was drawn: N/max(n, m) between two samples of one seed, as the smaller lies in the larger;
1 between seeds, which share the pool.

Priors, weak and the same for everybody: the score at the pool's size is uniform, the ceiling
uniform between that score and 1, the exponent log-normal around 0.5 (95 % in 0.1 to 2.4, which
holds what the papers found), both deviations log-normal around 0.01 (95 % in 0.0017 to 0.058).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 4000
"""Curves drawn from the posterior."""

_EXPONENT, _EXPONENT_SPREAD = 0.5, 0.8  # median, and deviation of the logarithm
_NOISE, _NOISE_SPREAD = 0.01, 0.9
_FINE, _COARSE = 200, 9  # nodes of the grid in headroom and exponent, in each deviation


@dataclass(frozen=True, eq=False)
class Points:
    """Scores of cells that differ in nothing but the pictures they learnt from, and chance.

    Attributes:
        pictures: ``(N,)`` learnt from.
        ap50: ``(N,)`` measured, in 0..1.
        seeds: ``(N,)`` of the cells.
        test: ``(N, N)`` covariance of the scores over test pictures drawn anew.
        pool: pictures that samples were drawn from.
    """

    pictures: Floats
    ap50: Floats
    seeds: NDArray[np.int64]
    test: Floats
    pool: float

    def covariance(self, training: float, drawing: float) -> Floats:
        """``(N, N)`` of the scores around the curve."""
        larger = np.maximum(self.pictures[:, None], self.pictures)
        same = self.seeds[:, None] == self.seeds
        shared = np.where(same, self.pool / larger, 1.0)
        return self.test + training**2 * np.eye(len(self.ap50)) + drawing**2 * shared


@dataclass(frozen=True, eq=False)
class Curves:
    """Draws from the posterior; each array is ``(M,)``, a row a curve.

    Attributes:
        ceiling: a. exponent: c.
        level: the score at the pool's size.
        training, drawing: deviations.
        pool: pictures.
    """

    ceiling: Floats
    exponent: Floats
    level: Floats
    training: Floats
    drawing: Floats
    pool: float

    @property
    def scale(self) -> Floats:
        """b."""
        return (self.ceiling - self.level) * self.pool**self.exponent

    def ap50(self, pictures: float) -> Floats:
        """``(M,)`` expected after learning from so many."""
        gap = (self.ceiling - self.level) * (pictures / self.pool) ** -self.exponent
        return self.ceiling - gap

    def needed(self, target: float) -> Floats:
        """``(M,)`` pictures to learn from until the curve is at the target; infinite where the
        ceiling lies below."""
        with np.errstate(divide="ignore", over="ignore"):
            share = (self.ceiling - self.level) / np.maximum(self.ceiling - target, 0.0)
            return self.pool * share ** (1 / self.exponent)


def fit(points: Points, *, draws: int = DRAWS, seed: int = 0) -> Curves:
    """Draw from the posterior, by quadrature.

    In the headroom ``h = (a - y) / (1 - y)``, with y the score at the pool's size, the law is
    linear in y: ``y (1 - h u) + h u`` with ``u = 1 - (n / pool)^-c``. So y is integrated exactly,
    and (h, c) and the two deviations by summing over a grid.
    """
    rng = np.random.default_rng(seed)
    headroom = (np.arange(_FINE) + 0.5) / _FINE
    step = 2 * 3.0 / _FINE
    z = (np.arange(_FINE) + 0.5) * step - 3.0
    noise = np.linspace(-2.5, 2.5, _COARSE)
    weight, centre, width, what = [], [], [], []
    for t in noise:
        for d in noise:
            training, drawing = _NOISE * np.exp(_NOISE_SPREAD * np.array([t, d]))
            log, mean, sd = _conditional(points, headroom, _exponent(z), training, drawing)
            weight.append(log - z**2 / 2 - (t**2 + d**2) / 2)
            centre.append(mean)
            width.append(sd)
            what.append((training, drawing))
    logs = np.stack(weight)
    chances = np.exp(logs - logs.max()).cumsum()
    place = np.searchsorted(chances, rng.uniform(0, chances[-1], 2 * draws))
    n, i, j = np.unravel_index(place, logs.shape)
    level = np.stack(centre)[n, i, j] + np.stack(width)[n, i, j] * rng.standard_normal(len(n))
    kept = np.flatnonzero((level > 0) & (level < 1))
    kept = rng.choice(kept, draws, replace=len(kept) < draws)
    i, j, n, level = i[kept], j[kept], n[kept], level[kept]
    h = headroom[i] + rng.uniform(-0.5, 0.5, draws) / _FINE
    c = _exponent(z[j] + rng.uniform(-0.5, 0.5, draws) * step)
    deviations = np.array(what)[n]
    return Curves(
        level + h * (1 - level), c, level, deviations[:, 0], deviations[:, 1], points.pool
    )


def _exponent(z: Floats) -> Floats:
    return np.asarray(_EXPONENT * np.exp(_EXPONENT_SPREAD * z))


def _conditional(
    points: Points, headroom: Floats, exponent: Floats, training: float, drawing: float
) -> tuple[Floats, Floats, Floats]:
    """Log evidence, and mean and deviation of y, each ``(H, C)``."""
    root = np.linalg.cholesky(points.covariance(training, drawing))
    u = 1 - (points.pictures[:, None] / points.pool) ** -exponent  # (N, C)
    ones, y = np.ones(len(points.ap50)), points.ap50
    white = np.linalg.solve(root, np.column_stack([ones, y, u]))
    one, y, u = white[:, 0], white[:, 1], white[:, 2:]
    h = headroom[:, None]
    uu = (u * u).sum(0)
    precision = one @ one - 2 * h * (one @ u) + h**2 * uu
    mean = (one @ y - h * (one @ u + y @ u) + h**2 * uu) / precision
    rest = y @ y - 2 * h * (y @ u) + h**2 * uu - precision * mean**2
    log = -rest / 2 - np.log(precision) / 2 - np.log(np.diag(root)).sum()
    return log, mean, 1 / np.sqrt(precision)
