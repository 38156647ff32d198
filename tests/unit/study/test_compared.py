"""Verdicts and ties say what their words promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kit.data.sampling import Draw
from kit.evaluate.intervals import Resampled
from kit.evaluate.paired import compare, holm
from kit.study.cell import Cell, Setting
from kit.study.compared import ALPHA, Row, rows_of
from kit.study.reading import Reader, Reading
from kit.study.results import Finished
from kit.study.study import Grid, Published
from kit.study.tables import accuracy

Fabricate = Callable[..., list[Finished]]
DRAWS = (Draw(fraction=0.25), Draw(fraction=0.5), Draw(fraction=0.75), Draw())
SKILLS = dict(zip(DRAWS, (0.1, 0.3, 0.89, 0.9), strict=True))


@pytest.fixture
def grid(smears: Path) -> Grid:
    return Grid("g", ("yolov8n",), (str(smears),), DRAWS, seeds=(0, 1, 2))


@pytest.fixture
def rows(grid: Grid, fabricate: Fabricate) -> list[Row]:
    done = fabricate(grid.cells(), lambda cell: SKILLS[cell.setting.draw])
    return rows_of(grid, Reader().read(grid.cells(), done))


def test_ties_are_differences_to_the_best_that_holm_does_not_reject(rows: list[Row]) -> None:
    runs = [row.reading.ap50 for row in rows]
    best = max(range(4), key=lambda place: runs[place].mean if runs[place] else 0)  # type: ignore[union-attr]
    others = [place for place in range(4) if place != best]
    differences = [compare(runs[place], runs[best]) for place in others]  # type: ignore[arg-type]
    adjusted = holm([difference.p for difference in differences])
    for place, difference, p in zip(others, differences, adjusted, strict=True):
        standing = rows[place].standing
        assert standing is not None
        assert standing.difference == difference
        assert standing.p == p
        assert standing.family == 3
        assert standing.tie == (p > ALPHA)
    assert str(rows[best].standing) == "best"
    assert [bool(row.standing and row.standing.tie) for row in rows[:2]] == [False, False]
    close = rows[2 if best == 3 else 3].standing
    assert str(close).startswith("tie (")


def test_too_many_comparisons_for_the_draws_are_said_to_be(grid: Grid, rows: list[Row]) -> None:
    assert "too many rows" not in str(accuracy(grid, rows).note)
    few = [
        replace(
            row.reading,
            trials=tuple(
                replace(t, resampled=Resampled(t.resampled.ap[:100], t.resampled.ap50[:100]))
                for t in row.reading.trials
            ),
        )
        for row in rows
    ]
    told = rows_of(grid, few)
    assert all(row.standing is not None and row.standing.too_many for row in told)
    assert "too many rows" in str(accuracy(grid, told).note)


def test_rows_are_told_apart_by_what_differs(rows: list[Row]) -> None:
    assert [row.label for row in rows] == ["balanced 25%", "balanced 50%", "balanced 75%", "all"]


def test_other_pictures_are_another_family(smears: Path, fabricate: Fabricate, grid: Grid) -> None:
    folds = Setting("yolov8n", str(smears), folds=2)
    cells = [*grid.cells(), Cell(folds, 0, 0), Cell(folds, 0, 1)]
    rows = rows_of(grid, Reader().read(cells, fabricate(cells, lambda _: 0.9)))
    assert rows[-1].standing is None, "it is alone on its pictures"
    assert all(row.standing is not None and row.standing.family <= 3 for row in rows[:-1])


def verdict(reading: Reading, published: float, *, also: float = 0.0) -> str | None:
    setting = reading.setting
    figures = tuple(
        Published(setting.model, setting.dataset, ap50, "somewhere", setting.draw)
        for ap50 in (also, published)
    )
    grid = Grid("g", (setting.model,), (setting.dataset,), (setting.draw,), published=figures)
    (row,) = rows_of(grid, [reading])
    return row.verdict


def test_beaten_needs_the_whole_interval(rows: list[Row]) -> None:
    reading = rows[3].reading
    assert reading.ap50 is not None
    low, mean = reading.ap50.interval[0], reading.ap50.mean
    assert low < mean < 1
    assert verdict(reading, low - 1e-6) == "beaten"
    assert verdict(reading, low) == "mean above"
    assert verdict(reading, mean - 1e-6) == "mean above"
    assert verdict(reading, mean) == "below"
    assert verdict(reading, 0.0, also=1.0) == "below", "of two figures the higher counts"
    assert rows[3].verdict is None, "nothing was published"


def test_one_row_is_named_all_the_same(smears: Path) -> None:
    grid = Grid("g", ("yolov8n",), (str(smears),))
    (row,) = rows_of(grid, Reader().read(grid.cells(), []))
    assert list(row.words) == ["model", "dataset", "sample"]
    assert row.standing is None
    assert row.verdict is None
