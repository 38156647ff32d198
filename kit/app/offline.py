"""Where Gradio puts what it insists on writing: a folder in memory, gone with the process."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from kit import offline

PREFIX = "kit-app-"
_IN_MEMORY = Path("/dev/shm")


def seal() -> Path:
    """Switch off what Gradio sends, and make the folder that uploads pass through.

    Returns:
        A folder of this process alone, in memory where the system has such a place; it is removed
        when the process ends, and those of killed ones before it are removed now.
    """
    offline.seal("gradio")
    place = _place()
    _sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    tempfile.tempdir = str(folder)  # uploads are spooled there too
    return folder


def in_memory(folder: Path) -> bool:
    """Whether what is written to this folder never reaches a disk."""
    return folder.is_relative_to(_IN_MEMORY)


def _place() -> Path:
    usable = _IN_MEMORY.is_dir() and os.access(_IN_MEMORY, os.W_OK | os.X_OK)
    return _IN_MEMORY if usable else Path(tempfile.gettempdir())


def _sweep(place: Path) -> None:
    """Remove folders of processes that were killed."""
    for left in place.glob(f"{PREFIX}*-*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
