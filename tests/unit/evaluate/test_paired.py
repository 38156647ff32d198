"""Comparisons against the tests they become in simple cases, and their size under the null."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from kit.errors import DataError
from kit.evaluate.coco import run, summarize
from kit.evaluate.intervals import resample
from kit.evaluate.matches import match
from kit.evaluate.paired import Repeated, Usual, compare, holm, usual

DRAWS = 1000


def steady(scores: list[float], name: str = "a", draws: int = DRAWS) -> Repeated:
    """Scores that don't depend on the pictures."""
    return Repeated(
        name,
        "m",
        dict(enumerate(scores)),
        {seed: np.full(draws, score) for seed, score in enumerate(scores)},
    )


def measured(table: NDArray[np.float64], name: str = "a", draws: int = DRAWS) -> Repeated:
    """A score that is a mean over pictures, given ``(seeds, pictures)``."""
    pictures = table.shape[1]
    rng = np.random.default_rng(0)
    weights = rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=draws) / pictures
    scores = dict(enumerate(table.mean(axis=1).tolist()))
    return Repeated(name, "m", scores, dict(enumerate(table @ weights.T)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([0.62, 0.66, 0.64], [0.60, 0.61, 0.63]),
        ([0.62, 0.66], [0.60, 0.61]),
        ([0.91, 0.93, 0.90, 0.94, 0.92], [0.90, 0.90, 0.91, 0.91, 0.90]),
    ],
)
def test_without_spread_between_pictures_it_is_the_paired_t_test(
    one: list[float], other: list[float]
) -> None:
    theirs = stats.ttest_rel(one, other)
    low, high = theirs.confidence_interval(0.95)
    ours = compare(steady(one, "a", 4000), steady(other, "b", 4000))
    assert ours.p == pytest.approx(theirs.pvalue, rel=0.05)
    assert ours.interval == pytest.approx((low, high), rel=0.05)
    assert ours.mean == pytest.approx(np.mean(one) - np.mean(other))
    alone = steady(one)
    half = stats.t.ppf(0.975, len(one) - 1) * np.std(one, ddof=1) / len(one) ** 0.5
    expected = max(np.mean(one) - half, 0), min(np.mean(one) + half, 1)
    assert alone.interval == pytest.approx(expected, rel=0.05)
    assert alone.deviation == pytest.approx(np.std(one, ddof=1))


def test_with_one_seed_it_is_the_bootstrap_over_pictures() -> None:
    table = np.random.default_rng(5).beta(4, 2, (2, 40))
    one, other = measured(table[:1], "a", 9999), measured(table[1:], "b", 9999)
    theirs = stats.bootstrap(
        (table[0], table[1]),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        paired=True,
        vectorized=True,
        method="percentile",
        random_state=np.random.default_rng(1),
    )
    ours = compare(one, other)
    assert ours.seeds == 1
    assert ours.interval == pytest.approx(tuple(theirs.confidence_interval), abs=0.006)
    share = min((theirs.bootstrap_distribution <= 0).mean(), 0.5)
    assert ours.p == pytest.approx(2 * share, abs=0.02)
    assert one.deviation is None


def test_with_one_seed_the_interval_is_the_reports(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(12, pictures=30)
    evaluator = run(dataset, predictions)
    scores = summarize(evaluator, dataset)
    drawn = resample(match(evaluator, dataset), scores)
    alone = Repeated("a", "m", {0: scores.ap50}, {0: drawn.ap50})
    assert alone.interval == drawn.interval()["ap50"]


def test_seeds_and_pictures_both_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    seeds, pictures = rng.normal(0, 0.02, (4, 1)), rng.normal(0, 0.1, (1, 50))
    both = measured(0.6 + seeds + pictures)
    only_seeds = measured(np.broadcast_to(0.6 + seeds, (4, 50)))
    only_pictures = measured(np.broadcast_to(0.6 + pictures, (4, 50)))
    wide, one, other = (np.ptp(each.interval) for each in (both, only_seeds, only_pictures))
    assert wide > max(one, other)
    assert wide == pytest.approx(np.hypot(one, other), rel=0.15)


def test_what_a_seed_does_on_single_pictures_counts_once() -> None:
    table = 0.6 + np.random.default_rng(3).normal(0, 0.3, (4, 50))
    scores = table.mean(axis=1)
    half = stats.t.ppf(0.975, 3) * scores.std(ddof=1) / 2
    assert np.ptp(measured(table).interval) == pytest.approx(2 * half, rel=0.1)


@pytest.mark.parametrize(
    ("seeds", "of_seeds", "of_pictures", "of_both"),
    [
        (2, 1.0, 0.0, 0.0),
        (3, 1.0, 0.0, 0.0),
        (1, 0.0, 1.0, 0.0),
        (3, 0.3, 1.0, 0.0),
        (3, 0.3, 0.3, 1),
    ],
)
def test_p_values_are_uniform_or_larger_where_nothing_differs(
    seeds: int, of_seeds: float, of_pictures: float, of_both: float
) -> None:
    """Of 300 null hypotheses 15 should be rejected at 5 %; 26 or more would be one in 200."""
    rng, pictures = np.random.default_rng(7), 60
    p_values = []
    for _ in range(300):
        table = (
            rng.normal(0, of_seeds, (seeds, 1))
            + rng.normal(0, of_pictures * pictures**0.5, (1, pictures))
            + rng.normal(0, of_both * pictures**0.5, (seeds, pictures))
        )
        null = measured(np.zeros_like(table), "b", 100)
        p_values.append(compare(measured(table, "a", 100), null).p)
    assert np.mean(np.array(p_values) < 0.05) < 0.085
    if not of_both and 0 in (of_seeds, of_pictures):  # one source of chance: exactly uniform
        assert stats.kstest(p_values, "uniform").pvalue > 0.001


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5),
    st.integers(0, 99),
)
@settings(max_examples=30)
def test_the_other_way_round_is_the_opposite(pairs: list[tuple[float, float]], seed: int) -> None:
    spread = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, len(pairs), 20))
    table = np.array(pairs).T[:, :, None] + spread - spread.mean(-1, keepdims=True)
    one, other = measured(table[0], "a", 99), measured(table[1], "b", 99)
    forth, back = compare(one, other), compare(other, one)
    assert back.p == forth.p
    assert back.mean == pytest.approx(-forth.mean)
    assert back.interval == pytest.approx((-forth.interval[1], -forth.interval[0]))
    same = compare(one, one)
    assert (same.p, same.mean, same.interval) == (1.0, 0.0, (0.0, 0.0))


def test_the_smallest_p_is_what_the_draws_can_tell() -> None:
    assert compare(steady([0.9]), steady([0.1], "b")).p == pytest.approx(2 / (DRAWS + 1))


def test_only_seeds_that_both_have_are_compared() -> None:
    one = steady([0.5, 0.6, 0.9])
    other = Repeated("b", "m", {1: 0.5, 7: 0.1}, {1: np.full(DRAWS, 0.5), 7: np.zeros(DRAWS)})
    difference = compare(one, other)
    assert (difference.seeds, difference.mean) == (1, pytest.approx(0.1))
    with pytest.raises(DataError, match="no seed in common"):
        compare(Repeated("c", "m", {7: 0.1}, {7: np.zeros(DRAWS)}), one)


def test_different_pictures_are_not_compared() -> None:
    other = Repeated("b", "another", {0: 0.5}, {0: np.zeros(DRAWS)})
    with pytest.raises(DataError, match="a and b were measured on different pictures"):
        compare(steady([0.5]), other)


def test_draws_without_objects_are_left_out() -> None:
    drawn = np.array([np.nan, 0.4, 0.5, 0.6])
    alone = Repeated("a", "m", {0: 0.5}, {0: drawn})
    assert alone.interval == pytest.approx(tuple(np.nanquantile(drawn, [0.025, 0.975])))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_its_procedure_rejects(p_values: list[float], level: float) -> None:
    """The procedure of 1979 in its own words: step down until a p-value is too large."""
    order, rejected = np.argsort(p_values, kind="stable"), set()
    for step, place in enumerate(order):
        if (len(p_values) - step) * p_values[place] > level:
            break
        rejected.add(int(place))
    assert {place for place, p in enumerate(holm(p_values)) if p <= level} == rejected


def test_the_usual_deviation_counts_like_two_more_seeds() -> None:
    one, other = steady([0.5, 0.6], "a", 4000), steady([0.3, 0.3, 0.33], "b", 4000)
    lent = Usual(0.02**2, 9)
    alone = Repeated(one.bundle, "m", one.scores, one.drawn, lent)
    variance = (0.005 + 2 * 0.02**2) / 3  # of 0.5 and 0.6 it is 0.005
    half = stats.t.ppf(0.975, 3) * (variance / 2) ** 0.5
    assert alone.interval == pytest.approx((0.55 - half, 0.55 + half), rel=0.02)
    assert alone.deviation == one.deviation, "what is shown is its own"
    both = Repeated(other.bundle, "m", other.scores, other.drawn, lent)
    difference = compare(alone, both)  # of 0.2 and 0.3, whose variance is 0.005 too
    variance = (0.005 + 2 * 2 * 0.02**2) / 3
    half = stats.t.ppf(0.975, 3) * (variance / 2) ** 0.5
    assert difference.interval == pytest.approx((0.25 - half, 0.25 + half), rel=0.02)
    single = Repeated("c", "m", {0: 0.5}, {0: np.full(4000, 0.5)}, lent)
    half = stats.t.ppf(0.975, 2) * 0.02
    assert single.interval == pytest.approx((0.5 - half, 0.5 + half), rel=0.05)


def test_the_usual_deviation_is_pooled() -> None:
    many = [steady([0.5, 0.6]), steady([0.1, 0.2, 0.3]), steady([0.9])]
    assert usual(many) == Usual(pytest.approx((0.005 + 2 * 0.01) / 3), 3)
    assert usual(many[2:]) is None


@pytest.mark.parametrize("seeds", [2, 3])
def test_moderated_intervals_hold_what_they_say(seeds: int) -> None:
    """Six detectors whose deviations differ three-fold; the widest is the hardest."""
    rng, deviations = np.random.default_rng(11), 0.01 * np.array([3, 3, 2, 2, 1, 1])
    held = []
    for _ in range(300):
        runs = [
            steady((0.5 + rng.normal(0, each, seeds)).tolist(), draws=20) for each in deviations
        ]
        held.append(
            [
                low <= 0.5 <= high
                for place, each in enumerate(runs)
                for lent in [usual(runs[:place] + runs[place + 1 :])]
                for low, high in [Repeated("a", "m", each.scores, each.drawn, lent).interval]
            ]
        )
    shares = np.mean(held, axis=0)
    assert shares.min() > 0.88
    assert shares.mean() > 0.95
