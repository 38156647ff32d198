"""Energy that work takes, by the counters of GPUs and of CPU packages.

NVIDIA's driver counts a GPU's millijoules (NVML, since Volta); Linux counts a CPU package's
microjoules (RAPL, below ``/sys/class/powercap``, often for root alone). What other programs take
meanwhile is in the counts, and nothing else of the machine is: it is a lower bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
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
