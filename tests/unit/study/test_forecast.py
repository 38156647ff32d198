"""`kit forecast` on studies made up from known curves: answers, and honest refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.cli.root import main
from kit.data.sampling import Draw
from kit.errors import DataError, UsageError
from kit.evaluate.coco import ClassScore
from kit.evaluate.intervals import Resampled
from kit.evaluate.report import EvalReport, Measurement
from kit.study.cell import Cell, Setting
from kit.study.forecast import HORIZON, Forecast, forecast
from kit.study.hindcast import hindcast
from kit.study.results import CELLS, Result, load_all, save
from kit.study.series import Series, read_series
from kit.types import Detections

pytest.importorskip("scipy")

POOL, TESTS, SEEDS = 200, 60, (0, 1, 2)
QUARTERS = (0.125, 0.25, 0.5, 1.0)

Score = Callable[[float], float]


def law(ceiling: float, scale: float, exponent: float) -> Score:
    return lambda pictures: ceiling - scale * pictures**-exponent


RISING = law(0.95, 1.2, 0.6)  # 0.77 at 25 pictures, 0.90 at 200


def learnt(
    study: Path,
    score: Score,
    *,
    fractions: Sequence[float] = QUARTERS,
    seeds: Sequence[int] = SEEDS,
    noise: float = 0.005,
    tests: float = 0.01,
    manifest: str = "a" * 64,
    **setting: Any,
) -> Path:
    """Fill a study's directory with cells that score on a curve, but for chance.

    Args:
        noise: deviation of the seeds. tests: of test pictures, the same ones for all.
    """
    rng = np.random.default_rng(0)
    common = rng.standard_normal(400)
    rule = setting.pop("rule", "balanced")
    for fraction in fractions:
        pictures = int(fraction * POOL + 0.5)
        for seed in seeds:
            draw = Draw(rule=rule, fraction=fraction)
            cell = Cell(Setting("yolov8n", "bccd", draw=draw, **setting), seed)
            ap50 = float(np.clip(score(pictures) + noise * rng.standard_normal(), 0, 1))
            rows = ap50 + tests * (0.9 * common + 0.44 * rng.standard_normal(400))
            finish_cell(study, cell, pictures, ap50, rows, manifest)
    return study


def finish_cell(
    study: Path, cell: Cell, pictures: int, ap50: float, rows: Any, manifest: str = "a" * 64
) -> None:
    test = EvalReport(
        ap=0.6 * ap50,
        ap50=ap50,
        ap75=None,
        ar100=None,
        per_class={"cell": ClassScore(0.6 * ap50, ap50, 900)},
        images=TESTS,
        objects=900,
        max_detections={"ap": 300, "ar": 100},
        interval={},
        backend="null",
        provider="null",
        device="cpu",
        precision="fp32",
        bundle="made-up",
        bundle_sha256="b" * 64,
        manifest_sha256=manifest,
        dataset="bccd",
        split="test",
    )
    result = Result(
        cell=cell,
        key="0" * 64,
        pictures=pictures,
        objects=12 * pictures,
        class_counts={"cell": 12 * pictures},
        size=416,
        epochs=30,
        best_epoch=20,
        valid={"ap": 0.5, "ap50": 0.8},
        test=test,
        seconds=1.0,
        energy_wh=None,
        licence="AGPL-3.0",
        environment={},
    )
    measured = Measurement(test, ["p"], [Detections.empty()], Resampled(0.6 * rows, rows))
    save(study / CELLS / cell.name, result, measured)


def only(study: Path) -> Series:
    (series,) = read_series(load_all(study))
    return series


def answer(study: Path, target: float) -> Forecast:
    return forecast(only(study), target)[0]


def test_a_target_ahead_is_answered_with_nested_intervals(tmp_path: Path) -> None:
    told = answer(learnt(tmp_path, RISING), 0.92)  # the curve is there at 424 pictures
    assert told.verdict == "within reach"
    assert told.needed is not None
    (low95, high95), (low80, high80) = told.needed.interval95, told.needed.interval80
    assert low95 is not None
    assert low80 is not None
    assert high80 is not None
    assert low95 <= low80 <= told.needed.pictures <= high80
    assert high95 is None or high80 <= high95
    assert low80 <= 424 <= high80
    assert told.needed.more == told.needed.pictures - POOL
    assert told.objects == 12 * told.needed.more
    for figure in (told.needed.pictures, told.needed.more, low80, high80, low95):
        assert str(figure) in told.answer
    assert told.fit is not None
    for each in (told.fit.now, told.fit.twice, told.fit.ceiling, told.fit.exponent):
        assert each.interval95[0] <= each.interval80[0] <= each.median
        assert each.median <= each.interval80[1] <= each.interval95[1]
    assert told.fit.now.median == pytest.approx(RISING(POOL), abs=0.01)
    assert told.fit.twice.median == pytest.approx(RISING(2 * POOL), abs=0.015)


def test_a_target_behind_is_reached(tmp_path: Path) -> None:
    told = answer(learnt(tmp_path, RISING), 0.85)
    assert told.verdict == "reached"
    assert told.needed is not None
    assert told.needed.more == told.objects == 0
    assert 25 <= told.needed.pictures < POOL
    assert "is reached with the 200 pictures" in told.answer


def test_a_flat_curve_above_the_target_is_reached_by_the_smallest_size(tmp_path: Path) -> None:
    told = answer(learnt(tmp_path, law(0.9, 0.0, 1.0)), 0.8)
    assert told.verdict == "reached"
    assert told.needed is not None
    assert told.needed.pictures == 25  # not extrapolated to fewer than were tried


def test_a_target_above_the_ceiling_is_not_within_reach(tmp_path: Path) -> None:
    told = answer(learnt(tmp_path, law(0.80, 4.0, 1.0)), 0.95)
    assert told.verdict == "not within reach"
    assert told.needed is None
    assert told.fit is not None
    assert told.fit.share_below >= 0.9
    assert "not within reach at this model size" in told.answer


@pytest.mark.parametrize(
    ("score", "how", "target", "reason"),
    [
        (RISING, {"fractions": (0.5, 1.0)}, 0.95, "needs 3 sizes"),
        (RISING, {"fractions": (0.9, 0.95, 1.0)}, 0.95, "a quarter larger"),
        (law(0.8, 0.0, 1.0), {"noise": 0.01}, 0.95, "doesn't rise"),
        (lambda n: {25: 0.5, 50: 0.9, 100: 0.6, 200: 0.8}[int(n)], {}, 0.95, "off any such curve"),
        (law(1.0, 0.75, 0.15), {"tests": 0.03}, 0.98, "where the curve levels off"),
    ],
)
def test_points_that_carry_no_forecast_are_told_with_the_reason(
    tmp_path: Path, score: Score, how: dict[str, Any], target: float, reason: str
) -> None:
    told = answer(learnt(tmp_path, score, **how), target)
    assert told.verdict == "no forecast"
    assert told.needed is None
    assert told.answer.startswith("The points don't support a forecast: ")
    assert reason in told.answer
    assert len(told.sizes) == len(how.get("fractions", QUARTERS))


def test_nothing_is_forecast_beyond_the_horizon(tmp_path: Path) -> None:
    told = answer(learnt(tmp_path, RISING, tests=0.02), 0.925)
    assert told.needed is not None
    ends = [*told.needed.interval80, *told.needed.interval95]
    assert all(end is None or end <= HORIZON * POOL for end in ends)
    assert told.needed.interval95[1] is None
    assert "more than 2000" in told.answer


@pytest.mark.parametrize("more", [{"noise": 0.03}, {"tests": 0.04}, {"seeds": (0,)}])
def test_more_chance_is_a_wider_forecast(tmp_path: Path, more: dict[str, Any]) -> None:
    calm, wild = (answer(learnt(tmp_path / n, RISING, **how), 0.99).fit
                  for n, how in (("calm", {}), ("wild", more)))  # fmt: skip
    assert calm is not None
    assert wild is not None
    low, high = calm.twice.interval95
    wider = wild.twice.interval95
    assert wider[1] - wider[0] > 1.1 * (high - low)


def test_series_differ_in_nothing_but_the_draw_and_all_pictures_end_each(tmp_path: Path) -> None:
    learnt(tmp_path, RISING)
    learnt(tmp_path, RISING, rule="random", fractions=(0.25, 0.5))
    learnt(tmp_path, RISING, size=640, fractions=(1.0,))
    found = {
        str(each): [s.pictures for s in each.sizes] for each in read_series(load_all(tmp_path))
    }
    assert found == {
        "yolov8n, bccd, balanced": [25, 50, 100, 200],
        "yolov8n, bccd, random": [50, 100, 200],
        "yolov8n, bccd, 640 px, all": [200],
    }


def test_the_pool_is_known_before_all_of_it_was_learnt_from(tmp_path: Path) -> None:
    series = only(learnt(tmp_path, RISING, fractions=QUARTERS[:3]))
    assert series.pool == POOL
    told, _ = forecast(series, 0.85)
    assert told.pool == POOL
    assert series.sizes[-1].pictures == 100


def test_a_seed_counts_only_with_all_its_folds(tmp_path: Path) -> None:
    learnt(tmp_path, RISING, folds=2)  # cells without a fold: none of the two
    with pytest.raises(DataError, match="no seed has all of its scores"):
        read_series(load_all(tmp_path))


def test_half_of_the_labels_forecast_all_of_them(tmp_path: Path) -> None:
    series = only(learnt(tmp_path, RISING))
    found = hindcast(series)
    assert [size.pictures for size in found.fitted] == [25, 50, 100]
    assert found.pictures == POOL
    assert found.measured == pytest.approx(RISING(POOL), abs=0.01)
    assert found.error == pytest.approx(found.expected.median - found.measured)
    assert abs(found.error) < 0.02
    assert found.carried == pytest.approx(RISING(100) - RISING(200), abs=0.01)
    assert found.inside95
    (low80, high80), (low95, high95) = found.expected.interval80, found.expected.interval95
    assert found.inside80 is (low80 <= found.measured <= high80)
    assert low95 <= low80 <= high80 <= high95


def test_a_hindcast_that_fails_says_so(tmp_path: Path) -> None:
    bent = only(learnt(tmp_path, lambda n: RISING(n) if n < 200 else 0.6))
    found = hindcast(bent)
    assert not found.inside95
    assert found.error > 0.2


@pytest.mark.parametrize("fractions", [(0.25, 0.5, 1.0), (0.125, 0.25, 0.5), (1.0,)])
def test_a_hindcast_needs_both_sides(tmp_path: Path, fractions: tuple[float, ...]) -> None:
    series = only(learnt(tmp_path, RISING, fractions=fractions))
    with pytest.raises(DataError, match=r"both sides of 50 %|up to 50 % of the pictures"):
        hindcast(series)


@pytest.mark.parametrize("target", [0.0, 1.0, 90, -0.5, float("nan")])
def test_a_target_is_an_ap50(tmp_path: Path, target: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        forecast(only(learnt(tmp_path, RISING, seeds=(0,))), target)


def test_cells_that_were_measured_on_other_pictures_are_refused(tmp_path: Path) -> None:
    learnt(tmp_path, RISING, fractions=(0.25, 0.5))
    learnt(tmp_path, RISING, fractions=(1.0,), manifest="c" * 64)
    with pytest.raises(DataError, match="different pictures"):
        read_series(load_all(tmp_path))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["forecast", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_verb_answers_and_writes_its_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = learnt(tmp_path / "study", RISING)
    learnt(study, law(0.8, 0.0, 1.0), size=640)
    before = set(study.rglob("*"))
    code, printed, _ = run(capsys, study, "--target", "0.92", "--out", tmp_path / "out")
    assert code == 0
    assert "takes about" in printed
    assert "doesn't rise" in printed
    assert before == set(study.rglob("*"))
    page = (tmp_path / "out" / "forecast.html").read_text()
    for words in ("AP50 0.92", "<svg", "Figueroa", "takes about"):
        assert words in page
    assert "](plots/" in (tmp_path / "out" / "forecast.md").read_text()
    plots = {path.suffix for path in (tmp_path / "out" / "plots").iterdir()}
    assert plots == {".png", ".svg"}


def test_the_verb_as_json_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = learnt(tmp_path, RISING)
    code, printed, _ = run(capsys, study, "--target", "0.92", "--json", "-")
    assert code == 0
    told = json.loads(printed)
    (one,) = told["forecasts"]
    assert one["verdict"] == "within reach"
    assert one["needed"]["more"] == one["needed"]["pictures"] - POOL
    assert [size["pictures"] for size in one["sizes"]] == [25, 50, 100, 200]
    assert one["setting"]["model"] == "yolov8n"
    page = Path(told["page"])
    assert page.parent == study / "forecast-0.92"
    assert json.loads((page.parent / "forecast.json").read_text())["forecasts"] == [one]
    assert run(capsys, study, "--target", "0.92")[0] == 0  # written anew, the study unharmed
    assert len(load_all(study)) == 12


@pytest.mark.parametrize(
    ("fractions", "words", "message"),
    [
        ((1.0,), (), "no curve has 3 sizes"),
        (QUARTERS, ("--target", "90"), "--target: must lie between 0 and 1, it is 90"),
        (QUARTERS, ("--out", "."), "exists already"),
        ((), (), "holds no finished cell"),
    ],
)
def test_mistakes_are_one_message(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fractions: tuple[float, ...],
    words: tuple[str, ...],
    message: str,
) -> None:
    study = learnt(tmp_path, RISING, fractions=fractions, seeds=(0,))
    code, printed, error = run(capsys, study, "--target", "0.9", *words)
    assert code == 2
    assert printed == ""
    assert error.startswith("error: ")
    assert message in error
    assert not list(study.glob("forecast*"))


def test_a_damaged_cell_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = learnt(tmp_path, RISING, seeds=(0,))
    broken = next((study / CELLS).glob("*/test.npz"))
    broken.write_bytes(b"not an archive")
    code, _, error = run(capsys, study, "--target", "0.9")
    assert code == 2
    assert str(broken) in error
