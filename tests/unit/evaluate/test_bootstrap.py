"""Both bootstrap intervals against definitions, the evaluator and the truth they should hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kit.data.dataset import Dataset
from kit.evaluate import intervals
from kit.evaluate.coco import run, score, summarize
from kit.evaluate.detail import FIGURES, figures
from kit.evaluate.matches import match
from kit.types import Detections, Example


def test_twenty_draws_are_the_evaluators_scores_of_the_pictures_under_new_names(
    scene: Callable[..., Any],
) -> None:
    dataset, predictions = scene(21, pictures=15, digits=7, ignored=0.2)
    ours = intervals.redraw(
        figures(match(run(dataset, predictions), dataset), 0.25), len(dataset), resamples=20
    ).drawn
    (rows,) = intervals.draws(len(dataset), resamples=20)
    for weights, mine in zip(rows, ours, strict=True):
        picked = np.repeat(np.arange(len(dataset)), weights)
        theirs = score(*renamed(dataset, predictions, picked))
        assert mine[0] == pytest.approx(theirs.ap, abs=1e-6)
        assert mine[1] == pytest.approx(theirs.ap50, abs=1e-6)
        for place, each in enumerate(theirs.per_class.values(), 1):
            if each.ap is None:
                assert np.isnan(mine[4 * place])
            else:
                assert mine[4 * place] == pytest.approx(each.ap, abs=1e-6)
                assert mine[4 * place + 1] == pytest.approx(each.ap50, abs=1e-6)


def test_without_a_picture_is_the_evaluators_score_without_it(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(22, pictures=6, digits=7)
    evaluator = run(dataset, predictions)
    redrawn = intervals.redraw(figures(match(evaluator, dataset), 0.25), 6, resamples=1)
    for gone, mine in enumerate(redrawn.without):
        kept = np.delete(np.arange(6), gone)
        theirs = score(dataset.select(kept), [predictions[i] for i in kept])
        assert mine[0] == pytest.approx(theirs.ap, abs=1e-9)


def test_patients_are_drawn_whole() -> None:
    units = np.array([0, 0, 1, 2, 2, 2])
    (rows,) = intervals.draws(6, units=units, resamples=50, seed=3)
    assert (rows[:, 0] == rows[:, 1]).all()
    assert (rows[:, 3] == rows[:, 5]).all()
    assert (rows[:, [0, 2, 3]].sum(axis=1) == 3).all(), "as many patients as there are"
    (left,) = intervals.left_out(6, units=units)
    assert left.tolist() == [[0, 0, 1, 1, 1, 1], [1, 1, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
    assert intervals.units_of(("b", "b", "a")).tolist() == [1, 1, 0]  # type: ignore[union-attr]
    assert intervals.units_of(None) is None


def test_the_first_rows_are_the_same_for_any_number_of_them() -> None:
    few, many = (
        np.concatenate(list(intervals.draws(7, resamples=count, seed=5))) for count in (300, 1000)
    )
    assert (few == many[:300]).all()


def test_bca_is_scipys() -> None:
    """On the mean of a skewed sample, with the same draws."""
    rng = np.random.default_rng(1)
    values = rng.exponential(size=30)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(0)
    )
    left = (values.sum() - values) / 29
    ours = intervals.bca(values.mean(), theirs.bootstrap_distribution, left)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=1e-6)


def test_bca_of_what_does_not_move() -> None:
    assert intervals.bca(1.0, np.ones(9), np.ones(5)) == (1.0, 1.0)
    assert intervals.bca(1.0, np.ones(9), np.ones(1)) is None
    assert intervals.bca(1.0, np.full(9, np.nan), np.ones(5)) is None
    low, high = intervals.bca(9.0, np.arange(9.0), np.arange(5.0)) or (0, 0)
    assert 0 <= low <= high <= 8, "a score above every draw still has an interval"


def test_intervals_hold_the_truth() -> None:
    """Sets of 40 pictures from a world whose sensitivity is known: no less often than is told of
    20 pictures, no more often than 95 %, but for the simulation's own chance."""
    for share in coverage(200, pictures=40):
        assert 0.91 - chance(0.91, 200) <= share <= 0.95 + chance(0.95, 200)


def chance(share: float, sets: int) -> float:
    """Three standard errors of a share that so many simulated sets give."""
    return float(3 * np.sqrt(share * (1 - share) / sets))


@pytest.mark.slow
@pytest.mark.parametrize(("pictures", "told"), [(20, (0.91, 0.92)), (60, (0.93, 0.94))])
def test_intervals_hold_the_truth_of_many_sets(pictures: int, told: tuple[float, float]) -> None:
    """As often as kit.evaluate.intervals tells, percentiles and BCa, which is less than 95 %. The
    figures were read off this simulation; what is tested is that they stay true."""
    for share, known in zip(coverage(2000, pictures=pictures), told, strict=True):
        assert abs(share - known) <= chance(known, 2000)


def coverage(sets: int, pictures: int) -> tuple[float, float]:
    """Share of sets whose intervals of sensitivity hold the truth: objects come in pictures that
    are easy or hard, so that they are no independent trials."""
    rng, truth, held = np.random.default_rng(0), 0.75, np.zeros(2)
    for _ in range(sets):
        objects = rng.integers(1, 12, pictures)
        hits = rng.binomial(objects, rng.beta(6, 2, pictures))  # mean 0.75, apart from objects

        def share(weights: Any, hits: Any = hits, objects: Any = objects) -> Any:
            return ((weights @ hits) / (weights @ objects))[:, None]

        redrawn = intervals.redraw(share, pictures, resamples=500)
        found = (
            intervals.percentile(redrawn.drawn[:, 0]),
            intervals.bca(redrawn.whole[0], redrawn.drawn[:, 0], redrawn.without[:, 0]),
        )
        held += [low <= truth <= high for low, high in found if low is not None]
    return tuple(held / sets)  # type: ignore[return-value]


def renamed(
    dataset: Dataset, predictions: list[Detections], picked: Any
) -> tuple[Dataset, list[Detections]]:
    """Pictures, some several times, each under a name of its own."""
    examples = [
        Example(f"{place}.png", e.path, e.size, e.truth, e.ignore)
        for place, e in enumerate(dataset[index] for index in picked)
    ]
    made = Dataset.from_examples("drawn", dataset.root, dataset.classes, examples, {})
    return made, [predictions[index] for index in picked]


def test_columns_are_named(scene: Callable[..., Any]) -> None:
    """Sensitivity and precision of all classes are what a loop over the boxes counts."""
    dataset, predictions = scene(23, pictures=9, ignored=0.0)
    evaluator = run(dataset, predictions)
    matches = match(evaluator, dataset)
    whole = intervals.redraw(figures(matches, 0.4), 9, resamples=1).whole
    shown = sum(int((each.scores >= np.float32(0.4)).sum()) for each in predictions)
    hits = sum(int((m.hit[0] & (m.score >= np.float32(0.4))).sum()) for m in matches.values())
    found = dict(zip(FIGURES, whole, strict=False))
    assert found["sensitivity"] == hits / summarize(evaluator, dataset).objects
    assert found["precision"] == hits / shown


@pytest.mark.slow
def test_intervals_of_ap_hold_the_truth(scene: Callable[..., Any]) -> None:
    """The truth is the score of a set a hundred times as large from the same world. Percentiles of
    AP hold it less often than they say; BCa mends most of that. How often is what
    kit.evaluate.intervals tells; it was read off this simulation, and must stay true."""
    how = {"objects": 8, "noise": 6, "classes": 2, "digits": 7}
    truth = score(*scene(0, pictures=4000, **how))
    held = np.zeros(4)
    for seed in range(1, 301):
        dataset, predictions = scene(seed, pictures=40, **how)
        statistic = figures(match(run(dataset, predictions), dataset), 0.25)
        redrawn = intervals.redraw(statistic, 40, resamples=500)
        for place, known in enumerate((truth.ap, truth.ap50)):
            drawn, without = redrawn.drawn[:, place], redrawn.without[:, place]
            found = (
                intervals.percentile(drawn),
                intervals.bca(redrawn.whole[place], drawn, without),
            )
            for kind, ends in enumerate(found):
                assert ends is not None
                held[2 * place + kind] += ends[0] <= known <= ends[1]
    shares = held / 300
    for share, known in zip(shares, (0.86, 0.92, 0.91, 0.92), strict=True):
        assert abs(share - known) <= chance(known, 300), shares
    assert shares[1] > shares[0], "BCa is worth its jackknife"
