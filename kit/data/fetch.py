"""Datasets onto this machine: from the URL on their card, or from an archive or folder at hand.

An archive is opened as a stranger's: nothing leaves the target, no link is made, only pictures and
plain label files are kept, and what swells beyond reason is refused while it is unpacked.
"""

from __future__ import annotations

import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from kit import network
from kit.cards import DatasetCard, cache_folder
from kit.data.formats import load
from kit.data.source import check_card
from kit.errors import DataError, UsageError
from kit.files import new_directory, part, sha256_file
from kit.pixels import SUFFIXES
from kit.progress import SILENT, Progress

KEPT = SUFFIXES | {".txt", ".xml", ".json", ".yaml", ".yml", ".names", ".labels", ".md"}
"""Suffixes of the files that are unpacked; all others are left where they are."""

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: files, bytes in all, and bytes per byte of the archive once it
    holds more than ``floor`` of them."""

    files: int = 5_000_000
    bytes: int = 1 << 40
    ratio: float = 200.0
    floor: int = 1 << 26


def fetch(card: DatasetCard, from_path: Path | None = None, progress: Progress = SILENT) -> Path:
    """Bring a dataset into the cache, where its card's name opens it.

    Args:
        from_path: an archive (zip, tar) or a folder to take it from instead of the card's URL.

    Returns:
        The dataset's folder.

    Raises:
        UsageError: it is there already, or the card has no URL with a digest.
        DataError: the download, the archive or what is in it is not what it should be.
    """
    target = cache_folder() / "data" / card.name
    if target.exists():
        raise UsageError("it is here already", where=target, fix=f"rm -r {target} to fetch it anew")
    if from_path is not None:
        unpack(card, from_path, target, progress)
        return target
    by_hand = (
        f"get it from its makers ({card.citation}), then: kit data fetch {card.name} --from PATH"
    )
    url, digest = _source(card, by_hand)
    target.parent.mkdir(parents=True, exist_ok=True)
    with part(target) as (archive, _):
        network.fetch(url, digest, archive, error=DataError, fix=by_hand, progress=progress)
        unpack(card, archive, target, progress)
    return target


def unpack(
    card: DatasetCard,
    origin: Path,
    target: Path,
    progress: Progress = SILENT,
    limits: Limits | None = None,
) -> None:
    """Copy a folder's or an archive's pictures and labels to a new folder, all or nothing.

    Raises:
        DataError: not an archive, one that reaches outside, a bomb, or not the card's dataset.
    """
    if not origin.exists():
        raise DataError("there is no such file or folder", where=origin)
    digest = card.source.sha256 if card.source else None
    if digest and origin.is_file() and sha256_file(origin) != digest:
        progress.note(f"{origin} is not the archive the card names: its sha256 differs")
    with new_directory(target) as beside:
        with _damage_told(origin):
            left_out = _copy(origin, beside, _Budget(limits or Limits(), origin), progress)
        root = load(card.format).sniff(beside)
        if root is None:
            looked_for = load(card.format).LOOKED_FOR
            raise DataError(f"it holds no {card.format} dataset: {looked_for}", where=origin)
        check_card(load(card.format).read(root, name=card.name, progress=progress), card)
    if left_out:
        progress.note(f"left out {left_out} file(s) that are neither pictures nor labels, or links")


def _copy(origin: Path, target: Path, budget: _Budget, progress: Progress) -> int:
    """Copy what is wanted; returns how many files are not."""
    left_out = 0
    for name, stream in progress.track(_members(origin), "unpacking"):
        path = _place(target, name, origin)
        if stream is None or path.suffix.lower() not in KEPT or _hidden(name):
            left_out += 1
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with stream, path.open("xb") as file:
                while block := stream.read(_BLOCK):
                    budget.spend(len(block))
                    file.write(block)
        except FileExistsError:
            raise DataError(f"{name} is in it twice", where=origin) from None
        budget.count()
    return left_out


class _Budget:
    """Counts what is really written; what an archive says of itself is not believed."""

    def __init__(self, limits: Limits, origin: Path) -> None:
        self._limits, self._origin = limits, origin
        self._files = self._bytes = 0
        packed = origin.stat().st_size if origin.is_file() else 0
        swollen = max(packed * limits.ratio, limits.floor) if packed else limits.bytes
        self._most = min(limits.bytes, swollen)

    def spend(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self._most:
            raise DataError(f"it unpacks to more than {self._most:,.0f} bytes", where=self._origin)

    def count(self) -> None:
        self._files += 1
        if self._files > self._limits.files:
            raise DataError(f"more than {self._limits.files:,} files", where=self._origin)


def _members(origin: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Name and content of each file; no content for links and devices."""
    if origin.is_dir():
        for folder, names, files in os.walk(origin):
            names.sort()
            for path in (Path(folder) / name for name in sorted(files)):
                content = None if path.is_symlink() or not path.is_file() else path.open("rb")
                yield path.relative_to(origin).as_posix(), content
        return
    if zipfile.is_zipfile(origin):
        with zipfile.ZipFile(origin) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    link = stat.S_ISLNK(entry.external_attr >> 16)
                    yield entry.filename, None if link else archive.open(entry)
    else:
        with tarfile.open(origin) as tar:
            for member in tar:
                if not member.isdir():
                    yield member.name, tar.extractfile(member) if member.isreg() else None


@contextmanager
def _damage_told(origin: Path) -> Iterator[None]:
    """RuntimeError is how zipfile says encrypted, or packed in a way it doesn't know."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        RuntimeError,
    ) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise DataError(
            f"not a zip or tar archive, or a damaged one ({reason})", where=origin
        ) from error


def _place(root: Path, name: str, origin: Path) -> Path:
    """Where a member goes.

    Raises:
        DataError: its name leads outside the target.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or ":" in parts[0] or "\0" in name:
        raise DataError(f"it wants to write outside its folder: {name!r}", where=origin)
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(f"it wants to write outside its folder: {name!r}", where=origin)
    return path


def _hidden(name: str) -> bool:
    """Files of the system that made the archive: .DS_Store, __MACOSX/._a.jpg."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _source(card: DatasetCard, by_hand: str) -> tuple[str, str]:
    """URL and sha256 of a card's archive."""
    if card.source is None or card.source.sha256 is None:
        raise UsageError("its card has no URL with a sha256", where=card.name, fix=by_hand)
    return card.source.url, card.source.sha256
