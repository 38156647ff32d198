"""The vendor's package, opened for comparison in a process of its own: as its makers set it up, but
with every road to the network closed and nothing written outside a folder of ours."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any, NoReturn

_SWITCHES = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS": "1",
    "ULTRALYTICS_SAFE_LOAD": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "WANDB_MODE": "disabled",
    "COMET_MODE": "disabled",
}
_LOGGERS = (
    "clearml",
    "comet",
    "dvc",
    "hub",
    "mlflow",
    "neptune",
    "raytune",
    "tensorboard",
    "wandb",
)
_FONTS = ("Arial.ttf", "Arial.Unicode.ttf")


def open_vendor(folder: Path, threads: int | None) -> Any:
    """Import ultralytics; call it first in a fresh process.

    Args:
        folder: for its settings, fonts and caches.
        threads: given to OpenMP, which the vendor would set to 1; None leaves it to the vendor.
            The vendor later sets torch's threads to the cores less one: see :func:`set_threads`.
    """
    config = folder / "Ultralytics"
    config.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        _SWITCHES, YOLO_CONFIG_DIR=str(folder), MPLCONFIGDIR=str(folder), TORCH_HOME=str(folder)
    )
    for name in ("ULTRALYTICS_API_KEY", "OMP_NUM_THREADS"):
        os.environ.pop(name, None)
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    socket.getaddrinfo = _no_network
    _place_fonts(config)

    import ultralytics
    from ultralytics.utils import SETTINGS

    SETTINGS.update({name: False for name in (*_LOGGERS, "sync") if name in SETTINGS})
    return ultralytics


def set_threads(threads: int | None) -> None:
    """Set torch's threads, once the vendor has chosen its device (and with it its own number)."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _place_fonts(config: Path) -> None:
    """The vendor looks here before it downloads; which font it is changes nothing it computes."""
    import matplotlib

    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for name in _FONTS:
        shutil.copyfile(font, config / name)


def _no_network(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise OSError("a benchmark does not use the network")
