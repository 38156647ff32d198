"""Nothing leaves the house: switches that must be set before Gradio is imported, and a folder in
memory for what it insists on writing."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

SWITCHES = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "false",
    "GRADIO_SHARE": "False",
    "GRADIO_MCP_SERVER": "False",
    "GRADIO_SSR_MODE": "False",
    "GRADIO_ALLOWED_PATHS": "",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
"""Analytics, the check for a newer version, histories kept elsewhere, public links."""

PREFIX = "kit-app-"
_IN_MEMORY = Path("/dev/shm")


def seal() -> Path:
    """Set the switches, and make the folder that uploads pass through.

    Returns:
        A folder of this process alone, in memory where the system has such a place; it is removed
        when the process ends, and those of killed ones before it are removed now.
    """
    os.environ.update(SWITCHES)
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
