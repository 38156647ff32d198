"""Writing that is never half done, and the hashes everything is named by."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from kit.errors import KitError, UsageError


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
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; results are for others
        os.chmod(beside, 0o666 & ~_umask() if mode is None else mode)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


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
        KitError: of the kind ``error``: missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as fault:
        raise error(f"not {what} ({fault.strerror})", where=path, fix=fix) from fault
    except (ValueError, RecursionError) as fault:
        raise error(f"not {what} ({fault})", where=path, fix=fix) from fault


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """A directory that appears under its name only when the block ends well.

    Yields a directory beside ``path`` to fill; it is renamed at the end, and removed on any error.

    Raises:
        UsageError: ``path`` exists and is not an empty directory.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        os.chmod(beside, 0o777 & ~_umask())
        yield beside
        if path.is_dir():
            path.rmdir()
        os.replace(beside, path)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when the block ends well; removed on any error.

    Raises:
        UsageError: ``path`` exists.
    """
    if path.exists():
        raise UsageError("exists already", where=path, fix="choose another --out, or remove it")
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name that is known before the file is there: Ctrl-C can come in between
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


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
