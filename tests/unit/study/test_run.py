"""A cell's process: what is told where it ended without a result, and what it took."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kit.finetune.engine import Machine
from kit.study.cell import Cell, Setting
from kit.study.run import Failed, outcome
from kit.study.tasks import FAILURE, Task
from kit.study.work import Energy


def test_an_earlier_end_is_not_told_as_the_cause_of_this_one(tmp_path: Path) -> None:
    """The process that tries again may be killed before it has said anything."""
    task = Task(Cell(Setting("yolov8n", "bccd")), tmp_path, {}, passes=1, size=64)
    (tmp_path / FAILURE).write_text("stopped after epoch 3\n")
    told = outcome(task, 130)
    assert isinstance(told, Failed)
    assert told.reason == "stopped after epoch 3"
    task.begin()
    told = outcome(task, -9)
    assert isinstance(told, Failed)
    assert "killed by signal 9" in told.reason


@pytest.mark.parametrize(
    ("before", "counts", "told"),
    [(None, (0.5, 1.25), 1.25), (2.0, (0.5,), 2.5), (2.0, (None,), None), ("lost", (0.5,), None)],
)
def test_energy_is_added_up_over_the_times_a_cell_is_gone_on_with(
    before: Any, counts: tuple[float | None, ...], told: float | None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What was not counted once is not known for ever, since it would be told as the whole."""
    if isinstance(before, float):
        (tmp_path / "energy.json").write_text(f'{{"watt_hours": {before}}}')
    counted = iter(counts)
    meter = SimpleNamespace(watt_hours=lambda: next(counted))
    monkeypatch.setattr("kit.study.work.meter", lambda gpus, cpu: meter)
    energy = Energy(tmp_path, Machine("cpu"), begun=before is not None, alone=True)
    for _ in counts:
        energy.save()
    assert energy.told() == told
