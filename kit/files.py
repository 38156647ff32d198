"""Reading within limits, writing that is never half done, and the hashes everything is named by."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import lzma
import math
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kit.errors import KitError, UsageError
from kit.parts import part

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_JSON = 1 << 28
"""Bytes of a JSON file. An evaluation of 100,000 pictures stays below; parsed it takes about ten
times as much memory."""

MOST_ARRAYS = 1 << 28
"""Bytes of a file of arrays, packed and unpacked: a watch or the detections of a test split."""

MOST_SMALL = 1 << 20
"""Bytes of what people write: keys, lists of users, YAML. PyYAML takes seconds for so much."""


ZIP_FAULTS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError,
)  # fmt: skip
"""What the standard library raises for a zip that is none, is cut off, encrypted, or packed in a
way it doesn't know; of OSError those without a number, which is how bzip2 tells it."""


def read_limited(path: Path, most: int) -> bytes:
    """Content of a regular file of a bounded size; a pipe or a device would never end.

    Raises:
        OSError: unreadable, no regular file, or larger than ``most`` bytes.
    """

    def at_once(name: str, flags: int) -> int:  # opening a pipe would wait for a writer
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    with open(path, "rb", opener=at_once) as file:
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if told.st_size > most:
            raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
        return file.read()


def sha256_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no spaces, no NaN; structures are hashed in this form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_json(value: Any) -> str:
    """Hex digest of :func:`canonical_json`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def write_text(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write beside, then rename: a reader sees the old file or the new one, never half of one.

    Args:
        mode: the file's permissions; None for those new files have.
    """
    write_bytes(path, text.encode(), mode=mode)


def write_bytes(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Like :func:`write_text`, for bytes."""
    with replaced(path, mode=mode) as beside:
        beside.write_bytes(data)


@contextmanager
def replaced(path: Path, *, mode: int | None = None) -> Iterator[Path]:
    """A file to write in place of another, whose name it takes when the block ends well.

    Yields an empty file beside ``path``, for this user alone; it is removed on any error. Where the
    process is killed, the next one that writes into the directory removes it.

    Args:
        mode: as for :func:`write_text`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with part(path) as (beside, hold):
        yield beside
        os.fsync(hold.file)
        # what is being written is private; results are for others
        os.chmod(beside, 0o666 & ~_umask() if mode is None else mode)
        os.replace(beside, path)


def json_bytes(value: Any) -> bytes:
    """Indented JSON, keys in the order given."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def write_json(path: Path, value: Any) -> None:
    """Write :func:`json_bytes`."""
    write_bytes(path, json_bytes(value))


def read_json(path: Path, what: str, *, error: type[KitError], fix: str | None = None) -> Any:
    """Parse a JSON file.

    Args:
        what: it should be, for the message: ``a manifest``.

    Raises:
        KitError: of the kind ``error``: missing, unreadable, too large, not JSON, or JSON that
            could be read in two ways: a key twice, or a number that is none.
    """
    try:
        return parse_json(read_limited(path, MOST_JSON))
    except OSError as fault:
        raise error(f"not {what} ({fault.strerror})", where=path, fix=fix) from fault
    except (ValueError, RecursionError) as fault:
        raise error(f"not {what} ({fault})", where=path, fix=fix) from fault


def parse_json(data: bytes) -> Any:
    """JSON as the kit writes it: no NaN or infinity, no key twice in one object.

    Raises:
        ValueError: not such JSON.
        RecursionError: nested beyond reason.
    """
    return json.loads(
        data, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_once_each
    )


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is larger than any number")
    return number


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} is there twice")
    return found


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of an ``.npz`` file by name; none of Python objects, which would be a pickle.

    Raises:
        OSError, ValueError: it can't be read, is damaged, or swells beyond :data:`MOST_ARRAYS`.
    """
    import numpy as np  # late: this room is imported where there may be no time for it

    content = io.BytesIO(read_limited(path, MOST_ARRAYS))
    try:
        with zipfile.ZipFile(content) as packed:  # what it says of sizes is what it unpacks to
            told = sum(member.file_size for member in packed.infolist())
        if told > MOST_ARRAYS:
            raise ValueError(f"it unpacks to {told:,} bytes")
        with np.load(content, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays.files}
    except ZIP_FAULTS as fault:
        raise ValueError(f"not a file of arrays, or a damaged one ({fault})") from fault
    except MemoryError as fault:  # a header that tells of more numbers than there are bytes
        raise ValueError("an array larger than the memory") from fault


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """A directory that appears under its name only when the block ends well.

    Yields a directory beside ``path`` to fill; it is renamed at the end, and removed on any error.

    Raises:
        UsageError: ``path`` exists and is not an empty directory.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with part(path, folder=True) as (beside, _):
        os.chmod(beside, 0o777 & ~_umask())
        yield beside
        if path.is_dir():
            path.rmdir()
        os.replace(beside, path)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when the block ends well; removed on any error.

    Raises:
        UsageError: ``path`` exists.
    """
    if path.exists():
        raise UsageError("exists already", where=path, fix="choose another --out, or remove it")
    refuse_existing(path)
    with replaced(path) as beside, beside.open("wb") as file:
        yield file


def refuse_existing(path: Path) -> None:
    """Raise where an output would land on something that is already there, or can't be made."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UsageError("exists already", where=path, fix="choose another --out, or remove it")
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise UsageError(f"can't be made: {above} is a file", where=path)
    if not os.access(above, os.W_OK):
        raise UsageError(f"can't be made: {above} is not yours to write to", where=path)


def free_path(path: Path) -> Path:
    """The path, or the first with a number after it (``runs-2``) where nothing is yet."""
    number, choice = 2, path
    while choice.exists():
        number, choice = number + 1, path.with_name(f"{path.name}-{number}")
    return choice


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
