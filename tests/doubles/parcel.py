"""Parcels as `kit pack` writes them, and as somebody would who means harm."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from doubles.wheel import lock_of, make_wheel
from kit.bundle import Bundle, BundleCard, save_bundle
from kit.cards import Input
from kit.files import json_bytes
from kit.parcel.contents import Order
from kit.parcel.manifest import MANIFEST, README, SUMS, Target
from kit.parcel.pack import pack
from kit.parcel.tar import Writer
from kit.parcel.wheels import Wheels, gather

HERE = Target("3.11", "x86_64")
FOLDER = "cells"


def tiny_bundle(folder: Path, **card: Any) -> Bundle:
    told = BundleCard(
        name="tiny", kind="onnx", family="none", model="yolov8n", architecture="none",
        licence="AGPL-3.0", classes=("a", "b"), input=Input(64), suppress=None, weights="w.onnx",
        files={}, dataset={"name": "bccd"},
    )  # fmt: skip
    from kit.binding import replace

    return save_bundle(folder, replace(told, **card), {"w.onnx": b"weights"})


def tiny_wheels(folder: Path) -> Wheels:
    """Two packages and the kit's own, which all are next to nothing."""
    made = [make_wheel(folder / "wheels", name) for name in ("alpha", "beta")]
    (folder / "edge-tiny.txt").write_text(lock_of(*made))
    own = make_wheel(folder / "wheels", "detector_kit", head="License-Expression: Apache-2.0")
    return gather(folder / "wheels", folder / "edge-tiny.txt", HERE, own)


def tiny_parcel(folder: Path, *, private: Path | None = None) -> Path:
    """A whole one, with wheels and an image's name."""
    from kit.parcel.contents import Image

    order = Order(
        FOLDER,
        tiny_bundle(folder / "bundle"),
        tiny_wheels(folder),
        Image("site/kit@sha256:" + "0" * 64),
        private=private,
    )
    pack(order, folder / "cells.tar")
    return folder / "cells.tar"


def members(archive: Path) -> dict[str, bytes]:
    """Content by path in the folder, as anybody's tar reads it."""
    found = {}
    with tarfile.open(archive) as tar:
        for info in tar:
            file = tar.extractfile(info)
            found[info.name.partition("/")[2]] = b"" if file is None else file.read()
    return found


def manifest_of(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest that tells of these files, whatever they are called."""
    entries = {
        path: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in sorted(files.items())
    }
    return {**manifest, "files": entries}


def forge(
    files: Mapping[str, bytes],
    manifest: Mapping[str, Any],
    *,
    told: bytes | None = None,
    header: Callable[[str, int], bytes | None] = lambda path, size: None,
    folder: str | None = None,
    last: bytes = b"",
) -> bytes:
    """An archive in which manifest, sums and content fit together, and only one thing is wrong.

    Args:
        files: content by path, but for manifest and sums.
        manifest: the rest of the manifest.
        told: the manifest's own bytes, if they are not those that tell of ``files``.
        header: bytes in place of a file's header, or None to leave it.
        folder: other than the manifest's name.
        last: before the archive's end.
    """
    told = json_bytes(manifest_of(files, manifest)) if told is None else told
    sums = {**files, MANIFEST: told}
    lines = [f"{hashlib.sha256(sums[path]).hexdigest()}  {path}\n" for path in sorted(sums)]
    content = {MANIFEST: told, SUMS: "".join(lines).encode()}
    later = sorted(files, key=lambda path: (path != README, path))
    content |= {path: files[path] for path in later if path not in content}
    made = io.BytesIO()
    writer = _Forger(made, manifest["name"] if folder is None else folder, header)
    for path, data in content.items():
        writer.add(path, len(data), [data])
    writer._write(last)
    writer.close()
    return made.getvalue()


class _Forger(Writer):
    """A writer that puts other headers before files."""

    def __init__(
        self, file: io.BytesIO, folder: str, header: Callable[[str, int], bytes | None]
    ) -> None:
        super().__init__(file, folder)
        self._other = header

    def add(self, path: str, size: int, content: Any) -> None:
        other = self._other(path, size)
        if other is None:
            super().add(path, size, content)
            return
        self._write(other)
        for piece in content:
            self._write(piece)
        self._write(bytes(-size % tarfile.BLOCKSIZE))


def swapped(**changes: Any) -> Callable[[str, int], bytes]:
    """A header with other fields than `kit pack` gives it."""

    def make(path: str, size: int) -> bytes:
        info = tarfile.TarInfo(f"{FOLDER}/{path}")
        info.size, info.mode = size, 0o644
        for name, value in changes.items():
            setattr(info, name, value)
        return info.tobuf(tarfile.USTAR_FORMAT)

    return make
