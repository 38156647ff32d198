"""The wheels of a parcel: exactly those that a lock wants on the machine they are for.

A folder of wheels, as `pip download` fills one, is held to the lock: every wheel is one the lock
names with its sha256, fits the machine, and every package that the lock wants there has one. Then
pip needs no judgement on the other side, and no index.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from kit.errors import MissingPackage, UsageError
from kit.files import sha256_file
from kit.parcel.manifest import Target
from kit.supply.component import Component, normal
from kit.supply.inventory import read_wheel
from kit.supply.lock import Pin, read_lock

OWN = "detector-kit"
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Wheels:
    """What is carried of a lock.

    Attributes:
        lock: its name.
        files: wheels by file name.
        components: what they say of themselves.
        requirements: the lock cut down to them, with the kit's own wheel.
    """

    lock: str
    target: Target
    files: Mapping[str, Path]
    components: tuple[Component, ...]
    requirements: str


def this_machine() -> Target:
    """The Python and the processor that run this."""
    return Target(f"3.{sys.version_info.minor}", platform.machine().lower())


def gather(folder: Path, lock: Path, target: Target, own: Path) -> Wheels:
    """Hold a folder of wheels to a lock.

    Args:
        own: the kit's own wheel, in that folder or elsewhere.

    Raises:
        UsageError: a wheel that the lock doesn't name, of other content, for another machine, or
            one missing: all of these are named.
    """
    pins = [pin for pin in read_lock(lock) if pin.wanted(_environment(target))]
    if not folder.is_dir():
        raise UsageError("there is no such folder", where=folder, fix=_download(lock, target))
    found: dict[Pin, Path] = {}
    wrong: list[str] = []
    for path in sorted(folder.iterdir()):
        if path == own:
            continue
        if isinstance(told := _check(path, pins, target), str):
            wrong.append(f"{path.name}: {told}")
        elif told in found:
            wrong.append(f"{path.name}: {found[told].name} is the same package")
        else:
            found[told] = path
    wrong += [
        f"{pin.name} {pin.version} is missing"
        for pin in pins
        if pin not in found and pin.name != OWN
    ]
    if wrong:
        raise UsageError(
            "\n  ".join([f"not the wheels of {lock.name} for {_words(target)}", *wrong]),
            where=folder,
            fix=_download(lock, target),
        )
    return _wheels(lock, target, found, own)


def own_wheel(folder: Path) -> Path | None:
    """The kit's own wheel in a folder; None where there is none.

    Raises:
        UsageError: there are several.
    """
    found = sorted(path for path in folder.glob("detector_kit-*.whl"))
    if len(found) > 1:
        raise UsageError(f"{len(found)} wheels of the kit itself: keep one", where=folder)
    return found[0] if found else None


def build_own(folder: Path) -> Path:
    """The kit's own wheel, built by hatchling from the checkout it runs from.

    Raises:
        UsageError: it runs from no checkout.
        MissingPackage: hatchling is not installed.
    """
    if not (_ROOT / "pyproject.toml").is_file():
        raise UsageError(
            "the kit's own wheel is needed, and there is no checkout here to build it from",
            fix="put detector_kit-VERSION-py3-none-any.whl among the wheels",
        )
    if find_spec("hatchling") is None:
        raise MissingPackage("hatchling", "dev")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    told = subprocess.run(
        command,
        cwd=_ROOT,
        env={"SOURCE_DATE_EPOCH": "315532800", **os.environ},  # the first day a zip can tell
        capture_output=True,
        text=True,
        check=False,
    )
    built = sorted(folder.glob("*.whl"))
    if told.returncode or len(built) != 1:
        reason = (told.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UsageError(f"the kit's own wheel can't be built ({reason})", where=_ROOT)
    return built[0]


def _wheels(lock: Path, target: Target, found: Mapping[Pin, Path], own: Path) -> Wheels:
    paths = [*found.values(), own]
    components = tuple(read_wheel(path) for path in paths)
    if components[-1].name != OWN:
        raise UsageError("not the kit's own wheel", where=own)
    for (pin, path), told in zip(found.items(), components, strict=False):
        if told.name != pin.name or not _same(told.version, pin.version):
            raise UsageError(f"it says it is {told.name} {told.version}", where=path)
    lines = [
        f"{told.name}=={told.version} --hash=sha256:{told.sha256[0]}"
        for told in sorted(components, key=lambda each: each.name)
    ]
    return Wheels(
        lock=lock.stem,
        target=target,
        files={path.name: path for path in paths},
        components=tuple(sorted(components, key=lambda each: each.name)),
        requirements="\n".join(lines) + "\n",
    )


def _check(path: Path, pins: Iterable[Pin], target: Target) -> Pin | str:
    """The line of the lock that a wheel answers, or why it answers none."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
    from packaging.version import InvalidVersion

    if path.is_symlink() or not path.is_file():
        return "not a plain file"
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except (InvalidWheelFilename, InvalidVersion):
        return "not a wheel" + (
            ": a machine without a network can't build it" if ".tar" in path.name else ""
        )
    named = [pin for pin in pins if pin.name == normal(name)]
    if not named:
        return "the lock doesn't want it there"
    fits = [pin for pin in named if _same(pin.version, str(version))]
    if not fits:
        return f"the lock wants {' or '.join(pin.version for pin in named)}"
    if sha256_file(path) not in fits[0].sha256:
        return "its sha256 is none of those in the lock"
    if not _fits({str(tag) for tag in tags}, target):
        return f"it is not for {_words(target)}"
    return fits[0]


def _same(one: str, other: str) -> bool:
    """Whether two spellings are one version."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _fits(tags: set[str], target: Target) -> bool:
    """Whether one of a wheel's tags is for the machine; any glibc will do, its age isn't known."""
    from packaging.tags import compatible_tags, cpython_tags

    minor = int(target.python.partition(".")[2])
    platforms = [
        f"linux_{target.machine}",  # never none: packaging would take this machine's
        *sorted(
            name
            for name in {tag.rpartition("-")[2] for tag in tags}
            if name.startswith("manylinux") and name.endswith(f"_{target.machine}")
        ),
    ]
    version, interpreter = (3, minor), f"cp3{minor}"
    known = [
        *cpython_tags(version, abis=[interpreter], platforms=platforms),
        *compatible_tags(version, interpreter, platforms=platforms),
    ]
    return not tags.isdisjoint(map(str, known))


def _environment(target: Target) -> dict[str, str]:
    """PEP 508's names for a machine."""
    try:
        from packaging.markers import default_environment
    except ModuleNotFoundError as error:
        raise MissingPackage("packaging", "supply") from error
    here = {key: str(value) for key, value in default_environment().items()}
    full = here["python_full_version"] if here["python_version"] == target.python else ""
    return {
        **here,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": target.machine,
        "python_version": target.python,
        "python_full_version": full or f"{target.python}.0",
    }


def _words(target: Target) -> str:
    return f"Python {target.python} on {target.machine} (Linux)"


def _download(lock: Path, target: Target) -> str:
    text = f"pip download --require-hashes --no-deps --only-binary :all: -d WHEELS -r {lock}"
    if target == this_machine():
        return text
    return f"{text} --python-version {target.python} --platform manylinux_2_28_{target.machine}"
