"""What is told of a cell whose process ended without a result."""

from __future__ import annotations

from pathlib import Path

from kit.study.cell import Cell, Setting
from kit.study.run import Failed, outcome
from kit.study.tasks import FAILURE, Task


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
