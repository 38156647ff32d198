"""What a study will cost in time, before it begins: measured where cells are done, else tried."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np
import torch

from kit.cards import ModelCard, load_card
from kit.families import Targets, load_family, pick_device
from kit.finetune.batches import Batch
from kit.finetune.engine import Machine
from kit.finetune.loop import VALIDATION_SHARE
from kit.finetune.preflight import preflight
from kit.progress import SILENT, Progress
from kit.runtime.machine import cores
from kit.study.results import Finished
from kit.study.tasks import Task

_BATCH = 8  # pictures of a trial step; time per picture hardly depends on it


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
        known[key] = _tried(*key, machine)
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


def _tried(model: str, size: int, machine: Machine) -> float:
    """Seconds a picture, from a training step on noise."""
    card, device = load_card(ModelCard, model), pick_device(machine.device)
    before = torch.get_num_threads()
    torch.set_num_threads(machine.threads or cores())
    try:
        family = load_family(card.family)
        network = family.build(card.architecture, card.classes, card.classes).to(device).train()
        noise = np.random.default_rng(0).integers(0, 256, (_BATCH, size, size, 3), np.uint8)
        middle = torch.tensor([[0.25, 0.25, 0.75, 0.75]]).repeat(_BATCH, 1) * size
        batch = Batch(
            torch.from_numpy(noise),
            Targets(middle, torch.zeros(_BATCH, dtype=torch.int64), torch.arange(_BATCH)),
            (),
        )
        step = preflight(family, network, {}, batch, device, None)
        return step.seconds / _BATCH * VALIDATION_SHARE
    finally:
        torch.set_num_threads(before)
