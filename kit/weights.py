"""Pretrained weights: found on disk by their digest, fetched only when the user says so.

They are looked for in ``KIT_WEIGHTS`` (a folder you keep, never written to), then in the cache. A
cached file carries the head of its digest in its name (``yolov8n-31e20dde.pt``), since vendors
publish different bytes under one name; a cache copied into ``KIT_WEIGHTS`` is found too.
"""

from __future__ import annotations

import os
from pathlib import Path

from kit import network
from kit.cards import ModelCard, Weights, cache_folder
from kit.errors import WeightsError
from kit.files import replaced, sha256_file
from kit.progress import SILENT, Progress


def locate(card: ModelCard) -> Path | None:
    """The weights on this machine, their digest checked; None where they are not.

    A file of the right name with other content is passed over in ``KIT_WEIGHTS``, where a vendor's
    other release may stand under the same name; in the cache it can only be damage.

    Raises:
        WeightsError: the cached file is not what its name says.
    """
    if card.weights is None:
        return None
    for path in kept(card):
        if sha256_file(path) == card.weights.sha256:
            return path
    path = _cached(card.weights)
    if not path.is_file():
        return None
    if sha256_file(path) != card.weights.sha256:
        raise WeightsError(
            "the file is damaged: it has not the digest of the card",
            where=path,
            fix=f"rm {path}; kit fetch {card.name}",
        )
    return path


def require(card: ModelCard, *, allow_download: bool = False, progress: Progress = SILENT) -> Path:
    """The weights, or an error that says how to come by them.

    Raises:
        WeightsError: not on this machine, and not to be downloaded or not downloadable.
    """
    path = locate(card)
    if path is not None:
        return path
    if allow_download:
        return download(card, progress)
    weights = _named(card)
    other = ", ".join(str(path) for path in kept(card))
    what = f"the weights {weights.file} are not on this machine"
    if other:
        what += f" ({other} is another file of this name: its digest is not the card's)"
    raise WeightsError(
        what,
        where=card.name,
        fix=f"kit fetch {card.name}, or put the file in a folder and set KIT_WEIGHTS to it",
    )


def download(card: ModelCard, progress: Progress = SILENT) -> Path:
    """Fetch the weights into the cache; they appear there only when their digest is right.

    Raises:
        WeightsError: no connection, or what came is not what the card names.
    """
    weights = _named(card)
    path = _cached(weights)
    with replaced(path, mode=0o644) as beside:
        network.fetch(
            weights.url,
            weights.sha256,
            beside,
            error=WeightsError,
            fix="download it elsewhere, copy it to this machine and set KIT_WEIGHTS to its folder",
            progress=progress,
        )
    return path


def kept(card: ModelCard) -> list[Path]:
    """Files of the right name in ``KIT_WEIGHTS``, whatever is in them."""
    folder = os.environ.get("KIT_WEIGHTS")
    if not folder or card.weights is None:
        return []
    paths = [Path(folder) / name for name in (card.weights.file, _cache_name(card.weights))]
    return [path for path in paths if path.is_file()]


def _named(card: ModelCard) -> Weights:
    if card.weights is None:
        raise WeightsError(
            "its card names no weights: their makers publish no sha256 to know them by",
            where=card.name,
            fix=f"--start random, or --start PATH to a file: see {card.FOLDER}/{card.name}.yaml",
        )
    return card.weights


def _cached(weights: Weights) -> Path:
    """Where the cache keeps these weights, there or not."""
    return cache_folder() / "weights" / _cache_name(weights)


def _cache_name(weights: Weights) -> str:
    name = Path(weights.file)
    return f"{name.stem}-{weights.sha256[:8]}{name.suffix}"
