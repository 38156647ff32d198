"""What this machine has and lacks: packages, weights, datasets, GPU, network."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output

SWITCHES = (
    "KIT_DATA", "KIT_WEIGHTS", "KIT_CACHE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS",
    "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE",
)  # fmt: skip
"""Environment variables that change what the kit does."""

NETWORK = "nothing, unless asked: kit fetch, kit data fetch, and --download"

_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:.*extra\s*==\s*['\"]([^'\"]+)['\"])?")
_SECRET = re.compile(r"//[^/@\s]+@")
"""User and password in a proxy's address."""

_ONE_FOLDER = {
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python",
            "opencv-contrib-python-headless"),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
}  # fmt: skip
"""Distributions that unpack into one folder: where two are installed, neither is whole."""


def arguments(_parser: argparse.ArgumentParser) -> None:
    """It takes none of its own."""


def run(_args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit import __version__
    from kit.cli.list import datasets, models
    from kit.runtime.machine import cores

    found = packages()
    result = {
        "kit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": cores(),
        "gpus": gpus(),
        "packages": found,
        "weights": {row["name"]: row["here"] for row in models()},
        "datasets": {row["name"]: row["here"] for row in datasets()},
        "environment": {
            name: _SECRET.sub("//...@", os.environ[name]) for name in SWITCHES if name in os.environ
        },
        "network": NETWORK,
        "problems": problems(found),
    }
    _print(result, out)
    return result


def packages() -> dict[str, dict[str, str | None]]:
    """Installed version of every package the kit asks for, or None, by extra (``core`` first)."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        wanted = requires("detector-kit") or []
    except PackageNotFoundError:  # run from a checkout that was never installed
        return {}
    found: dict[str, dict[str, str | None]] = {"core": {}}
    for text in wanted:
        if match := _REQUIREMENT.match(text):
            name, extra = match.groups()
            found.setdefault(extra or "core", {})[name] = _version(name)
    return found


def problems(found: Mapping[str, Mapping[str, str | None]]) -> list[str]:
    """What is wrong with the installation itself; a missing extra is not."""
    wrong = []
    if not found:
        wrong.append("the kit is not installed as a package, so its extras are unknown: make setup")
    for name, version in found.get("core", {}).items():
        if version is None:
            wrong.append(f"the core package {name} is missing: pip install {name}")
    for folder, names in _ONE_FOLDER.items():
        there = [name for name in names if _version(name)]
        if len(there) > 1:
            wrong.append(
                f"{' and '.join(there)} both unpack into the folder {folder}: "
                f"pip uninstall {' '.join(there)}, then install one of them again"
            )
    return wrong


def gpus() -> list[str]:
    """Name, memory and driver of each NVIDIA GPU, as the driver's own tool tells them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in told.stdout.splitlines() if line.strip()]


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _print(result: Mapping[str, Any], out: Output) -> None:
    out.print(
        f"kit {result['kit']}, Python {result['python']}, {result['cpus']} CPUs, "
        f"{', '.join(result['gpus']) or 'no GPU'}\n{result['platform']}\n"
    )
    out.print("packages")
    for extra, wanted in result["packages"].items():
        there = [f"{name} {version or '(missing)'}" for name, version in wanted.items()]
        out.print(f"  {extra}: {', '.join(there)}")
    for what, hint in (("weights", "kit fetch NAME"), ("datasets", "kit data fetch NAME")):
        here = {name: path for name, path in result[what].items() if path}
        away = [name for name, path in result[what].items() if not path]
        out.print(f"\n{what}")
        for name, path in here.items():
            out.print(f"  {name}: {path}")
        if away:
            out.print(f"  not here ({hint}): {', '.join(away)}")
    out.print("\nenvironment")
    for name, value in result["environment"].items():
        out.print(f"  {name}={value}")
    out.print(f"\nreaches for the network: {result['network']}")
    for problem in result["problems"]:
        out.print(f"PROBLEM: {problem}")
