"""How the machine is while it is timed: heat, clocks, power mode, and what slowed it down.

What a system doesn't tell is left out, never guessed. NVIDIA's desktop driver tells through NVML;
a Jetson through files and ``nvpmodel``, since most of NVML is not supported there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

THERMAL = Path("/sys/class/thermal")
CPUS = Path("/sys/devices/system/cpu")

_THROTTLES = {
    "SwPowerCap": "power limit",
    "HwSlowdown": "hardware slowdown",
    "SwThermalSlowdown": "heat (driver)",
    "HwThermalSlowdown": "heat (hardware)",
    "HwPowerBrakeSlowdown": "power brake",
}
"""NVML's reasons for slower clocks that are not the user's own settings."""


def health(gpu: int | None = None) -> dict[str, Any]:
    """Plain data, as of now.

    Args:
        gpu: index of the GPU in use.
    """
    found: dict[str, Any] = {
        "temperatures_c": _temperatures(),
        "cpu_mhz": _cpu_mhz(),
        "power_mode": _power_mode(),
        "gpu": None if gpu is None else _gpu(gpu),
    }
    return {name: value for name, value in found.items() if value}


def throttled(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool | None:
    """Whether a GPU was slowed by heat or power at either time; None where nobody tells."""
    told = [state["gpu"].get("throttled_by") for state in (before, after) if "gpu" in state]
    known = [reasons for reasons in told if reasons is not None]
    return any(known) if known else None


def gpu_memory_mb(gpu: int) -> float | None:
    """Memory in use on the whole GPU; None where the driver doesn't tell."""
    used: float | None = _ask(
        gpu, lambda nvml, handle: nvml.nvmlDeviceGetMemoryInfo(handle).used / (1 << 20)
    )
    return used


def gpu_uuid(gpu: int) -> str | None:
    """What the driver calls it."""
    found: str | None = _ask(gpu, lambda nvml, handle: _text(nvml.nvmlDeviceGetUUID(handle)))
    return found


def _gpu(index: int) -> dict[str, Any] | None:
    found: dict[str, Any] | None = _ask(index, _gpu_facts)
    return found


def _gpu_facts(nvml: Any, handle: Any) -> dict[str, Any]:
    def ask(name: str, *args: Any) -> Any:
        try:
            return getattr(nvml, name)(*args)
        except nvml.NVMLError:
            return None  # not on this board

    reasons = ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
    if reasons is None:
        reasons = ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    limit = ask("nvmlDeviceGetEnforcedPowerLimit", handle)
    driver = ask("nvmlSystemGetDriverVersion")
    facts = {
        "name": _text(ask("nvmlDeviceGetName", handle)),
        "driver": _text(driver),
        "temperature_c": ask("nvmlDeviceGetTemperature", handle, nvml.NVML_TEMPERATURE_GPU),
        "sm_mhz": ask("nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_SM),
        "memory_mhz": ask("nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_MEM),
        "power_limit_w": None if limit is None else limit / 1000,
        "throttled_by": None if reasons is None else _reasons(nvml, reasons),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _reasons(nvml: Any, mask: int) -> list[str]:
    found = []
    for name, words in _THROTTLES.items():
        older = getattr(nvml, f"nvmlClocksThrottleReason{name}", 0)
        if mask & int(getattr(nvml, f"nvmlClocksEventReason{name}", older)):
            found.append(words)
    return found


def _ask(index: int, what: Any) -> Any:
    """Ask NVML of a GPU; None where there is no NVML.

    CUDA counts the fastest first unless ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, NVML by the bus: where
    GPUs of several kinds are in one machine, that must be set for the two to mean the same.
    """
    try:
        import pynvml
    except ImportError:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    name = visible[index].strip() if index < len(visible) else ""
    try:
        pynvml.nvmlInit()
        if name.startswith(("GPU-", "MIG-")):
            handle = pynvml.nvmlDeviceGetHandleByUUID(name)
        else:
            handle = pynvml.nvmlDeviceGetHandleByIndex(int(name) if name.isdigit() else index)
        return what(pynvml, handle)
    except pynvml.NVMLError:
        return None


def _temperatures() -> dict[str, float]:
    found = {}
    for zone in sorted(THERMAL.glob("thermal_zone*")):
        try:
            name = (zone / "type").read_text(encoding="ascii").strip()
            value = int((zone / "temp").read_text(encoding="ascii")) / 1000
        except (OSError, ValueError):
            continue
        if value > -100:  # some report a constant for a sensor that is off
            found[name if name not in found else f"{name} {zone.name[12:]}"] = value
    return found


def _cpu_mhz() -> float | None:
    """Mean of the cores' clocks."""
    clocks = []
    for path in CPUS.glob("cpu[0-9]*/cpufreq/scaling_cur_freq"):
        try:
            clocks.append(int(path.read_text(encoding="ascii")) / 1000)
        except (OSError, ValueError):
            return None
    return round(sum(clocks) / len(clocks), 1) if clocks else None


def _power_mode() -> str | None:
    """A Jetson's, by its own tool."""
    if shutil.which("nvpmodel") is None:
        return None
    try:
        done = subprocess.run(
            ["nvpmodel", "-q"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return " ".join(done.stdout.split()) or None


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else value
