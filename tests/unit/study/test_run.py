"""A cell's process: what is told where it ended without a result, and what it took."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kit.errors import UsageError
from kit.finetune.engine import Machine
from kit.lock import locked
from kit.study.cell import Cell, Setting
from kit.study.run import Failed, outcome
from kit.study.tasks import FAILURE, Task
from kit.study.work import Energy, attempt


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


LEAVES = """
import os, subprocess, sys, time
code = (
    "import os, signal, sys, time;"
    "from kit.study.work import leave_with;"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('asked to stop', flush=True)));"
    "leave_with(int(sys.argv[1]));"
    "print('at work', flush=True);"
    "time.sleep(60)"
)
subprocess.Popen([sys.executable, "-c", code, str(os.getpid())], start_new_session=True)
time.sleep(60)
"""


def test_a_cell_stops_when_its_study_is_killed() -> None:
    """Nobody else would stop it; and who goes on with the study waits for it."""
    study = subprocess.Popen([sys.executable, "-c", LEAVES], stdout=subprocess.PIPE, text=True)
    assert study.stdout is not None
    assert study.stdout.readline() == "at work\n"
    study.kill()
    study.wait()
    assert study.stdout.readline() == "asked to stop\n"


def test_a_cell_that_another_works_at_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.study.work._LEAVING", 0.05)
    with locked(tmp_path):
        assert attempt(tmp_path, Machine("cpu")) == 2
    assert "another process is at work here" in (tmp_path / FAILURE).read_text()


def test_why_a_cell_failed_is_written_before_another_may_begin_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later it would lie beside the result of the one that went on."""
    held = []

    def look(path: Path, text: str) -> None:
        with pytest.raises(UsageError), locked(tmp_path):
            pass
        held.append(text)

    monkeypatch.setattr("kit.study.work.write_text", look)
    assert attempt(tmp_path, Machine("cpu")) == 2
    assert "not a cell" in held[0]


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
