"""Read a parcel: all of it is checked before anything of it stands under its name."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kit.bundle import open_bundle
from kit.errors import ParcelError, RunFailed
from kit.files import new_directory, refuse_existing
from kit.parcel.manifest import (
    BUNDLE,
    MANIFEST,
    REQUIREMENTS,
    SIGNATURE,
    SUMS,
    WHEELS,
    Manifest,
    read_manifest,
    sums_bytes,
)
from kit.parcel.pack import blocks_of, order_of
from kit.parcel.tar import Reader
from kit.progress import SILENT, Progress
from kit.signature import require_public_key, require_signature_of
from kit.supply.lock import read_lock

_LARGEST_MANIFEST = 8 << 20
_LARGEST_SIGNATURE = 4 << 10
_AGAIN = "get the archive again from who made it, or the right public key"


@dataclass(frozen=True)
class Unpacked:
    """What came out.

    Attributes:
        signed: whether there is a signature, checked or not.
        signed_by: fingerprint of the key it was checked with; None where no key was asked for.
    """

    manifest: Manifest
    manifest_sha256: str
    signed: bool
    signed_by: str | None


def unpack(
    archive: Path, out: Path, *, key: Path | None = None, progress: Progress = SILENT
) -> Unpacked:
    """Unpack an archive of :func:`kit.parcel.pack.pack` into a new directory.

    Memory stays small whatever the archive holds, and no more is written than the manifest says.

    Args:
        key: public key that must have signed it; None takes it unsigned.

    Raises:
        ParcelError: it isn't exactly what its manifest says, or not signed with that key.
        RunFailed: there is no room for it.
        UsageError: ``out`` exists; not a public key.
    """
    if key is not None:
        require_public_key(key)
    refuse_existing(out)
    try:
        with archive.open("rb") as file:
            return _unpack(Reader(file, archive), archive, out, key, progress)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        if error.filename != str(archive):
            raise
        raise ParcelError(f"can't be read ({error.strerror})", where=archive) from error


def _unpack(
    reader: Reader, archive: Path, out: Path, key: Path | None, progress: Progress
) -> Unpacked:
    told = reader.first(MANIFEST, _LARGEST_MANIFEST)
    manifest = read_manifest(told, archive)
    if manifest.name != reader.folder:
        raise ParcelError(f"its folder is {reader.folder!r}, not {manifest.name}", where=archive)
    sums = sums_bytes(told, manifest.files)
    reader.expect(SUMS, len(sums))
    if b"".join(reader.content(SUMS, len(sums))) != sums:
        raise ParcelError(f"{SUMS} and {MANIFEST} tell of different files", where=archive)
    signature = reader.optional(SIGNATURE, _LARGEST_SIGNATURE)
    signed_by = None if key is None else _signed_by(sums, signature, key, archive)
    heads = {MANIFEST: told, SUMS: sums} | ({} if signature is None else {SIGNATURE: signature})
    _require_room(manifest, out)
    with new_directory(out) as beside:
        for name, data in heads.items():
            (beside / name).write_bytes(data)
        steps = iter(progress.track(range(blocks_of(manifest)), "unpacking (MiB)"))
        for path in order_of(manifest.files):
            _write(reader, beside, path, manifest, archive, steps)
        deque(steps, maxlen=0)  # the bar ends
        reader.end()
        _require_whole(beside, manifest, archive)
    digest = hashlib.sha256(told).hexdigest()
    return Unpacked(manifest, digest, signature is not None, signed_by)


def _write(
    reader: Reader,
    beside: Path,
    path: str,
    manifest: Manifest,
    archive: Path,
    steps: Iterator[int],
) -> None:
    entry, digest, target = manifest.files[path], hashlib.sha256(), beside / path
    reader.expect(path, entry.size)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        for piece in reader.content(path, entry.size):
            digest.update(piece)
            file.write(piece)
            next(steps, None)
    if digest.hexdigest() != entry.sha256:
        raise ParcelError(
            f"{path} is not the file its manifest names: it was changed or damaged",
            where=archive,
            fix="copy it again from where it was made",
        )


def _signed_by(sums: bytes, signature: bytes | None, key: Path, archive: Path) -> str:
    if signature is None:
        raise ParcelError("it is not signed", where=archive, fix=_AGAIN)
    try:
        claim = json.loads(signature)
    except (ValueError, RecursionError) as error:
        raise ParcelError("its signature can't be read", where=archive, fix=_AGAIN) from error
    return require_signature_of(
        sums, claim, key, what=f"its {SUMS}", where=archive, error=ParcelError, fix=_AGAIN
    )


def _require_room(manifest: Manifest, out: Path) -> None:
    """Tell before the first byte is written, where it can be told."""
    above = next(parent for parent in out.absolute().parents if parent.exists())
    free = shutil.disk_usage(above).free
    if free < manifest.total:
        raise RunFailed(
            f"it needs {manifest.total / 1e6:.0f} MB, and there are {free / 1e6:.0f}",
            where=above,
            fix="make room, or unpack to another disk",
        )


def _require_whole(beside: Path, manifest: Manifest, archive: Path) -> None:
    """What the manifest can't tell: the bundle is one, and the wheels are those of the lock."""
    if open_bundle(beside / BUNDLE).sha256 != manifest.bundle.sha256:
        raise ParcelError("it holds another bundle than its manifest says", where=archive)
    wheels = sorted(manifest.files[path].sha256 for path in manifest.inside(WHEELS))
    wanted: list[str] = []
    if (lock := beside / REQUIREMENTS).is_file():
        wanted = sorted(digest for pin in read_lock(lock) for digest in pin.sha256)
    if wheels != wanted:
        raise ParcelError(f"its wheels are not those of its {REQUIREMENTS}", where=archive)
