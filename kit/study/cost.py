"""What a study will cost in time, before it begins: measured where cells are done, else tried."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from kit.finetune.engine import Machine
from kit.finetune.trial import seconds_a_picture
from kit.progress import SILENT, Progress
from kit.study.results import Finished
from kit.study.tasks import Task


def seconds(
    tasks: Sequence[Task],
    done: Sequence[Finished],
    machine: Machine,
    *,
    progress: Progress = SILENT,
) -> list[float]:
    """Seconds each task will take, roughly: a picture of a model at a size costs what it cost in
    the cells that are done, else what a trial step of random pictures costs. Exact to a factor of
    two at best: frozen stages, other work on the machine and early stopping are not foreseen."""
    known = {key: median(took) for key, took in _measured(done).items()}
    for key in progress.track(sorted({_key(task) for task in tasks} - set(known)), "trial steps"):
        known[key] = seconds_a_picture(*key, machine)
    return [task.passes * known[_key(task)] for task in tasks]


def _key(task: Task) -> tuple[str, int]:
    return task.cell.setting.model, task.size


def _measured(done: Sequence[Finished]) -> dict[tuple[str, int], list[float]]:
    found: dict[tuple[str, int], list[float]] = {}
    for each in done:
        result = each.result
        key = (result.cell.setting.model, result.size)
        found.setdefault(key, []).append(result.seconds / (result.pictures * result.epochs))
    return found
