"""A visitor's clip: checked, looked at frame by frame, drawn as a film that browsers play."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from kit.app import strings as say
from kit.app.findings import Shown
from kit.app.shelf import Served
from kit.errors import DataError
from kit.progress import Label, Silent
from kit.report.draw import draw
from kit.report.film import VideoWriter
from kit.report.recording import follow, row
from kit.report.tally import Looked, Recorded, Tally
from kit.runtime.stream import Video
from kit.types import Detections, Picture, Result

_FASTEST = 60.0  # frames a second of a clip, as far as its length is concerned

MOST_PIXELS = 4096 * 2304
"""Of a frame: some frames wait in memory beside the one that is looked at."""

FILM_SIDE = 1280
"""Longest side of the drawn film, in pixels; encoding larger ones takes longer than detecting."""

T = TypeVar("T")
Told = Callable[[int, int, float | None], None]
"""Called with each frame: its number, how many the header tells of (0: it doesn't), and frames a
second of late (None: not known yet)."""


@dataclass(frozen=True, eq=False)
class Clip:
    """What was seen of a clip.

    Attributes:
        sha256: of the file as it came.
        size: width and height of its frames. rate: frames a second.
        film: with boxes, a WebM file.
        rows: a JSON object a frame, as `kit detect` writes them.
        counts: ``(frames, classes)`` boxes at the bundle's thresholds.
        done: what came of it. told: frames its header tells of, 0 where it doesn't.
        cut: seconds after which it was left; None where it was looked at to its end.
    """

    served: Served
    sha256: str
    size: tuple[int, int]
    rate: float
    film: bytes
    rows: tuple[bytes, ...]
    counts: NDArray[np.int64]
    done: Recorded
    told: int
    cut: float | None
    when: float = field(default_factory=time.time)

    @property
    def seconds(self) -> float:
        """How long it is, as far as it was looked at."""
        return len(self.rows) / self.rate

    @property
    def missing(self) -> int:
        """Frames that its header tells of and that could not be read."""
        return 0 if self.cut is not None else max(0, self.told - len(self.rows))

    @property
    def nbytes(self) -> int:
        return len(self.film) + sum(map(len, self.rows)) + self.counts.nbytes


def look_through(
    path: Path,
    sha256: str,
    served: Served,
    *,
    most_seconds: float,
    stop: Callable[[], object] = lambda: False,
    told: Told = lambda *_: None,
) -> Clip | None:
    """Look at a clip. Its frames take their turns with everybody else's pictures.

    Args:
        path: removed as soon as it is open: while it is read it has no name any more.
        most_seconds: longer clips are refused; where the header doesn't tell, the rest is left.
        stop: asked after each frame.

    Returns:
        What was seen, or None where it was stopped.

    Raises:
        DataError: no video, damaged, without a frame, too long or too large.
        RunFailed: the detector or the film failed.
    """
    try:
        video = Video(path)
    finally:
        path.unlink(missing_ok=True)
    with closing(video), NamedTemporaryFile(suffix=".webm") as file:
        _check(video, most_seconds)
        card = served.bundle.card

        def look(picture: Picture) -> Result:
            result = served.look(picture).result()
            shown = Shown().among(result.detections, card.thresholds)
            return replace(result, detections=shown)

        sink = _Sink(card.classes, Path(file.name), video.rate)
        tally = Tally(card.watch.get("alarms"))
        tally.progress = _Teller(tally, told)
        most = _most_frames(video, most_seconds)
        follow(look, video, sink, tally, seconds=most / video.rate, stop=stop)
        if stop():
            return None
        frames = tally.done.frames
        cut = frames != video.frames and frames >= most
        return Clip(
            served=served,
            sha256=sha256,
            size=sink.size,
            rate=video.rate,
            film=file.read(),
            rows=tuple(sink.rows),
            counts=np.array(sink.counts, np.int64).reshape(frames, len(card.classes)),
            done=tally.done,
            told=video.frames,
            cut=most_seconds if cut else None,
        )


def _check(video: Video, most_seconds: float) -> None:
    """By its header, before a frame is decoded."""
    width, height = video.size
    if width * height > MOST_PIXELS:
        most = f"{MOST_PIXELS / 1e6:.1f}"
        raise DataError(say.VIDEO_WIDE.format(width=width, height=height, most=most))
    if video.frames > _most_frames(video, most_seconds):
        seconds = video.frames / min(video.rate, _FASTEST)
        raise DataError(say.VIDEO_LONG.format(seconds=spoken(seconds), most=spoken(most_seconds)))


def _most_frames(video: Video, most_seconds: float) -> float:
    """A header may tell any rate; work is counted in frames."""
    return most_seconds * min(video.rate, _FASTEST)


def spoken(seconds: float) -> str:
    """``48 s``, ``2 min 5 s``; below ten seconds to a tenth."""
    if round(seconds) < 60:
        return say.VIDEO_SECONDS.format(seconds=f"{seconds:.{seconds < 10:d}f}".removesuffix(".0"))
    minutes, rest = divmod(round(seconds), 60)
    if not rest:
        return say.VIDEO_WHOLE.format(minutes=minutes)
    return say.VIDEO_MINUTES.format(minutes=minutes, seconds=rest)


class _Teller(Silent):
    """Hands on how far it is."""

    def __init__(self, tally: Tally, told: Told) -> None:
        self._tally, self._told = tally, told

    def track(self, items: Iterable[T], label: Label, total: int | None = None) -> Iterator[T]:
        for number, item in enumerate(items, 1):
            yield item
            known = total is not None and number <= total  # some headers tell of too few
            self._told(number, total or 0 if known else 0, self._tally.rate)


class _Sink:
    """Keeps rows and counts, and draws the film."""

    def __init__(self, classes: tuple[str, ...], film: Path, rate: float) -> None:
        self._classes, self._film = classes, VideoWriter(film, rate)
        self.rows: list[bytes] = []
        self.counts: list[NDArray[np.int64]] = []
        self.size = (0, 0)

    def write(self, looked: Looked) -> None:
        picture, found = looked.frame.picture, looked.detections
        if not self.rows:
            self.size = picture.shape[1], picture.shape[0]
        self.rows.append(json.dumps(row(looked, self._classes), allow_nan=False).encode())
        self.counts.append(np.bincount(found.labels, minlength=len(self._classes)))
        self._film.write(draw(*_shrunk(picture, found), self._classes))

    def close(self) -> None:
        self._film.close()


def _shrunk(picture: Picture, found: Detections) -> tuple[Picture, Detections]:
    """A frame and its boxes as large as the film shows them."""
    scale = FILM_SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture, found
    size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), replace(found, xyxy=found.xyxy * scale)
