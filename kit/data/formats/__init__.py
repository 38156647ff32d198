"""One file per dataset format, found by its name: the folder is the list of formats."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kit.errors import UsageError
from kit.progress import Progress

if TYPE_CHECKING:
    from kit.data.dataset import Dataset


class Format(Protocol):
    """What a module of this folder offers. It reads plain text and headers, and runs nothing."""

    LOOKED_FOR: str
    """In words, what makes a folder this format; shown where no format matches."""

    def sniff(self, root: Path) -> Path | None:
        """The folder that really is the dataset (``root``, or its single child that is one), or
        the file that describes one; None where it is not this format. It doesn't read it all."""

    def read(self, root: Path, *, name: str, progress: Progress = ...) -> Dataset:
        """Read what :meth:`sniff` returned. Faults that leave the rest sound become notes.

        Raises:
            DataError: nothing of it can be used, or what it holds contradicts itself.
        """

    def write(self, dataset: Dataset, out: Path, progress: Progress = ...) -> dict[str, int]:
        """Write into a directory that is being made, pictures copied byte for byte.

        Returns:
            How many of what the format has no place for; that went into ``kit.json``.
        """


def formats() -> list[str]:
    """Names of all formats."""
    folder = Path(__file__).parent
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def load(name: str) -> Format:
    """The module of a format, imported when asked for.

    Raises:
        UsageError: there is no such format.
    """
    if name not in formats():
        raise UsageError(f"there is no format {name!r}", fix=f"one of: {', '.join(formats())}")
    module: Any = import_module(f"{__name__}.{name}")
    form: Format = module
    return form
