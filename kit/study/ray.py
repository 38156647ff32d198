"""Do the cells of a study on a Ray cluster: one cell a task, with the GPU it gets.

The study's directory must be one that every machine sees under the same path. A worker that dies
takes its cell with it; the cell is tried again elsewhere, and goes on from its last saved state.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from kit import offline
from kit.errors import MissingPackage, RunFailed
from kit.finetune.engine import Machine
from kit.study.results import Finished
from kit.study.run import Failed, outcome
from kit.study.tasks import LOG, Task
from kit.study.work import attempt

RETRIES = 3
"""Times a cell is tried again when the machine or process it is on dies."""


def run_on_ray(
    tasks: Sequence[Task], machine: Machine, address: str
) -> Iterator[Finished | Failed]:
    """Do the tasks, as many at a time as the cluster has room for.

    Args:
        machine: its threads are what a cell asks of a node, beside a GPU where the cluster has any;
            None shares each node's cores out, one cell for each GPU, else one.
        address: of the cluster; ``auto`` is the one this machine belongs to, ``local`` starts one
            of this machine alone.

    Yields:
        Each cell as it ends.

    Raises:
        MissingPackage: Ray is not installed.
        RunFailed: there is no cluster at the address.
    """
    ray = _connect(address)
    try:
        threads, gpu = _share(ray, machine)
        machine, wanted = replace(machine, threads=threads), {"num_cpus": threads, "num_gpus": gpu}
        # a fresh process for each cell: what one leaves behind can't harm another
        remote: Any = ray.remote(**wanted, max_calls=1, max_retries=RETRIES)(_on_worker)
        under_way = {}
        for task in tasks:
            task.begin()
            ref = remote.remote(str(task.directory.resolve()), machine)
            under_way[ref] = task
        while under_way:
            ended, _ = ray.wait(list(under_way), num_returns=1)
            task = under_way.pop(ended[0])
            try:
                yield outcome(task, ray.get(ended[0]))
            except ray.exceptions.RayError as error:
                reason = " ".join(str(error).split())[:300]
                yield Failed(task.cell, f"its worker was lost {RETRIES + 1} times ({reason})")
    finally:
        ray.shutdown()


def _connect(address: str) -> Any:
    offline.seal("ray")
    try:
        import ray
    except ImportError as error:
        raise MissingPackage("ray", "ray") from error
    try:
        ray.init(
            address=None if address == "local" else address,
            include_dashboard=False if address == "local" else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise RunFailed(
            f"there is no Ray cluster ({' '.join(str(error).split())[:200]})",
            where=address,
            fix="start one with `ray start --head`, or take --ray local",
        ) from error
    return ray


def _share(ray: Any, machine: Machine) -> tuple[int, int]:
    """Threads and GPUs a cell asks for, so that every node can take one."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    with_gpu = [node for node in nodes if node.get("GPU", 0) >= 1 and machine.device != "cpu"]
    cores = [node.get("CPU", 1) // (node["GPU"] if with_gpu else 1) for node in with_gpu or nodes]
    return machine.threads or max(1, int(min(cores))), int(bool(with_gpu))


def _on_worker(directory: str, machine: Machine) -> int:
    """In a process of Ray's; it returns what :func:`kit.study.work.attempt` does."""
    cell = Path(directory)
    with (
        (cell / LOG).open("a", encoding="utf-8") as log,
        redirect_stdout(log),
        redirect_stderr(log),
    ):
        return attempt(cell, machine)
