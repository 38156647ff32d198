"""What determines a training run, and the directory it fills."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit import __version__
from kit.binding import plain
from kit.cards import ModelCard, Recipe
from kit.data.dataset import Dataset
from kit.data.manifest import Manifest
from kit.errors import UsageError
from kit.files import read_json, refuse_existing, sha256_json, write_json
from kit.finetune.plan import Plan
from kit.lock import LOCK, locked
from kit.parts import is_part, sweep

SETTINGS, TRAIN, VALID = "run.json", "train.json", "valid.json"

MEAN_VAR = "mean-var"
"""The start that keeps the scale of pretrained weights and none of their features."""


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that determines the weights a run ends with.

    Attributes:
        model: card of the detector.
        recipe: with nothing left to choose.
        start: ``coco``, ``random``, ``mean-var`` or a path; ``weights`` is the file it led to, None
            for random.
        train, valid: the pictures, usable boxes only, in the order of their manifests.
        plan: what becomes of each stage; None tunes everything at the recipe's rate.
        partial: whether a start may fill less of the network than the plan counts on.
    """

    model: ModelCard
    recipe: Recipe
    start: str
    weights: Path | None
    weights_sha256: str | None
    train: Dataset
    valid: Dataset
    train_manifest: Manifest
    valid_manifest: Manifest
    seed: int
    plan: Plan | None = None
    partial: bool = False

    def facts(self) -> dict[str, Any]:
        """The run in plain data; equal facts give equal weights on one machine's CPU."""
        return {
            "model": self.model.name,
            "architecture": self.model.architecture,
            "start": self.start,
            "weights_sha256": self.weights_sha256,
            "classes": list(self.train.classes),
            "source": self.train.source,
            "train": self.train_manifest.sha256,
            "valid": self.valid_manifest.sha256,
            "recipe": _told(self.recipe),
            **({} if self.plan is None else {"plan": str(self.plan)}),
            "seed": self.seed,
            "versions": {"kit": __version__, **_versions("torch", self.model.family)},
        }

    @property
    def sha256(self) -> str:
        return sha256_json(self.facts())


@contextmanager
def held_run(directory: Path, job: Job, *, resume: bool) -> Iterator[None]:
    """Hold a run's directory, made new or checked to hold this very run.

    A run that was killed before its settings were written has not begun: it is begun again.

    Raises:
        UsageError: another process holds it, it holds a run already and ``resume`` is not asked
            for, or holds another one.
    """
    if not (directory / SETTINGS).is_file():
        _require_new(directory, resume=resume)  # before anything is written into it
    with locked(directory):
        sweep(directory)
        _open_run(directory, job, resume=resume)
        yield


def _open_run(directory: Path, job: Job, *, resume: bool) -> None:
    settings = directory / SETTINGS
    facts = job.facts()
    if settings.is_file():
        before = read_json(settings, "a run's settings", error=UsageError)
        if not resume:
            raise UsageError(
                "holds a run already", where=directory, fix="go on with --resume, or choose --out"
            )
        if before != facts:
            changed = sorted(k for k in {*before, *facts} if before.get(k) != facts.get(k))
            raise UsageError(
                f"holds another run, with a different {', '.join(changed)}",
                where=directory,
                fix="repeat the options it was started with, or choose another --out",
            )
        return
    _require_new(directory, resume=resume)
    job.train_manifest.save(directory / TRAIN)
    job.valid_manifest.save(directory / VALID)
    write_json(settings, facts)


def _require_new(directory: Path, *, resume: bool) -> None:
    """Refuse a directory that is somebody's; what a run leaves that is killed at once is ours."""
    found = {path.name for path in directory.iterdir()} if directory.is_dir() else set[str]()
    found = {name for name in found if not is_part(name)}
    if LOCK in found and found <= {LOCK, TRAIN, VALID}:
        return
    if resume:
        raise UsageError("holds no run to resume", where=directory)
    if found or not directory.is_dir():
        refuse_existing(directory)


def _told(recipe: Recipe) -> dict[str, Any]:
    """The recipe's fields; those that came later only where they are set, so that runs from before
    are still known again."""
    unset = {"steps": None, "views": None, "mixup": 0.0, "object_side": None}
    told = plain(recipe).items()
    return {name: value for name, value in told if unset.get(name, ...) != value}


def _versions(*packages: str) -> dict[str, str]:
    """Of those that are installed."""
    return {package: version(package) for package in packages if find_spec(package) is not None}
