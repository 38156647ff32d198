"""Frames of blood smears, as a visitor's browser sends them and as a file for Chromium's camera."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

DATA, SIZE, QUALITY = "bccd", (480, 640), 85
HELD = 4  # frames of a camera that show one picture, at 30 a second


def jpegs(count: int) -> list[bytes]:
    """Pictures of BCCD (KIT_DATA), 640 x 480, as the page's script encodes them."""
    from kit.data.source import open_source
    from kit.pixels import encode_picture, read_picture

    dataset = open_source(DATA)
    pictures = (read_picture(dataset.path(index)) for index in range(len(dataset)))
    frames = (picture for picture in pictures if picture.shape[:2] == SIZE)
    return [encode_picture(frame, quality=QUALITY) for frame in islice(frames, count)]


def write_camera(frames: list[bytes], out: Path) -> Path:
    """A file that ``--use-file-for-fake-video-capture`` plays again and again."""
    out.write_bytes(b"".join(frame for frame in frames for _ in range(HELD)))
    return out


def chromium() -> str | None:
    """Where the browser is."""
    from shutil import which

    return which("chromium") or which("google-chrome")
