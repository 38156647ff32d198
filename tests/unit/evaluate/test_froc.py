"""FROC against loops that try every threshold, and against an example worked by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.data.dataset import Dataset
from kit.evaluate import intervals
from kit.evaluate.centre import match_centres
from kit.evaluate.coco import run
from kit.evaluate.froc import GRID, RATES, froc, sensitivities
from kit.evaluate.matches import Matches, match
from kit.types import Detections, Example, Ignore


def naive(
    dataset: Dataset, predictions: Sequence[Detections], label: int, rates: Sequence[float], by: str
) -> list[float]:
    """Best sensitivity of any threshold with no more false positives; matched box by box."""
    thresholds = sorted({float(s) for p in predictions for s in p.scores}, reverse=True)
    best, objects = [0.0] * len(rates), 0
    for threshold in [2.0, *thresholds]:
        hits = false = objects = 0
        for example, every in zip(dataset, predictions, strict=True):
            truth = [
                (box, ignore)
                for (box, _, own), ignore in zip(example.truth, example.ignore, strict=True)
                if own == label
            ]
            objects += sum(ignore == Ignore.NONE for _, ignore in truth)
            taken: set[int] = set()
            for box, score, own in sorted(every, key=lambda each: -each[1]):
                if own != label or score < threshold:
                    continue
                fits = [i for i, (other, _) in enumerate(truth) if closeness(box, other, by) > 0]
                free = [i for i in fits if i not in taken and truth[i][1] == Ignore.NONE]
                if free:
                    taken.add(max(free, key=lambda i: closeness(box, truth[i][0], by)))
                    hits += 1
                elif not any(truth[i][1] != Ignore.NONE for i in fits):
                    false += 1
        for place, rate in enumerate(rates):
            if false <= rate * len(dataset):
                best[place] = max(best[place], hits / objects if objects else 0.0)
    return best


def closeness(box: Any, other: Any, by: str) -> float:
    """Positive where they match; larger is nearer."""
    if by == "centre":
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        inside = other[0] <= x <= other[2] and other[1] <= y <= other[3]
        own = ((other[0] + other[2]) / 2 - x, (other[1] + other[3]) / 2 - y)
        return 1 / (1 + own[0] ** 2 + own[1] ** 2) if inside else 0.0
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    both = max(wide, 0) * max(high, 0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    overlap = both / (sum(areas) - both)
    return float(overlap) if overlap >= 0.5 else 0.0


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    pictures=st.integers(1, 6),
    noise=st.sampled_from([0, 3, 12]),
    digits=st.sampled_from([1, 7]),
)
@pytest.mark.parametrize("by", ["iou", "centre"])
def test_every_threshold_tried_gives_the_same(
    scene: Callable[..., Any], by: str, **how: Any
) -> None:
    """Without difficult ones by overlap: COCO lets a crowd excuse by its share of the detection."""
    dataset, predictions = scene(**how, objects=5, classes=2, ignored=0.0 if by == "iou" else 0.3)
    found = froc(matched(dataset, predictions, by), by, resamples=2)  # type: ignore[arg-type]
    expected = naive(dataset, predictions, 0, RATES, by)
    curve = found.per_class["class 0"]
    if curve.objects:
        assert [value for _, value, _ in curve.at_rates()] == pytest.approx(expected)
        assert curve.score == pytest.approx(np.mean(expected))
    assert found.per_class["class 1"].why == "not measurable: no objects"


def test_worked_by_hand() -> None:
    """Two pictures, four objects. Down the scores: hit .9, false .8, hit .7, false .6 and hit .6
    (one threshold), false .5, .4 and .3. False positives a picture after each: 0, 1/2, 1/2, 1, 3/2,
    2, 5/2; sensitivity: 1/4, 1/4, 2/4, 3/4, then no more."""
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.6, 0.5, 0.4, 0.3])
    hit = np.array([[1, 0, 1, 0, 1, 0, 0, 0]], bool)
    marks = Matches(score, np.array([0, 1, 1, 0, 1, 0, 1, 0]), hit, ~hit & False, np.array([1, 3]))
    curve = froc({"lesion": marks}, resamples=5).pooled
    assert [value for _, value, _ in curve.at_rates()] == [0.25, 0.25, 0.5, 0.75, 0.75, 0.75, 0.75]
    assert curve.score == pytest.approx(4 / 7)
    assert curve.ends == 2.5


def test_a_draw_is_the_curve_of_those_pictures(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(31, pictures=8, digits=7, classes=3)
    matches = matched(dataset, predictions, "iou")
    (rows,) = intervals.draws(8, resamples=5)
    drawn = sensitivities(list(matches.values()), rows)
    for weights, mine in zip(rows, drawn, strict=True):
        picked = np.repeat(np.arange(8), weights)
        examples = [
            Example(f"{place}.png", e.path, e.size, e.truth, e.ignore)
            for place, e in enumerate(dataset[index] for index in picked)
        ]
        again = Dataset.from_examples("drawn", Path(), dataset.classes, examples, {})
        curve = froc(matched(again, [predictions[i] for i in picked], "iou"), resamples=1).pooled
        assert mine == pytest.approx(curve.sensitivity)


def test_looking_at_the_best_detections_first_changes_nothing() -> None:
    """Many false positives beyond the last rate, and a draw that holds few: all are read."""
    rng = np.random.default_rng(2)
    picture = np.concatenate([rng.integers(0, 4, 5), np.zeros(600, int), rng.integers(1, 4, 400)])
    hit = (rng.random(len(picture)) < 0.1)[None]
    score = np.sort(rng.random(len(picture)))[::-1]
    marks = Matches(score, picture, hit, hit & False, np.bincount(picture[hit[0]], minlength=4))
    for weights in ([1, 1, 1, 1], [0, 2, 1, 1], [4, 0, 0, 0]):
        (mine,) = sensitivities([marks], np.array([weights]))
        kept = np.array(weights)[picture]
        false = np.cumsum(kept * ~hit[0])
        right = np.cumsum(kept * hit[0]) / (np.array(weights) @ marks.objects)
        assert mine == pytest.approx([max([0, *right[false <= 4 * rate]]) for rate in GRID])


def test_bands_hold_the_curve_and_follow_the_seed(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(33, pictures=30, digits=7)
    matches = matched(dataset, predictions, "iou")
    curves = [froc(matches, resamples=300, seed=seed).pooled for seed in (0, 0, 1)]
    assert curves[0] == curves[1] != curves[2]
    first = curves[0]
    assert all(low <= high for low, high in zip(first.low, first.high, strict=True))
    assert list(first.sensitivity) == sorted(first.sensitivity)
    assert first.interval is not None
    assert first.interval[0] < (first.score or 0) < first.interval[1]


def test_defined_answers(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(34, pictures=6)
    none = [Detections.empty() for _ in predictions]
    blind = froc(matched(dataset, none, "iou"), resamples=9).pooled
    assert set(blind.sensitivity) == {0.0}
    assert (blind.score, blind.interval, blind.ends) == (0.0, None, 0.0)
    assert blind.why == "interval not measurable: every draw gives the same"
    empty, found = scene(35, pictures=3, objects=0)
    nothing = froc(matched(empty, found, "iou"), resamples=9).pooled
    assert (nothing.score, nothing.sensitivity) == (None, ())
    assert nothing.why == "not measurable: no objects"
    one, found = scene(36, pictures=1, objects=9)
    alone = froc(matched(one, found, "centre"), "centre", resamples=9).pooled
    assert alone.score is not None
    assert (alone.interval, alone.low) == (None, ()), "one picture has no spread, which is no proof"
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Detections(np.array([[0, 0, 1, 1]]), np.array([np.nan]), np.array([0]))


def test_no_draw_holds_an_object() -> None:
    """Two of a thousand pictures hold the class, and the one draw misses both."""
    objects = np.zeros(1000, int)
    (row,) = next(intervals.draws(1000, resamples=1))
    objects[np.flatnonzero(row == 0)[:2]] = 1
    none = np.zeros((1, 0), bool)
    marks = Matches(np.zeros(0), np.zeros(0, int), none, none, objects)
    curve = froc({"rare": marks}, resamples=1).pooled
    assert (curve.score, curve.interval, curve.low) == (0.0, None, ())
    assert curve.why == "interval not measurable: no draw holds an object"


def test_two_detections_of_one_object_and_a_centre_on_the_edge() -> None:
    truth = Detections.truth([[10, 10, 30, 30]], [0])
    example = Example("a.png", Path("a.png"), (60, 60), truth, np.zeros(1, np.uint8))
    dataset = Dataset.from_examples("drawn", Path(), ["lesion"], [example], {})
    found = Detections(
        [[28, 10, 32, 20], [18, 18, 22, 22], [29, 10, 32, 20]], [0.9, 0.8, 0.7], [0, 0, 0]
    )
    marks = match_centres(dataset, [found])["lesion"]
    assert marks.hit.tolist() == [[True, False, False]]
    assert not match(run(dataset, [found]), dataset)["lesion"].hit.any(), "they overlap too little"


def matched(dataset: Dataset, predictions: Sequence[Detections], by: str) -> dict[str, Matches]:
    if by == "centre":
        return match_centres(dataset, predictions)
    return match(run(dataset, predictions), dataset)
