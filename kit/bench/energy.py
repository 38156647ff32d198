"""Energy that work takes, by the counters of GPUs and of CPU packages, or a board's own meter.

NVIDIA's driver counts a GPU's millijoules (NVML, since Volta); Linux counts a CPU package's
microjoules (RAPL, below ``/sys/class/powercap``, often for root alone). What other programs take
meanwhile is in the counts, and nothing else of the machine is: it is a lower bound. A Jetson has
neither, but an INA3221 on its supply rails, which tells the power of the moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
INA3221 = Path("/sys/bus/i2c/drivers/ina3221")
_BOARD = ("VDD_IN", "VIN_SYS_5V0")
"""Rails that feed a whole board: Orin Nano and NX; what is nearest to it on AGX."""

_JOULES = 3600.0  # in a watt hour


class Meter:
    """Adds up what its counters have counted since it was made.

    Args:
        counters: by name, each tells its joules so far, and at how many it begins anew (0: never).
    """

    def __init__(self, counters: Mapping[str, Callable[[], tuple[float, float]]]) -> None:
        self._counters = dict(counters)
        self._last = {name: read()[0] for name, read in self._counters.items()}
        self._joules = 0.0

    def watt_hours(self) -> float | None:
        """So far; None where nothing counts. To be asked more often than counters begin anew, which
        a CPU package's does within an hour or so of full load."""
        if not self._counters:
            return None
        for name, read in self._counters.items():
            now, turn = read()
            passed = now - self._last[name]
            self._joules += passed + turn if passed < 0 else passed
            self._last[name] = now
        return self._joules / _JOULES


def meter(gpus: Sequence[str] = (), *, cpu: bool = True, powercap: Path = POWERCAP) -> Meter:
    """A meter of what this machine can count.

    Args:
        gpus: UUIDs (``GPU-...``); where one of them counts nothing, there is no meter at all, since
            the rest would be told as the whole.
        cpu: count CPU packages too.
    """
    counters = {}
    for uuid in gpus:
        counter = _gpu(uuid)
        if counter is None:
            return Meter({})
        counters[uuid] = counter
    if cpu:
        counters |= _packages(powercap)
    return Meter(counters)


class Rails:
    """Mean power of a board, read again and again by a thread of its own while the work goes on."""

    def __init__(self, folder: Path = INA3221, *, every: float = 0.1) -> None:
        self._rail, self._every = _rail(folder), every
        self._watts: list[float] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        if self._rail is not None:
            self._thread.start()

    def stop(self) -> float | None:
        """End the looking; watts, or None where the board has no such meter."""
        self._done.set()
        if self._rail is None:
            return None
        self._thread.join()
        return sum(self._watts) / len(self._watts) if self._watts else None

    def _look(self) -> None:
        assert self._rail is not None
        while not self._done.is_set():
            with suppress(OSError, ValueError):
                self._watts.append(self._rail())
            self._done.wait(self._every)


def _rail(folder: Path) -> Callable[[], float] | None:
    """Reads the watts of the board's own rail, or None where it has none."""
    labels = {}
    for path in sorted(folder.glob("*/hwmon/hwmon*/in*_label")):
        with suppress(OSError):
            labels[path.read_text(encoding="ascii").strip()] = path
    for name in _BOARD:
        if name in labels:
            volts = labels[name].with_name(labels[name].name.replace("_label", "_input"))
            amperes = volts.with_name(volts.name.replace("in", "curr", 1))
            return lambda: int(volts.read_text()) * int(amperes.read_text()) / 1e6  # mV and mA
    return None


def _gpu(uuid: str) -> Callable[[], tuple[float, float]] | None:
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return None
    return lambda: (pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3, 0.0)


def _packages(powercap: Path) -> dict[str, Callable[[], tuple[float, float]]]:
    found: dict[str, Callable[[], tuple[float, float]]] = {}
    for zone in sorted(powercap.glob("intel-rapl:*")):  # AMD's packages are called so too
        if zone.name.count(":") > 1:
            continue  # a part of a package
        with suppress(OSError, ValueError):
            counter = _zone(zone)
            counter()
            found[zone.name] = counter
    return found


def _zone(zone: Path) -> Callable[[], tuple[float, float]]:
    def read() -> tuple[float, float]:
        now, most = (
            int((zone / name).read_text()) for name in ("energy_uj", "max_energy_range_uj")
        )
        return now / 1e6, most / 1e6

    return read
