"""Run a detector over a stream, and write what it finds as it finds it: a drawn film, and rows.

Frames are taken, looked at and written in threads of their own. Whatever ends a stream, its film
plays and its rows are whole: they lie under their names from the first frame on.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from kit.errors import DataError, KitError
from kit.files import refuse_existing
from kit.progress import SILENT, Progress
from kit.report.annotate import DRAWN
from kit.report.draw import draw
from kit.report.film import LiveWriter, VideoWriter
from kit.report.rows import csv_lines, json_rows, watched_facts
from kit.runtime.overlap import Behind, ahead, beside
from kit.runtime.stream import Frame, Live, Video
from kit.runtime.watch import Drift
from kit.types import Detections, Detector, Watched

Rows = Literal["json", "csv", "none"]
"""JSON lines (``detections.jsonl``), a table (``detections.csv``), or neither."""

_DEPTH = 4  # frames that wait before and after the detector: more only fill memory
_RECENT = 32  # frames that the rate is told of


@dataclass
class Recorded:
    """What came of a stream.

    Attributes:
        found: boxes by label.
        frames: looked at.
        dropped: frames of a live source passed over, since a newer one was there.
        reconnects: how often a live source came back.
        age_ms: of live frames when their boxes were known: the sum, and the largest.
        unlike: frames that don't look like the training pictures; None where nobody watches.
        seconds: from the first frame to the last by the clock here.
        error: what ended it early, None at the end of a file or where it was asked to stop.
    """

    found: Counter[int] = field(default_factory=Counter)
    frames: int = 0
    dropped: int = 0
    reconnects: int = 0
    age_ms: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0
    unlike: int | None = None
    error: KitError | None = None


@dataclass(frozen=True, eq=False)
class Looked:
    """A frame, what was found on it, and how old it was by then (None in a file)."""

    frame: Frame
    detections: Detections
    age_ms: float | None
    watched: Watched | None = None


def record(
    detector: Detector,
    stream: Video | Live,
    out: Path,
    *,
    floor: float | None = None,
    save: Rows = "json",
    film: bool = True,
    seconds: float | None = None,
    lanes: int = 1,
    stop: Callable[[], object] = lambda: False,
    progress: Progress = SILENT,
) -> Recorded:
    """Detect on a stream until it ends, or was asked to stop.

    Args:
        stream: closed by the caller.
        out: a directory, made with the first frame; nothing is written where there is none.
        floor: lowest score that counts; None takes the bundle's operating point.
        save: what to write beside the film.
        film: write the frames with their boxes drawn, as ``drawn.mp4``.
        seconds: of the stream, after which it ends; None for all of it.
        lanes: frames of a file that are looked at side by side; the runner must be ``at_once``.
        stop: asked between two frames.

    Returns:
        What came of it; an error after the first frame is told there, as what was written stays.

    Raises:
        DataError: a video without a frame.
        KitError: before the first frame.
        UsageError: ``out`` exists.
    """
    refuse_existing(out)
    alarms = detector.card.watch.get("alarms")
    tally = _Tally(stream.live, None if alarms is None else Drift(alarms), progress)
    done = tally.done

    def look(frame: Frame) -> Looked:
        result = detector.detect([frame.picture], floor=floor)[0]
        return Looked(frame, result.detections, frame.age_ms, result.watched)

    try:
        with ExitStack() as open_now:
            sinks = _Sinks(out, detector.classes, save, stream, film)
            open_now.enter_context(closing(sinks))
            behind = open_now.enter_context(Behind(sinks.write, _DEPTH))
            frames = open_now.enter_context(closing(_frames(stream, stop)))
            looks = open_now.enter_context(closing(beside(look, frames, lanes)))
            for looked in progress.track(looks, tally.told, stream.frames or None):
                if seconds is not None and looked.frame.second >= seconds:
                    break
                tally.add(looked)
                behind.put(looked)
                if stop():
                    break
            else:
                _complain(stream, done.frames, progress)
    except KitError as error:
        if not done.frames:
            raise
        done.error = error
    return done


def row(looked: Looked, classes: Sequence[str]) -> dict[str, Any]:
    """A frame as plain data."""
    frame = looked.frame
    live: dict[str, Any] = {}
    if frame.captured is not None and looked.age_ms is not None:
        when = datetime.fromtimestamp(frame.captured, timezone.utc)
        live = {
            "captured": when.isoformat(timespec="milliseconds"),
            "age_ms": round(looked.age_ms, 1),
            "dropped": frame.dropped,
            "reconnects": frame.reconnects,
        }
    return {
        "frame": frame.index,
        "second": round(frame.second, 3),
        **live,
        "width": frame.picture.shape[1],
        "height": frame.picture.shape[0],
        **watched_facts(looked.watched),
        "detections": json_rows(looked.detections, classes),
    }


def _frames(stream: Video | Live, stop: Callable[[], object]) -> Generator[Frame]:
    return stream.frames_until(stop) if isinstance(stream, Live) else ahead(stream, _DEPTH)


def _complain(stream: Video | Live, count: int, progress: Progress) -> None:
    """Where a file ended before its time."""
    if isinstance(stream, Live):
        return
    if not count:
        raise DataError("the video has no frame that can be decoded", where=stream.name)
    if stream.frames > count:
        progress.note(
            f"warning: {stream.name} tells of {stream.frames} frames, {count} could be decoded"
        )


class _Tally:
    """Counts what was found, and tells how it goes."""

    def __init__(self, live: bool, drift: Drift | None, progress: Progress) -> None:
        self.done, self._live, self._drift, self._progress = Recorded(), live, drift, progress
        self._times: deque[float] = deque(maxlen=_RECENT)
        self._age = 0.0

    def add(self, looked: Looked) -> None:
        now, done = time.monotonic(), self.done
        if not done.frames:
            self._first = now
        self._times.append(now)
        done.frames += 1
        done.seconds = now - self._first
        done.found.update(looked.detections.labels.tolist())
        done.dropped, done.reconnects = looked.frame.dropped, looked.frame.reconnects
        if looked.watched is not None and self._drift is not None:
            done.unlike = (done.unlike or 0) + looked.watched.unlike
            if self._drift.add(looked.watched.unlike):
                self._progress.note(
                    f"warning: since about frame {looked.frame.index - self._drift.window} many "
                    "frames don't look like the training pictures"
                )
        if looked.age_ms is not None:
            self._age = looked.age_ms
            done.age_ms = done.age_ms[0] + self._age, max(done.age_ms[1], self._age)

    def told(self) -> str:
        times = self._times
        if len(times) < 2:
            return "detecting"
        text = f"detecting, {(len(times) - 1) / max(times[-1] - times[0], 1e-9):.1f} a second"
        if self._live:
            text += f", {self._age:.0f} ms old, {self.done.dropped} dropped"
        return text


class _Sinks:
    """The files of a stream, opened with its first frame."""

    def __init__(
        self, out: Path, classes: Sequence[str], save: Rows, stream: Video | Live, film: bool
    ) -> None:
        self._out, self._classes, self._save, self._drawn = out, classes, save, film
        self._stream = stream
        self._rows: Any = None
        self._film: VideoWriter | LiveWriter | None = None

    def write(self, looked: Looked) -> None:
        if self._rows is None and self._film is None:
            self._open()
        if self._rows is not None:
            self._append(looked)
        if self._film is not None:
            drawn = draw(looked.frame.picture, looked.detections, self._classes)
            self._film.write(drawn, looked.frame.second)

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()
        if self._film is not None:
            self._film.close()

    def _open(self) -> None:
        self._out.mkdir(parents=True, exist_ok=True)
        if self._save != "none":
            name = "detections.jsonl" if self._save == "json" else "detections.csv"
            self._rows = (self._out / name).open("xb", buffering=0)  # each line is there at once
            if self._save == "csv":
                self._put(csv_lines([], self._classes, header=True))
        if self._drawn:
            path = self._out / f"{DRAWN}.mp4"
            live = isinstance(self._stream, Live)
            self._film = LiveWriter(path) if live else VideoWriter(path, self._stream.rate)

    def _append(self, looked: Looked) -> None:
        if self._save == "json":
            self._put(json.dumps(row(looked, self._classes), allow_nan=False) + "\n")
        else:
            name = f"frame {looked.frame.index}"
            self._put(csv_lines([(name, looked.detections)], self._classes, header=False))

    def _put(self, text: str) -> None:
        """Append lines, or nothing: half of one, where the disk is full, is taken back."""
        before, data = self._rows.tell(), text.encode()
        try:
            while data:
                data = data[self._rows.write(data) :]
        except OSError:
            self._rows.truncate(before)
            raise
