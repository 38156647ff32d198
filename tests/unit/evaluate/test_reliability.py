"""Calibration error by hand, fits against a reference and against known truth, and AP untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.errors import DataError
from kit.evaluate.coco import run, score
from kit.evaluate.matches import match
from kit.evaluate.reliability import (
    Gain,
    Shown,
    cross_fit,
    fit,
    measure_reliability,
    reliability,
    shown,
)
from kit.runtime.scaling import scale
from kit.types import Detections

METHODS = ("temperature", "isotonic")


def of(scores: Any, right: Any, pictures: int = 1) -> Shown:
    scores = np.asarray(scores, float)
    return Shown(scores, np.asarray(right, bool), np.arange(len(scores)) % pictures)


def overconfident(seed: int, count: int, pictures: int = 40) -> Shown:
    """Logits are twice what they should be."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, count)
    right = rng.random(count) < 1 / (1 + np.exp(-logits))
    return of(1 / (1 + np.exp(-2 * logits)), right, pictures)


def test_the_error_by_hand() -> None:
    found = reliability(np.array([0.15, 0.15, 0.95, 0.95]), np.array([0, 1, 1, 1], bool))
    assert found is not None
    assert found.error == pytest.approx((2 * 0.35 + 2 * 0.05) / 4)
    assert [(b.detections, b.precision) for b in found.bins] == [(2, 0.5), (2, 1.0)]
    assert (found.detections, found.right) == (4, 3)
    assert reliability(np.empty(0), np.empty(0, bool)) is None


def test_bins_hold_their_upper_edge() -> None:
    found = reliability(np.array([0.0, 0.1, 0.5, 1.0]), np.ones(4, bool), bins=2)
    assert found is not None
    assert [b.detections for b in found.bins] == [3, 1]


def test_bins_of_equal_mass() -> None:
    scores = np.concatenate([np.linspace(0.01, 0.1, 90), np.linspace(0.2, 1, 10)])
    found = reliability(scores, np.ones(100, bool), bins=4, binning="mass")
    assert found is not None
    assert [b.detections for b in found.bins] == [25, 25, 25, 25]
    same = reliability(np.full(9, 0.3), np.arange(9) < 3, bins=4, binning="mass")
    assert same is not None
    assert same.error == pytest.approx(1 / 3 - 0.3)


def test_what_does_not_count_is_left_out(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(3, ignored=0.5)
    matches = match(run(dataset, predictions), dataset)
    found = shown(matches, 0.2)
    ignored = sum(
        int((m.ignored[0] & ~m.hit[0] & (m.score >= 0.2)).sum()) for m in matches.values()
    )
    total = sum(int((m.score >= 0.2).sum()) for m in matches.values())
    assert ignored > 0
    assert len(found.scores) == total - ignored
    measured = measure_reliability(matches, lowest=0.2)
    assert measured is not None
    assert measured.detections == len(found.scores)
    assert measure_reliability(matches, lowest=1.1) is None


def test_temperature_finds_what_was_done_to_the_logits() -> None:
    scaling = fit(overconfident(0, 20_000), "temperature")
    assert scaling.temperature == pytest.approx(2, abs=0.1)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_no_temperature_is_likelier(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = of(rng.uniform(0.02, 0.98, 30), np.append(rng.random(28) < 0.5, [True, False]))
    best = fit(found, "temperature").temperature

    def loss(temperature: float) -> float:
        logits = np.log(found.scores / (1 - found.scores)) / temperature
        return float(np.logaddexp(0, np.where(found.right, -logits, logits)).sum())

    for other in np.geomspace(0.051, 19.9, 40):
        assert loss(best) <= loss(float(other)) + 1e-6


@given(seed=st.integers(0, 2**32 - 1), digits=st.sampled_from([1, 2, 9]))
@settings(max_examples=30, deadline=None)
def test_isotonic_is_that_of_the_reference(seed: int, digits: int) -> None:
    reference = pytest.importorskip("sklearn.isotonic")
    rng = np.random.default_rng(seed)
    scores = rng.random(60).round(digits)
    right = np.append(rng.random(58) < scores[:58], [True, False])
    scaling = fit(of(scores, right), "isotonic")
    expected = reference.IsotonicRegression(y_min=0, y_max=1).fit_transform(scores, right)
    np.testing.assert_allclose(scaling.chances, np.unique(expected.round(9)), atol=1e-8)
    for knot, chance in zip(scaling.scores, scaling.chances, strict=True):
        block = np.isclose(expected, chance)  # the knot is where the block's mean score is
        assert knot == pytest.approx(scores[block].mean())


@pytest.mark.parametrize("method", METHODS)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1))
def test_ap_stays_what_it_is(scene: Callable[..., Any], method: Any, seed: int) -> None:
    """By the reference evaluator, on the very float32 scores that would be shown."""
    dataset, predictions = scene(seed, pictures=6)
    found = shown(match(run(dataset, predictions), dataset))
    try:
        scaling = fit(found, method)
    except DataError:
        return
    scaled = [
        Detections(d.xyxy, scale(d.scores, scaling).astype(np.float32), d.labels)
        for d in predictions
    ]
    before, after = score(dataset, predictions), score(dataset, scaled)
    for name in ("ap", "ap50", "ap75", "ar100"):
        one, other = getattr(before, name), getattr(after, name)
        assert one == other or abs(one - other) < 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_scaling_helps_where_scores_promise_too_much(method: Any) -> None:
    gain = cross_fit(overconfident(1, 3000), method)
    assert isinstance(gain, Gain)
    assert gain.before.error > 0.08
    assert gain.after.error < 0.4 * gain.before.error
    assert gain.before.detections == gain.after.detections == 3000


def test_the_gain_is_not_of_the_fit_itself() -> None:
    """Few detections: a curve through them is nearer to them than to others of their kind."""
    own, others = [], []
    for seed in range(20):
        found = overconfident(seed, 60, pictures=20)
        fitted = reliability(scale(found.scores, fit(found, "isotonic")), found.right)
        gain = cross_fit(found, "isotonic")
        assert isinstance(gain, Gain)
        assert fitted is not None
        own.append(fitted.error)
        others.append(gain.after.error)
    assert np.mean(others) > 1.2 * np.mean(own)


@pytest.mark.parametrize("method", METHODS)
def test_what_can_not_be_fitted_says_why(method: Any) -> None:
    for right in ([True, True], [False, False], []):
        with pytest.raises(DataError, match="right and wrong ones are needed"):
            fit(of([0.2, 0.7][: len(right)], right), method)
    assert "1 picture" in str(cross_fit(of([0.2, 0.7], [False, True]), method))
    assert "only right" in str(cross_fit(of([0.2, 0.7], [False, True], pictures=2), method))
