"""Run a detector over a stream, and write what it finds as it finds it: a drawn film, and rows.

Frames are taken, looked at and written in threads of their own. Whatever ends a stream, its film
plays and its rows are whole: they lie under their names from the first frame on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, Protocol

from kit.errors import DataError, KitError
from kit.files import refuse_existing
from kit.progress import SILENT, Progress
from kit.report.annotate import DRAWN
from kit.report.draw import draw
from kit.report.film import LiveWriter, VideoWriter
from kit.report.rows import csv_lines, json_rows, watched_facts
from kit.report.tally import Looked, Recorded, Tally
from kit.runtime.overlap import Behind, ahead, beside
from kit.runtime.stream import Frame, Live, Video
from kit.types import Detector, Picture, Result

Rows = Literal["json", "csv", "none"]
"""JSON lines (``detections.jsonl``), a table (``detections.csv``), or neither."""

_DEPTH = 4  # frames that wait before and after the detector: more only fill memory


class Sink(Protocol):
    """Where looked at frames go, in order."""

    def write(self, looked: Looked) -> None: ...

    def close(self) -> None: ...


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

    def look(picture: Picture) -> Result:
        return detector.detect([picture], floor=floor)[0]

    sink = _Sinks(out, detector.classes, save, stream, film)
    tally = Tally(detector.card.watch.get("alarms"), live=stream.live, progress=progress)
    try:
        follow(look, stream, sink, tally, seconds=seconds, lanes=lanes, stop=stop)
    except KitError as error:
        if not tally.done.frames:
            raise
        tally.done.error = error
    return tally.done


def follow(
    look: Callable[[Picture], Result],
    stream: Video | Live,
    sink: Sink,
    tally: Tally,
    *,
    seconds: float | None = None,
    lanes: int = 1,
    stop: Callable[[], object] = lambda: False,
) -> None:
    """Look at the frames of a stream until it ends, or was asked to stop.

    Args:
        look: what is found on a picture; called from ``lanes`` threads.
        stream: closed by the caller.
        sink: told of each frame by a thread of its own; closed at the end, whatever ends it.
        tally: told of each frame, then the sink is.

    Raises:
        DataError: a video without a frame.
        KitError: of the stream, the detector or the sink; the tally holds what was seen by then.
    """

    def looked_at(frame: Frame) -> Looked:
        result = look(frame.picture)
        return Looked(frame, result.detections, frame.age_ms, result.watched)

    with ExitStack() as open_now:
        open_now.enter_context(closing(sink))
        behind = open_now.enter_context(Behind(sink.write, _DEPTH))
        frames = open_now.enter_context(closing(_frames(stream, stop)))
        looks = open_now.enter_context(closing(beside(looked_at, frames, lanes)))
        for looked in tally.progress.track(looks, tally.told, stream.frames or None):
            if seconds is not None and looked.frame.second >= seconds:
                break
            tally.add(looked)
            behind.put(looked)
            if stop():
                break
        else:
            _complain(stream, tally)


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


def _complain(stream: Video | Live, tally: Tally) -> None:
    """Where a file ended before its time."""
    if isinstance(stream, Live):
        return
    count = tally.done.frames
    if not count:
        raise DataError("the video has no frame that can be decoded", where=stream.name)
    if stream.frames > count:
        tally.progress.note(
            f"warning: {stream.name} tells of {stream.frames} frames, {count} could be decoded"
        )


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
