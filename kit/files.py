"""Writing that is never half done, and the hashes everything is named by."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kit.errors import KitError, UsageError
from kit.lock import Hold

_UNDER_WAY = ".kit-part"
_swept = set[Path]()
"""Directories this process has looked into for what killed ones left."""
_PART = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(_UNDER_WAY)}")
"""Names of what is being written; who writes it has it locked."""
_RECOGNISED = 40  # characters of a name
_BRIEFLY = 5.0  # seconds, until somebody who sweeps has seen that it is in use

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_JSON = 1 << 28
"""Bytes of a JSON file. An evaluation of 100,000 pictures stays below; parsed it takes about ten
times as much memory."""

MOST_ARRAYS = 1 << 28
"""Bytes of a file of arrays, packed and unpacked: a watch or the detections of a test split."""

MOST_SMALL = 1 << 20
"""Bytes of what people write: keys, lists of users, YAML. PyYAML takes seconds for so much."""


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


@contextmanager
def part(path: Path, *, folder: bool = False) -> Iterator[tuple[Path, Hold]]:
    """A file (or a folder) beside ``path`` to be filled, with the lock that says it is in use; gone
    at the end, unless it was renamed."""
    if path.parent not in _swept:
        _swept.add(path.parent)
        sweep(path.parent)
    beside, hold = _locked_part(path, folder)
    try:
        yield beside, hold
    except BaseException:
        if not folder and beside.exists():  # else it has its name, and is somebody's
            # what raised the error may have it open yet, and with it the room on a full disk
            with suppress(OSError):
                os.ftruncate(hold.file, 0)
        raise
    finally:
        _remove(beside)
        hold.close()


def is_part(name: str) -> bool:
    """Whether something of this name is being written, or was when its process was killed."""
    return _PART.fullmatch(name) is not None


def sweep(directory: Path) -> None:
    """Remove what killed processes were writing here when they died; what lives is left alone."""
    with suppress(OSError):  # not there, or not ours to look into
        for entry in [each for each in os.scandir(directory) if is_part(each.name)]:
            with suppress(OSError):  # a link, not ours, or somebody else was quicker
                _remove_dead(Path(entry.path))


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder for a while, in the system's place for such things, for this user alone.

    It is gone at the end; where the process is killed, the next one that makes one removes it.
    """
    with part(Path(tempfile.gettempdir()) / name, folder=True) as (folder, _):
        yield folder


def remove_directory(path: Path) -> None:
    """Remove a directory so that no half of it is ever seen under its name."""
    with suppress(FileNotFoundError), part(path, folder=True) as (beside, _):
        os.replace(path, beside)


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
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as fault:
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


def _locked_part(path: Path, folder: bool) -> tuple[Path, Hold]:
    make: Any = tempfile.mkdtemp if folder else tempfile.mkstemp
    prefix = f".{path.name[:_RECOGNISED]}."  # a long name has no room for more
    while True:
        made = make(dir=path.parent, prefix=prefix, suffix=_UNDER_WAY)
        beside = Path(made if folder else made[1])
        hold = Hold(os.open(beside, os.O_RDONLY | os.O_CLOEXEC) if folder else made[0])
        hold.lock(wait=_BRIEFLY)
        if beside.exists():
            return beside, hold
        hold.close()  # somebody swept it away before it was locked


def _remove_dead(path: Path) -> None:
    hold = Hold(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
    try:
        if hold.lock():
            _remove(path)
    finally:
        hold.close()


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
