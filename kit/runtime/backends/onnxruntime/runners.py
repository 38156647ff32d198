"""A session at work: on the CPU, or with its tensors in a GPU's memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.errors import OutOfMemory, RunFailed
from kit.runtime.contract import FEATURES, INPUT
from kit.types import RawDetections

_GRAPHS = 4
"""How many sizes of batches are recorded as CUDA graphs; each keeps memory of its own."""


class SessionRunner:
    """Runs on the CPU, where there is nothing to copy."""

    at_once = True

    def __init__(
        self,
        session: Any,
        outputs: list[str],
        provider: str,
        device: str,
        elsewhere: Sequence[str] | None,
    ) -> None:
        self._session, self._outputs = session, outputs
        self.provider, self.device, self.staged = provider, device, False
        self.elsewhere = elsewhere
        self.width = _width(session)

    def run(self, images: NDArray[np.uint8]) -> RawDetections:
        start = perf_counter_ns()
        try:
            answer = self._session.run(self._outputs, {INPUT: images})
        except Exception as error:  # ONNX Runtime's errors share no base of their own
            raise _failed(error, self.device) from error
        return _raw(answer, {"run": perf_counter_ns() - start})


@dataclass(eq=False)
class _Bound:
    """Input and outputs in the device's memory, for batches of one size."""

    input: Any
    binding: Any
    options: Any
    recorded: bool


class BoundRunner:
    """Runs where input and outputs live in the device's memory, so that copies can be timed.

    Where the session records CUDA graphs, the work of a batch is recorded the first time a batch
    has that size and replayed from then on. A graph keeps the addresses it was recorded with, so
    each size has memory of its own; after the first few sizes the others share one and aren't
    recorded.
    """

    at_once = False

    def __init__(
        self,
        session: Any,
        outputs: list[str],
        provider: str,
        device: str,
        elsewhere: Sequence[str] | None,
        memory: tuple[str, int],
    ) -> None:
        """``memory`` is where tensors live, ``("cuda", 0)``."""
        self._session, self._outputs, self._memory = session, outputs, memory
        self.provider, self.device, self.staged = provider, device, False
        self.elsewhere = elsewhere
        self.width = _width(session)
        self._bound: dict[int, _Bound] = {}
        self._lock = threading.Lock()

    def run(self, images: NDArray[np.uint8]) -> RawDetections:
        with self._lock:  # the memory is one batch's at a time
            return self._run(np.ascontiguousarray(images))

    def _run(self, images: NDArray[np.uint8]) -> RawDetections:
        start = perf_counter_ns()
        try:
            bound = self._bound.get(len(images)) or self._bind(images)
            bound.input.update_inplace(images)
            if self.staged:
                bound.binding.synchronize_inputs()
            copied = perf_counter_ns()
            self._session.run_with_iobinding(bound.binding, bound.options)
            if self.staged:
                bound.binding.synchronize_outputs()
            ran = perf_counter_ns()
            answer = [value.numpy() for value in bound.binding.get_outputs()]
        except Exception as error:  # ONNX Runtime's errors share no base of their own
            raise _failed(error, self.device) from error
        end = perf_counter_ns()
        stages = {"run": end - start}
        if self.staged:
            stages = {"copy_in": copied - start, "run": ran - copied, "copy_out": end - ran}
        return _raw(answer, stages)

    def _bind(self, images: NDArray[np.uint8]) -> _Bound:
        import onnxruntime

        batch = len(images)
        recorded = sum(each.recorded for each in self._bound.values()) < _GRAPHS
        if not recorded:  # what is not a graph's makes room
            self._bound = {size: each for size, each in self._bound.items() if each.recorded}
        binding = self._session.io_binding()
        value = onnxruntime.OrtValue.ortvalue_from_numpy(images, *self._memory)
        binding.bind_ortvalue_input(INPUT, value)
        shapes = {item.name: item.shape for item in self._session.get_outputs()}
        for name in self._outputs:
            shape = [batch, *shapes[name][1:]]
            if all(isinstance(side, int) for side in shape):
                output = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                    shape, np.float32, *self._memory
                )
                binding.bind_ortvalue_output(name, output)
            else:
                binding.bind_output(name, *self._memory)
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(batch) if recorded else "-1")
        bound = _Bound(value, binding, options, recorded)
        self._bound[batch] = bound
        return bound


def _raw(answer: list[Any], stages_ns: dict[str, int]) -> RawDetections:
    return RawDetections(answer[0], answer[1], answer[2] if len(answer) > 2 else None, stages_ns)


def _failed(error: Exception, device: str) -> RunFailed:
    text = " ".join(str(error).split())[:300]
    short = "out of memory" in text.lower() or "Failed to allocate memory" in text
    return (OutOfMemory if short else RunFailed)(f"ONNX Runtime failed ({text})", where=device)


def _width(session: Any) -> int | None:
    """Of the features, where the graph has any and says so."""
    shapes = {item.name: item.shape for item in session.get_outputs()}
    side = shapes[FEATURES][1] if FEATURES in shapes else None
    return side if isinstance(side, int) else None
