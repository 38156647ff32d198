"""What this machine is: cores that may be used, and the names of its processors."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path


def cores() -> int:
    """Cores this process may use: a container's share, not the whole machine's.

    An engine that starts a thread per core of the machine inside a container that may use two of
    them is several times slower than with two threads.
    """
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        usable = os.cpu_count() or 1
    quota, _, period = _read(Path("/sys/fs/cgroup/cpu.max")).partition(" ")
    if quota.isdigit() and period.isdigit():
        usable = min(usable, max(1, math.ceil(int(quota) / int(period))))
    return usable


def cpu_name() -> str:
    """The processor in its maker's words."""
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return value.strip()
    return platform.processor() or platform.machine()


def gpu_name(index: int = 0) -> str:
    """The NVIDIA GPU in its maker's words, as its driver (or the board's device tree) tells."""
    for place, path in enumerate(sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))):
        for line in _read(path).splitlines():
            if place == index and line.startswith("Model:"):
                return line.partition(":")[2].strip()
    return _read(Path("/proc/device-tree/model")).strip("\0 \n") or f"CUDA device {index}"


def gpu_driver() -> str:
    """Version of NVIDIA's kernel driver; empty where there is none."""
    for word in _read(Path("/proc/driver/nvidia/version")).split("\n")[0].split():
        if word.count(".") >= 1 and word.replace(".", "").isdigit():
            return word
    return ""


def governor() -> str | None:
    """How the first core's clock is governed, where the system tells."""
    return _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")).strip() or None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
