"""What stands beside the scores: thresholds of classes count, and no interval pretends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kit.data.dataset import Dataset
from kit.evaluate.coco import run, summarize
from kit.evaluate.detail import Detail, detail
from kit.evaluate.froc import froc
from kit.evaluate.matches import match
from kit.types import Detections


def detailed(
    dataset: Dataset, found: list[Detections], own: Mapping[str, float] | None = None
) -> Detail:
    evaluator = run(dataset, found)
    scores, matches = summarize(evaluator, dataset), match(evaluator, dataset)
    curve = froc(matches, resamples=20)
    return detail(matches, scores, curve, operating_point=0.1, class_thresholds=own, resamples=100)[
        0
    ]


def test_all_of_a_few_found_is_no_interval_of_no_width(scene: Callable[..., Any]) -> None:
    dataset, _ = scene(50, pictures=12)
    found = detailed(dataset, [example.truth for example in dataset])
    for name in ("ap", "ap50", "sensitivity"):
        figure = found.figures[name]
        assert (figure.value, figure.percentile, figure.bca) == (1, None, None)
        assert figure.why == "interval not measurable: every draw gives the same"
        assert figure.n


def test_a_class_counts_from_its_own_threshold(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(51, pictures=12)
    first, *others = dataset.classes
    plain, own = detailed(dataset, predictions), detailed(dataset, predictions, {first: 2.0})
    assert own.per_class[first]["sensitivity"].value == 0
    assert plain.per_class[first]["sensitivity"].value != 0
    for name in others:
        assert own.per_class[name]["sensitivity"] == plain.per_class[name]["sensitivity"]
    assert own.figures["ap"] == plain.figures["ap"]  # which looks at all scores
    assert own.class_thresholds == {first: 2.0}
