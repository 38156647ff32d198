"""The training loop. One for every family; the engine underneath is Lightning Fabric.

The loss, the model and the pictures are given; the loop knows only steps, epochs and when to stop.
Every random draw is a function of the seed and the place in the run, so a run that was killed goes
on to the weights it would have reached.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from lightning_fabric import Fabric

from kit.bundle import BundleCard
from kit.errors import RunFailed, Stopped
from kit.families import Family, Loss
from kit.finetune.augment import Augment
from kit.finetune.batches import (
    Batch,
    Draws,
    Order,
    Pictures,
    cuts,
    loader,
    slice_batch,
    steps_per_epoch,
    workers_told,
)
from kit.finetune.front import given, make_front
from kit.finetune.job import Job
from kit.finetune.layout import Layout
from kit.finetune.optimise import Average, freeze_norm, make_optimizer, rate
from kit.finetune.preflight import halve, preflight
from kit.finetune.state import Standing, load_state, save_best, save_history, save_state
from kit.finetune.validate import Watch
from kit.interrupt import Interrupt
from kit.progress import SILENT, Progress

MEMORY_SHARE = 0.3
"""Share of the free memory that may hold decoded pictures."""

VALIDATION_SHARE = 1.25
"""A run takes about this much longer than its steps: pictures are drawn, and valid is scored."""


class Loop:
    """Trains one job in one directory.

    Args:
        fabric: launched.
        network: with its start loaded, the same on every rank.
        card: how validation decodes; also what the bundles will say.
        layout: what is frozen.
        factors: on the recipe's rate, of each parameter that learns.
    """

    def __init__(
        self,
        fabric: Fabric,
        job: Job,
        family: Family,
        network: torch.nn.Module,
        card: BundleCard,
        directory: Path,
        *,
        layout: Layout,
        factors: Mapping[str, float],
        workers: int,
        progress: Progress = SILENT,
    ) -> None:
        self._fabric, self._job, self._family, self._directory = fabric, job, family, directory
        self._progress = progress if fabric.is_global_zero else SILENT
        self._layout, self._workers, recipe = layout, workers, job.recipe
        assert recipe.epochs is not None
        assert recipe.lr is not None
        self._epochs, self._lr = recipe.epochs, recipe.lr
        self._per_epoch = steps_per_epoch(len(job.train), recipe.batch, fabric.world_size)
        self._steps = self._per_epoch * self._epochs

        if fabric.world_size > 1 and fabric.device.type == "cuda":
            convert: Any = torch.nn.SyncBatchNorm.convert_sync_batchnorm  # untyped
            network = convert(network)
        network = network.to(memory_format=torch.channels_last)  # faster on CPU and GPU alike
        loss: Any = family.loss(network, recipe.extra)
        optimizer = make_optimizer(network, recipe, factors)
        self._model, self._optimizer = fabric.setup(loss, optimizer)
        self._loss: Any = loss
        self._network = network
        still = layout.frozen(network.state_dict())
        self._average = Average(network, recipe.ema * self._steps, still)
        self._averaged: Loss = family.loss(self._average.network, recipe.extra)

        room = int(psutil.virtual_memory().available * MEMORY_SHARE)
        limit = room // max(1, (workers + 1) * fabric.world_size)
        self._averaged.advance(0, self._epochs)
        front = make_front(
            self._averaged, layout, job, card.input.size, limit=limit, directory=directory
        )
        self._front = front if recipe.repeats else None
        pictures = Pictures(job.train, card.input, limit=limit)
        augment = Augment(recipe, card.input.size, card.input.fill)
        self._draws = Draws(pictures, augment, recipe, self._epochs, job.seed)
        self._watch = Watch(job, card, limit=limit, front=front)
        self._faults: set[str] = set()
        self.standing = Standing()

    def restore(self) -> bool:
        """Go on from the directory's last state, if there is one."""
        found = load_state(self._directory)
        if found is None:
            return False
        self.standing, content = found
        self._network.load_state_dict(content["network"])
        self._average.restore(content["average"])
        self._optimizer.load_state_dict(content["optimizer"])
        if self._fabric.is_global_zero and self.standing.history:
            save_history(self._directory, self.standing.history)  # a kill may have come before it
        return True

    def run(self, on_epoch: Callable[[Standing], None] | None = None) -> Standing:
        """Train to the end of the schedule, or until AP on valid stops rising.

        Args:
            on_epoch: called on the first rank after each epoch.

        Raises:
            Stopped: by a signal, after saving.
            RunFailed: the loss is not finite, one picture doesn't fit in memory, or a worker died.
        """
        standing = self.standing
        with Interrupt() as interrupt, workers_told():
            if not self._over():
                self._preflight()
            elif on_epoch is not None and self._fabric.is_global_zero:
                on_epoch(standing)  # a kill came between the last epoch and this
            while not self._over():
                self._train_epoch(interrupt)
                self._end_epoch()
                if on_epoch is not None and self._fabric.is_global_zero:
                    on_epoch(standing)
        if standing.epoch < self._epochs:
            self._progress.note("AP on valid has stopped rising")
        return standing

    def _over(self) -> bool:
        """Whether the schedule is at its end, or patience is."""
        standing, patience = self.standing, self._job.recipe.patience
        tired = patience is not None and standing.epoch - standing.best_epoch > patience
        return standing.epoch >= self._epochs or (tired and standing.best_epoch >= 0)

    def _train_epoch(self, interrupt: Interrupt) -> None:
        standing, job = self.standing, self._job
        self._model.train()
        self._layout.hold(self._network)
        if job.recipe.norm == "frozen":
            freeze_norm(self._network)
        self._loss.advance(standing.epoch, self._epochs)
        self._averaged.advance(standing.epoch, self._epochs)
        label = f"epoch {standing.epoch + 1}/{self._epochs}"
        begun = time.perf_counter()
        left = self._per_epoch - standing.step
        for batch in self._progress.track(self._batches(standing.step), label, total=left):
            self._note_faults(batch)
            self._step(batch)
            standing.step += 1
            if (number := self._asked(interrupt)) is not None:
                standing.seconds += time.perf_counter() - begun
                self.save()
                raise Stopped(
                    f"stopped in epoch {standing.epoch + 1} of {self._epochs}, saved",
                    number=number,
                    fix="the same command with --resume goes on",
                )
        standing.seconds += time.perf_counter() - begun

    def _asked(self, interrupt: Interrupt) -> int | None:
        """The signal that asked to stop, on any rank: all must stop after the same step."""
        number = torch.tensor(interrupt.number or 0, device=self._fabric.device)
        if self._fabric.world_size > 1:
            number = self._gathered(number).max()
        return int(number) or None

    def _gathered(self, value: torch.Tensor) -> torch.Tensor:
        """The value of every rank."""
        gathered: Any = self._fabric.all_gather(value)
        return torch.as_tensor(gathered)

    def _preflight(self) -> None:
        """Find how many pictures fit at once, and say what the run will cost."""
        standing, recipe = self.standing, self._job.recipe
        # after an epoch's last step none of its batches is left: then its first one serves
        batch = next(iter(self._batches(standing.step % self._per_epoch)))
        with torch.random.fork_rng():
            estimate = preflight(
                self._family,
                self._network,
                recipe.extra,
                batch,
                self._fabric.device,
                standing.micro,
                self._front,
            )
        if estimate.micro != standing.micro:
            self._fall(estimate.micro)
        left = self._steps - standing.epoch * self._per_epoch - standing.step
        minutes = left * estimate.seconds * VALIDATION_SHARE / 60
        self._progress.note(
            f"a step takes {estimate.seconds:.2f} s and {estimate.memory_mb:.0f} MB; "
            f"{left} steps will take about {minutes:.0f} min"
        )

    def _fall(self, micro: int | None) -> None:
        """Take fewer pictures at once; only where there is one process, since several must cut
        their batches alike."""
        if self._fabric.world_size > 1:
            raise RunFailed(
                "out of memory on one of the devices",
                fix=f"start again with --batch {self._job.recipe.batch // 2}",
            )
        self.standing.micro = micro
        self._progress.note(f"out of memory: going on with {micro} pictures at a time")

    def _batches(self, first: int) -> Iterable[Batch]:
        """The epoch under way, from this step on."""
        fabric, standing = self._fabric, self.standing
        order = Order(
            len(self._job.train),
            self._job.recipe.batch,
            standing.epoch,
            self._job.seed,
            first=first,
            rank=fabric.global_rank,
            ranks=fabric.world_size,
        )
        pin = fabric.device.type == "cuda"
        return loader(self._draws, order, workers=self._workers, pin=pin)

    def _step(self, batch: Batch) -> None:
        """One optimizer step. Where the batch doesn't fit in memory it is cut, and stays cut: the
        gradient is then the mean of the pieces', each with its own statistics and weights."""
        step = self.standing.epoch * self._per_epoch + self.standing.step
        for group in self._optimizer.param_groups:
            factor = group.get("factor", 1.0)  # states written before there were plans have none
            group["lr"] = self._lr * rate(self._job.recipe, step, self._steps) * factor
        while True:
            self._optimizer.zero_grad(set_to_none=True)
            torch.manual_seed((self._job.seed << 32) + step)  # some losses draw what they look at
            try:
                sums = self._backward(batch)
                break
            except (RuntimeError, MemoryError) as error:
                self._fall(halve(self.standing.micro or len(batch.images), error))
        if self._job.recipe.clip is not None:
            self._fabric.clip_gradients(
                self._model, self._optimizer, max_norm=self._job.recipe.clip
            )
        self._optimizer.step()
        self._average.update(self._network)
        for name, (total, weight) in sums.items():
            before = self.standing.sums.get(name, [0.0, 0.0])
            self.standing.sums[name] = [before[0] + total, before[1] + weight]

    def _backward(self, batch: Batch) -> dict[str, tuple[float, float]]:
        """Accumulate the gradient; returns the loss by part as sums and weights over all ranks."""
        fabric, ranks = self._fabric, self._fabric.world_size
        count = len(batch.images)
        sums: dict[str, tuple[float, float]] = {}
        pieces = cuts(count, self.standing.micro)
        for cut in pieces:
            images, targets = slice_batch(batch, cut, fabric.device)
            with fabric.no_backward_sync(self._model, enabled=cut is not pieces[-1]):
                with given(self._front, self._network, batch.images[cut]):
                    parts = self._model(images, targets)
                names = list(parts)
                # divided by the weight of all ranks: then the mean over ranks, which the engine
                # takes, is the gradient that one process would have
                table: Any = torch.stack(
                    [torch.stack([parts[n].total.detach(), parts[n].weight]) for n in names]
                )
                table = fabric.all_reduce(table, reduce_op="sum") if ranks > 1 else table
                weights = table[:, 1].clamp(min=1)
                total = sum(parts[n].total / weights[i] for i, n in enumerate(names))
                fabric.backward(total * (ranks * len(images) / count))
            for name, (value, weight) in zip(names, table.tolist(), strict=True):
                if not math.isfinite(value):
                    raise RunFailed(
                        f"the loss ({name}) is not finite in epoch {self.standing.epoch + 1}",
                        fix="try a lower learning rate; look for odd boxes with `kit data check`",
                    )
                before = sums.get(name, (0.0, 0.0))
                sums[name] = (before[0] + value, before[1] + weight)
        return sums

    def _end_epoch(self) -> None:
        """Validate the averaged weights, keep them if they are the best, and save."""
        standing = self.standing
        if self._fabric.is_global_zero:
            row = self._row(self._watch(self._averaged, self._fabric.device))
            standing.history.append(row)
            ap = row["ap"] or 0.0
            if ap > standing.best:
                standing.best, standing.best_epoch = ap, standing.epoch
                save_best(self._directory, self._average.network)
        # every rank must agree on when to stop
        standing.best, standing.best_epoch = self._fabric.broadcast(
            (standing.best, standing.best_epoch)
        )
        standing.epoch, standing.step = standing.epoch + 1, 0
        standing.sums, standing.seconds = {}, 0.0
        self.save()
        if self._fabric.is_global_zero:
            save_history(self._directory, standing.history)
        self._fabric.barrier()

    def save(self) -> None:
        """Write the state, on the first rank."""
        if self._fabric.is_global_zero:
            save_state(
                self._directory,
                self.standing,
                {
                    "network": self._network.state_dict(),
                    "average": self._average.state(),
                    "optimizer": self._optimizer.state_dict(),
                },
            )

    def trained_state(self) -> dict[str, torch.Tensor]:
        """The weights of the last step."""
        return self._network.state_dict()

    def averaged_state(self) -> dict[str, torch.Tensor]:
        """The averaged weights."""
        return self._average.network.state_dict()

    def _row(self, watched: dict[str, Any]) -> dict[str, Any]:
        """One line of the learning curve."""
        standing = self.standing
        losses = {name: total / max(weight, 1.0) for name, (total, weight) in standing.sums.items()}
        return {
            "epoch": standing.epoch + 1,
            "lr": self._optimizer.param_groups[0]["lr"],
            "seconds": round(standing.seconds, 3),
            "train_loss": sum(losses.values()),
            **watched,
            **{f"train_{name}": value for name, value in losses.items()},
        }

    def _note_faults(self, batch: Batch) -> None:
        for fault in batch.faults:
            if fault not in self._faults:
                self._faults.add(fault)
                self._progress.note(f"warning: {fault}; another picture is drawn in its place")
