"""What this machine has, what it lacks, and what would reach for the network: to be read before a
machine loses its connection, and after."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output

SWITCHES = (
    "KIT_DATA", "KIT_WEIGHTS", "KIT_CACHE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS",
    "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE",
)  # fmt: skip
"""Environment variables that change what the kit does."""

FOLDERS = ("KIT_DATA", "KIT_WEIGHTS")

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
    from kit.cli.list import backends, datasets
    from kit.runtime.machine import cores

    found, (here, faults), places = packages(), weights(), folders()
    result = {
        "kit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": cores(),
        "gpus": gpus(),
        "packages": found,
        "backends": {row["name"]: row["missing"] for row in backends()},
        "weights": here,
        "datasets": {row["name"]: row["here"] for row in datasets()},
        "environment": {
            name: _SECRET.sub("//...@", os.environ[name]) for name in SWITCHES if name in os.environ
        },
        "folders": places,
        "network": NETWORK,
        "vendors": vendors(),
        "problems": [*problems(found), *faults, *unusable(places)],
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


def weights() -> tuple[dict[str, str | None], list[str]]:
    """Where the weights of each model card lie, and what is wrong with files that are there."""
    from kit import weights as store
    from kit.cards import ModelCard, card_names, load_card
    from kit.errors import WeightsError
    from kit.files import sha256_file

    here: dict[str, str | None] = {}
    faults = []
    cards = {name: load_card(ModelCard, name) for name in card_names(ModelCard)}
    known = {card.weights.sha256 for card in cards.values() if card.weights}
    for name, card in cards.items():
        path = None
        try:
            path = store.locate(card)
        except WeightsError as error:
            faults.append(str(error).replace("\n  -> ", ": "))
        if path is None:
            faults += [
                f"{other} is not the file of the model {name}: its sha256 differs from the card's"
                for other in store.kept(card)
                if sha256_file(other) not in known  # two models' files may have one name
            ]
        here[name] = str(path) if path else None
    return here, faults


def folders() -> dict[str, dict[str, Any]]:
    """The places outside the output that the kit reads or writes: whether they are there, whether
    they may be written to, and what is free, in GB (10^9 bytes)."""
    from kit.cards import cache_folder

    named = {name: Path(os.environ[name]) for name in FOLDERS if os.environ.get(name)}
    told = {}
    for name, path in {"cache": cache_folder(), **named}.items():
        above = next(each for each in (path, *path.absolute().parents) if each.exists())
        told[name] = {
            "path": str(path),
            "there": path.is_dir(),
            "writable": above.is_dir() and os.access(above, os.W_OK | os.X_OK),
            "free_gb": round(shutil.disk_usage(above).free / 1e9, 1),
        }
    return told


def unusable(places: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Folders that are named and can't serve."""
    wrong = [
        f"{name} names {place['path']}, which is no folder"
        for name, place in places.items()
        if name != "cache" and not place["there"]
    ]
    if not places["cache"]["writable"]:
        wrong.append(
            f"the cache {places['cache']['path']} can't be written to: set KIT_CACHE to a folder "
            "that can"
        )
    return wrong


def vendors() -> list[dict[str, Any]]:
    """Who would reach for the network, installed or not: what holds it, which file of the kit sets
    that before its import, and which variables here say otherwise."""
    from kit.offline import held

    return [
        {
            "package": each.vendor.package,
            "version": _any_version(each.vendor.package),
            "reaches": each.vendor.reaches,
            "switches": dict(each.vendor.switches),
            "unset": list(each.vendor.unset),
            "set_by": each.vendor.importer,
            "against": list(each.against),
        }
        for each in held()
    ]


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


def _any_version(name: str) -> str | None:
    """Of a package, or of another that unpacks into the same folder."""
    return next(filter(None, map(_version, _ONE_FOLDER.get(name, (name,)))), None)


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
        if lacking := [name for name, version in wanted.items() if version is None]:
            out.print(f"    missing {len(lacking)} of it: pip install 'detector-kit[{extra}]'")
    out.print("\nbackends")
    for name, reason in result["backends"].items():
        out.print(f"  {name}: {reason or 'can run here'}")
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
    out.print("\nfolders")
    for name, place in result["folders"].items():
        state = "writable" if place["writable"] else "read only"
        state = state if place["there"] else f"not there yet, {state}"
        out.print(f"  {name}: {place['path']} ({state}, {place['free_gb']} GB free)")
    _print_network(result, out)
    for problem in result["problems"]:
        out.print(f"PROBLEM: {problem}")


def _print_network(result: Mapping[str, Any], out: Output) -> None:
    out.print(f"\nreaches for the network: {result['network']}")
    out.print("  would, if the kit let it:")
    for vendor in result["vendors"]:
        if vendor["version"] is None or not (vendor["switches"] or vendor["unset"]):
            continue
        switches = [f"{name}={value}" for name, value in vendor["switches"].items()]
        switches += [f"no {name}" for name in vendor["unset"]]
        by = f"set by {vendor['set_by']}" if vendor["set_by"] else "the kit never imports it"
        out.print(
            f"    {vendor['package']} {vendor['version']}: {vendor['reaches']}\n"
            f"      held by {' '.join(switches)} ({by})"
        )
    for vendor in result["vendors"]:
        if vendor["against"]:
            out.print(
                f"  note: {', '.join(vendor['against'])} in this environment would let "
                f"{vendor['package']} out; the kit overrules it, other programs here don't"
            )
