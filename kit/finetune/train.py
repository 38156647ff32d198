"""Train a job to two bundles: the best epoch by AP on valid, and the last."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from kit import __version__
from kit.binding import plain
from kit.bundle import Bundle, BundleCard, open_bundle, save_bundle
from kit.errors import RunFailed, UsageError
from kit.families import Family, load_family
from kit.finetune.engine import Machine, start_engine
from kit.finetune.job import Job, held_run
from kit.finetune.layout import Layout, learning_rates, spoken, told
from kit.finetune.loop import Loop
from kit.finetune.start import Start, begin
from kit.finetune.state import BEST, STATE, Standing, load_best, weights_bytes
from kit.parts import remove_directory
from kit.progress import SILENT, Progress

WEIGHTS = "weights.safetensors"


def train(
    job: Job,
    directory: Path,
    machine: Machine | None = None,
    *,
    resume: bool = False,
    progress: Progress = SILENT,
    on_epoch: Callable[[Standing], None] | None = None,
) -> Bundle:
    """Train, or go on training, and write ``best/`` and ``last/`` into the run's directory.

    Returns:
        The best bundle.

    Raises:
        UsageError: the directory holds another run, or another process is at work in it; the device
            is not there, or the plan doesn't fit the model or its start.
        WeightsError: the start can't be read or is of another model.
        Stopped: by a signal, after saving.
        RunFailed: out of memory, or the loss ran away.
    """
    machine = machine or Machine()
    fabric, workers = start_engine(machine)
    family = load_family(job.model.family)
    begun = begin(
        family,
        job.model,
        len(job.train.classes),
        seed=job.seed,
        start=job.start,
        weights=job.weights,
        plan=job.plan,
        partial=job.partial,
    )
    network, layout, start = begun.network, begun.layout, begun.start
    factors = learning_rates(layout, network, start.filled)
    assert job.recipe.size is not None
    family.graph(network, job.recipe.size)  # refuses a size the network can't take
    network.train()
    card = _card(job, family, network, start, layout)
    loop = Loop(
        fabric,
        job,
        family,
        network,
        card,
        directory,
        layout=layout,
        factors=factors,
        workers=workers,
        progress=progress,
    )
    with ExitStack() as held:
        if fabric.is_global_zero:  # only now, when nothing is left that could be wrong with the job
            held.enter_context(held_run(directory, job, resume=resume))
            progress.note(str(start))
            if job.plan is not None:
                progress.note(spoken(layout, network))
        fabric.barrier()
        if resume and (directory / "best").is_dir():
            if fabric.is_global_zero:
                _tidy(directory)
            raise UsageError(
                "the run is complete", where=directory, fix=f"kit evaluate {directory}/best SRC"
            )
        if resume and loop.restore():
            progress.note(f"going on in epoch {loop.standing.epoch + 1}")
        standing = loop.run(on_epoch)
        if fabric.is_global_zero:
            _finish(directory, card, standing, loop, layout)
        fabric.barrier()
    return open_bundle(directory / "best")


def _card(
    job: Job, family: Family, network: torch.nn.Module, start: Start, layout: Layout
) -> BundleCard:
    size = job.recipe.size
    assert size is not None
    plan = {} if job.plan is None else {"plan": told(layout, network)}
    return BundleCard(
        name=f"{job.model.name}-{job.train.name}",
        kind="checkpoint",
        family=job.model.family,
        model=job.model.name,
        architecture=job.model.architecture,
        licence=job.model.licence,
        classes=job.train.classes,
        input=replace(job.model.input, size=size, fit=job.recipe.fit or job.model.input.fit),
        suppress=job.model.suppress if family.needs_suppression(network) else None,
        weights=WEIGHTS,
        files={},
        dataset={"source": job.train.source, "name": job.train.name},
        manifests={"train": job.train_manifest.sha256, "valid": job.valid_manifest.sha256},
        training={
            "job": job.sha256,
            "pretrained_classes": job.model.classes,
            "start": start.facts(),
            **plan,
            "seed": job.seed,
            "recipe": plain(job.recipe),
            "train_pictures": len(job.train),
            "train_objects": job.train.class_counts(),
        },
        made_by=f"detector-kit {__version__}",
    )


def _finish(
    directory: Path, card: BundleCard, standing: Standing, loop: Loop, layout: Layout
) -> None:
    """Write the bundles; the last steps of a run, repeatable if they are interrupted."""
    rows = {row["epoch"]: row for row in standing.history}
    last, best = loop.averaged_state(), load_best(directory)
    if layout.plan is not None:
        before = card.training["plan"]["frozen_sha256"]
        if any(layout.digest(state) != before for state in (loop.trained_state(), last, best)):
            raise RunFailed("weights or statistics have moved that the plan froze", where=directory)
    for name, state, epoch in (
        ("last", last, standing.epoch),
        ("best", best, standing.best_epoch + 1),
    ):
        reports = {"valid": {k: rows[epoch][k] for k in ("ap", "ap50")}}
        remove_directory(directory / name)
        training = {**card.training, "epoch": epoch, "epochs": standing.epoch}
        made = replace(card, training=training, reports=reports)
        save_bundle(directory / name, made, {WEIGHTS: weights_bytes(state)})
    _tidy(directory)


def _tidy(directory: Path) -> None:
    """Remove what only a run under way needs."""
    for name in (STATE, BEST):
        (directory / name).unlink(missing_ok=True)
