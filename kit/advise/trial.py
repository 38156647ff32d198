"""Try candidate plans briefly on the same pictures, and pick one by AP on valid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit import door
from kit.binding import plain
from kit.bundle import open_bundle
from kit.data.dataset import Dataset
from kit.data.manifest import Manifest
from kit.errors import DataError
from kit.evaluate.paired import Difference, Repeated, compare
from kit.evaluate.report import measure
from kit.files import read_json
from kit.finetune.engine import Machine
from kit.finetune.prepare import prepare
from kit.finetune.train import train
from kit.progress import SILENT, Progress

RECIPE = "brief"


@dataclass(frozen=True)
class Tried:
    """One plan.

    Attributes:
        plan: as `kit train --plan` takes it; None tunes everything.
        ap, ap50: on valid. interval: 95 % of AP, over valid pictures.
        seconds: of training.
        behind: how much better the best plan is, over the same pictures; None for the best.
    """

    plan: str | None
    ap: float
    ap50: float
    interval: tuple[float, float]
    seconds: float
    behind: Difference | None

    def facts(self) -> dict[str, Any]:
        return dict(plain(self))


def attempt(
    plans: Sequence[str | None],
    model: str,
    dataset: Dataset,
    directory: Path,
    machine: Machine,
    *,
    sample: Manifest | None = None,
    size: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> list[Tried]:
    """Train each plan from COCO weights; a run that is there already is gone on with or taken.

    Args:
        dataset: examined (:func:`kit.finetune.prepare.examined`).
        directory: of the runs.
        size, epochs: None leaves them to the recipe.

    Returns:
        Best AP first.

    Raises:
        KitError: as for training.
    """
    runs = []
    for number, plan in enumerate(plans):
        job = prepare(
            model, dataset, sample=sample, recipe=RECIPE, plan=plan, seed=seed, progress=progress,
            size=size, epochs=epochs,
        )  # fmt: skip
        progress.note(f"trying {plan or 'tune everything'}, {job.recipe.epochs} epochs")
        run = directory / f"{number}-{plan or 'tune'}"
        if not (run / "best").is_dir():
            train(job, run, machine, resume=(run / "run.json").is_file(), progress=progress)
        bundle = open_bundle(run / "best")
        detector = door.open(bundle, device=machine.device, threads=machine.threads)
        runs.append((plan, run, measure(detector, bundle, dataset, "valid", progress=progress)))
    runs.sort(key=lambda each: -(each[2].report.ap or 0.0))
    repeated = [
        Repeated(
            bundle=plan or "tune everything",
            manifest_sha256=each.report.manifest_sha256,
            scores={seed: each.report.ap or 0.0},
            drawn={seed: each.resampled.ap},
        )
        for plan, _, each in runs
    ]
    return [
        Tried(
            plan=plan,
            ap=each.report.ap or 0.0,
            ap50=each.report.ap50 or 0.0,
            interval=each.report.interval["ap"],
            seconds=_seconds(run),
            behind=compare(repeated[0], repeated[place]) if place else None,
        )
        for place, (plan, run, each) in enumerate(runs)
    ]


def _seconds(run: Path) -> float:
    history = read_json(run / "history.json", "a learning curve", error=DataError)
    return round(float(sum(row["seconds"] + row["valid_seconds"] for row in history)), 1)
