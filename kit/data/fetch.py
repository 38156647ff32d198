"""Datasets onto this machine: from the URL on their card, or from an archive or folder at hand.

An archive is opened as a stranger's: nothing leaves the target, no link is made, only pictures and
plain label files are kept, and what swells beyond reason is refused while it is unpacked.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from kit import network
from kit.cards import DatasetCard, cache_folder
from kit.data.formats import load
from kit.data.source import check_card
from kit.errors import DataError, UsageError
from kit.files import ZIP_FAULTS, new_directory, sha256_file
from kit.parts import part
from kit.pixels import SUFFIXES
from kit.progress import SILENT, Progress

KEPT = SUFFIXES | {".txt", ".xml", ".json", ".yaml", ".yml", ".names", ".labels", ".md"}
"""Suffixes of the files that are unpacked; all others are left where they are."""

_BLOCK = 1 << 20
_LAST_RECORD = (1 << 16) + 98  # bytes of a zip's last records, the remark behind them included
_ABOUT_THE_NEXT = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip
_LONGEST_HEADER = _BLOCK
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what is read: what is shown of such a
name is not what it is."""


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: files of any kind (their list is kept in memory), bytes in all, and
    bytes per byte of the archive once it holds more than ``floor`` of them."""

    files: int = 2_000_000
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
    for name, stream in progress.track(_members(origin, budget), "unpacking"):
        path = _place(target, name, origin)
        budget.count()
        if stream is None or not _wanted(name):
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
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise DataError(f"a name is too long: {name[:80]}...", where=origin) from error
            raise
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
        self.require_bytes(self._bytes)

    def require_bytes(self, count: int) -> None:
        if count > self._most:
            raise DataError(f"it unpacks to more than {self._most:,.0f} bytes", where=self._origin)

    def count(self) -> None:
        self._files += 1
        self.require_count(self._files)

    def require_count(self, files: int) -> None:
        if files > self._limits.files:
            raise DataError(f"more than {self._limits.files:,} files", where=self._origin)


def _members(origin: Path, budget: _Budget) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Name and content of each file; no content for links and devices."""
    if origin.is_dir():
        for folder, names, files in os.walk(origin):
            names.sort()
            for path in (Path(folder) / name for name in sorted(files)):
                content = None if path.is_symlink() or not path.is_file() else path.open("rb")
                yield path.relative_to(origin).as_posix(), content
        return
    if zipfile.is_zipfile(origin):
        budget.require_count(_told_members(origin))
        with zipfile.ZipFile(origin) as archive:
            for entry in archive.infolist():
                if not entry.filename.endswith("/"):
                    link = stat.S_ISLNK(entry.external_attr >> 16)
                    yield entry.filename, None if link else _member(archive, entry)
    else:
        with (
            _unpacked(origin) as stream,
            tarfile.open(fileobj=_Metered(stream, budget), mode="r|", tarinfo=_Member) as tar,
        ):
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # it would keep all
                if not member.isdir():
                    yield member.name, tar.extractfile(member) if member.isreg() else None


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return archive.open(entry)
    except (OSError, ValueError, struct.error) as error:  # it lies before the file's beginning
        raise zipfile.BadZipFile(f"{entry.filename} lies nowhere") from error


class _Member(tarfile.TarInfo):
    """Refuses headers that go before a member's and are read as a whole, where they are huge."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _ABOUT_THE_NEXT and member.size > _LONGEST_HEADER:
            raise tarfile.ReadError("a header of unreasonable length")
        return member


class _Metered(io.RawIOBase):
    """What a packed file unpacks to, as far as the budget lets it: a tar is unpacked from its
    beginning to its end, also where most of it is passed over."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        super().__init__()
        self._stream, self._budget, self._bytes = stream, budget, 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, _BLOCK) if size >= 0 else _BLOCK)
        self._bytes += len(data)
        self._budget.require_bytes(self._bytes)
        return data


def _unpacked(path: Path) -> IO[bytes]:
    """A file's content, unpacked by what its first bytes say it is packed with."""
    with path.open("rb") as file:
        first = file.read(6)
    openers: Mapping[bytes, Any] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ": lzma.open,
    }
    for magic, opener in openers.items():
        if first.startswith(magic):
            opened: IO[bytes] = opener(path)
            return opened
    return path.open("rb")


def _told_members(path: Path) -> int:
    """How many members a zip file says it has, before their list is read."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LAST_RECORD))
        tail = file.read(_LAST_RECORD)
    at, wide = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
    count = int(struct.unpack_from("<H", tail, at + 10)[0]) if 0 <= at <= len(tail) - 22 else 0
    if 0 <= wide <= len(tail) - 56:
        count = max(count, int(struct.unpack_from("<Q", tail, wide + 32)[0]))
    return count


@contextmanager
def _damage_told(origin: Path) -> Iterator[None]:
    """What an archive that is none, or no more, makes the standard library raise, in our words."""
    try:
        yield
    except (*ZIP_FAULTS, tarfile.TarError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's; those of gzip and bzip2 have no number
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
    if _UNSEEN.search(name):
        raise DataError(f"a name has characters that nobody sees: {name!r}", where=origin)
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(f"it wants to write outside its folder: {name!r}", where=origin)
    return path


def _wanted(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in KEPT and not _hidden(name)


def _hidden(name: str) -> bool:
    """Files of the system that made the archive: .DS_Store, __MACOSX/._a.jpg."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _source(card: DatasetCard, by_hand: str) -> tuple[str, str]:
    """URL and sha256 of a card's archive."""
    if card.source is None or card.source.sha256 is None:
        raise UsageError("its card has no URL with a sha256", where=card.name, fix=by_hand)
    return card.source.url, card.source.sha256
