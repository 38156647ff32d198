"""What a time was measured on: without it, a number can't be compared with another."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kit import __version__
from kit.cards import ROOT
from kit.runtime import machine

_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "opencv-python-headless", "numpy")


def environment(threads: int | None) -> dict[str, Any]:
    """Plain data; what this system doesn't tell is None.

    Args:
        threads: as asked for; None means every core.
    """
    return {
        "cpu": machine.cpu_name(),
        "cores": machine.cores(),
        "threads": threads or machine.cores(),
        "governor": machine.governor(),
        "load_average": _load(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "kit": __version__,
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "commit": commit(),
    }


def commit() -> str | None:
    """Of the checkout the kit runs from, and whether its code differs; None outside of one."""
    if not (ROOT / ".git").exists():
        return None  # installed: a repository around it would be another's
    try:
        number = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "kit", "benchmarks", "models", "recipes")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{number} with changes" if changed else number


class PeakMemory:
    """Peak resident memory of this process, from the moment it is made where Linux allows a reset,
    else since the process began."""

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            self._reset = True
        except OSError:
            self._reset = False

    def megabytes(self) -> float | None:
        """None where the system doesn't tell."""
        try:
            if self._reset:
                for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
                    if line.startswith("VmHWM:"):
                        return int(line.split()[1]) / 1024
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
        except (OSError, ImportError):
            return None


def throttle_count() -> int | None:
    """How often the cores were slowed for heat since the start, or None where nobody counts."""
    files = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")
    try:
        counts = [int(path.read_text(encoding="ascii")) for path in files]
    except (OSError, ValueError):
        return None
    return sum(counts) if counts else None


def _git(*words: str) -> str:
    command = ["git", "--no-optional-locks", *words]  # it would write to the checkout
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _load() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
