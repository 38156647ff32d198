"""Fill one cell's directory: draw, train, evaluate. A process of its own, so that nothing a cell
does can harm another.

    python -m kit.study.work OUT/cells/NAME
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from time import sleep
from typing import TypeVar

from kit import door
from kit.bench.energy import meter
from kit.bench.environment import environment
from kit.bundle import open_bundle
from kit.errors import DataError, KitError, UsageError
from kit.evaluate.report import measure
from kit.files import read_json, sha256_json, write_json, write_text
from kit.finetune.engine import Machine, gpu_uuids
from kit.finetune.state import Standing
from kit.finetune.train import train
from kit.lock import locked
from kit.progress import Label, Progress
from kit.study.results import RESAMPLES, Finished, Result, save
from kit.study.tasks import FAILURE, LOG, Datasets, read_task, ready

ENERGY = "energy.json"
_LEAVING = 60.0  # seconds that a cell's last process may take to save, where its study was killed
_LOOK = 0.5  # seconds
T = TypeVar("T")


class Energy:
    """What a cell's training has taken, over all the times it was gone on with.

    Args:
        directory: of the cell. begun: whether it was trained in before.
        alone: whether no other cell runs on this machine, so that its CPU's energy is this one's.
    """

    def __init__(self, directory: Path, machine: Machine, *, begun: bool, alone: bool) -> None:
        self._path = directory / ENERGY
        self._before = self.told() if begun else 0.0
        self._meter = meter(gpu_uuids(machine.device), cpu=alone)

    def save(self) -> None:
        """For whoever goes on; what was once unknown stays so."""
        now = self._meter.watt_hours()
        both = None if now is None or self._before is None else round(self._before + now, 4)
        write_json(self._path, {"watt_hours": both})

    def told(self) -> float | None:
        """Watt hours as they were last saved; None where the machine didn't tell."""
        if not self._path.is_file():
            return None
        found: float | None = read_json(self._path, "an energy", error=DataError)["watt_hours"]
        return found


def work(directory: Path, machine: Machine, progress: Progress, *, alone: bool = False) -> Finished:
    """Do a cell, or go on with it.

    Args:
        alone: whether no other cell runs on this machine meanwhile.

    Raises:
        DataError: what it needs has changed since the study looked at it.
        KitError: training or evaluation failed.
        Stopped: by a signal, after saving.
    """
    cell, facts = read_task(directory)
    found = ready(cell, Datasets(progress), progress=progress)
    if found.facts() != facts:
        raise DataError("its data, weights or software have just changed", where=directory)
    if found.sample is not None:
        found.sample.save(directory / "sample.json")
    run = directory / "run"
    begun = (run / "run.json").is_file()
    energy = Energy(directory, machine, begun=begun, alone=alone)

    def tell(standing: Standing) -> None:
        row = standing.history[-1]
        progress.note(
            f"epoch {row['epoch']}: train loss {row['train_loss']:.3f}, "
            f"valid AP50 {row['ap50'] or 0:.3f}, {row['seconds'] + row['valid_seconds']:.1f} s"
        )
        energy.save()

    if (run / "best").is_dir():  # it was stopped in the evaluation
        bundle = open_bundle(run / "best")
    else:
        bundle = train(found.job, run, machine, resume=begun, progress=progress, on_epoch=tell)
    detector = door.open(bundle, device=machine.device, threads=machine.threads)
    measured = measure(
        detector, bundle, found.dataset, "test", progress=progress, resamples=RESAMPLES
    )
    history = read_json(run / "history.json", "a learning curve", error=DataError)
    training = bundle.card.training
    result = Result(
        cell=cell,
        key=sha256_json(facts),
        pictures=len(found.job.train),
        objects=found.job.train_manifest.objects,
        class_counts=found.job.train_manifest.class_counts,
        size=bundle.card.input.size,
        epochs=training["epochs"],
        best_epoch=training["epoch"],
        valid=bundle.card.reports["valid"],
        test=measured.report,
        seconds=round(sum(row["seconds"] + row["valid_seconds"] for row in history), 1),
        energy_wh=energy.told(),
        licence=bundle.card.licence,
        environment={
            **environment(machine.threads),
            "device": measured.report.device,
            "torch": version("torch"),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        },
    )
    return save(directory, result, measured)


class Log:
    """Progress as lines of a file."""

    def track(self, items: Iterable[T], label: Label, total: int | None = None) -> Iterator[T]:
        yield from items

    def note(self, text: str) -> None:
        print(text, flush=True)


def attempt(directory: Path, machine: Machine, *, alone: bool = False) -> int:
    """Do a cell, and leave the reason in ``failure.txt`` if it fails.

    Returns:
        The exit code of the error that ended it; 0 when it is done.
    """
    try:
        with locked(directory, wait=_LEAVING):
            return _attempt(directory, machine, alone)
    except UsageError as error:
        write_text(directory / FAILURE, f"{error}\n")
        return error.exit_code


def _attempt(directory: Path, machine: Machine, alone: bool) -> int:
    failure = directory / FAILURE
    failure.unlink(missing_ok=True)
    try:
        work(directory, machine, Log(), alone=alone)
    except KitError as error:
        write_text(failure, f"{error}\n")
        return error.exit_code
    except Exception as error:  # the study goes on, and says which cell didn't
        traceback.print_exc()
        write_text(failure, f"{type(error).__name__}: {error}; see {LOG}\n")
        return 1
    return 0


def leave_with(parent: int) -> None:
    """Stop as if asked to, after saving, when the study is gone: it may have been killed, and then
    nobody else stops a cell."""

    def watch() -> None:
        while os.getppid() == parent:
            sleep(_LOOK)
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, name="kit-parent", daemon=True).start()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--alone", action="store_true", help="no other cell runs here meanwhile")
    parser.add_argument("--parent", type=int, help="process to end with")
    args = parser.parse_args()
    if args.parent is not None:
        leave_with(args.parent)
    machine = Machine(args.device, 1, args.threads, args.workers)
    return attempt(args.directory, machine, alone=args.alone)


if __name__ == "__main__":
    sys.exit(main())
