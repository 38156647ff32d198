"""A tar in one spelling: what is written, byte for byte, and what is read, nothing else.

A header says no more than a name and a size here, so a reader that knows both knows its 512 bytes:
it compares them, and no link, device, second name, hole or other trick of the format is left.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from typing import IO

from kit.errors import ParcelError, UsageError

BLOCK = tarfile.BLOCKSIZE
_RECORD = tarfile.RECORDSIZE
_PIECE = 1 << 20
_ZEROS = bytes(BLOCK)
_PACKED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd", b"PK": "zip"}


def header(name: str, size: int) -> bytes:
    """The 512 bytes before a regular file: readable by all, of nobody, of no time.

    Raises:
        UsageError: the name is too long for a tar, or the file too large.
    """
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    try:
        return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError as error:  # also of what is not ASCII
        raise UsageError(f"can't be packed ({error})", where=name) from error


class Writer:
    """Writes files one after the other."""

    def __init__(self, file: IO[bytes], folder: str) -> None:
        self._file, self._folder, self._written = file, folder, 0

    def add(self, path: str, size: int, content: Iterable[bytes]) -> None:
        """One file; ``content`` has to have ``size`` bytes."""
        self._write(header(f"{self._folder}/{path}", size))
        before = self._written
        for piece in content:
            self._write(piece)
        if self._written - before != size:
            raise UsageError("it changed while it was packed", where=path, fix="pack again")
        self._write(bytes(-size % BLOCK))

    def close(self) -> None:
        """End the archive; the file itself stays open."""
        self._write(2 * _ZEROS)
        self._write(bytes(-self._written % _RECORD))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._written += len(data)


class Reader:
    """Reads what :class:`Writer` wrote, from the front, once."""

    def __init__(self, file: IO[bytes], where: object) -> None:
        self._file, self._where, self._read = file, where, 0
        self._folder = ""
        self._ahead = b""

    @property
    def folder(self) -> str:
        """Name of the folder everything is in, known once :meth:`first` was called."""
        return self._folder

    def first(self, path: str, most: int) -> bytes:
        """Content of the first file, which has to be this one, and have ``most`` bytes at most.

        Raises:
            ParcelError: it isn't; what the file is instead is told where it can be seen.
        """
        block = self._file.read(BLOCK)
        self._read += len(block)
        name, size = _told(block)
        self._folder = name.removesuffix(f"/{path}")
        if kind := _PACKED.get(block[:2]):
            raise self._error(
                f"it is compressed ({kind}): `kit pack` doesn't compress", unpack=True
            )
        if name == self._folder or "/" in self._folder or not self._is(block, path, size):
            raise self._error(f"not an archive of `kit pack`: it doesn't begin with {path}")
        if size > most:
            raise self._error(f"its {path} has {size} bytes, more than the limit of {most}")
        return b"".join(self.content(path, size))

    def optional(self, path: str, most: int) -> bytes | None:
        """Content of the next file if it is this one, else None, and nothing is taken."""
        self._ahead = self._ahead or self._block(path)
        name, size = _told(self._ahead)
        if name != f"{self._folder}/{path}" or size > most:
            return None
        self.expect(path, size)
        return b"".join(self.content(path, size))

    def expect(self, path: str, size: int) -> None:
        """Take the next header, which has to be this one.

        Raises:
            ParcelError: it is another.
        """
        block, self._ahead = self._ahead or self._block(path), b""
        if self._is(block, path, size):
            return
        name, _ = _told(block)
        if block == _ZEROS:
            raise self._error(f"it ends before {path}")
        if name and name != f"{self._folder}/{path}":
            raise self._error(f"{name!r} stands where the manifest has {path}")
        raise self._error(f"{path} is not a plain file of {size} bytes, as the manifest has it")

    def content(self, path: str, size: int) -> Iterator[bytes]:
        """The bytes of the file whose header was taken, in pieces of 1 MiB.

        Raises:
            ParcelError: there are fewer.
        """
        left = size
        while left:
            piece = self._take(min(left, _PIECE), path)
            left -= len(piece)
            yield piece
        if any(self._take(-size % BLOCK, path)):
            raise self._error(f"there is something behind {path} that belongs to no file")

    def end(self) -> None:
        """Make sure that nothing follows but the tar's end.

        Raises:
            ParcelError: something does, or the end is cut off.
        """
        if self._ahead:
            raise self._error("there is more in it than its manifest says")
        left = -(self._read + 2 * BLOCK) % _RECORD + 2 * BLOCK
        if any(self._take(left, "its end")) or self._file.read(1):
            raise self._error("there is more in it than its manifest says")

    def _is(self, block: bytes, path: str, size: int) -> bool:
        try:
            return block == header(f"{self._folder}/{path}", size)
        except UsageError:
            return False

    def _block(self, path: str) -> bytes:
        return self._take(BLOCK, path)

    def _take(self, count: int, path: str) -> bytes:
        data = self._file.read(count)
        self._read += len(data)
        if len(data) < count:
            raise self._error(f"it is cut off in {path}")
        return data

    def _error(self, what: str, *, unpack: bool = False) -> ParcelError:
        fix = "unpack that first" if unpack else "copy it again from where it was made"
        return ParcelError(what, where=self._where, fix=fix)


def _told(block: bytes) -> tuple[str, int]:
    """Name and size that a header tells, whatever else it is; ``("", 0)`` where it tells none."""
    try:
        prefix, name = (
            part.partition(b"\0")[0].decode("ascii") for part in (block[345:500], block[:100])
        )
        size = int(block[124:135], 8)
    except ValueError:
        return "", 0
    return (f"{prefix}/{name}" if prefix else name), size
