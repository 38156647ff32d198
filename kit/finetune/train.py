"""Train a job to two bundles: the best epoch by AP on valid, and the last."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric

from kit import __version__
from kit.bundle import Bundle, BundleCard, open_bundle, save_bundle
from kit.cards import plain
from kit.errors import UsageError
from kit.families import Family, load_family, pick_device
from kit.finetune.job import Job, open_run
from kit.finetune.loop import Loop, Machine
from kit.finetune.start import Start, load_start, random_start
from kit.finetune.state import BEST, STATE, Standing, load_best, weights_bytes
from kit.progress import SILENT, Progress
from kit.runtime.machine import cores

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
        UsageError: the directory holds another run, or the device is not there.
        WeightsError: the start can't be read or is of another model.
        Stopped: by a signal, after saving.
        RunFailed: out of memory, or the loss ran away.
    """
    machine = machine or Machine()
    fabric, workers = _engine(machine)
    family = load_family(job.model.family)
    torch.manual_seed(job.seed)
    network = family.build(job.model.architecture, len(job.train.classes), job.model.classes)
    start = _start(job, family, network)
    card = _card(job, family, network, start)
    if fabric.is_global_zero:
        open_run(directory, job, resume=resume)
        progress.note(str(start))
    fabric.barrier()
    if resume and (directory / "best").is_dir():
        raise UsageError("the run is complete", where=directory)
    loop = Loop(fabric, job, family, network, card, directory, workers=workers, progress=progress)
    if resume and loop.restore():
        progress.note(f"going on in epoch {loop.standing.epoch + 1}")
    standing = loop.run(on_epoch)
    if fabric.is_global_zero:
        _finish(directory, card, standing, loop)
    fabric.barrier()
    return open_bundle(directory / "best")


def _engine(machine: Machine) -> tuple[Fabric, int]:
    """The launched engine and the number of picture workers."""
    kind, _, listed = machine.device.partition(":")
    devices: list[int] | int
    if "," in listed:  # cuda:0,1 names GPUs; cpu:0,1 is two processes
        accelerator = pick_device(kind).type
        if not all(place.isdigit() for place in listed.split(",")):
            raise UsageError("not a list of devices", where=machine.device, fix="cuda:0,1")
        several = [int(place) for place in listed.split(",")]
        devices = several if accelerator == "cuda" else len(several)
    else:
        device = pick_device(machine.device)
        accelerator = device.type
        devices = [device.index or 0] if accelerator == "cuda" else 1
    precision = "32-true"
    if accelerator == "cuda":
        precision = "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    here = len(devices) if isinstance(devices, list) else devices
    ranks = machine.nodes * here
    torch.set_num_threads(machine.threads or max(1, cores() // here))
    fabric = Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=machine.nodes,
        strategy="ddp" if ranks > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]  # one of its literals
    )
    fabric.launch()
    workers = machine.workers
    if workers is None:
        # on a CPU the network needs every core itself; a GPU waits for whoever draws for it
        workers = 0 if accelerator == "cpu" else min(8, max(1, cores() - 1))
    return fabric, workers


def _start(job: Job, family: Family, network: torch.nn.Module) -> Start:
    if job.weights is None:
        return random_start()
    return load_start(family, network, job.weights, job.start)


def _card(job: Job, family: Family, network: torch.nn.Module, start: Start) -> BundleCard:
    size = job.recipe.size
    assert size is not None
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
            "start": vars(start),
            "seed": job.seed,
            "recipe": plain(job.recipe),
            "train_pictures": len(job.train),
            "train_objects": job.train.class_counts(),
        },
        made_by=f"detector-kit {__version__}",
    )


def _finish(directory: Path, card: BundleCard, standing: Standing, loop: Loop) -> None:
    """Write the bundles; the last steps of a run, repeatable if they are interrupted."""
    rows = {row["epoch"]: row for row in standing.history}
    for name, state, epoch in (
        ("last", loop.averaged_state(), standing.epoch),
        ("best", load_best(directory), standing.best_epoch + 1),
    ):
        reports = {"valid": {k: rows[epoch][k] for k in ("ap", "ap50")}}
        shutil.rmtree(directory / name, ignore_errors=True)
        training = {**card.training, "epoch": epoch, "epochs": standing.epoch}
        made = replace(card, training=training, reports=reports)
        save_bundle(directory / name, made, {WEIGHTS: weights_bytes(state)})
    for name in (STATE, BEST):
        (directory / name).unlink(missing_ok=True)
