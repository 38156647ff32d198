"""A stand-in for a GPU and for ``cuda.bindings.runtime``: memory, one device, streams that lag.

It is stricter than the real one. What is queued on a stream happens when the stream is waited for,
and not before, so a result read too early is wrong here every time. Memory is known by address and
size; copying from what is not pinned, beyond an end, or after it was freed, is an error.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from .strict import enums, surface

VERSIONS = {"12.9": 12090, "13.5": 13050}


class Pointer(int):
    """Of the binding's own types, which are no plain numbers but become one by int()."""


class Cuda:
    """The device, and the binding that reaches it.

    Attributes:
        room: bytes of device memory left.
        broken: name of the error that waiting for a stream ends in, once it is set.
        records: whether work can be recorded as a graph.
        log: what was done, in order: ``("copy", "in", bytes)``, ``("launch",)`` and the like.
    """

    def __init__(
        self, version: str, *, devices: int = 1, integrated: bool = False, driver: int = 13000
    ) -> None:
        listed = surface(f"cuda-{version}")
        self.room, self.broken, self.records = 1 << 31, "", True
        self.log: list[tuple[Any, ...]] = []
        self._kinds = enums(listed)
        self._error = self._kinds["cudaError_t"]
        self._devices, self._integrated, self._driver = devices, integrated, driver
        self._runtime = VERSIONS[version]
        self._memory: dict[int, tuple[str, np.ndarray]] = {}
        self._mapped: dict[int, int] = {}
        self._queues: dict[int, list[Callable[[], None]]] = {}
        self._recording: dict[int, list[Callable[[], None]]] = {}
        self._graphs: dict[int, list[Callable[[], None]]] = {}
        self._next = 0x1000
        self.module = types.ModuleType("cuda.bindings.runtime")
        for name, value in {**self._kinds, **listed["constants"]}.items():
            setattr(self.module, name, value)
        fields = set(listed["device"])
        for name, parameters in listed["functions"].items():
            setattr(self.module, name, self._counted(name, len(parameters)))
        self._fields = fields

    def _counted(self, name: str, count: int) -> Callable[..., Any]:
        does = getattr(self, f"_{name}", None)

        def call(*args: Any) -> Any:
            if len(args) != count:
                raise TypeError(f"{name} takes {count} argument(s), {len(args)} were given")
            if does is None:
                raise NotImplementedError(f"{name} is not done by this double")
            return does(*args)

        return call

    def _new(self) -> int:
        self._next += 0x1000
        return self._next

    def _ok(self, *values: Any) -> tuple[Any, ...]:
        return (self._error.cudaSuccess, *values)

    def _no(self, name: str, *values: Any) -> tuple[Any, ...]:
        return (self._error[name], *(values or (None,)))

    # -- the device

    def _cudaGetDeviceCount(self) -> Any:
        if not self._devices:
            return self._no("cudaErrorNoDevice")
        return self._ok(self._devices)

    def _cudaSetDevice(self, index: int) -> Any:
        return self._ok() if 0 <= index < self._devices else self._no("cudaErrorInvalidDevice")

    def _cudaGetDeviceProperties(self, index: int) -> Any:
        facts = {"name": b"Double GPU\0\0", "major": 8, "minor": 7}
        told = types.SimpleNamespace(**facts, integrated=int(self._integrated))
        missing = set(vars(told)) - self._fields
        if missing:
            raise AssertionError(f"cudaDeviceProp has no {missing}")
        return self._ok(told)

    def _cudaDriverGetVersion(self) -> Any:
        return self._ok(self._driver)

    def _cudaRuntimeGetVersion(self) -> Any:
        return self._ok(self._runtime)

    def _cudaGetErrorString(self, error: Any) -> Any:
        return self._ok(f"words for {error.name}".encode())

    # -- memory

    def _cudaMalloc(self, size: int) -> Any:
        if size > self.room:
            return self._no("cudaErrorMemoryAllocation")
        self.room -= size
        return self._ok(Pointer(self._take("device", size)))

    def _cudaHostAlloc(self, size: int, flags: int) -> Any:
        mapped = flags == self.module.cudaHostAllocMapped
        address = self._take("mapped" if mapped else "pinned", size)
        return self._ok(Pointer(address))

    def _take(self, kind: str, size: int) -> int:
        array = np.full(size, 0xA5, np.uint8)  # nothing is zero by chance
        # what the processor writes to must have its true address
        address = self._new() << 20 if kind == "device" else array.ctypes.data
        self._memory[address] = (kind, array)
        return address

    def _cudaHostGetDevicePointer(self, host: Any, flags: int) -> Any:
        if self._memory[int(host)][0] != "mapped" or flags:
            return self._no("cudaErrorInvalidValue")
        address = self._new() << 20
        self._mapped[address] = int(host)
        return self._ok(Pointer(address))

    def _cudaFree(self, address: Any) -> Any:
        _, array = self._memory.pop(int(address))
        self.room += array.size
        return self._ok()

    def _cudaFreeHost(self, address: Any) -> Any:
        self._memory.pop(int(address))
        return self._ok()

    def view(self, address: int, size: int) -> np.ndarray:
        """The first bytes of device memory at an address, for a kernel to read or write."""
        address = self._mapped.get(address, address)
        kind, array = self._memory[address]
        assert kind in ("device", "mapped"), f"a kernel can't reach {kind} memory"
        assert size <= array.size, f"{size} bytes of {array.size}"
        return array[:size]

    @property
    def held(self) -> int:
        """How many pieces of memory are taken."""
        return len(self._memory)

    def _cudaMemcpyAsync(self, to: int, source: int, count: int, kind: Any, stream: Any) -> Any:
        kinds = self._kinds["cudaMemcpyKind"]
        expected = {
            kinds.cudaMemcpyHostToDevice: ("device", "pinned"),
            kinds.cudaMemcpyDeviceToHost: ("pinned", "device"),
        }[kind]
        found = tuple(self._memory[int(address)][0] for address in (to, source))
        assert found == expected, f"{kind.name} from {found[1]} to {found[0]}"
        target, origin = (self._memory[int(address)][1] for address in (to, source))
        assert count <= min(target.size, origin.size)
        way = "in" if expected[0] == "device" else "out"

        def copy() -> None:
            target[:count] = origin[:count]
            self.log.append(("copy", way, count))

        return self.queue(int(stream), copy)

    # -- streams and graphs

    def _cudaStreamCreateWithFlags(self, flags: int) -> Any:
        assert flags == self.module.cudaStreamNonBlocking
        handle = self._new()
        self._queues[handle] = []
        return self._ok(Pointer(handle))

    def _cudaStreamDestroy(self, stream: Any) -> Any:
        del self._queues[int(stream)]
        return self._ok()

    def queue(self, stream: int, work: Callable[[], None]) -> Any:
        """Queue work, or record it."""
        self._recording.get(stream, self._queues[stream]).append(work)
        return self._ok()

    def _cudaStreamSynchronize(self, stream: Any) -> Any:
        if int(stream) in self._recording:
            return self._no("cudaErrorStreamCaptureUnsupported")
        work, self._queues[int(stream)] = self._queues[int(stream)], []
        for each in work:
            each()
        return (self._error[self.broken],) if self.broken else self._ok()

    def _cudaStreamBeginCapture(self, stream: Any, mode: Any) -> Any:
        assert isinstance(mode, self._kinds["cudaStreamCaptureMode"])
        self._recording[int(stream)] = []
        return self._ok()

    def _cudaStreamEndCapture(self, stream: Any) -> Any:
        work = self._recording.pop(int(stream))
        if not self.records:
            return self._no("cudaErrorStreamCaptureInvalidated")
        handle = self._new()
        self._graphs[handle] = work
        return self._ok(Pointer(handle))

    def recording(self, stream: int) -> bool:
        """Whether a stream is being recorded."""
        return stream in self._recording

    def _cudaGraphInstantiate(self, graph: Any, flags: int) -> Any:
        assert flags == 0
        handle = self._new()
        self._graphs[handle] = self._graphs[int(graph)]
        return self._ok(Pointer(handle))

    def _cudaGraphLaunch(self, graph: Any, stream: Any) -> Any:
        self.log.append(("launch",))
        for each in self._graphs[int(graph)]:
            self.queue(int(stream), each)
        return self._ok()

    def _cudaGraphDestroy(self, graph: Any) -> Any:
        del self._graphs[int(graph)]
        return self._ok()

    _cudaGraphExecDestroy = _cudaGraphDestroy
