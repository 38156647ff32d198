"""Small whole files of every kind that the kit reads, to be damaged."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import pickle
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from doubles import reports
from PIL import Image

SIZE = (40, 30)


def picture(kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 4), np.uint8)
    file = io.BytesIO()
    made = Image.fromarray(noise, "RGBA").convert("RGB" if mode == "EXIF" else mode)
    if mode == "EXIF":
        exif = Image.Exif()
        exif[0x0112], exif[0x010E] = 6, "a slide"
        exif[0x8825] = {1: "N", 2: (51.0, 30.0, 0.0)}
        options["exif"] = exif
    made.save(file, kind, **options)
    return file.getvalue()


def pictures() -> list[bytes]:
    return [
        picture(), picture("PNG", "RGBA"), picture("PNG", "L"), picture("JPEG"),
        picture("JPEG", "EXIF"), picture("JPEG", "CMYK"), picture("BMP"), picture("WEBP"),
        picture("TIFF", compression="tiff_lzw"), picture("TIFF", "RGBA"),
        picture("TIFF", "L"), picture("JPEG", progressive=True),
    ]  # fmt: skip


@functools.cache
def videos() -> tuple[bytes, ...]:
    from kit.report.film import VideoWriter

    frames = np.random.default_rng(0).integers(0, 255, (4, 48, 64, 3), np.uint8)
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".mp4", ".avi"):
            path = Path(folder) / f"film{suffix}"
            film = VideoWriter(path, 10.0)
            for frame in frames:
                film.write(frame)
            film.close()
            made.append(path.read_bytes())
    return tuple(made)


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


YOLO = b"0 0.5 0.5 0.2 0.2\n1 0.1 0.1 0.1 0.1\n0 0.1 0.1 0.4 0.1 0.4 0.4\n"
DATA_YAML = b"path: .\ntrain: images\nval: images\nnc: 2\nnames:\n  0: cell\n  1: dust\n"
VOC = (
    b'<?xml version="1.0"?>\n<annotation><filename>a.png</filename><size><width>40</width>'
    b"<height>30</height><depth>3</depth></size><source><database>x</database></source><object>"
    b"<name>cell</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>20</xmax>"
    b"<ymax>22</ymax></bndbox><part><name>p</name></part></object></annotation>"
)
COCO = text(
    {
        "info": {"kept_by": "kit serve --feedback"},
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 10, 12], "iscrowd": 0,
             "area": 120, "segmentation": [[1, 2, 3, 4, 5, 6]]},
        ],
        "categories": [
            {"id": 3, "name": "cell", "supercategory": "none"}, {"id": 7, "name": "dust"},
        ],
    }
)  # fmt: skip


def card(**changes: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        made = reports.bundle(Path(folder) / "b", **changes)
        return (made.directory / "card.json").read_bytes()


def manifest() -> bytes:
    from kit.data.manifest import Manifest

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.json"
        Manifest(("a", "b"), ("1" * 64, "2" * 64), "3" * 64, "every", 0, {"cell": 3}).save(path)
        return path.read_bytes()


def saved(report: Any) -> bytes:
    from kit.binding import plain

    return text([plain(each) for each in report] if isinstance(report, list) else plain(report))


def arrays(**content: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **content)
    return file.getvalue()


def chain() -> bytes:
    from kit.app.chain import line

    lines, head = b"", "0" * 64
    for seq in range(1, 4):
        written, head = line(seq, head, {"event": "looked", "user": "me", "counts": {"cell": seq}})
        lines += written
    return lines


def users() -> bytes:
    from kit.app.passwords import Hashed

    hashed = Hashed(2, 1, 1, b"s" * 16, b"d" * 32)
    return f"# users\nme:{hashed}\nyou:{hashed}\n".encode()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def dataset() -> dict[str, bytes]:
    """Members of a whole YOLO dataset."""
    return {
        "data.yaml": DATA_YAML,
        "images/a.png": picture(),
        "labels/a.txt": YOLO,
        "images/\u00e4" + "b" * 120 + ".png": picture("PNG", "L"),
    }


def checkpoint(*, zipped: bool = True) -> bytes:
    import torch

    file = io.BytesIO()
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
    content = {"model": model, "epoch": 3, "args": {"lr": 0.1}, "date": "2020"}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def pickled() -> list[bytes]:
    content = {"model": {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}, "by": "someone"}
    return [pickle.dumps(content, protocol=protocol) for protocol in (0, 2, 5)]


def safetensors(metadata: dict[str, str] | None = None) -> bytes:
    from safetensors.numpy import save

    return bytes(save({"a": np.ones((2, 3), np.float32), "b": np.zeros(4, np.int64)}, metadata))


def graph() -> bytes:
    from doubles.graph import whole_picture_graph

    return whole_picture_graph(64)


def private_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


MACHINE = ("GPU", "8.9", "580.1", "13.0", "13.0", "11.0", "linux-x86_64")
STATEMENTS = (
    b"intended_use: to count cells\nresearch_use_only:\n  lifted_by: me\n  date: 2026-01-02\n"
    b"  reason: it was tried\n"
)
CORRECTION = text(
    {"threshold": 0.3, "boxes": [
        {"decision": "accepted", "proposed": 0},
        {"decision": "drawn", "name": "cell", "box": [1.0, 2.0, 10.0, 12.0]},
    ]}
)  # fmt: skip


def engine() -> bytes:
    names = ["gpu", "compute_capability", "driver", "driver_cuda", "cuda", "tensorrt", "platform"]
    return text(
        {
            "machine": dict(zip(names, MACHINE, strict=True)), "onnx_sha256": "1" * 64,
            "engine_sha256": "2" * 64, "source": "onnx", "batches": [1, 1, 4],
            "layers": {"fp32": 3}, "build_s": 1.5, "schema": 1,
        }
    )  # fmt: skip


def side() -> bytes:
    digest = hashlib.sha256(b"labels/a.txt\0" + b"0\0").hexdigest()
    return text(
        {
            "labels_sha256": digest, "classes": ["cell", "dust"], "bit_depth": 12,
            "splits": {"train": ["images/a.png"]}, "groups": {"images/a.png": "p1"},
            "ignore": {"images/a.png": []}, "extra": {"coco": {"pictures": {}}}, "schema": 1,
        }
    )  # fmt: skip


def watch(*, packed: bool = False) -> bytes:
    content = {"mean": np.zeros(4, np.float32), "whiten": np.ones((4, 2), np.float32)}
    if not packed:
        return arrays(**content)
    file = io.BytesIO()
    np.savez_compressed(file, **content)  # type: ignore[arg-type]
    return file.getvalue()


def cell_arrays() -> bytes:
    return arrays(
        ids=np.array(["a", "b"]), lengths=np.array([1, 1]),
        xyxy=np.array([[0, 0, 5, 5]] * 2, np.float32), scores=np.ones(2, np.float32),
        labels=np.zeros(2, np.int64), ap=np.ones(3), ap50=np.ones(3),
    )  # fmt: skip
