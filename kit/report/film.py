"""Drawn frames as a film that plays at the pace of what was filmed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from kit.errors import DataError, RunFailed
from kit.runtime.capture import open_file
from kit.types import Picture

_LONGEST = 60.0  # seconds: no gap takes longer in the film, however long the source was away
_SETTLING = 1.0  # seconds of a live film after which its rate is known
_MOST = 16  # frames kept until then: large ones fill the memory
_RATES = (1.0, 60.0)  # frames a second of a live film
_CODECS = {".webm": "VP80"}
"""By suffix, where it isn't MPEG-4 part 2. The encoders here are those that every OpenCV brings; of
them browsers play VP8 and VP9, and VP9 takes five times as long. H.264 has no encoder there."""


class VideoWriter:
    """Writes frames to a file: MPEG-4 part 2, or VP8 where it is named ``.webm``, which browsers
    play. Use it with :func:`contextlib.closing`.

    Attributes:
        frames: written so far.

    Raises:
        DataError: OpenCV can't write it here.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self.frames = 0

    def close(self) -> None:
        """Finish the file.

        Raises:
            RunFailed: it can't be read back: OpenCV doesn't tell what it could not write.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        written = open_file(self._path)
        told = written.get(cv2.CAP_PROP_FRAME_COUNT)  # from its end, which is written last
        written.release()
        if abs(told - self.frames) > 1 + self.frames / 100:
            raise RunFailed(
                "the film was not written whole", where=self._path, fix="is the disk full?"
            )

    def write(self, frame: Picture, second: float = 0.0) -> None:
        """Append a frame. The first sets the size, less an odd last row or column: the codec wants
        even sides; later ones of another size are scaled into it, with black beside them."""
        if self._writer is None:
            height, width = (side // 2 * 2 for side in frame.shape[:2])
            self._size = width, height
            code = cv2.VideoWriter.fourcc(*_CODECS.get(self._path.suffix.lower(), "mp4v"))
            self._writer = cv2.VideoWriter(str(self._path), code, self._rate, self._size)
            if not self._writer.isOpened():
                raise DataError("OpenCV can't write videos here", where=self._path)
        width, height = self._size
        if frame.shape[0] // 2 * 2 != height or frame.shape[1] // 2 * 2 != width:
            frame = _into(frame, width, height)
        self._writer.write(np.ascontiguousarray(frame[:height, :width]))
        self.frames += 1


class LiveWriter:
    """Writes what comes at times of its own so that the film keeps real time.

    Its rate is the one that frames come at in the beginning; a frame is repeated until the next is
    due, or left out where that is due at once.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._rate = path, _RATES[0]
        self._waiting: list[tuple[float, Picture]] = []
        self._writer: VideoWriter | None = None
        self._begin = self._last = 0.0
        self._shown: Picture | None = None

    def write(self, frame: Picture, second: float) -> None:
        """Append a frame that was taken at this second."""
        if self._writer is not None:
            self._place(frame, second)
            return
        self._waiting.append((second, frame))
        if second - self._waiting[0][0] >= _SETTLING or len(self._waiting) >= _MOST:
            self._settle()

    def close(self) -> None:
        """Finish the file."""
        if self._writer is None and self._waiting:
            self._settle()
        if self._writer is not None:
            if self._shown is not None:
                self._writer.write(self._shown)
            self._writer.close()

    def _settle(self) -> None:
        seconds = self._waiting[-1][0] - self._waiting[0][0]
        if seconds > 0:
            rate = round((len(self._waiting) - 1) / seconds, 2)
            self._rate = min(max(rate, _RATES[0]), _RATES[1])
        self._writer = VideoWriter(self._path, self._rate)
        self._begin = self._last = self._waiting[0][0]
        waiting, self._waiting = self._waiting, []
        for second, frame in waiting:
            self._place(frame, second)

    def _place(self, frame: Picture, second: float) -> None:
        assert self._writer is not None
        if second - self._last > _LONGEST:
            self._begin += second - self._last - _LONGEST
        self._last = second
        due = round((second - self._begin) * self._rate)
        while self._shown is not None and self._writer.frames < due:
            self._writer.write(self._shown)
        self._shown = frame  # written once it is known how long it is seen


def _into(frame: Picture, width: int, height: int) -> Picture:
    """The frame, scaled to fit into the middle of a black one of this size."""
    scale = min(width / frame.shape[1], height / frame.shape[0])
    wide, tall = (max(1, round(side * scale)) for side in (frame.shape[1], frame.shape[0]))
    whole = np.zeros((height, width, 3), np.uint8)
    left, top = (width - wide) // 2, (height - tall) // 2
    scaled = cv2.resize(frame, (wide, tall), interpolation=cv2.INTER_AREA)
    whole[top : top + tall, left : left + wide] = scaled
    return whole
