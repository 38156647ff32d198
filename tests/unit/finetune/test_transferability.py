"""LogME is the largest evidence: held against the evidence itself, over a grid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from kit.errors import DataError
from kit.finetune.features import Features
from kit.finetune.transferability import logme, tlogme

rng = np.random.default_rng(1)


@pytest.mark.parametrize(("count", "dims"), [(30, 5), (12, 20)])
def test_it_is_the_largest_evidence(count: int, dims: int) -> None:
    x = rng.standard_normal((count, dims))
    y = x @ rng.standard_normal(dims) + 0.5 * rng.standard_normal(count)
    grid = np.geomspace(0.01, 100, 60)
    best = max(
        multivariate_normal(np.zeros(count), np.eye(count) / beta + x @ x.T / alpha).logpdf(y)
        for alpha in grid
        for beta in grid
    )
    found = logme(x.astype(np.float32), y[:, None]) * count
    assert found == pytest.approx(best, abs=0.05)


def test_features_that_tell_more_score_higher() -> None:
    labels = rng.integers(0, 3, 120)
    boxes = rng.uniform(0, 1, (120, 4)).astype(np.float32)

    def score(noise: float) -> float:
        told = np.eye(3)[labels] + noise * rng.standard_normal((120, 3))
        placed = boxes + noise * rng.standard_normal((120, 4))
        objects = np.concatenate([told, placed, np.ones((120, 1))], 1).astype(np.float32)
        return tlogme(Features(objects, objects, boxes, labels, np.arange(120)))

    scores = [score(noise) for noise in (2.0, 0.5, 0.1, 0.01)]
    assert scores == sorted(scores)


def test_one_object_is_too_few() -> None:
    one = np.ones((1, 4), np.float32)
    with pytest.raises(DataError, match="two objects"):
        tlogme(Features(one, one, one, np.zeros(1, np.int64), np.zeros(1, np.int64)))
