"""Live sources: the latest frame, how old it is, how many were dropped, and that they come back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
import pytest

from kit.errors import DataError, RunFailed, UsageError
from kit.progress import Silent
from kit.report.film import VideoWriter
from kit.runtime import capture, stream
from kit.runtime.capture import shown
from kit.runtime.stream import Frame, Live, Video, is_stream, open_stream


@dataclass
class Camera:
    """A capture that gives frame after frame as fast as it is let; number n is of brightness n.

    Attributes:
        go: it waits for a permit before each read; None: it doesn't.
    """

    frames: int = 10**9
    go: threading.Semaphore | None = None
    pause: float = 0.001
    number: int = 0
    released: Event = field(default_factory=Event)

    def isOpened(self) -> bool:  # noqa: N802
        return self.frames > 0

    def read(self) -> Any:
        if self.go is not None:
            self.go.acquire()
        time.sleep(self.pause)
        if self.number >= self.frames:
            return False, None
        self.number += 1
        return True, np.full((4, 6, 3), (self.number - 1) % 256, np.uint8)

    def get(self, _: int) -> float:
        return float("nan")

    def release(self) -> None:
        self.released.set()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stream, "_PAUSES", (0.01, 0.02))
    yield
    assert not [each for each in threading.enumerate() if each.name == "kit-live"]


def begin(*cameras: Camera, **options: Any) -> Live:
    left = iter(cameras)
    return Live("cam", lambda: next(left, Camera(0)), next(left), **options)


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_only_the_latest_frame_is_kept_and_the_others_are_counted() -> None:
    go = threading.Semaphore(1)
    camera = Camera(go=go)
    with closing(begin(camera)) as live:
        first = live.latest(5)
        assert first is not None
        assert (first.index, first.dropped, first.picture[0, 0, 0]) == (0, 0, 0)
        go.release(7)
        until(lambda: camera.number == 8)
        time.sleep(0.05)
        second = live.latest(5)
        assert second is not None
        assert (second.index, second.dropped, second.picture[0, 0, 0]) == (7, 6, 7)
        assert live.latest(0.01) is None  # each at most once
        assert second.age_ms is not None
        assert second.age_ms >= 50
        assert second.captured is not None
        assert abs(second.captured - time.time()) < 10
        assert second.second > first.second == 0
        go.release(9)
    assert camera.released.is_set()


def test_a_slow_reader_gets_ever_newer_frames() -> None:
    got: list[Frame] = []
    with closing(begin(Camera())) as live:
        for frame in live.frames_until(lambda: len(got) == 10):
            time.sleep(0.01)
            got.append(frame)
    assert [frame.index - frame.dropped for frame in got] == list(range(10))
    assert got[-1].dropped > 0
    assert all(a.index < b.index for a, b in pairwise(got))


def test_it_comes_back_and_says_so_once() -> None:
    class Told(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    notes: list[str] = []
    cameras = Camera(5), Camera(0), Camera(0), Camera()
    with closing(begin(*cameras, patience=5, progress=Told())) as live:
        back = next(f for f in live.frames_until() if f.reconnects)
        assert back.reconnects == 1
        assert back.index >= 5
        until(lambda: len(notes) == 2)
    assert "cam died; trying again for 5 s" in notes[0]
    assert "cam is back after" in notes[1]
    assert all(camera.released.is_set() for camera in cameras)


def test_one_that_answers_without_a_frame_is_not_back() -> None:
    class Mute(Camera):
        def read(self) -> Any:
            return False, None

    mute = Mute()
    with closing(begin(Camera(2), mute, Camera(), patience=5)) as live:
        assert next(f for f in live.frames_until() if f.reconnects).reconnects == 1
    assert mute.released.is_set()


def test_one_that_stays_away_is_lost() -> None:
    with closing(begin(Camera(3), patience=0.1)) as live:
        with pytest.raises(RunFailed, match=r"cam: no frame for .* could not be reached again"):
            list(live.frames_until())
        assert RunFailed.exit_code == 1


def test_not_to_be_tried_again() -> None:
    with closing(begin(Camera(3), patience=0)) as live, pytest.raises(RunFailed):
        list(live.frames_until())


def test_one_that_hangs_is_lost_and_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_HANGS", 0.1)
    go = threading.Semaphore(2)
    live = begin(Camera(go=go), patience=0.1)
    with pytest.raises(RunFailed, match="no frame"):
        list(live.frames_until())
    began = time.monotonic()
    live.close()
    assert time.monotonic() - began < 3
    go.release(99)
    until(lambda: not any(each.name == "kit-live" for each in threading.enumerate()))


def test_what_breaks_in_the_thread_is_raised_where_frames_are_taken() -> None:
    class Broken(Camera):
        def read(self) -> Any:
            raise MemoryError

    with closing(begin(Broken())) as live, pytest.raises(MemoryError):
        live.latest(5)


# What is a stream, and what can't be opened


@pytest.mark.parametrize(
    ("source", "streams"),
    [
        ("0", True),
        ("12", True),
        ("film.MP4", True),
        ("rtsp://host/live", True),
        ("HTTP://host/live", True),
        ("ftp://host/film", True),  # and then refused
        ("picture.jpg", False),
        ("folder", False),
        ("folder/0", False),
    ],
)
def test_what_is_a_stream(source: str, streams: bool) -> None:
    assert is_stream(source) == streams


def test_a_folder_that_is_named_like_a_video_holds_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    assert not is_stream(str(tmp_path / "a.mp4"))


def test_a_camera_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match="camera 99: there is no such camera"):
        open_stream("99")
    assert capfd.readouterr().err == ""


def test_a_camera_is_opened_by_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []

    def fake(which: Any, api: int, wanted: Any) -> Camera:
        opened.append(which)
        return Camera()

    monkeypatch.setattr(capture.cv2, "VideoCapture", fake)
    with closing(open_stream("3")) as live:
        assert isinstance(live, Live)
        assert live.name == "camera 3"
        assert live.latest(5) is not None
    assert opened == [3]


def test_another_kind_of_address_is_refused() -> None:
    with pytest.raises(UsageError, match="can't be read") as caught:
        open_stream("ftp://user:secret@host/film.mp4")
    assert "secret" not in str(caught.value)
    with pytest.raises(UsageError):
        open_stream("concat://a|b")


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("rtsp://host:554/live", "rtsp://host:554/live"),
        ("rtsp://user:pass@host/live", "rtsp://***@host/live"),
        ("rtsp://user:p@ss/w?o#rd@host/live", "rtsp://***@host/live"),
        ("http://host/live?user=a&password=b", "http://host/live?***"),
        ("http://u:p@host/live?token=c#d", "http://***@host/live?***"),
        ("film.mp4", "film.mp4"),
    ],
)
def test_passwords_are_not_shown(address: str, safe: str) -> None:
    assert shown(address) == safe


def test_nothing_but_what_was_named_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def fake(which: Any, api: int, wanted: Any) -> Camera:
        seen.append(os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"])
        assert api == cv2.CAP_FFMPEG
        return Camera(0)

    monkeypatch.setattr(capture.cv2, "VideoCapture", fake)
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;udp")
    capture.open_file(Path("film.mp4"))
    capture.open_address("rtsp://host/live")
    assert "|protocol_whitelist;file|" in seen[0]
    assert seen[0].endswith("|format_whitelist;" + ",".join(capture._CONTAINERS))
    assert "format_whitelist" not in seen[1]
    assert "http" not in seen[1]
    assert seen[1].index("transport;tcp") < seen[1].index("transport;udp")  # the user's counts
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;udp"


def test_a_playlist_in_a_file_opens_no_address(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(DataError, match="not a video"):
        open_stream(str(path))


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{}'\n",
    ],
)
def test_a_playlist_opens_no_other_file(tmp_path: Path, playlist: str) -> None:
    """Who sends a film would see films of others on this machine."""
    with closing(VideoWriter(tmp_path / "theirs.ts", 10)) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    Video(tmp_path / "theirs.ts").close()  # it is one that could be opened
    path = tmp_path / "mine.mp4"
    for other in ("theirs.ts", str(tmp_path / "theirs.ts")):
        path.write_text(playlist.format(other))
        with pytest.raises(DataError, match="not a video"):
            Video(path)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".avi", ".mkv", ".mov", ".mpg", ".wmv"])
def test_containers_open_by_their_content(tmp_path: Path, suffix: str) -> None:
    code = cv2.VideoWriter.fourcc(*("VP80" if suffix == ".webm" else "mp4v"))
    writer = cv2.VideoWriter(str(tmp_path / f"film{suffix}"), code, 10, (96, 64))
    for _ in range(5):
        writer.write(np.zeros((64, 96, 3), np.uint8))
    writer.release()
    nameless = (tmp_path / f"film{suffix}").rename(tmp_path / "film")
    with closing(Video(nameless)) as video:
        assert video.size == (96, 64)
        assert len(list(video)) == 5


def test_a_film_of_frames_beyond_reason_is_refused() -> None:
    class Huge:
        released = False

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def get(self, what: int) -> float:
            return 20_000.0

        def release(self) -> None:
            self.released = True

    capture = Huge()
    with pytest.raises(DataError, match="20000 x 20000 pixels, more than the limit"):
        Video("film.mp4", capture)
    assert capture.released
