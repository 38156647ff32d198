"""What a run is trained on: devices, processes, precision. Lightning Fabric does the work."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric

from kit.errors import UsageError
from kit.families import pick_device
from kit.runtime.machine import cores


@dataclass(frozen=True)
class Machine:
    """What a run is trained on; it changes the speed, not the job.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, or ``cuda:0,1`` for two.
        nodes: machines; several are started by ``torchrun`` or the cluster's scheduler.
        threads: CPU threads of each process; None shares the cores out.
        workers: processes that draw pictures ahead; None chooses.
    """

    device: str = "auto"
    nodes: int = 1
    threads: int | None = None
    workers: int | None = None


def gpus(device: str = "auto") -> int:
    """How many GPUs this machine offers to runs on ``auto`` or ``cuda``; 0 for any other device,
    which names what it wants."""
    return torch.cuda.device_count() if device in ("auto", "cuda") else 0


def gpu_uuids(device: str) -> list[str]:
    """Of the GPU that a run of one process takes, as the driver names it; empty on a CPU."""
    chosen = pick_device(device)
    if chosen.type != "cuda":
        return []
    return [f"GPU-{torch.cuda.get_device_properties(chosen).uuid}"]


def start_engine(machine: Machine) -> tuple[Fabric, int]:
    """Launch every process of a run.

    Returns:
        The engine, in each process, and the number of workers that draw pictures for it.

    Raises:
        UsageError: no such device.
    """
    kind, _, listed = machine.device.partition(":")
    devices: list[int] | int
    if "," in listed:  # cuda:0,1 names GPUs; cpu:0,1 is two processes
        if not all(place.isdigit() for place in listed.split(",")):
            raise UsageError("not a list of devices", where=machine.device, fix="cuda:0,1")
        accelerator = pick_device(kind).type
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
    torch.set_num_threads(machine.threads or max(1, cores() // here))
    fabric = Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=machine.nodes,
        strategy="ddp" if machine.nodes * here > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]  # one of its literals
    )
    fabric.launch()
    if machine.workers is not None:
        return fabric, machine.workers
    # on a CPU the network needs every core itself; a GPU waits for whoever draws for it
    return fabric, 0 if accelerator == "cpu" else min(8, max(1, cores() // here - 1))
