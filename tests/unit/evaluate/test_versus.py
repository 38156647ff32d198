"""Two reports of the same pictures: what is better is called so, and chance is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kit.data.dataset import Dataset
from kit.errors import DataError
from kit.evaluate.coco import run, summarize
from kit.evaluate.detail import detail
from kit.evaluate.froc import froc
from kit.evaluate.matches import match
from kit.evaluate.report import EvalReport
from kit.evaluate.versus import sign_flip, versus
from kit.types import Detections


def reported(dataset: Dataset, found: list[Detections], name: str, **changes: Any) -> EvalReport:
    evaluator = run(dataset, found)
    scores, matches = summarize(evaluator, dataset), match(evaluator, dataset)
    more, resampled = detail(
        matches, scores, froc(matches, resamples=20), operating_point=0.3, resamples=400
    )
    facts = {
        "backend": "null", "provider": "null", "device": "cpu", "precision": "fp32",
        "bundle": name, "bundle_sha256": "b" * 64, "manifest_sha256": "a" * 64,
        "dataset": "drawn", "split": "test", "interval": resampled.interval(), "detail": more,
    }  # fmt: skip
    return EvalReport(**vars(scores), **(facts | changes))


def half_blind(found: list[Detections], share: float = 0.5) -> list[Detections]:
    rng = np.random.default_rng(0)
    return [each[rng.random(len(each)) > share] for each in found]


@pytest.fixture
def pair(scene: Callable[..., Any], tmp_path: Path) -> tuple[EvalReport, EvalReport]:
    """A detector, and one that sees half of it, as they come back from disk."""
    dataset, found = scene(41, pictures=30, digits=7)
    reports = []
    for name, each in (("sharp", found), ("blind", half_blind(found))):
        reported(dataset, each, name).save(tmp_path / f"{name}.json")
        reports.append(EvalReport.load(tmp_path / f"{name}.json"))
    return reports[0], reports[1]


def test_a_loss_is_worse_and_a_gain_better(pair: tuple[EvalReport, EvalReport]) -> None:
    sharp, blind = pair
    lost, gained = versus(sharp, blind), versus(blind, sharp)
    for name in ("ap", "ap50", "sensitivity"):
        down, up = lost.of(name), gained.of(name)  # type: ignore[arg-type]
        assert (down.verdict, up.verdict) == ("worse", "better")
        assert down.difference == pytest.approx(-(up.difference or 0))
        assert down.interval == pytest.approx(tuple(-x for x in (up.interval or ())[::-1]))
        assert (down.p or 1) < 0.05
        assert (down.p_flipped or 1) < 0.05
    change = lost.of("ap50")
    assert change.worse_than(0)
    assert change.worse_than(0.01)
    assert not change.worse_than(0.99)
    assert not gained.of("ap50").worse_than(0)
    assert (lost.units, lost.drawn_by, lost.images) == (30, "picture", 30)


def test_a_detector_against_itself(pair: tuple[EvalReport, EvalReport]) -> None:
    for change in versus(pair[0], pair[0]).changes:
        assert (change.difference, change.p, change.p_flipped) == (0, 1, 1)
        assert change.interval == (0, 0)
        assert change.verdict == "no difference shown"


def test_little_is_no_difference_shown(scene: Callable[..., Any]) -> None:
    dataset, found = scene(42, pictures=8, digits=7)
    found_less = [each[1:] if place == 3 else each for place, each in enumerate(found)]
    change = versus(reported(dataset, found, "one"), reported(dataset, found_less, "other")).of(
        "sensitivity"
    )
    assert change.verdict == "no difference shown"
    assert (change.p or 0) > 0.05


def test_two_alike_are_seldom_called_different(scene: Callable[..., Any]) -> None:
    """Both see a random four fifths of the same: no more than 5 % should differ, here of 40."""
    called = 0
    for seed in range(40):
        dataset, found = scene(500 + seed, pictures=25, digits=7, classes=2)
        rng = np.random.default_rng(seed)
        sides = [
            reported(dataset, [each[rng.random(len(each)) > 0.2] for each in found], "x")
            for _ in range(2)
        ]
        called += versus(*sides).of("ap50").verdict != "no difference shown"
    assert called <= 6, "more have a chance of 1 in 70 at 5 %"


def test_what_cannot_be_compared(pair: tuple[EvalReport, EvalReport]) -> None:
    sharp, blind = pair
    more = sharp.detail
    assert more is not None
    drawn = replace(more, paired=replace(more.paired, draws="0" * 64))
    for other, complaint in (
        (replace(blind, manifest_sha256="c" * 64), "different pictures"),
        (replace(blind, detail=None), "scores only"),
        (replace(blind, floor=0.1), "lowest scores"),
        (replace(blind, detail=drawn), "not drawn alike"),
    ):
        with pytest.raises(DataError, match=complaint):
            versus(sharp, other)


def test_one_picture_shows_nothing(scene: Callable[..., Any]) -> None:
    dataset, found = scene(43, pictures=1, objects=12)
    blind = half_blind(found, 0.99)
    change = versus(reported(dataset, found, "one"), reported(dataset, blind, "other")).of("ap50")
    assert (change.verdict, change.interval) == ("not measurable", None)
    assert not change.worse_than(0)


def test_sign_flips_are_scipys() -> None:
    values = np.random.default_rng(3).normal(0.4, 1, 25)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20000,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert sign_flip(values, flips=20000) == pytest.approx(theirs.pvalue, abs=0.01)
    assert sign_flip(np.zeros(9)) == 1
