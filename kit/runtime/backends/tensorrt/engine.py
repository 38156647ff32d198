"""An engine on its GPU: buffers taken once, one stream, the work recorded as a CUDA graph."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.bundle import Bundle
from kit.errors import BundleError, OutOfMemory, RunFailed
from kit.runtime.backends.tensorrt.builder import layers, log, trt
from kit.runtime.backends.tensorrt.cuda import (
    Buffer,
    Device,
    Graph,
    Stream,
    check,
    runtime,
)
from kit.runtime.backends.tensorrt.identity import rebuild
from kit.runtime.contract import FEATURES, INPUT, OUTPUTS
from kit.types import RawDetections


class EngineRunner:
    """A :class:`kit.types.Runner`. A run is queued plainly the first time a batch has a size, is
    recorded the second time, and replayed from then on."""

    at_once = False

    def __init__(self, bundle: Bundle, plan: bytes, device: Device, source: str) -> None:
        """Load an engine.

        Raises:
            BundleError: TensorRT does not take it, or it is not what the card says.
            OutOfMemory: of the GPU.
        """
        library, told = trt(), log()
        told.lines.clear()
        self.provider, self.device = f"TensorRT {library.__version__}", device.name
        self.staged, self._index = False, device.index
        self.elsewhere: Sequence[str] | None = ()  # an engine runs on its GPU, all of it
        # kept: an engine must not outlive what made it
        self._runtime = library.Runtime(told.logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise BundleError(
                f"TensorRT {library.__version__} does not take the engine:{told.tail()}",
                where=bundle.weights,
                fix=rebuild(source),
            )
        self._outputs = _check_engine(library, self._engine, bundle)
        self.width = _width(self._engine, self._outputs)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise OutOfMemory(
                f"the GPU has no room for the engine:{told.tail()}",
                where=device.name,
                fix="end what else uses the GPU, or compile with a smaller --max-batch",
            )
        self.largest = _largest(self._engine)
        self._stream, self._lock = Stream(), threading.Lock()
        self._input = Buffer(
            (self.largest, bundle.card.input.size, bundle.card.input.size, 3),
            np.uint8,
            mapped=device.integrated,
        )
        self._give(INPUT, self._input)
        self._shape(self.largest)
        self._buffers = [self._output(name, device) for name in self._outputs]
        self._batch, self._runs, self._records = self.largest, 0, True
        self._graph: Graph | None = None

    def layers(self) -> dict[str, int]:
        """Layers by the precision they compute in."""
        with self._lock:
            return dict(layers(self._engine, self._context))

    def run(self, images: NDArray[np.uint8]) -> RawDetections:
        if not 1 <= len(images) <= self.largest:
            raise ValueError(f"the engine takes 1 to {self.largest} pictures, not {len(images)}")
        with self._lock:  # a context has one shape and one set of buffers
            return self._run(images)

    def _run(self, images: NDArray[np.uint8]) -> RawDetections:
        batch, stream, start = len(images), self._stream, perf_counter_ns()
        check(runtime().cudaSetDevice(self._index))  # each thread has a device of its own
        if batch != self._batch:
            self._shape(batch)
            self._batch, self._graph, self._runs = batch, None, 0
        self._input.host[:batch] = images
        self._input.to_device(batch, stream)
        if self.staged:
            stream.wait()
        copied = perf_counter_ns()
        self._queue()
        if self.staged:
            stream.wait()
        ran = perf_counter_ns()
        for buffer in self._buffers:
            buffer.to_host(batch, stream)
        stream.wait()
        # the buffers are the next run's
        answer = [buffer.host[:batch].copy() for buffer in self._buffers]
        end = perf_counter_ns()
        stages = {"run": end - start}
        if self.staged:
            stages = {"copy_in": copied - start, "run": ran - copied, "copy_out": end - ran}
        return RawDetections(answer[0], answer[1], answer[2] if len(answer) > 2 else None, stages)

    def _queue(self) -> None:
        self._runs += 1
        if self._graph is None and self._records and self._runs == 2:
            self._stream.wait()
            try:
                self._graph = Graph(self._enqueue, self._stream)
            except RunFailed:  # some kernels can't be recorded; they run all the same
                self._records = False
        if self._graph is not None:
            self._graph.launch(self._stream)
        elif not self._enqueue():
            raise RunFailed(f"TensorRT can't run the engine:{log().tail()}", where=self.device)

    def _enqueue(self) -> bool:
        return bool(self._context.execute_async_v3(int(self._stream)))

    def _shape(self, batch: int) -> None:
        """Tell the context how many pictures come."""
        shape = (batch, *self._input.host.shape[1:])
        if not self._context.set_input_shape(INPUT, shape) or self._context.infer_shapes():
            raise RunFailed(f"the engine does not take {shape}:{log().tail()}", where=self.device)

    def _output(self, name: str, device: Device) -> Buffer:
        """A buffer for the largest batch, whose shape is set."""
        shape = tuple(self._context.get_tensor_shape(name))
        if min(shape, default=0) < 1:
            raise BundleError(f"the size of {name} depends on the picture: {shape}")
        buffer = Buffer(shape, np.float32, mapped=device.integrated)
        self._give(name, buffer)
        return buffer

    def _give(self, name: str, buffer: Buffer) -> None:
        """Tell the context where a tensor lies."""
        if not self._context.set_tensor_address(name, buffer.address):
            raise RunFailed(f"TensorRT takes no memory for {name}:{log().tail()}")


def _width(engine: Any, outputs: Sequence[str]) -> int | None:
    return int(engine.get_tensor_shape(FEATURES)[1]) if FEATURES in outputs else None


def _largest(engine: Any) -> int:
    if engine.get_tensor_shape(INPUT)[0] != -1:
        return int(engine.get_tensor_shape(INPUT)[0])
    return int(engine.get_tensor_profile_shape(INPUT, 0)[2][0])


def _check_engine(library: Any, engine: Any, bundle: Bundle) -> list[str]:
    """Names of the outputs, once everything agrees with the card."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    modes, types = library.TensorIOMode, library.DataType
    inputs = [name for name in names if engine.get_tensor_mode(name) == modes.INPUT]
    outputs = [name for name in (*OUTPUTS, FEATURES) if name in names and name not in inputs]
    size, wrong = bundle.card.input.size, []
    if inputs != [INPUT]:
        wrong.append(f"its inputs are {inputs}, not [{INPUT!r}]")
    elif engine.get_tensor_dtype(INPUT) != types.UINT8 or tuple(engine.get_tensor_shape(INPUT))[
        1:
    ] != (size, size, 3):
        wrong.append(f"{INPUT} is not uint8 of (batch, {size}, {size}, 3)")
    if missing := [name for name in OUTPUTS if name not in outputs]:
        wrong.append(f"it has no output {', '.join(missing)}, only {names}")
    if strange := [name for name in outputs if engine.get_tensor_dtype(name) != types.FLOAT]:
        wrong.append(f"{', '.join(strange)} is not float32")
    if not wrong and bundle.card.kind == "engine" and _largest(engine) != bundle.card.max_batch:
        wrong.append(f"it takes {_largest(engine)} pictures, the card says {bundle.card.max_batch}")
    if wrong:
        raise BundleError(
            "the engine is not the one the card describes:\n  " + "\n  ".join(wrong),
            where=bundle.weights,
        )
    return outputs
