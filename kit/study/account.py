"""Everything a report says of a study, worked out from its finished cells, and as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.binding import plain
from kit.progress import SILENT, Progress
from kit.study.cell import Cell
from kit.study.compared import Row, rows_of
from kit.study.overfit import overfitting
from kit.study.reading import Reader, Reading, moderated
from kit.study.results import Finished
from kit.study.study import Grid, Study
from kit.study.winner import Latencies, Ruling, winners


@dataclass(frozen=True, eq=False)
class Account:
    """A study, read.

    Attributes:
        grids: each with the rows of its table.
        readings: every setting once.
        rulings: a winner a dataset.
        not_run, failed: cells without a result, and why.
        environment: of the finished cells, see :func:`environments`.
        reader: for what else is needed of the datasets.
    """

    study: Study
    finished: tuple[Finished, ...]
    grids: tuple[tuple[Grid, Sequence[Row]], ...]
    readings: tuple[Reading, ...]
    rulings: tuple[Ruling, ...]
    not_run: Mapping[Cell, str]
    failed: Mapping[Cell, str]
    environment: Mapping[str, str]
    reader: Reader


def account(
    study: Study,
    finished: Sequence[Finished],
    *,
    not_run: Mapping[Cell, str],
    failed: Mapping[Cell, str],
    latency: Latencies,
    progress: Progress = SILENT,
) -> Account:
    """Read a study.

    Args:
        finished: cells of the study; others are left out.
        latency: of the models it is about, for the winners.

    Raises:
        DataError: what a cell left behind is damaged, or can't be compared with the others.
    """
    reader, cells = Reader(progress), study.cells()
    asked = set(cells)
    mine = tuple(each for each in finished if each.result.cell in asked)
    readings = reader.read(cells, mine)

    def rows(grid: Grid) -> list[Row]:
        return rows_of(grid, moderated(reader.read(grid.cells(), mine), readings))

    return Account(
        study=study,
        finished=mine,
        grids=tuple((grid, rows(grid)) for grid in study.grids),
        readings=tuple(moderated(readings, readings)),
        rulings=tuple(winners(readings, latency, study.latency_ms)),
        not_run=not_run,
        failed=failed,
        environment=environments([each.result.environment for each in mine]),
        reader=reader,
    )


def environments(all_of_them: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What cells were made with, in words: one value where they agree, else the range of numbers
    and dates, else all values."""
    found: dict[str, list[Any]] = {}
    for each in all_of_them:
        packages = each.get("packages", {})
        for name, value in {**each, **packages}.items():
            if name != "packages" and value is not None:
                found.setdefault(name, []).append(value)
    return {name: _agreed(name, values) for name, values in found.items()}


def record(told: Account) -> dict[str, Any]:
    """The account as plain data: ``results.json``."""
    return {
        "study": told.study.name,
        "about": told.study.about,
        "cells": {
            "asked": len(told.study.cells()),
            "done": [each.result.cell.name for each in told.finished],
            "not_run": {cell.name: reason for cell, reason in told.not_run.items()},
            "failed": {cell.name: reason for cell, reason in told.failed.items()},
        },
        "grids": [
            {"title": grid.title, "rows": [_row(row) for row in rows]} for grid, rows in told.grids
        ],
        "winners": [_ruling(ruling) for ruling in told.rulings],
        "environment": dict(told.environment),
    }


def _row(row: Row) -> dict[str, Any]:
    reading, standing = row.reading, row.standing
    beside = standing.difference if standing else None
    return {
        "setting": plain(row.setting),
        "label": row.label,
        "asked": reading.asked,
        "gaps": list(reading.gaps),
        "manifest_sha256": reading.trials[0].manifest_sha256 if reading.trials else None,
        **{
            name: None
            if runs is None
            else {
                "mean": runs.mean,
                "deviation": runs.deviation,
                "interval": list(runs.interval),
                "seeds": {str(seed): score for seed, score in runs.scores.items()},
            }
            for name, runs in (("ap50", reading.ap50), ("ap", reading.ap))
        },
        "per_class": dict(reading.per_class),
        "published": None
        if row.published is None
        else {"ap50": row.published.ap50, "source": row.published.source, "verdict": row.verdict},
        "to_the_best": None
        if standing is None
        else {
            "difference": None if beside is None else beside.mean,
            "interval": None if beside is None else list(beside.interval),
            "p": None if beside is None else beside.p,
            "p_holm": standing.p,
            "family": standing.family,
            "tie": standing.tie,
        },
        "cells": [_cell(each) for each in reading.cells],
    }


def _cell(each: Finished) -> dict[str, Any]:
    result = each.result
    answer = overfitting(each.history())
    return {
        "name": result.cell.name,
        "seed": result.cell.seed,
        "fold": result.cell.fold,
        "pictures": result.pictures,
        "objects": result.objects,
        "class_counts": dict(result.class_counts),
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "overfits": answer.overfits,
        "valid": dict(result.valid),
        "test": {"ap": result.test.ap, "ap50": result.test.ap50, **plain(result.test)["interval"]},
        "seconds": result.seconds,
        "energy_wh": result.energy_wh,
        "licence": result.licence,
        "bundle": str(each.bundle),
    }


def _ruling(ruling: Ruling) -> dict[str, Any]:
    won = ruling.winner
    return {
        "dataset": ruling.dataset,
        "setting": None if won is None else plain(won.setting),
        "bundle": None if won is None else str(won.cells[0].bundle),
        "valid_ap": None if won is None else won.ap,
        "milliseconds": None if won is None else won.milliseconds,
        "tolerance": ruling.tolerance,
        "ties": [str(each.setting) for each in ruling.ties],
        "excluded": {str(c.setting): c.excluded for c in ruling.candidates if c.excluded},
        "export": ruling.export,
    }


def _agreed(name: str, values: Sequence[Any]) -> str:
    if name == "date":
        values = [str(value)[:10] for value in values]
    different = list(dict.fromkeys(values))
    if len(different) == 1:
        return str(different[0])
    if name == "date" or all(isinstance(value, (int, float)) for value in different):
        return f"{min(different)} to {max(different)}"
    return " / ".join(str(value) for value in different)
