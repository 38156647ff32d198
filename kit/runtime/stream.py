"""Pictures that come one after another: the frames of a video file, a camera, a network stream.

A file waits for its reader, so no frame is lost. What is live doesn't: a :class:`Live` keeps its
latest frame only, counts the others, and comes back when its source died.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any

import cv2
import numpy as np

from kit.errors import DataError, RunFailed, UsageError
from kit.pixels import MAX_PIXELS
from kit.progress import SILENT, Progress
from kit.runtime.capture import (
    SCHEMES,
    TIMEOUT,
    open_address,
    open_camera,
    open_file,
    scheme,
    shown,
)
from kit.types import Picture

SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"})
"""File suffixes taken for videos, in lower case."""

PATIENCE = 60.0
"""Seconds that a live source which died is tried again."""

_RATE = 25.0  # frames a second where the source doesn't tell
_PAUSES = (0.5, 10.0)  # seconds before the first try to come back, doubled up to the last
_LOOK = 0.1  # seconds between two looks whether to stop
_HANGS = 3 * TIMEOUT  # seconds: FFmpeg waits once more when it hangs up, and again to say so


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a stream, and what came before it.

    Attributes:
        index: how many frames the source gave before this one, dropped ones too.
        second: since its first frame; by the clock where it is live.
        captured: seconds since 1970 when it was decoded; None in a file.
        dropped: frames passed over so far, since a newer one was there.
        reconnects: how often the source came back so far.
        decoded: when that was, by :func:`time.monotonic`.
    """

    picture: Picture
    index: int
    second: float
    captured: float | None = None
    dropped: int = 0
    reconnects: int = 0
    decoded: float = 0.0

    @property
    def age_ms(self) -> float | None:
        """Milliseconds since it was decoded, by now; None in a file. What camera and network need
        before that can't be seen from here."""
        return None if self.captured is None else 1000 * (time.monotonic() - self.decoded)


def is_video(path: Path) -> bool:
    """Whether the name looks like a video's."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def is_live(source: str) -> bool:
    """Whether this names a camera or an address."""
    return source.isdecimal() or scheme(source) is not None or Path(source).is_char_device()


def is_stream(source: str) -> bool:
    """Whether this names a camera, an address or a video file, not pictures."""
    path = Path(source)
    return is_live(source) or (is_video(path) and not path.is_dir())


def open_stream(
    source: str, *, patience: float = PATIENCE, progress: Progress = SILENT
) -> Video | Live:
    """Open a video file, a camera (``0``, ``/dev/video0``) or an rtsp(s) or http(s) address.

    A recording at an http address is read like a file. Use it with :func:`contextlib.closing`.

    Args:
        patience: seconds that a live source which died is tried again.
        progress: told when it died and when it is back.

    Raises:
        DataError: nothing there that could be read.
        UsageError: an address of another kind.
    """
    if not is_live(source):
        return Video(Path(source))
    kind = scheme(source)
    if kind is not None and kind not in SCHEMES:
        raise UsageError(
            "an address of this kind can't be read",
            where=shown(source),
            fix=f"one of: {', '.join(f'{each}://' for each in SCHEMES)}",
        )
    name = shown(source) if kind else f"camera {source}"

    def connect() -> Any:
        if kind:
            return open_address(source)
        return open_camera(int(source) if source.isdecimal() else source)

    capture = connect()
    if not capture.isOpened():
        raise DataError(
            "it does not answer, or has no video" if kind else "there is no such camera",
            where=name,
            fix="check address, user and password" if kind else "ls /dev/video*, or try camera 0",
        )
    if kind in ("http", "https") and _frames(capture):
        return Video(name, capture)
    return Live(name, connect, capture, patience=patience, progress=progress)


class Video:
    """A video file, open for reading; iterate over it once for its frames, upright and BGR. Use it
    with :func:`contextlib.closing`.

    Attributes:
        name: path or, without its password, address.
        rate: frames a second.
        frames: as the file's header tells, 0 where it doesn't; a damaged file may hold fewer.
        size: width and height in pixels, as the header tells.

    Raises:
        DataError: missing, not a video, or of a kind OpenCV can't decode.
    """

    live = False

    def __init__(self, source: Path | str, capture: Any = None) -> None:
        self.name = str(source)
        if capture is None:
            if not Path(source).is_file():
                raise DataError("there is no such video", where=source)
            capture = open_file(Path(source))
        if not capture.isOpened():
            raise DataError("not a video, or a damaged one", where=source)
        self._capture, self.rate, self.frames = capture, _rate(capture), _frames(capture)
        width, height = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
        self.size = int(capture.get(width)), int(capture.get(height))
        if self.size[0] * self.size[1] > MAX_PIXELS:
            capture.release()
            raise DataError(
                f"its frames have {self.size[0]} x {self.size[1]} pixels, more than the limit of "
                f"{MAX_PIXELS:,}",
                where=source,
            )

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            read, picture = self._capture.read()
            if not read:
                return
            yield Frame(np.asarray(picture, np.uint8), index, index / self.rate)
            index += 1


class Live:
    """A camera or network stream: its latest frame, each at most once. Use it with
    :func:`contextlib.closing`.

    A thread decodes every frame as it comes, so that none waits in a buffer. When the source dies,
    it is opened again after pauses that double from half a second to ten.

    Args:
        name: what messages call it.
        connect: opens it; where that fails, what it returns is not ``isOpened()``.
        capture: the first that it opened.
        patience: seconds that it is tried again after it died; then it counts as lost.
        progress: told when it died and when it is back.

    Attributes:
        rate: frames a second, as announced.
        frames: 0, it has no end.
    """

    live = True

    def __init__(
        self,
        name: str,
        connect: Callable[[], Any],
        capture: Any,
        *,
        patience: float = PATIENCE,
        progress: Progress = SILENT,
    ) -> None:
        self.name, self.rate, self.frames = name, _rate(capture), 0
        self._connect, self._capture, self._patience = connect, capture, patience
        self._progress = progress
        self._stop, self._news = Event(), Condition()
        self._latest: Frame | None = None
        self._error: BaseException | None = None
        self._count = self._taken = self._reconnects = 0
        self._first = self._heard = time.monotonic()
        self._died: float | None = None
        self._thread = Thread(target=self._run, name="kit-live", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go of the source, once the read or opening at work ends: within its time-out."""
        self._stop.set()
        self._thread.join(_HANGS)

    def latest(self, timeout: float) -> Frame | None:
        """The newest frame not yet returned; None where none comes within ``timeout`` seconds.

        Raises:
            RunFailed: it died, and did not come back in time.
        """
        with self._news:
            self._news.wait_for(lambda: self._latest is not None or self._error, timeout)
            if self._error is not None:
                raise self._error
            frame, self._latest = self._latest, None
            if frame is not None:
                self._taken += 1
                return frame
            now = time.monotonic()
            hangs = self._died is None and now - self._heard > _HANGS + self._patience
            if hangs or (self._died is not None and now - self._died > self._patience):
                raise RunFailed(
                    f"no frame for {now - self._heard:.0f} s, and it could not be reached again",
                    where=self.name,
                )
            return None

    def frames_until(
        self, stop: Callable[[], object] = lambda: False
    ) -> Generator[Frame, None, None]:
        """The latest frame, again and again, until ``stop`` says so.

        Raises:
            RunFailed: as :meth:`latest`.
        """
        while not stop():
            frame = self.latest(_LOOK)
            if frame is not None:
                yield frame

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                read, picture = self._capture.read()
                if read:
                    self._keep(np.asarray(picture, np.uint8))
                else:
                    self._capture.release()
                    self._come_back()
        except BaseException as error:
            with self._news:
                self._error = error
                self._news.notify_all()
        finally:
            self._capture.release()

    def _keep(self, picture: Picture) -> None:
        now = time.monotonic()
        with self._news:
            if not self._count:
                self._first = now
            index, self._count, self._heard = self._count, self._count + 1, now
            dropped = index - self._taken
            second = now - self._first
            self._latest = Frame(
                picture, index, second, time.time(), dropped, self._reconnects, now
            )
            self._died = None
            self._news.notify_all()

    def _come_back(self) -> None:
        """Open it again, and tell so once it gives a frame."""
        self._died = died = time.monotonic()
        pause, longest = _PAUSES
        self._progress.note(f"note: {self.name} died; trying again for {self._patience:g} s")
        while not self._stop.wait(pause):
            pause = min(2 * pause, longest)
            self._capture = self._connect()
            if self._capture.isOpened():
                read, picture = self._capture.read()
                if read:
                    self._reconnects += 1
                    self._keep(np.asarray(picture, np.uint8))
                    away = time.monotonic() - died
                    self._progress.note(f"note: {self.name} is back after {away:.1f} s")
                    return
            self._capture.release()


def _rate(capture: Any) -> float:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 0 < rate <= 1000 else _RATE


def _frames(capture: Any) -> int:
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if math.isfinite(count) and count > 0 else 0
