"""Counts at a threshold against counting by hand, and the threshold that keeps false alarms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.bundle import BundleCard
from kit.cards import Input
from kit.evaluate.coco import run
from kit.evaluate.matches import Matches, match
from kit.evaluate.operating import (
    Estimate,
    at_point,
    count,
    threshold_like,
    thresholds_like,
)
from kit.runtime.detector import EVALUATION_FLOOR


def made(scores: list[float], hits: list[bool], pictures: int = 2) -> dict[str, Matches]:
    """One class, one object a picture; detections take turns over the pictures."""
    order = np.argsort(-np.array(scores), kind="stable")
    hit = np.array([hits] * 10, bool)[:, order]
    return {
        "a": Matches(
            score=np.array(scores, np.float32).astype(np.float64)[order],  # as they come
            picture=(np.arange(len(scores)) % pictures)[order],
            hit=hit,
            ignored=np.zeros_like(hit),
            objects=np.ones(pictures, np.int64),
        )
    }


def test_counts_by_hand() -> None:
    found = count(made([0.9, 0.8, 0.4, 0.3], [True, False, False, True]), 0.4)
    assert found.hits.tolist() == [1, 0]
    assert found.false.tolist() == [1, 1]
    assert (found.sensitivity, found.fppi) == (0.5, 1.0)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1), threshold=st.floats(0.05, 0.95))
def test_counting_is_scoring_what_is_left(
    scene: Callable[..., Any], seed: int, threshold: float
) -> None:
    """Greedy matching goes by score: dropping weak detections first changes no stronger match."""
    dataset, predictions = scene(seed, pictures=4, digits=7, ignored=0.2)
    whole = count(match(run(dataset, predictions), dataset), threshold)
    strong = [found[found.scores >= np.float32(threshold)] for found in predictions]
    part = count(match(run(dataset, strong), dataset), 0.0)
    for name in ("hits", "false", "objects"):
        assert np.array_equal(getattr(whole, name), getattr(part, name))


rows_of = st.lists(st.tuples(st.integers(1, 99), st.booleans()), min_size=1, max_size=30)


def of(rows: list[tuple[int, bool]], factor: float = 1.0) -> dict[str, Matches]:
    return made([score / 100 * factor for score, _ in rows], [hit for _, hit in rows])


@given(rows=rows_of, threshold=st.integers(1, 99))
def test_a_detector_like_itself_keeps_its_threshold(
    rows: list[tuple[int, bool]], threshold: int
) -> None:
    assert threshold_like(of(rows), of(rows), threshold / 100) == pytest.approx(threshold / 100)


@given(rows=rows_of, threshold=st.integers(1, 99), factor=st.sampled_from([0.5, 0.9, 1.01]))
def test_squeezed_scores_move_the_threshold_with_them(
    rows: list[tuple[int, bool]], threshold: int, factor: float
) -> None:
    at = threshold_like(of(rows, factor), of(rows), threshold / 100)
    one, other = count(of(rows), threshold / 100), count(of(rows, factor), at)
    assert np.array_equal(one.hits, other.hits)
    assert np.array_equal(one.false, other.false)


def test_fewer_detections_get_a_threshold_that_shows_them() -> None:
    """The reference shows three at 0.5; two weak ones that are right are not to be hidden."""
    reference = made([0.9, 0.8, 0.7], [True, True, True])
    at = threshold_like(made([0.30, 0.28], [True, True]), reference, 0.5)
    assert at == pytest.approx(0.28)


def test_the_threshold_is_one_in_float32() -> None:
    """Scores are float32 at runtime: a bound between two of them would round onto the wrong one."""
    scores = [float(np.float32(value)) for value in (0.95, 0.7, 0.65)]
    reference = made([0.9, 0.6], [True, False])
    at = threshold_like(made(scores, [True, False, False]), reference, 0.5)
    shown = np.array(scores, np.float32) >= at  # as the runtime compares
    assert shown.tolist() == [True, True, False]


@given(rows=rows_of, others=rows_of, threshold=st.integers(1, 99))
def test_false_alarms_are_never_more(
    rows: list[tuple[int, bool]], others: list[tuple[int, bool]], threshold: int
) -> None:
    before = count(of(others), threshold / 100)
    at = threshold_like(of(rows), of(others), threshold / 100)
    assert count(of(rows), at).fppi <= before.fppi
    assert EVALUATION_FLOOR <= at <= 1


def test_resampled_sensitivity_is_around_it() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random(60) < 0.7
    found = count(made(rng.random(60).tolist(), hits.tolist(), pictures=60), 0.0)
    drawn = found.resampled()
    assert drawn.mean() == pytest.approx(found.sensitivity, abs=0.01)
    assert np.array_equal(drawn, found.resampled())


def test_at_the_operating_point_by_hand() -> None:
    """Class a is shown from 0.8 on, its own threshold; b from 0.4 on, the card's."""
    a = made([0.9, 0.8, 0.7], [True, False, True])["a"]
    b = made([0.5, 0.3], [True, True])["a"]
    card = BundleCard(
        name="n", kind="onnx", family="f", model="m", architecture="x", licence="l",
        classes=("a", "b"), input=Input(64), suppress=None, weights="w", files={},
        operating_point=0.4, class_thresholds={"a": 0.8},
    )  # fmt: skip
    assert card.thresholds == (0.8, 0.4)
    found = at_point(count({"a": a, "b": b}, card.operating_point, card.class_thresholds))
    assert (found.objects, found.shown, found.pictures) == (4, 3, 2)
    assert (found.sensitivity.value, found.precision.value, found.fppi.value) == (0.5, 2 / 3, 0.5)
    # both hits are on the first picture, the false one on the second
    assert found.sensitivity.interval == (0.0, 1.0)
    assert found.fppi.interval == (0.0, 1.0)


def test_what_can_not_be_measured_is_none() -> None:
    nothing = made([], [])
    found = at_point(count(nothing, 0.5))
    assert (found.precision.value, found.precision.interval) == (None, None)
    assert found.sensitivity.value == 0.0
    nothing["a"].objects[:] = 0
    assert at_point(count(nothing, 0.5)).sensitivity == Estimate(None, None)


def test_classes_get_thresholds_like_their_own() -> None:
    rows = [(score, score % 3 > 0) for score in range(10, 99, 3)]
    reference = {"a": of(rows)["a"], "b": of(rows)["a"], "c": of(rows)["a"]}
    squeezed = {"a": of(rows, 0.5)["a"], "b": of(rows, 0.9)["a"], "c": of(rows)["a"]}
    shared, own = thresholds_like(squeezed, reference, 0.4, {"a": 0.3, "b": 0.6})
    before = count(reference, 0.4, {"a": 0.3, "b": 0.6})
    after = count(squeezed, shared, own)
    assert np.array_equal(before.hits, after.hits)
    assert np.array_equal(before.false, after.false)
    assert shared == pytest.approx(0.4), "of c alone, which is as it was"
    assert own["a"] == pytest.approx(0.15, abs=0.02)
