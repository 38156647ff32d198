"""Run a checkpoint's graph with torch, for every family: what the export is compared with."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kit.families import pick_device
from kit.runtime.machine import cpu_name
from kit.types import RawDetections


class TorchRunner:
    """A :class:`kit.types.Runner` around a module at the graph waist."""

    def __init__(
        self, graph: nn.Module, *, device: str = "auto", threads: int | None = None
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = pick_device(device)
        self.staged = self.at_once = False
        self.elsewhere: Sequence[str] | None = ()
        self.width: int | None = None  # a module tells by answering
        graph = graph.eval().to(self._device)
        # faster on CPU and GPU alike
        self._graph = graph.to(memory_format=torch.channels_last)

    @property
    def provider(self) -> str:
        return f"torch {self._device.type}"

    @property
    def device(self) -> str:
        if self._device.type == "cuda":
            return torch.cuda.get_device_name(self._device)
        return cpu_name()

    def run(self, images: NDArray[np.uint8]) -> RawDetections:
        start = time.perf_counter_ns()
        with torch.inference_mode():
            outputs = self._graph(torch.from_numpy(images).to(self._device))
            # fetching them waits for the device
            boxes, scores = (value.cpu().numpy() for value in outputs[:2])
            features = None if outputs[2] is None else outputs[2].cpu().numpy()
        return RawDetections(boxes, scores, features, {"run": time.perf_counter_ns() - start})
