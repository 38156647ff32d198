"""The winners' rule, clause by clause."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kit.bench.report import LatencyReport
from kit.bench.statistics import Spread
from kit.cli import export
from kit.data.sampling import Draw
from kit.study.cell import Cell, Setting
from kit.study.reading import Reader
from kit.study.results import Finished
from kit.study.winner import Ruling, winners

Fabricate = Callable[..., list[Finished]]
Scores = Mapping[str, tuple[float, ...]]
"""AP on valid by model, a figure a seed."""


def timed(milliseconds: float) -> LatencyReport:
    spread = Spread(9e9, milliseconds, None, None, None, 9e9)
    return LatencyReport(
        "b", "s", "m", "onnxruntime", "p", "d", "fp32", 96, 1, "burst", 20, 9, True,
        {"total": spread}, (), 50.0, None, None, None, None, {},
    )  # fmt: skip


@pytest.fixture
def rule(smears: Path, fabricate: Fabricate) -> Callable[..., Ruling]:
    """Apply the rule to models with these scores on valid; a setting a model."""

    def apply(
        scores: Scores,
        *,
        ms: Mapping[str, float] | None = None,
        budget: float | None = None,
        seconds: Mapping[str, float] | None = None,
        lost: Cell | None = None,
        skill: float = 0.5,
    ) -> Ruling:
        cells = {
            Cell(Setting(model, str(smears)), seed): ap
            for model, values in scores.items()
            for seed, ap in enumerate(values)
        }
        done = []
        for each in fabricate(list(cells), lambda _: skill, resamples=20):
            result = each.result
            model = result.cell.setting.model
            changed = replace(
                result,
                valid={"ap": cells[result.cell], "ap50": 0.9},
                seconds=(seconds or {}).get(model, 60.0),
            )
            if result.cell != lost:
                done.append(replace(each, result=changed))
        latency = {(model, 96): timed(value) for model, value in (ms or {}).items()}
        (ruling,) = winners(Reader().read(list(cells), done), latency, budget)
        return ruling

    return apply


def won(ruling: Ruling) -> str | None:
    return None if ruling.winner is None else ruling.winner.setting.model


def test_the_best_on_valid_wins_whatever_test_says(rule: Callable[..., Ruling]) -> None:
    scores = {"yolov8n": (0.50, 0.51), "yolov5n": (0.60, 0.61)}
    told = {str(rule(scores, skill=skill)) for skill in (0.1, 0.9)}
    assert len(told) == 1
    ruling = rule(scores)
    assert won(ruling) == "yolov5n"
    assert [each.setting.model for each in ruling.candidates] == ["yolov5n", "yolov8n"]


def test_a_tie_goes_to_the_cheaper(rule: Callable[..., Ruling]) -> None:
    scores = {"yolov8n": (0.60, 0.64), "yolov5n": (0.59, 0.63)}
    ruling = rule(scores, seconds={"yolov8n": 90.0, "yolov5n": 60.0})
    # both deviate by 0.0283 over two seeds, so the standard error is 0.02
    assert ruling.tolerance == pytest.approx(0.02)
    assert won(ruling) == "yolov5n"
    assert "a tie with yolov8n" in str(ruling)
    assert won(rule(scores, seconds={"yolov8n": 60.2, "yolov5n": 60.0})) == "yolov8n"
    faster = rule(scores, ms={"yolov8n": 9.0, "yolov5n": 10.0}, seconds={"yolov8n": 90.0})
    assert won(faster) == "yolov8n", "time a picture comes before training"


def test_what_is_beyond_one_standard_error_does_not_tie(rule: Callable[..., Ruling]) -> None:
    scores = {"yolov8n": (0.60, 0.64), "yolov5n": (0.57, 0.61)}
    assert won(rule(scores, seconds={"yolov8n": 900.0})) == "yolov8n"


def test_single_seeds_tie_within_a_hundredth(rule: Callable[..., Ruling]) -> None:
    dear = {"yolov8n": 900.0}
    assert won(rule({"yolov8n": (0.60,), "yolov5n": (0.591,)}, seconds=dear)) == "yolov5n"
    assert won(rule({"yolov8n": (0.60,), "yolov5n": (0.589,)}, seconds=dear)) == "yolov8n"


def test_the_budget_excludes_the_slow_and_the_untimed(rule: Callable[..., Ruling]) -> None:
    scores = {"yolov8s": (0.9,), "yolov8n": (0.8,), "yolov5n": (0.7,)}
    ruling = rule(scores, ms={"yolov8n": 30.1, "yolov5n": 29.9}, budget=30)
    assert won(ruling) == "yolov5n"
    reasons = [each.excluded for each in ruling.candidates]
    assert reasons[0] == "its time a picture isn't known, and the budget is 30 ms"
    assert reasons[1] == "takes 30.1 ms a picture, the budget is 30 ms"
    assert won(rule(scores)) == "yolov8s", "without a budget it may be unknown"


def test_nobody_may_win(rule: Callable[..., Ruling]) -> None:
    ruling = rule({"yolov8n": (0.8,)}, budget=30)
    assert won(ruling) is None
    assert ruling.export is None
    assert "no winner" in str(ruling)
    assert "isn't known" in str(ruling)


def test_half_a_setting_cannot_win(rule: Callable[..., Ruling], smears: Path) -> None:
    scores = {"yolov8n": (0.8, 0.8), "yolov5n": (0.7, 0.7)}
    ruling = rule(scores, lost=Cell(Setting("yolov8n", str(smears)), 1))
    assert won(ruling) == "yolov5n"
    assert ruling.candidates[0].excluded == "1 of 2 cells are finished"


def test_the_export_line_is_one_that_kit_takes(rule: Callable[..., Ruling]) -> None:
    ruling = rule({"yolov8n": (0.60, 0.63, 0.61)})
    assert ruling.export is not None
    words = shlex.split(ruling.export)
    assert words[:2] == ["kit", "export"]
    parser = argparse.ArgumentParser()
    export.arguments(parser)
    args = parser.parse_args(words[2:])
    assert "seed-1" in str(args.bundle), "of the winner's seeds the best on valid"
    assert (args.bundle / "card.json").is_file()
    assert not args.out.exists()


def test_folds_are_judged_among_themselves(smears: Path, fabricate: Fabricate) -> None:
    plain, folds = Setting("yolov8n", str(smears)), Setting("yolov8n", str(smears), folds=2)
    half = replace(plain, draw=Draw(fraction=0.5))
    cells = [Cell(plain), Cell(half), Cell(folds, 0, 0), Cell(folds, 0, 1)]
    rulings = winners(Reader().read(cells, fabricate(cells, resamples=20)), {})
    assert [len(ruling.candidates) for ruling in rulings] == [2, 1]
    assert rulings[1].dataset.endswith(", 2 folds")
    assert rulings[1].winner is not None
    assert rulings[1].winner.seeds == 1
    assert rulings[1].export is None, "kit export could not find the pictures of its gate"
    assert "to be trained on all pictures" in str(rulings[1])
