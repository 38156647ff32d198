"""What `kit detect` writes of a stream: a film that plays, whole rows, however it ends."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kit.errors import DataError, RunFailed, UsageError
from kit.progress import Silent
from kit.report.film import LiveWriter, VideoWriter
from kit.report.recording import record
from kit.runtime.stream import Frame, Live, Video, open_stream
from kit.types import Detections, Result, Watched

RATE = 10.0


def shade(number: int) -> Any:
    return np.full((480, 640, 3), 20 * number, np.uint8)


@dataclass
class Finder:
    """Finds one box on every picture, as wide as the picture is bright; slowly where it is told."""

    seconds: float = 0.0
    fails_at: int = -1
    classes: tuple[str, ...] = ("cell", "dust")
    card: Any = field(default_factory=lambda: SimpleNamespace(watch={}))
    runner: Any = None
    backend: str = "fake"
    seen: list[float] = field(default_factory=list)

    def detect(self, images: Any, *, floor: float | None = None) -> list[Result]:
        if len(self.seen) == self.fails_at:
            raise RunFailed("the device is lost", where="fake")
        time.sleep(self.seconds)
        self.seen.append(float(images[0].mean()))
        found = Detections([[0, 0, self.seen[-1], 9]], [0.9], [0])
        watched = None
        if self.card.watch:
            watched = Watched(self.seen[-1], unlike=self.seen[-1] > 100)
        return [Result(found, {}, watched=watched) for _ in images]

    def __call__(self, image: Any) -> Detections:
        return self.detect([image])[0].detections


class Told(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Camera:
    """A capture that gives so many frames, one each few milliseconds, then dies."""

    frames: int
    pause: float = 0.005
    size: tuple[int, int] = (480, 640)
    released: bool = False

    def isOpened(self) -> bool:  # noqa: N802
        return self.frames > 0

    def read(self) -> Any:
        time.sleep(self.pause)
        self.frames -= 1
        return (False, None) if self.frames < 0 else (True, np.full((*self.size, 3), 99, np.uint8))

    def get(self, _: int) -> float:
        return 30.0

    def release(self) -> None:
        self.released = True


def live(*cameras: Camera, patience: float = 0.1, **options: Any) -> Live:
    left = iter(cameras)
    gone = Camera(0)
    return Live("cam", lambda: next(left, gone), next(left), patience=patience, **options)


def rows(out: Path) -> list[Any]:
    return [json.loads(line) for line in (out / "detections.jsonl").read_text().splitlines()]


def film(out: Path) -> list[Frame]:
    with closing(Video(out / "drawn.mp4")) as video:
        frames = list(video)
        assert video.frames == len(frames)
        return frames


@pytest.fixture
def video(tmp_path: Path) -> Iterator[Video]:
    path = tmp_path / "v.mp4"
    with closing(VideoWriter(path, RATE)) as writer:
        for number in range(12):
            writer.write(shade(number))
    with closing(Video(path)) as opened:
        yield opened


@pytest.mark.parametrize(("seconds", "lanes"), [(0.0, 1), (0.02, 1), (0.01, 3)])
def test_a_file_loses_no_frame_and_keeps_their_order(
    video: Video, tmp_path: Path, seconds: float, lanes: int
) -> None:
    finder = Finder(seconds)
    done = record(finder, video, tmp_path / "out", lanes=lanes)
    assert (done.frames, done.found[0], done.dropped, done.error) == (12, 12, 0, None)
    np.testing.assert_allclose(sorted(finder.seen), [20 * number for number in range(12)], atol=9)
    told = rows(tmp_path / "out")
    assert [row["frame"] for row in told] == list(range(12))
    assert [row["second"] for row in told][:3] == [0.0, 0.1, 0.2]
    assert told[0].keys() == {"frame", "second", "width", "height", "detections"}
    assert told[3]["detections"][0]["class"] == "cell"
    drawn = film(tmp_path / "out")
    assert len(drawn) == 12
    for number, frame in enumerate(drawn):  # below the drawn box
        assert frame.picture[300:].mean() == pytest.approx(20 * number, abs=9)


def test_a_table_row_by_row(video: Video, tmp_path: Path) -> None:
    record(Finder(), video, tmp_path / "out", save="csv", film=False)
    lines = (tmp_path / "out/detections.csv").read_text().splitlines()
    assert [row["picture"] for row in csv.DictReader(lines)] == [f"frame {i}" for i in range(12)]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["detections.csv"]


def test_the_film_alone(video: Video, tmp_path: Path) -> None:
    record(Finder(), video, tmp_path / "out", save="none")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["drawn.mp4"]


def test_so_many_seconds(video: Video, tmp_path: Path) -> None:
    told = Told()
    assert record(Finder(), video, tmp_path / "out", seconds=0.5, progress=told).frames == 5
    assert len(film(tmp_path / "out")) == 5
    assert not told.notes  # nothing is missing that was asked for


def test_a_stop_leaves_a_film_and_whole_lines(video: Video, tmp_path: Path) -> None:
    finder = Finder()
    done = record(finder, video, tmp_path / "out", stop=lambda: len(finder.seen) == 7)
    assert (done.frames, done.error) == (7, None)
    assert len(rows(tmp_path / "out")) == len(film(tmp_path / "out")) == 7


def test_a_detector_that_fails_midway_leaves_what_it_found(video: Video, tmp_path: Path) -> None:
    done = record(Finder(fails_at=5), video, tmp_path / "out")
    assert isinstance(done.error, RunFailed)
    assert len(rows(tmp_path / "out")) == len(film(tmp_path / "out")) == 5


def test_a_detector_that_fails_at_once_leaves_nothing(video: Video, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="lost"):
        record(Finder(fails_at=0), video, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_exists_is_not_touched(video: Video, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists"):
        record(Finder(), video, tmp_path)


def test_a_full_disk_takes_half_a_line_back(
    video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def small(path: Path, *words: Any, **options: Any) -> Any:
        file = real(path, *words, **options)
        return Small(file) if path.suffix == ".jsonl" else file

    monkeypatch.setattr(Path, "open", small)
    with pytest.raises(OSError, match="No space"):
        record(Finder(), video, tmp_path / "out")
    monkeypatch.undo()
    told = rows(tmp_path / "out")
    assert 1 <= len(told) < 12
    assert len(film(tmp_path / "out")) == len(told)


@dataclass
class Small:
    """A file on a disk of 500 bytes."""

    file: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, data: bytes) -> int:
        room = 500 - self.file.tell()
        if room <= 0:
            raise OSError(28, "No space left on device")
        return int(self.file.write(data[:room]))


def test_a_video_that_breaks_is_told_of_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    generator = np.random.default_rng(0)
    with closing(VideoWriter(path, RATE)) as writer:
        for _ in range(12):
            writer.write(generator.integers(0, 255, (240, 320, 3)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    told = Told()
    with closing(Video(path)) as video:
        done = record(Finder(), video, tmp_path / "out", progress=told)
    assert 0 < done.frames < 12
    assert len(rows(tmp_path / "out")) == len(film(tmp_path / "out")) == done.frames
    assert [note for note in told.notes if f"{done.frames} could be decoded" in note]


def test_a_video_without_frames(tmp_path: Path) -> None:
    class Empty(Video):
        def __iter__(self) -> Iterator[Frame]:
            return iter(())

    with closing(VideoWriter(tmp_path / "v.mp4", RATE)) as writer:
        writer.write(shade(1))
    with closing(Empty(tmp_path / "v.mp4")) as video, pytest.raises(DataError, match="no frame"):
        record(Finder(), video, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "complaint"), [("gone.mp4", "no such video"), ("cut.mp4", "not a video")]
)
def test_not_a_video(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, complaint: str
) -> None:
    (tmp_path / "cut.mp4").write_bytes(b"\0\0\0 ftypisom" + bytes(99))
    with pytest.raises(DataError, match=complaint):
        open_stream(str(tmp_path / name))
    assert capfd.readouterr().err == ""  # OpenCV and FFmpeg stay silent; the message is ours


def test_live_rows_tell_age_and_drops_and_its_end_keeps_all(tmp_path: Path) -> None:
    with closing(live(Camera(40))) as stream:
        done = record(Finder(0.02), stream, tmp_path / "out")
    assert isinstance(done.error, RunFailed)
    assert "could not be reached" in str(done.error)
    told = rows(tmp_path / "out")
    assert len(told) == done.frames < 40
    assert done.dropped == told[-1]["dropped"] > 0
    for number, row in enumerate(told):
        assert row["frame"] == number + row["dropped"]
        assert row["age_ms"] >= 20  # the detector alone takes that long
        assert row["captured"].endswith("+00:00")
    assert [row["second"] for row in told] == sorted(row["second"] for row in told)
    assert done.age_ms[1] == pytest.approx(max(row["age_ms"] for row in told), abs=0.1)
    seconds = told[-1]["second"]
    with closing(Video(tmp_path / "out/drawn.mp4")) as drawn:
        assert drawn.frames / drawn.rate == pytest.approx(seconds, abs=1.5 / drawn.rate)


def test_other_frames_after_a_reconnect_fit_into_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.runtime.stream._PAUSES", (0.02, 0.02))
    told = Told()
    first, second = Camera(8), Camera(8, size=(600, 600))
    with closing(live(first, second, patience=0.3, progress=told)) as stream:
        record(Finder(), stream, tmp_path / "out", progress=told)
    assert {(row["width"], row["height"]) for row in rows(tmp_path / "out")} == {
        (640, 480), (600, 600)
    }  # fmt: skip
    last = film(tmp_path / "out")[-1].picture
    assert last.shape == (480, 640, 3)
    assert last[400, 320].mean() == pytest.approx(99, abs=9)
    assert last[400, 20].mean() < 9  # black beside it
    assert len([note for note in told.notes if "died" in note]) == 2
    assert len([note for note in told.notes if "is back" in note]) == 1


@pytest.mark.parametrize(
    ("times", "rate", "frames"),
    [
        ([i / 25 for i in range(100)], 25.0, 100),
        ([i / 5 for i in range(10)], 5.0, 10),
        ([i / 200 for i in range(400)], 60.0, 121),  # more than anybody sees
        ([*(i / 10 for i in range(20)), 5.0], 10.0, 51),  # away for three seconds
        ([*(i / 10 for i in range(20)), 4000.0], 10.0, 19 + 600 + 1),  # away for an hour
        ([7.0], 1.0, 1),
    ],
)
def test_a_live_film_keeps_real_time(
    tmp_path: Path, times: list[float], rate: float, frames: int
) -> None:
    with closing(LiveWriter(tmp_path / "drawn.mp4")) as writer:
        for second in times:
            writer.write(np.zeros((64, 64, 3), np.uint8), second)
    with closing(Video(tmp_path / "drawn.mp4")) as video:
        assert video.rate == pytest.approx(rate, rel=0.01)
        assert abs(len(list(video)) - frames) <= 1


def test_odd_sides_lose_a_row(tmp_path: Path) -> None:
    with closing(VideoWriter(tmp_path / "v.mp4", RATE)) as writer:
        writer.write(np.zeros((81, 101, 3), np.uint8))
    with closing(Video(tmp_path / "v.mp4")) as video:
        assert next(iter(video)).picture.shape == (80, 100, 3)


def test_a_film_that_finds_no_room_is_told_of(video: Video, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        done = record(Finder(), video, tmp_path / "out", save="none")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(done.error, RunFailed)
    assert "drawn.mp4: the film was not written whole" in str(done.error)


def test_a_live_stream_is_stopped_while_it_is_away(tmp_path: Path) -> None:
    def stop() -> bool:
        return bool(finder.seen) and time.monotonic() > end

    finder, end = Finder(), time.monotonic() + 0.4
    with closing(live(Camera(5), patience=60)) as stream:
        done = record(finder, stream, tmp_path / "out", stop=stop)
    assert done.error is None
    assert len(rows(tmp_path / "out")) == done.frames > 0
    assert film(tmp_path / "out")


def test_progress_tells_rate_age_and_drops(tmp_path: Path) -> None:
    class Bar(Silent):
        def track(self, items: Any, label: Any, total: int | None = None) -> Iterator[Any]:
            for item in items:
                yield item
                labels.append(label())

    labels: list[str] = []
    with closing(live(Camera(20))) as stream:
        record(Finder(0.02), stream, tmp_path / "out", progress=Bar())
    assert "a second" in labels[-1]
    assert "ms old" in labels[-1]
    assert "dropped" in labels[-1]


def test_what_is_unlike_the_training_pictures_is_counted_and_told_once(tmp_path: Path) -> None:
    with closing(VideoWriter(tmp_path / "film.mp4", 25)) as writer:
        for index in range(260):
            writer.write(np.full((16, 16, 3), 40 if index < 120 else 200, np.uint8))
    told, finder = Told(), Finder()
    finder.card.watch["alarms"] = 0.05
    with closing(Video(tmp_path / "film.mp4")) as video:
        done = record(finder, video, tmp_path / "out", film=False, progress=told)
    assert done.unlike == 140
    warnings = [note for note in told.notes if "don't look like the training" in note]
    assert len(warnings) == 1
    rows = [json.loads(row) for row in (tmp_path / "out/detections.jsonl").read_text().splitlines()]
    assert [row["watched"]["unlike"] for row in rows] == [False] * 120 + [True] * 140
