"""From what the user asks for to a :class:`Job`: data examined, weights found, recipe resolved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kit.cards import ModelCard, Recipe, load_card
from kit.data.dataset import Dataset
from kit.data.doctor import examine, usable
from kit.data.manifest import Manifest
from kit.data.source import open_source
from kit.errors import DataError, UsageError, WeightsError
from kit.files import sha256_file
from kit.finetune.job import MEAN_VAR, Job
from kit.finetune.plan import Plan, parse
from kit.finetune.rule import choose, measure, resolve
from kit.progress import SILENT, Progress
from kit.weights import require


def prepare(
    model: str,
    source: str | Dataset,
    *,
    sample: Path | Manifest | None = None,
    recipe: str = "default",
    start: str = "coco",
    plan: str | None = None,
    partial: bool = False,
    seed: int = 0,
    download: bool = False,
    progress: Progress = SILENT,
    **chosen: Any,
) -> Job:
    """Gather a job.

    Args:
        model: name of a model card.
        source: folder or dataset card, or what :func:`examined` made of it.
        sample: training pictures, or the file that lists them; None trains on the whole train
            split.
        recipe: name of a recipe, or a YAML file.
        start: ``coco``, ``random``, ``mean-var``, or a path to a checkpoint or bundle.
        plan: what to freeze, tune and re-initialise (:mod:`kit.finetune.plan`); None tunes
            everything at the recipe's rate.
        partial: whether a start may fill less of the network than the plan counts on.
        chosen: ``epochs``, ``batch`` and ``size`` where the user sets them.

    Raises:
        UsageError: what the user set is out of range, or no plan.
        DataError: the dataset has errors, no splits, or nothing to train on.
        WeightsError: the pretrained weights are not here.
    """
    card = load_card(ModelCard, model)
    settings = choose(load_card(Recipe, recipe), **chosen)
    treated = None if plan is None else _plan(plan, start)
    weights = _weights(card, start, download=download, progress=progress)
    dataset = source if isinstance(source, Dataset) else examined(source, progress=progress)
    train = chosen_pictures(dataset, sample)
    valid = dataset.manifest(dataset.split("valid"), rule="the valid split")
    if not train.objects or not valid.objects:
        raise DataError("train and valid must hold at least one object each", where=dataset.source)
    digest = None
    if weights is not None:
        digest = sha256_file(weights / "card.json" if weights.is_dir() else weights)
    pictures = dataset.take(train)
    return Job(
        model=card,
        recipe=resolve(settings, card, measure(pictures)),
        start=start,
        weights=weights,
        weights_sha256=digest,
        train=pictures,
        valid=dataset.take(valid),
        train_manifest=train,
        valid_manifest=valid,
        seed=seed,
        plan=treated,
        partial=partial,
    )


def chosen_pictures(dataset: Dataset, sample: Path | Manifest | None) -> Manifest:
    """The training pictures of a sample, or all of them.

    Raises:
        DataError: it is no sample of this dataset's training pictures.
    """
    if sample is None:
        return dataset.manifest(dataset.split("train"), rule="the train split")
    if isinstance(sample, Manifest):
        return _sampled(dataset, sample, "the sample")
    return _sampled(dataset, Manifest.load(sample), sample)


def examined(source: str, *, progress: Progress = SILENT) -> Dataset:
    """A dataset fit to train on: split, without errors, and with its usable boxes only.

    Raises:
        DataError: it has errors, or no splits.
    """
    found = open_source(source, progress=progress)
    found.split("train"), found.split("valid")  # a folder without splits is told so first
    diagnosis = examine(found, progress=progress)
    diagnosis.require_sound(source)
    for warning in diagnosis.warnings:
        progress.note(str(warning))
    return usable(found)


def _plan(text: str, start: str) -> Plan:
    plan = parse(text)
    if start in ("random", MEAN_VAR) and plan.freezes:
        raise UsageError(
            "what is frozen would stay random for ever",
            where=f'--start {start} --plan "{text}"',
            fix="freeze nothing, or start from weights that have learnt",
        )
    return plan


def _weights(card: ModelCard, start: str, *, download: bool, progress: Progress) -> Path | None:
    if start == "random":
        return None
    if start in ("coco", MEAN_VAR):
        return require(card, allow_download=download, progress=progress)
    path = Path(start)
    if not path.exists():
        raise WeightsError(
            "there is no such start",
            where=start,
            fix="coco, random, mean-var, or a checkpoint's path",
        )
    return path


def _sampled(dataset: Dataset, manifest: Manifest, where: object) -> Manifest:
    """The manifest again, from this dataset; it must be of the same pictures, and of train only."""
    if not manifest.objects:
        raise DataError(
            "lists pictures without any label",
            where=where,
            fix="label what `kit sample --next` chose, add it to the dataset, and train on that",
        )
    pictures = [dataset.index.get(id_, -1) for id_ in manifest.ids]
    allowed = {int(i) for i in dataset.split("train")}
    if not set(pictures) <= allowed:
        raise DataError("lists pictures that are not in the train split", where=where)
    again = dataset.manifest(np.array(pictures), rule=manifest.rule, seed=manifest.seed)
    if again.pictures != manifest.pictures:
        raise DataError("lists pictures that have changed since", where=where)
    return again
