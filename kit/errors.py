"""Every error the kit raises on purpose, and the exit code each one ends a command with.

::

    KitError                      1  something went wrong
    ├── UsageError                2  the user can mend it: wrong argument, missing input
    │   ├── DataError             2  a dataset, a picture or an annotation is not as it should be
    │   ├── CardError             2  a YAML card or recipe has mistakes (one message names them all)
    │   ├── BundleError           2  a bundle is missing, damaged, or not what was asked for
    │   ├── ParcelError           2  an archive of `kit pack` is damaged, or not what was asked for
    │   ├── WeightsError          2  pretrained weights are missing, damaged or unsafe
    │   └── MissingPackage        2  an optional package is not installed
    ├── GateRefused               3  a quality gate said no; nothing was written
    ├── RunFailed                 1  the work was sound, the machine was not: memory, disk, device
    │   └── OutOfMemory           1  of the machine's or the GPU's memory there is not enough
    └── Stopped              130/143  stopped by Ctrl-C or SIGTERM, after saving

A message says what was wrong, where, and what to do. Errors of other libraries are translated where
they are called, so the command line never shows a traceback for a user's mistake.
"""

from __future__ import annotations

import signal


class KitError(Exception):
    """Base of all deliberate errors.

    Args:
        what: what was wrong, one sentence without a full stop.
        where: file, folder, picture or option it was found in.
        fix: what the user can do about it, ideally a command to paste.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        message = what if where is None else f"{where}: {what}"
        super().__init__(message if fix is None else f"{message}\n  -> {fix}")


class UsageError(KitError):
    """Something only the user can mend."""

    exit_code = 2


class DataError(UsageError):
    """A dataset, a picture or an annotation is not as it should be."""


class CardError(UsageError):
    """A YAML card or recipe has mistakes."""


class BundleError(UsageError):
    """A bundle is missing, damaged, or not what was asked for."""


class ParcelError(UsageError):
    """An archive of `kit pack` is damaged, hostile, or not what was asked for."""


class WeightsError(UsageError):
    """Pretrained weights are missing, damaged or unsafe to load."""


class MissingPackage(UsageError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed", fix=f"pip install 'detector-kit[{extra}]'")


class GateRefused(KitError):
    """A quality gate said no. What it guards was not written."""

    exit_code = 3


class RunFailed(KitError):
    """The work was sound, the machine was not: out of memory, full disk, lost device."""


class OutOfMemory(RunFailed):
    """There is not enough memory; less work at once may do."""


class Stopped(KitError):
    """Stopped by a signal, after what there was had been saved."""

    def __init__(self, what: str, *, number: int = signal.SIGINT, fix: str | None = None) -> None:
        super().__init__(what, fix=fix)
        self.exit_code = 128 + number
