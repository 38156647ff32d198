"""Before the first epoch: does a batch fit, what does a step cost, how long will it all take?"""

from __future__ import annotations

import copy
import math
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from kit.errors import RunFailed
from kit.families import Family, Part
from kit.finetune.batches import Batch, cuts, slice_batch
from kit.finetune.front import Front, given


@dataclass(frozen=True)
class Estimate:
    """What one step costs on one device.

    Attributes:
        micro: pictures that fit at once; None means a whole batch does.
        seconds: of a step, without drawing the pictures.
        memory_mb: highest memory while it ran: the device's on a GPU, this process's on a CPU.
    """

    micro: int | None
    seconds: float
    memory_mb: float


def preflight(
    family: Family,
    network: torch.nn.Module,
    extra: Mapping[str, Any],
    batch: Batch,
    device: torch.device,
    micro: int | None,
    front: Front | None = None,
) -> Estimate:
    """Try a step on a copy of the network; halve the pictures taken at once until they fit.

    Raises:
        RunFailed: not even one fits.
    """
    loss: Any = family.loss(copy.deepcopy(network), extra)
    loss.train()
    while True:
        try:
            _step(loss, batch, device, micro, front)  # the first one also pays for set-up
            begun = time.perf_counter()
            _step(loss, batch, device, micro, front)
            return Estimate(micro, time.perf_counter() - begun, _memory_mb(device))
        except (RuntimeError, MemoryError) as error:
            micro = halve(micro or len(batch.images), error)


def halve(micro: int, error: BaseException) -> int:
    """Half as many pictures at once, where that may help.

    Raises:
        RunFailed: one picture is too many already.
        BaseException: the error itself, where it is not about memory.
    """
    text = str(error).lower()
    memory = isinstance(error, MemoryError) or any(
        sign in text for sign in ("out of memory", "not enough memory", "can't allocate memory")
    )
    if not memory:
        raise error
    if micro == 1:
        raise RunFailed(
            "not even one picture fits in the device's memory", fix="try a smaller --size"
        ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return math.ceil(micro / 2)


def _step(
    loss: Any, batch: Batch, device: torch.device, micro: int | None, front: Front | None
) -> None:
    for cut in cuts(len(batch.images), micro):
        with given(front, loss.network, batch.images[cut]):
            parts: Mapping[str, Part] = loss(*slice_batch(batch, cut, device))
        total: Any = sum(part.total for part in parts.values())
        total.backward()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
