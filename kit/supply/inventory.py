"""What is in an installed environment, and in a folder of wheels."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from importlib.metadata import Distribution, distributions
from pathlib import Path

from kit.errors import UsageError
from kit.files import ZIP_FAULTS, sha256_file
from kit.supply.component import (
    Component,
    LicenceText,
    from_metadata,
    is_bill,
    is_licence_text,
)

_MOST = 8 << 20
"""Bytes of a wheel's metadata, or of one text about licences."""


def installed(environment: Path | None = None) -> tuple[Component, ...]:
    """Every distribution of an environment, by name.

    Args:
        environment: its folder, or a folder of packages; None for the one that runs.

    Raises:
        UsageError: nothing is installed there, or something without a name.
    """
    folders = [Path(text) for text in sys.path] if environment is None else _packages(environment)
    found: dict[tuple[str, str], Component] = {}
    for each in distributions(path=[str(folder) for folder in folders]):
        try:
            texts, bills = tuple(_texts(each)), tuple(_bills(each))
            component = from_metadata(_message(each), texts, bills=bills)
        except ValueError as error:
            raise UsageError(f"a package can't be told: {error}", where=_place(each)) from error
        found.setdefault((component.name, component.version), component)
    if not found:
        raise UsageError("no Python package is installed there", where=environment)
    return tuple(found[key] for key in sorted(found))


def read_wheel(path: Path) -> Component:
    """What a wheel says of itself; nothing of it is run or unpacked.

    Raises:
        UsageError: not a wheel, or a damaged one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            if len(names) != 1 or names[0].count("/") != 1:
                raise ValueError("it has no METADATA, or more than one")
            # as text: of bytes, what is not ASCII would come as an object without its text
            metadata = Parser().parsestr(_read(archive, names[0]).decode("utf-8", "replace"))
            texts = [
                LicenceText(name, _read(archive, name).decode("utf-8", "replace"))
                for name in archive.namelist()
                if is_licence_text(name) and not name.endswith("/")
            ]
            bills = [_read(archive, name) for name in archive.namelist() if is_bill(name)]
        return from_metadata(metadata, tuple(texts), (sha256_file(path),), bills)
    except (*ZIP_FAULTS, ValueError) as error:
        raise UsageError(f"not a wheel, or a damaged one ({error})", where=path) from error


def _packages(environment: Path) -> list[Path]:
    """Folders of packages of a virtual environment, or the folder itself."""
    if not environment.is_dir():
        raise UsageError("there is no such folder", where=environment)
    inside = [
        *environment.glob("lib*/python3*/site-packages"),
        *environment.glob("lib*/python3*/dist-packages"),
        *environment.glob("Lib/site-packages"),
    ]
    return sorted(inside) or [environment]


def _message(each: Distribution) -> Message:
    metadata = each.metadata
    if not isinstance(metadata, Message):
        raise ValueError("it has no metadata")
    return metadata


def _texts(each: Distribution) -> Iterator[LicenceText]:
    for file in each.files or ():
        path = Path(str(file.locate()))
        if is_licence_text(file.as_posix()) and path.is_file() and path.stat().st_size <= _MOST:
            yield LicenceText(file.as_posix(), path.read_text(encoding="utf-8", errors="replace"))


def _bills(each: Distribution) -> Iterator[bytes]:
    for file in each.files or ():
        path = Path(str(file.locate()))
        if is_bill(file.as_posix()) and path.is_file() and path.stat().st_size <= _MOST:
            yield path.read_bytes()


def _place(each: Distribution) -> object:
    return getattr(each, "_path", None)


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _MOST:
        raise ValueError(f"{name} is larger than {_MOST} bytes")
    return archive.read(name)
