"""Write a parcel: hash everything, say so in the manifest, then copy it into one archive."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kit import __version__
from kit.errors import UsageError
from kit.files import json_bytes, new_file, sha256_file
from kit.parcel.contents import Order, gather
from kit.parcel.manifest import (
    MANIFEST,
    README,
    SIGNATURE,
    SUMS,
    Detector,
    Entry,
    Manifest,
    manifest_bytes,
    sums_bytes,
    unfit,
)
from kit.parcel.tar import Writer
from kit.progress import SILENT, Progress
from kit.signature import signature_of

_PIECE = 1 << 20


@dataclass(frozen=True)
class Packed:
    """What was written: the manifest, with its own digest, and who signed it, if anybody."""

    manifest: Manifest
    manifest_sha256: str
    signed_by: str | None
    size: int


def pack(order: Order, out: Path, *, progress: Progress = SILENT) -> Packed:
    """Write one archive; it appears under its name only when it is complete.

    Raises:
        UsageError: something can't be packed under its name, or changed meanwhile; ``out`` exists.
    """
    pieces = gather(order, progress=progress)
    files = {path: _entry(pieces[path]) for path in progress.track(sorted(pieces), "hashing")}
    manifest = _manifest(order, files)
    told = manifest_bytes(manifest)
    heads = {MANIFEST: told, SUMS: sums_bytes(told, files)}
    signed_by = None
    if order.private is not None:
        signature = signature_of(heads[SUMS], order.private)
        heads[SIGNATURE], signed_by = json_bytes(signature), signature["key"]
    with new_file(out) as file:
        writer = Writer(file, manifest.name)
        for name, data in heads.items():
            writer.add(name, len(data), [data])
        bar = iter(progress.track(range(blocks_of(manifest)), "packing (MiB)"))
        for path in order_of(files):
            digest = hashlib.sha256()
            writer.add(path, files[path].size, _copied(pieces[path], digest, bar))
            if digest.hexdigest() != files[path].sha256:
                raise UsageError("it changed while it was packed", where=path, fix="pack again")
        deque(bar, maxlen=0)  # it ends
        writer.close()
        size = file.tell()
    return Packed(manifest, hashlib.sha256(told).hexdigest(), signed_by, size)


def order_of(files: Mapping[str, Entry]) -> list[str]:
    """In which they lie in the archive: what tells of it first, the rest by name."""
    return sorted(files, key=lambda path: (path != README, path))


def blocks_of(manifest: Manifest) -> int:
    """Steps that writing or reading it all takes, for a bar: MiB, and one a file."""
    return sum(-(-entry.size // _PIECE) or 1 for entry in manifest.files.values())


def _manifest(order: Order, files: Mapping[str, Entry]) -> Manifest:
    if wrong := unfit(order.name, files):
        raise UsageError("\n  ".join(["can't be packed", *wrong]), where=order.bundle.directory)
    card, wheels = order.bundle.card, order.wheels
    return Manifest(
        name=order.name,
        bundle=Detector(card.name, order.bundle.sha256, card.model, card.licence),
        files=files,
        lock=None if wheels is None else wheels.lock,
        target=None if wheels is None else wheels.target,
        image="" if order.image is None else order.image.reference,
        made_by=f"detector-kit {__version__}",
    )


def _entry(piece: bytes | Path) -> Entry:
    if isinstance(piece, bytes):
        return Entry(len(piece), hashlib.sha256(piece).hexdigest())
    return Entry(piece.stat().st_size, sha256_file(piece))


def _copied(piece: bytes | Path, digest: hashlib._Hash, bar: Iterator[int]) -> Iterator[bytes]:
    """Its content block by block, which moves the bar and feeds the digest of what is written."""
    for block in _blocks(piece):
        digest.update(block)
        yield block
        next(bar, None)


def _blocks(piece: bytes | Path) -> Iterator[bytes]:
    if isinstance(piece, bytes):
        yield piece
        return
    with piece.open("rb") as file:
        while block := file.read(_PIECE):
            yield block
