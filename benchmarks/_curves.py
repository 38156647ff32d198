"""Studies drawn from known curves, to tell whether forecasts keep what they promise."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log
from typing import Any

import numpy as np

from kit.study.forecast import HORIZON, Estimate, outlook
from kit.study.power_law import Points, fit, measured

FRACTIONS, HALF = (0.125, 0.25, 0.5, 1.0), 0.5
RESAMPLES = 400
"""Of simulated test pictures."""


@dataclass(frozen=True)
class Truth:
    """A curve that studies are drawn from.

    Attributes:
        ceiling, exponent: of the law. pool: pictures there are.
        now: the curve at the pool.
        tests: test pictures. spread: deviation of AP50 over them; ``together`` is the correlation
            between two detectors.
        training: deviation of a training. drawing: of a sample of the pool's size.
        bend: how far it is from a power law: so much the exponent grows with log n.
    """

    name: str
    ceiling: float
    now: float
    exponent: float
    pool: int = 200
    tests: int = 70
    spread: float = 0.015
    together: float = 0.8
    training: float = 0.01
    drawing: float = 0.005
    seeds: int = 3
    bend: float = 0.0

    def ap50(self, pictures: float) -> float:
        times = pictures / self.pool
        gap: float = times ** -(self.exponent + self.bend * log(times))
        return self.ceiling - (self.ceiling - self.now) * gap


TRUTHS = (
    Truth("like BCCD: near its ceiling", 0.93, 0.915, 1.0, pool=205, tests=72),
    Truth("like Mask Wearing: 15 test pictures", 0.88, 0.80, 0.5, pool=101, tests=15, spread=0.05),
    Truth("like Vehicles: far from its ceiling", 0.75, 0.60, 0.3, pool=439, tests=63, spread=0.03),
    Truth("steep, then flat", 0.90, 0.89, 1.5),
    Truth("slow, towards 1", 0.99, 0.80, 0.2),
    Truth("nearly flat", 0.86, 0.85, 0.3),
    Truth("one seed", 0.92, 0.88, 0.7, seeds=1),
    Truth("five seeds, many test pictures", 0.95, 0.90, 0.6, seeds=5, tests=500, spread=0.005),
    Truth("restless training", 0.92, 0.88, 0.7, training=0.03),
    Truth("no power law: ever faster", 0.92, 0.88, 0.7, bend=0.15),
    Truth("no power law: ever slower", 0.92, 0.88, 0.7, bend=-0.1),
)


def trial(truth: Truth, rng: np.random.Generator) -> dict[str, Any]:
    """A study, its forecasts, and what is true."""
    points = draw(truth, rng)
    curves = fit(points)
    twice = truth.ap50(2 * truth.pool)
    whole = points.pictures == truth.pool
    half = points.take(points.pictures <= HALF * truth.pool + 0.5)
    ahead = measured(half, fit(half), float(truth.pool), points.seeds[whole])
    needed = np.minimum(curves.needed(twice), HORIZON * truth.pool) / (2 * truth.pool)
    beyond = (truth.ceiling + 1) / 2
    return {
        **{
            name: {"truth": value, **asdict(Estimate.of(found))}
            for name, found, value in (
                ("now", curves.ap50(truth.pool), truth.now),
                ("twice", curves.ap50(2 * truth.pool), twice),
                ("measured", ahead, float(points.ap50[whole].mean())),
                ("needed", needed, 1.0),
            )
        },
        "near": outlook(points, curves, twice).verdict,
        "beyond": outlook(points, curves, beyond).verdict,
    }


def draw(truth: Truth, rng: np.random.Generator) -> Points:
    """Scores of a study. AP50 is the curve, plus how lucky the sample is (a mean over its pictures,
    nested in those of a seed and drawn from one pool), plus the training's luck, plus a mean over
    test pictures, that are partly hard for every detector."""
    sizes = [int(share * truth.pool + 0.5) for share in FRACTIONS]
    pool = truth.drawing * truth.pool**0.5 * rng.standard_normal(truth.pool)
    hard = rng.standard_normal(truth.tests)
    own = (truth.together**0.5, (1 - truth.together) ** 0.5)
    scores: list[tuple[int, int, float]] = []
    errors = []
    for seed in range(truth.seeds):
        order = rng.permutation(truth.pool)
        for size in sizes:
            error = own[0] * hard + own[1] * rng.standard_normal(truth.tests)
            error *= truth.spread * truth.tests**0.5
            luck = pool[order[:size]].mean() + truth.training * rng.standard_normal()
            scores.append((size, seed, truth.ap50(size) + luck + error.mean()))
            errors.append(error)
    pictures, seeds, ap50 = (np.array(column) for column in zip(*scores, strict=True))
    chosen = rng.integers(0, truth.tests, (RESAMPLES, truth.tests))
    drawn = np.array(errors)[:, chosen].mean(axis=2)
    rows = ap50[:, None] + drawn - np.mean(errors, axis=1)[:, None]
    return Points.of(
        pictures.astype(float),
        np.clip(ap50, 0, 1),
        seeds,
        np.clip(rows, 0, 1),
        tests=truth.tests,
        pool=float(truth.pool),
    )
