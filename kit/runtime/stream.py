"""Pictures that come one after another: the frames of a video file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what goes wrong is raised, told once
import cv2
import numpy as np

from kit.errors import DataError
from kit.types import Picture

SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"})
"""File suffixes taken for videos, in lower case."""

_RATE = 25.0  # frames a second where the file doesn't tell


def is_video(path: Path) -> bool:
    """Whether the name looks like a video's."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


class Video:
    """A video file, open for reading; iterate over it once for its frames, upright and BGR. Use it
    with :func:`contextlib.closing`.

    Attributes:
        rate: frames a second.
        frames: as the file's header tells, 0 where it doesn't; a damaged file may hold fewer.

    Raises:
        DataError: missing, not a video, or of a kind OpenCV can't decode.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError("there is no such video", where=path)
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)  # never a URL
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise DataError("not a video, or a damaged one", where=path)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if math.isfinite(rate) and 0 < rate <= 1000 else _RATE
        self.frames = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()

    def __iter__(self) -> Iterator[Picture]:
        while True:
            read, frame = self._capture.read()
            if not read:
                return
            yield np.asarray(frame, dtype=np.uint8)


class VideoWriter:
    """Writes frames of one size to an MP4 file (MPEG-4 part 2, which every OpenCV can encode). Use
    it with :func:`contextlib.closing`.

    Raises:
        DataError: OpenCV can't write it here.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._writer: cv2.VideoWriter | None = None

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()

    def write(self, frame: Picture) -> None:
        """Append a frame; an odd last row or column is left out: the codec wants even sides."""
        height, width = (side // 2 * 2 for side in frame.shape[:2])
        if self._writer is None:
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), code, self._rate, (width, height))
            if not self._writer.isOpened():
                raise DataError("OpenCV can't write videos here", where=self._path)
        self._writer.write(np.ascontiguousarray(frame[:height, :width]))
