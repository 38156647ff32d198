"""The little of CUDA that an engine needs, through NVIDIA's own binding: memory, a stream, a graph.

Every call of that binding returns an error and then its values; :func:`check` turns the error into
one of ours. Nothing here is imported before a GPU is asked for.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.errors import OutOfMemory, RunFailed, UsageError


def runtime() -> Any:
    """NVIDIA's binding of the CUDA runtime."""
    from cuda.bindings import runtime

    return runtime


def check(answer: tuple[Any, ...], doing: str = "") -> Any:
    """The value of a call, or its values where there are several.

    Raises:
        OutOfMemory: the device has no room.
        RunFailed: anything else, in CUDA's words.
    """
    error, *values = answer
    codes = runtime().cudaError_t
    if error != codes.cudaSuccess:
        kind = OutOfMemory if error == codes.cudaErrorMemoryAllocation else RunFailed
        raise kind(f"CUDA failed{doing and ' ' + doing} ({_words(error)})", fix=_advice(error))
    return values[0] if len(values) == 1 else tuple(values)


@dataclass(frozen=True)
class Device:
    """A GPU.

    Attributes:
        index: as CUDA counts.
        name: its maker's.
        capability: compute capability, ``8.7``.
        integrated: whether it shares the processor's memory, as on Jetson.
        driver, cuda: versions of CUDA that the driver takes and that the binding was made for.
    """

    index: int
    name: str
    capability: str
    integrated: bool
    driver: str
    cuda: str


def device(index: int) -> Device:
    """Make a GPU this thread's own, and say what it is.

    Raises:
        UsageError: there is none of this index, or no driver.
    """
    cudart = runtime()
    error, count = cudart.cudaGetDeviceCount()
    if error != cudart.cudaError_t.cudaSuccess or not count:
        why = "there is none" if error == cudart.cudaError_t.cudaSuccess else _words(error)
        raise UsageError(
            f"no NVIDIA GPU can be used ({why})",
            fix="see `nvidia-smi`; in a container, start it with --gpus all",
        )
    if index >= count:
        raise UsageError(
            f"there is no GPU {index}, only {count}", where=f"cuda:{index}", fix="--device cuda:0"
        )
    check(cudart.cudaSetDevice(index))
    facts = check(cudart.cudaGetDeviceProperties(index))
    return Device(
        index=index,
        name=_text(facts.name),
        capability=f"{facts.major}.{facts.minor}",
        integrated=bool(facts.integrated),
        driver=_version(check(cudart.cudaDriverGetVersion())),
        cuda=_version(check(cudart.cudaRuntimeGetVersion())),
    )


class Stream:
    """One queue of work."""

    def __init__(self) -> None:
        cudart = runtime()
        # one that never waits for the legacy stream of other libraries in this process
        self.handle = check(cudart.cudaStreamCreateWithFlags(cudart.cudaStreamNonBlocking))
        self._end = weakref.finalize(self, _drop, cudart.cudaStreamDestroy, self.handle)

    def __int__(self) -> int:
        return int(self.handle)

    def wait(self) -> None:
        """Until everything queued is done; an error of any of it is raised here."""
        check(runtime().cudaStreamSynchronize(self.handle), "while it ran")


class Buffer:
    """An array on both sides: pinned memory here, and the same on the device.

    Where the GPU shares the processor's memory both are one, mapped into the GPU's addresses, and
    nothing is copied.

    Attributes:
        host: the array here; what a run reads and writes.
        address: of the device's side.
    """

    def __init__(self, shape: tuple[int, ...], dtype: type[np.generic], *, mapped: bool) -> None:
        cudart = runtime()
        self._mapped = mapped
        self._bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        flags = cudart.cudaHostAllocMapped if mapped else cudart.cudaHostAllocDefault
        pinned = check(cudart.cudaHostAlloc(self._bytes, flags), self._doing())
        self._ends = [weakref.finalize(self, _drop, cudart.cudaFreeHost, pinned)]
        memory = (ctypes.c_uint8 * self._bytes).from_address(int(pinned))
        self.host: NDArray[Any] = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
        self._pinned = int(pinned)
        if mapped:
            self.address = int(check(cudart.cudaHostGetDevicePointer(pinned, 0)))
        else:
            address = check(cudart.cudaMalloc(self._bytes), self._doing())
            self._ends.append(weakref.finalize(self, _drop, cudart.cudaFree, address))
            self.address = int(address)

    def to_device(self, rows: int, stream: Stream) -> None:
        """Queue the copy of the first rows to the device."""
        kind = runtime().cudaMemcpyKind
        self._copy(self.address, self._pinned, rows, kind.cudaMemcpyHostToDevice, stream)

    def to_host(self, rows: int, stream: Stream) -> None:
        """Queue the copy of the first rows from the device."""
        kind = runtime().cudaMemcpyKind
        self._copy(self._pinned, self.address, rows, kind.cudaMemcpyDeviceToHost, stream)

    def _copy(self, to: int, source: int, rows: int, kind: Any, stream: Stream) -> None:
        if not self._mapped:
            count = rows * (self._bytes // len(self.host))
            check(runtime().cudaMemcpyAsync(to, source, count, kind, stream.handle))

    def _doing(self) -> str:
        return f"taking {self._bytes / 2**20:.0f} MiB"


class Graph:
    """Queued work recorded once, and queued again with one call."""

    def __init__(self, work: Callable[[], bool], stream: Stream) -> None:
        """Record what ``work`` queues.

        Raises:
            RunFailed: it can't be recorded.
        """
        cudart = runtime()
        # other threads may go on with work of their own meanwhile
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        check(cudart.cudaStreamBeginCapture(stream.handle, mode))
        queued = False
        try:
            queued = work()
        finally:  # whatever happened, the stream must end its recording to be of use again
            ended = cudart.cudaStreamEndCapture(stream.handle)
        graph = check(ended, "recording a graph")
        try:
            if not queued:
                raise RunFailed("the engine can't be recorded as a CUDA graph")
            self._made = check(cudart.cudaGraphInstantiate(graph, 0), "recording a graph")
        finally:
            _drop(cudart.cudaGraphDestroy, graph)
        self._end = weakref.finalize(self, _drop, cudart.cudaGraphExecDestroy, self._made)

    def launch(self, stream: Stream) -> None:
        """Queue it."""
        check(runtime().cudaGraphLaunch(self._made, stream.handle))


def _drop(end: Callable[[Any], Any], thing: Any) -> None:
    """Give something back; where that fails the GPU is gone, and it with it."""
    end(thing)


def _words(error: Any) -> str:
    told = runtime().cudaGetErrorString(error)
    return f"{_text(told[1])}, {getattr(error, 'name', error)}"


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.partition("\0")[0].strip()


def _version(number: int) -> str:
    """``12060`` is CUDA 12.6."""
    return f"{number // 1000}.{number % 1000 // 10}"


_LOST = {
    "cudaErrorNoDevice", "cudaErrorDevicesUnavailable", "cudaErrorECCUncorrectable",
    "cudaErrorHardwareStackError", "cudaErrorIllegalAddress", "cudaErrorLaunchFailure",
    "cudaErrorSystemNotReady", "cudaErrorUnknown",
}  # fmt: skip
"""After these nothing more can be done with the GPU in this process."""


def _advice(error: Any) -> str | None:
    name = getattr(error, "name", "")
    if name == "cudaErrorMemoryAllocation":
        return "end what else uses the GPU, or ask for a smaller batch"
    if name in _LOST:
        return "the GPU is lost to this process: look at `dmesg` and `nvidia-smi`, and start again"
    return None
