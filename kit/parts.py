"""What is being written: beside its place, hidden, and locked by whoever writes it.

It gets its name when it is whole. What a killed process leaves is locked by nobody, and is swept
away by the next that writes there.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kit.lock import Hold

_UNDER_WAY = ".kit-part"
_swept = set[Path]()
"""Directories this process has looked into for what killed ones left."""
_PART = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(_UNDER_WAY)}")
"""Names of what is being written; who writes it has it locked."""
_RECOGNISED = 40  # characters of a name
_BRIEFLY = 5.0  # seconds, until somebody who sweeps has seen that it is in use


@contextmanager
def part(path: Path, *, folder: bool = False) -> Iterator[tuple[Path, Hold]]:
    """A file (or a folder) beside ``path`` to be filled, with the lock that says it is in use; gone
    at the end, unless it was renamed."""
    if path.parent not in _swept:
        _swept.add(path.parent)
        sweep(path.parent)
    beside, hold = _locked_part(path, folder)
    try:
        yield beside, hold
    except BaseException:
        if not folder and beside.exists():  # else it has its name, and is somebody's
            # what raised the error may have it open yet, and with it the room on a full disk
            with suppress(OSError):
                os.ftruncate(hold.file, 0)
        raise
    finally:
        _remove(beside)
        hold.close()


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder for a while, in the system's place for such things, for this user alone.

    It is gone at the end; where the process is killed, the next one that makes one removes it.
    """
    with part(Path(tempfile.gettempdir()) / name, folder=True) as (folder, _):
        yield folder


def remove_directory(path: Path) -> None:
    """Remove a directory so that no half of it is ever seen under its name."""
    with suppress(FileNotFoundError), part(path, folder=True) as (beside, _):
        os.replace(path, beside)


def is_part(name: str) -> bool:
    """Whether something of this name is being written, or was when its process was killed."""
    return _PART.fullmatch(name) is not None


def sweep(directory: Path) -> None:
    """Remove what killed processes were writing here when they died; what lives is left alone."""
    with suppress(OSError):  # not there, or not ours to look into
        for entry in [each for each in os.scandir(directory) if is_part(each.name)]:
            with suppress(OSError):  # a link, not ours, or somebody else was quicker
                _remove_dead(Path(entry.path))


def _locked_part(path: Path, folder: bool) -> tuple[Path, Hold]:
    make: Any = tempfile.mkdtemp if folder else tempfile.mkstemp
    prefix = f".{path.name[:_RECOGNISED]}."  # a long name has no room for more
    while True:
        made = make(dir=path.parent, prefix=prefix, suffix=_UNDER_WAY)
        beside = Path(made if folder else made[1])
        hold = Hold(os.open(beside, os.O_RDONLY | os.O_CLOEXEC) if folder else made[0])
        hold.lock(wait=_BRIEFLY)
        if beside.exists():
            return beside, hold
        hold.close()  # somebody swept it away before it was locked


def _remove_dead(path: Path) -> None:
    hold = Hold(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
    try:
        if hold.lock():
            _remove(path)
    finally:
        hold.close()


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)
