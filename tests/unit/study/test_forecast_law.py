"""The power law: known curves are found again, and intervals hold what they promise."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import MissingPackage
from kit.study.power_law import Curves, Points, fit, measured, misfit, rise

pytest.importorskip("scipy")

SIZES = (25.0, 50.0, 100.0, 200.0)


def scored(
    ceiling: float = 0.95,
    gap: float = 0.05,
    exponent: float = 0.7,
    *,
    noise: float = 0.0,
    test: float = 0.001,
    seeds: int = 3,
    sizes: tuple[float, ...] = SIZES,
) -> Points:
    """Points on a curve that is ``gap`` below its ceiling at the last size."""
    rng = np.random.default_rng(0)
    pictures = np.repeat(sizes, seeds)
    curve = ceiling - gap * (pictures / sizes[-1]) ** -exponent
    return Points(
        pictures=pictures,
        ap50=np.clip(curve + noise * rng.standard_normal(len(pictures)), 0, 1),
        seeds=np.tile(np.arange(seeds), len(sizes)),
        test=np.full(len(pictures), test),
        together=0.8,
        pool=sizes[-1],
    )


def made(**columns: float) -> Curves:
    """One curve."""
    given_ = {"training": 0.01, "drawing": 0.01, **columns}
    smallest = given_.pop("smallest")
    return Curves(smallest=smallest, **{name: np.array([v]) for name, v in given_.items()})


@pytest.mark.parametrize(
    ("ceiling", "start", "exponent"),
    [(0.95, 0.5, 0.7), (0.8, 0.3, 1.2), (0.9, 0.4, 0.4), (0.6, 0.55, 0.5)],
)
def test_a_known_curve_is_found_again(ceiling: float, start: float, exponent: float) -> None:
    sizes = tuple(10.0 * 2**k for k in range(9))
    scale = (ceiling - start) * sizes[0] ** exponent
    gap = scale * sizes[-1] ** -exponent
    curves = fit(scored(ceiling, gap, exponent, sizes=sizes, seeds=5, noise=0.001))
    for found, true in (
        (curves.ceiling, ceiling),
        (curves.exponent, exponent),
        (curves.scale, scale),
    ):
        low, high = np.quantile(found, [0.005, 0.995])
        assert low < true < high
    for pictures in (10, 300, 2560, 10000):
        truth = ceiling - scale * pictures**-exponent
        assert np.median(curves.ap50(pictures)) == pytest.approx(truth, abs=0.004)


@given(
    ceiling=st.floats(0.05, 1.0),
    share=st.floats(0.0, 0.95),
    exponent=st.floats(0.05, 4.0),
    target=st.floats(0.02, 0.99),
)
def test_the_pictures_needed_are_where_the_curve_meets_the_target(
    ceiling: float, share: float, exponent: float, target: float
) -> None:
    curve = made(ceiling=ceiling, start=share * ceiling, exponent=exponent, smallest=20.0)
    (needed,) = curve.needed(target)
    if ceiling <= target:
        assert needed == np.inf
    elif 1e-12 < needed < 1e12:
        assert curve.ap50(needed)[0] == pytest.approx(target, abs=1e-9)
        assert curve.ap50(needed * 2)[0] >= target


@settings(max_examples=10)
@given(
    scores=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    test=st.floats(0.0, 0.1),
    seeds=st.integers(1, 4),
)
def test_any_scores_give_curves_that_rise_in_0_to_1(
    scores: list[float], test: float, seeds: int
) -> None:
    points = scored(test=test, seeds=seeds)
    points = Points(**{**vars(points), "ap50": np.repeat(scores, seeds)})
    curves = fit(points, draws=200)
    assert (curves.start >= 0).all()
    assert (curves.ceiling <= 1).all()
    assert (curves.ceiling >= curves.start).all()
    assert (curves.exponent > 0).all()
    steps = curves.ap50(np.array([25.0, 100.0, 400.0, 1e6])[:, None])
    assert (np.diff(steps, axis=0) >= 0).all()
    assert np.isfinite(rise(points, curves))
    assert 0 <= misfit(points, curves)[1] <= 1


@pytest.mark.parametrize("chance", [{"noise": 0.03}, {"test": 0.05}, {"seeds": 1}])
def test_more_chance_is_a_wider_interval(chance: dict[str, Any]) -> None:
    def width(points: Points) -> float:
        low, high = np.quantile(fit(points).ap50(400), [0.025, 0.975])
        return float(high - low)

    calm = {"noise": 0.005, "test": 0.005, "seeds": 3}
    assert width(scored(**{**calm, **chance})) > 1.1 * width(scored(**calm))


def test_the_same_points_give_the_same_curves() -> None:
    one, other = fit(scored(noise=0.01)), fit(scored(noise=0.01))
    assert (one.ceiling == other.ceiling).all()


def test_errors_on_shared_test_pictures_are_not_averaged_away() -> None:
    level = fit(scored(gap=0.0, test=0.03, seeds=4)).ap50(200)
    assert level.std() > 0.02  # 0.03 / sqrt(16) would be 0.0075
    apart = Points(**{**vars(scored(gap=0.0, test=0.03, seeds=4)), "together": 0.0})
    assert fit(apart).ap50(200).std() < 0.75 * level.std()


def test_on_the_same_test_pictures_less_is_unknown() -> None:
    points = scored(noise=0.004, test=0.03).take(np.repeat(SIZES, 3) <= 100)
    curves = fit(points)
    ahead = measured(points, curves, 200.0, np.arange(3))
    assert ahead.std() < 0.8 * curves.ap50(200).std()
    assert np.median(ahead) == pytest.approx(0.90, abs=0.02)


def test_samples_of_a_seed_err_together_and_the_pool_is_shared() -> None:
    drawing = scored(test=0.0, seeds=2).covariance(0.0, 1.0)
    assert drawing[0, 0] == pytest.approx(200 / 25)  # a mean over an eighth of the pool
    assert drawing[0, 2] == pytest.approx(200 / 50)  # the smaller lies in the larger
    assert drawing[0, 1] == pytest.approx(1.0)
    assert drawing[-1, -2] == pytest.approx(1.0)  # the whole pool is the same for both
    assert np.linalg.eigvalsh(drawing).min() > -1e-9


def test_points_from_drawn_scores() -> None:
    rng = np.random.default_rng(0)
    common = rng.standard_normal(2000)
    drawn = 0.8 + 0.02 * (0.8 * common + 0.6 * rng.standard_normal((4, 2000)))
    drawn[0, 5] = np.nan  # a draw without an object
    points = Points.of(
        np.array(SIZES), np.full(4, 0.8), np.zeros(4, int), drawn, tests=23, pool=200.0
    )
    assert points.test == pytest.approx(0.02 * (23 / 20) ** 0.5, rel=0.05)
    assert points.together == pytest.approx(0.64, abs=0.05)


def test_scores_that_never_vary_go_with_nothing() -> None:
    points = Points.of(
        np.array(SIZES), np.ones(4), np.zeros(4, int), np.ones((4, 50)), tests=2, pool=200.0
    )
    assert (points.test == 0).all()
    assert points.together == 0
    assert 0.9 < np.median(fit(points).ap50(200)) <= 1


def test_rising_and_falling_are_told_apart() -> None:
    up, flat = scored(noise=0.01), scored(gap=0.0, noise=0.01)
    down = Points(**{**vars(up), "ap50": up.ap50[::-1]})
    assert rise(up, fit(up)) > 3
    assert abs(rise(flat, fit(flat))) < 2.5
    assert rise(down, fit(down)) < 0


def test_points_off_any_curve_are_told() -> None:
    fair = scored(noise=0.01)
    assert misfit(fair, fit(fair))[1] > 0.01
    zigzag = Points(**{**vars(fair), "ap50": np.repeat([0.5, 0.9, 0.6, 0.8], 3) + fair.ap50 / 100})
    distance, chance = misfit(zigzag, fit(zigzag))
    assert distance > 0.05
    assert chance < 0.001
    three = fair.take(fair.pictures > 25)
    assert misfit(three, fit(three))[1] == 1  # three sizes can't contradict three parameters


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(MissingPackage, match=r"scipy is not installed\n.*\[study\]"):
        fit(scored())


def test_intervals_cover() -> None:
    """A quick look; benchmarks/forecast.py --simulate takes a long one."""
    rng = np.random.default_rng(1)
    inside, trials = 0, 16
    for _ in range(trials):
        points = scored()
        shared = 0.015 * (0.9 * rng.standard_normal() + 0.44 * rng.standard_normal(12))
        noisy = points.ap50 + shared + 0.008 * rng.standard_normal(12)
        points = Points(**{**vars(points), "ap50": noisy, "test": np.full(12, 0.015)})
        low, high = np.quantile(fit(points, draws=1000).ap50(200), [0.025, 0.975])
        inside += bool(low <= 0.90 <= high)
    assert inside >= trials - 3
