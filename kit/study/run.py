"""Do the cells of a study on this machine, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.errors import Stopped
from kit.finetune.engine import Machine
from kit.interrupt import Interrupt
from kit.study.cell import Cell
from kit.study.results import RESULT, Finished, load
from kit.study.tasks import FAILURE, LOG, Task

_LOOK = 0.2
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class Failed:
    """A cell that came to no result, and why."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Process:
    """A cell under way, on one of the places a machine has for them."""

    task: Task
    place: int
    handle: subprocess.Popen[bytes]


def run(
    tasks: Sequence[Task], machine: Machine, *, jobs: int = 1, gpus: int = 0
) -> Iterator[Finished | Failed]:
    """Do the tasks in order, ``jobs`` at a time; a cell that fails stops no other.

    Args:
        machine: what each cell is trained on.
        gpus: share them out, one cell each; 0 leaves the choice to ``machine``.

    Yields:
        Each cell as it ends.

    Raises:
        Stopped: with Ctrl-C or SIGTERM, after every cell under way has saved its state.
    """
    waiting, running = deque(tasks), list[Process]()
    free = list(range(jobs))
    try:
        with Interrupt() as interrupt:
            while (waiting or running) and interrupt.number is None:
                while waiting and free:
                    place = free.pop(0)
                    running.append(_start(waiting.popleft(), machine, place, gpus, alone=jobs == 1))
                time.sleep(_LOOK)
                for process in [each for each in running if each.handle.poll() is not None]:
                    running.remove(process)
                    free.append(process.place)
                    yield outcome(process.task, process.handle.returncode)
    finally:
        for process in running:
            process.handle.terminate()  # it finishes its step and saves
        for process in running:
            process.handle.wait()
    if interrupt.number is not None:
        raise Stopped(
            f"stopped: {len(running)} cell(s) under way were saved, {len(waiting)} not begun",
            number=interrupt.number,
            fix="go on with the same command",
        )


def outcome(task: Task, code: int) -> Finished | Failed:
    """What a cell left behind, given the exit code of its process."""
    if (task.directory / RESULT).is_file():
        return load(task.directory)
    failure = task.directory / FAILURE
    if failure.is_file():
        return Failed(task.cell, failure.read_text(encoding="utf-8").strip())
    died = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return Failed(task.cell, f"its process was {died}; see {task.directory / LOG}")


def _start(task: Task, machine: Machine, place: int, gpus: int, *, alone: bool) -> Process:
    task.begin()
    command = [sys.executable, "-m", "kit.study.work", str(task.directory)]
    command += ["--parent", str(os.getpid()), *(["--alone"] if alone else [])]
    for option in ("device", "threads", "workers"):
        if (value := getattr(machine, option)) is not None:
            command += [f"--{option}", str(value)]
    own = {"CUDA_VISIBLE_DEVICES": str(place % gpus)} if gpus else {}
    with (task.directory / LOG).open("ab") as log:
        handle = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **own},
            start_new_session=True,  # Ctrl-C reaches it through us, once
        )
    return Process(task, place, handle)
