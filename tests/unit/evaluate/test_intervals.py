"""The bootstrap's quick re-weighing against the evaluator itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.evaluate import intervals
from kit.evaluate.coco import run, score, summarize
from kit.evaluate.matches import match
from kit.evaluate.weighted import class_scores, mean_over_classes


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    pictures=st.integers(1, 8),
    objects=st.integers(1, 20),
    classes=st.integers(1, 3),
    ignored=st.sampled_from([0.0, 0.2, 0.8]),
    digits=st.sampled_from([1, 2, 7]),
)
def test_matches_are_the_evaluators(scene: Callable[..., Any], **how: Any) -> None:
    """The full set is compared with the evaluator to 1e-9 inside; a difference raises."""
    dataset, predictions = scene(**how)
    evaluator = run(dataset, predictions)
    matches, scores = match(evaluator, dataset), summarize(evaluator, dataset)
    found = intervals.resample(matches, scores, resamples=3).interval()
    assert set(found) in (set(), {"ap", "ap50"})


def test_a_draw_is_the_evaluators_score_of_those_pictures(scene: Callable[..., Any]) -> None:
    """Scores without ties, since a picture drawn twice stands beside itself, not at the end."""
    dataset, predictions = scene(11, pictures=10, digits=7, ignored=0.2)
    evaluator = run(dataset, predictions)
    classes = [each for each in match(evaluator, dataset).values() if each.objects.any()]
    drawn = np.random.default_rng(0).integers(0, 10, (5, 10))
    weights = np.stack([np.bincount(row, minlength=10) for row in drawn])
    ours = mean_over_classes(class_scores(classes, weights))
    for row, mine in zip(drawn, ours, strict=True):
        picked = dataset.select(np.sort(row))
        theirs = score(picked, [predictions[i] for i in np.sort(row)])
        assert mine[0] == pytest.approx(theirs.ap50, abs=1e-9)
        assert mine.mean() == pytest.approx(theirs.ap, abs=1e-9)


def test_classes_are_drawn_as_the_whole_is(scene: Callable[..., Any]) -> None:
    """So that what a class loses can be told beside what all lose, on the same pictures."""
    dataset, predictions = scene(16, pictures=20, digits=7)
    evaluator = run(dataset, predictions)
    matches, scores = match(evaluator, dataset), summarize(evaluator, dataset)
    whole = intervals.resample(matches, scores, resamples=100)
    classes = intervals.resample_classes(matches, resamples=100)
    assert set(classes) == {name for name, each in scores.per_class.items() if each.objects}
    means = np.nanmean([each.ap50 for each in classes.values()], axis=0)
    assert np.allclose(means, whole.ap50, equal_nan=True)


def test_seeded_and_around_the_score(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(12, pictures=30)
    evaluator = run(dataset, predictions)
    scores = summarize(evaluator, dataset)
    first, again, other = (
        intervals.resample(match(evaluator, dataset), scores, resamples=200, seed=seed).interval()
        for seed in (0, 0, 1)
    )
    assert first == again != other
    assert first["ap50"][0] < scores.ap50 < first["ap50"][1]
    assert first["ap"][0] < scores.ap < first["ap"][1]


def test_one_picture_has_no_spread_and_no_objects_no_interval(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(13, pictures=1, objects=9)
    evaluator = run(dataset, predictions)
    scores = summarize(evaluator, dataset)
    drawn = intervals.resample(match(evaluator, dataset), scores, resamples=9)
    low, high = drawn.interval()["ap50"]
    assert low == high == pytest.approx(scores.ap50)
    dataset, predictions = scene(14, objects=0)
    evaluator = run(dataset, predictions)
    drawn = intervals.resample(match(evaluator, dataset), summarize(evaluator, dataset))
    assert drawn.interval() == {}
    assert intervals.resample_classes(match(evaluator, dataset)) == {}


def test_a_disagreement_is_raised_not_reported(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(15)
    evaluator = run(dataset, predictions)
    wrong = summarize(run(dataset, predictions[::-1]), dataset)
    with pytest.raises(Exception, match="not the evaluator's"):
        intervals.resample(match(evaluator, dataset), wrong)
