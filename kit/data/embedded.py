"""The embedded set as a dataset with a card: drawn into the cache when it is first asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path

from kit import __version__
from kit.cards import DatasetCard, cache_folder
from kit.data import smear
from kit.data.formats import load
from kit.data.split import split
from kit.errors import DataError
from kit.files import new_directory
from kit.progress import SILENT, Progress


def drawn_folder(card: DatasetCard) -> Path:
    """Where the set lies once it is drawn; another version of the kit may draw other pictures."""
    return cache_folder() / "data" / f"{card.name}-{__version__}"


def draw_dataset(card: DatasetCard, *, progress: Progress = SILENT) -> Path:
    """Draw it, split it with slides kept whole, and write it into the cache.

    Returns:
        Its folder.

    Raises:
        DataError: the card is of a set that isn't drawn.
    """
    if card.drawn is None:
        raise DataError("these pictures can't be drawn", where=card.name)
    form, folder = load(card.format), drawn_folder(card)
    with tempfile.TemporaryDirectory() as workshop:
        loose = Path(workshop) / "loose"
        smear.make(loose, pictures=card.drawn.pictures, seed=card.drawn.seed, progress=progress)
        apart = split(
            form.read(loose, name=card.name, progress=progress),
            card.drawn.fractions,
            group_by=smear.GROUPS,
            seed=card.drawn.seed,
            progress=progress,
        )
        with new_directory(folder) as beside:
            form.write(apart, beside, progress)
    return folder
