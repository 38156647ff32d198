"""Clips: looked at, refused, cancelled; and never a file left behind."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import ClientDisconnect, Request

from kit.app import clips as jobs
from kit.app import video, video_routes
from kit.app.clips import Clips, Full, Job, status
from kit.app.desk import Desk
from kit.app.settings import Settings
from kit.app.shelf import Shelf
from kit.app.video import look_through, spoken
from kit.app.video_page import seen, warnings
from kit.app.video_routes import ranged, routes
from kit.errors import DataError
from kit.report.film import VideoWriter
from kit.runtime.stream import Video

ENDS_WITHIN = 30.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def filmed(path: Path, *shades: int, rate: float = 10, size: tuple[int, int] = (96, 128)) -> Path:
    with closing(VideoWriter(path, rate)) as writer:
        for shade in shades:
            writer.write(np.full((*size, 3), shade, np.uint8))
    return path


def look(shelf: Shelf, path: Path, most_seconds: float = 60, **options: Any) -> Any:
    return look_through(path, "0" * 64, shelf["whole"], most_seconds=most_seconds, **options)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm"])
def test_a_clip_is_looked_at_frame_by_frame(
    bundle_on_shelf: Shelf, folder: Path, suffix: str
) -> None:
    told: list[Any] = []
    path = filmed(folder / f"clip{suffix}", *[0] * 4, *[255] * 6)
    clip = look(bundle_on_shelf, path, told=lambda *each: told.append(each[:2]))
    np.testing.assert_array_equal(clip.counts, [[0, 1]] * 4 + [[1, 0]] * 6)
    rows = [json.loads(row) for row in clip.rows]
    assert [row["frame"] for row in rows] == list(range(10))
    assert rows[9]["detections"][0]["class"] == "bright"
    assert (clip.rate, clip.seconds, clip.size, clip.missing, clip.cut) == (
        10,
        1,
        (128, 96),
        0,
        None,
    )
    assert told == [(number, 10) for number in range(1, 11)]
    assert not warnings(clip)
    assert not list(folder.iterdir())
    (folder / "film").write_bytes(clip.film)
    with closing(Video(folder / "film")) as film:
        assert len(list(film)) == 10


def test_boxes_are_those_of_the_operating_point(bundle_on_shelf: Shelf, folder: Path) -> None:
    """Looks ask for less, so that the slider of pictures can move."""
    served = bundle_on_shelf["whole"]
    assert served.floor < 0.1 < served.bundle.card.thresholds[1]
    clip = look(bundle_on_shelf, filmed(folder / "clip.mp4", 230))
    np.testing.assert_array_equal(clip.counts, [[1, 0]])  # it is 0.1 dark, too


def test_the_film_of_a_large_clip_is_smaller(bundle_on_shelf: Shelf, folder: Path) -> None:
    clip = look(bundle_on_shelf, filmed(folder / "clip.mp4", 255, size=(1440, 1920)))
    assert json.loads(clip.rows[0])["detections"][0]["xyxy"] == [0, 0, 1920, 1440]
    (folder / "film").write_bytes(clip.film)
    with closing(Video(folder / "film")) as film:
        assert film.size == (1280, 960)


def test_too_long_by_its_header(bundle_on_shelf: Shelf, folder: Path) -> None:
    path = filmed(folder / "clip.mp4", *[0] * 600, rate=1)
    told: list[Any] = []
    with pytest.raises(DataError, match="it lasts 10 min, more than the 2 min that are allowed"):
        look(bundle_on_shelf, path, 120, told=lambda *each: told.append(each))
    assert not told
    assert not list(folder.iterdir())


def test_too_long_without_a_word_in_its_header(
    bundle_on_shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.runtime.stream._frames", lambda capture: 0)
    clip = look(bundle_on_shelf, filmed(folder / "clip.mp4", *[0] * 30), 2)
    assert (len(clip.rows), clip.cut) == (20, 2)
    assert warnings(clip) == ["The clip is longer than 2 s: only its beginning was looked at."]
    clip = look(bundle_on_shelf, filmed(folder / "clip.mp4", *[0] * 19), 2)
    assert clip.cut is None


def test_too_wide(bundle_on_shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "MOST_PIXELS", 96 * 128 - 1)
    with pytest.raises(DataError, match="frames of 128 x 96 pixels"):
        look(bundle_on_shelf, filmed(folder / "clip.mp4", 0))
    assert not list(folder.iterdir())


@pytest.mark.parametrize("content", [b"", b"text", b"#EXTM3U\n", b"\0\0\0 ftypisom" + bytes(99)])
def test_no_video(bundle_on_shelf: Shelf, folder: Path, content: bytes) -> None:
    (folder / "clip").write_bytes(content)
    with pytest.raises(DataError, match="not a video, or a damaged one"):
        look(bundle_on_shelf, folder / "clip")
    assert not list(folder.iterdir())


def test_no_frame(bundle_on_shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Video, "__iter__", lambda video: iter(()))
    with pytest.raises(DataError, match="no frame that can be decoded"):
        look(bundle_on_shelf, filmed(folder / "clip.mp4", 0))
    assert not list(folder.iterdir())


def test_a_damaged_end(bundle_on_shelf: Shelf, folder: Path) -> None:
    path, generator = folder / "clip.avi", np.random.default_rng(0)
    with closing(VideoWriter(path, 10)) as writer:
        for _ in range(12):
            writer.write(generator.integers(0, 255, (240, 320, 3)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clip = look(bundle_on_shelf, path)
    assert 0 < len(clip.rows) < 12
    assert clip.missing == 12 - len(clip.rows)
    assert f"12 frames, {len(clip.rows)} could be read" in seen("id", clip)


def test_stopped_midway(bundle_on_shelf: Shelf, folder: Path) -> None:
    numbers: list[int] = []
    path = filmed(folder / "clip.mp4", *[0] * 50)
    stopped = look(
        bundle_on_shelf, path, stop=lambda: len(numbers) > 2, told=lambda n, *_: numbers.append(n)
    )
    assert stopped is None
    assert len(numbers) < 10
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0 s"),
        (9.96, "10 s"),
        (1.5, "1.5 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (120, "2 min"),
        (61, "1 min 1 s"),
    ],
)
def test_spoken(seconds: float, words: str) -> None:
    assert spoken(seconds) == words


# Jobs


class Slow:
    """Stands for look_through: waits until it is stopped, or let go."""

    def __init__(self) -> None:
        self.begun: list[Path] = []
        self.go = False

    def __call__(self, path: Path, *_: Any, stop: Any, **__: Any) -> None:
        self.begun.append(path)
        path.unlink()
        while not (stop() or self.go):
            time.sleep(0.01)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    slow = Slow()
    monkeypatch.setattr(jobs, "look_through", slow)
    return slow


@pytest.fixture
def clips() -> Iterator[Clips]:
    clips = Clips(60)
    yield clips
    clips.close()


def job(
    folder: Path, name: str, shelf: Any = None, user: str | None = None, visitor: str = ""
) -> Job:
    (folder / name).touch()
    return Job(folder / name, "0" * 64, shelf, user, visitor or name)


def until(what: Any) -> None:
    end = time.monotonic() + ENDS_WITHIN
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_others_wait_and_know_their_place(folder: Path, clips: Clips, slow: Slow) -> None:
    made = [clips.add(job(folder, str(number))) for number in range(jobs.AT_ONCE + 3)]
    until(lambda: len(slow.begun) == jobs.AT_ONCE)
    assert [clips.place(each) for each in made] == [0] * jobs.AT_ONCE + [1, 2, 3]
    clips.stop(made[jobs.AT_ONCE])
    assert [clips.place(each) for each in made[jobs.AT_ONCE :]] == [0, 1, 2]
    assert not made[jobs.AT_ONCE].path.exists()
    clips.stop(made[0])
    until(lambda: clips.place(made[-1]) == 1)
    assert clips.get(made[0].id) is None
    clips.close()
    until(lambda: not list(folder.iterdir()))


def test_only_so_many(folder: Path, clips: Clips, slow: Slow) -> None:
    for number in range(jobs.MOST - 1):
        clips.add(job(folder, str(number), visitor=f"visitor {number}"))
    with clips.receiving("anna"), pytest.raises(Full), clips.receiving("berta"):
        pass
    with clips.receiving("berta"):  # there is room again
        pass


def test_nobody_takes_all_places(folder: Path, clips: Clips, slow: Slow) -> None:
    for number in range(jobs.MOST_EACH - 1):
        clips.add(job(folder, str(number), visitor="anna"))
    with clips.receiving("anna"), pytest.raises(Full), clips.receiving("anna"):
        pass
    with clips.receiving("berta"), clips.receiving("anna"):
        pass


def test_who_left_without_a_word(
    folder: Path, clips: Clips, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [clips.add(job(folder, str(number))) for number in range(jobs.AT_ONCE + 1)]
    until(lambda: len(slow.begun) == jobs.AT_ONCE)
    for each in made:
        each.asked -= jobs.ABANDONED
    until(lambda: not clips._active)
    assert made[-1].path not in slow.begun
    assert not list(folder.iterdir())


def test_a_clip_is_its_visitors(folder: Path, clips: Clips, slow: Slow) -> None:
    made = clips.add(job(folder, "clip", user="anna"))
    assert clips.get(made.id, "anna") is made
    assert clips.get(made.id, "bert") is None
    assert clips.get(made.id) is None
    slow.go = True
    until(lambda: not clips._active)
    assert clips.get(made.id, "anna") is made
    assert clips.get(made.id, "bert") is None


def test_what_goes_wrong_is_told(
    folder: Path, clips: Clips, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(path: Path, *_: Any, **__: Any) -> None:
        path.unlink()
        raise RuntimeError("secret")

    monkeypatch.setattr(jobs, "look_through", broken)
    made = clips.add(job(folder, "clip"))
    until(lambda: made.state == "failed")
    assert status(made, 0)["why"] == "something went wrong here"
    assert "secret" in caplog.text


def test_time_left() -> None:
    made = Job(Path("clip"), "", None)  # type: ignore[arg-type]
    assert status(made, 3) == {
        "state": "waiting", "place": 3, "frame": 0, "frames": 0, "rate": None, "left_s": None,
        "why": "",
    }  # fmt: skip
    made.tell(30, 90, 12.0)
    assert status(made, 0)["left_s"] == 5.0
    made.tell(30, 0, 12.0)
    assert status(made, 0)["left_s"] is None


# Routes


@pytest.fixture
def client(bundle_on_shelf: Shelf, folder: Path) -> Iterator[TestClient]:
    app = FastAPI()
    settings = Settings(clip_mb=1, clip_seconds=5)
    app.include_router(routes(Desk(settings, bundle_on_shelf, clips=Clips(5))))
    with TestClient(app) as client:
        yield client


def ended(client: TestClient, id: str) -> Any:
    until(lambda: client.get(f"/kit/clip/{id}").json()["state"] not in ("waiting", "looking"))
    return client.get(f"/kit/clip/{id}").json()


def test_sent_looked_at_and_seen(client: TestClient, folder: Path, tmp_path: Path) -> None:
    data = filmed(tmp_path / "DOE.mp4", *[0] * 10, *[255] * 10).read_bytes()
    id = client.post("/kit/clip", content=data).json()["id"]
    assert ended(client, id)["state"] == "done"
    page = client.get(f"/kit/clip/{id}/seen")
    assert page.headers["cache-control"] == "no-store"
    assert "<video" in page.text
    assert "DOE" not in page.text
    told = client.get(f"/kit/clip/{id}/frames.json").json()
    assert len(told["rows"]) == told["frames"] == 20
    assert [row["most"] for row in told["counts"]] == [1, 1]
    assert told["counts"][0] == {"class": "bright", "most": 1, "mean": 0.5, "frames": 10}
    film = client.get(f"/kit/clip/{id}/film.webm")
    part = client.get(f"/kit/clip/{id}/film.webm", headers={"range": "bytes=4-11"})
    assert (part.status_code, part.content) == (206, film.content[4:12])
    assert not list(folder.iterdir())
    assert client.delete(f"/kit/clip/{id}").status_code == 204
    assert client.get(f"/kit/clip/{id}").status_code == 404
    assert client.get(f"/kit/clip/{id}/film.webm").status_code == 404


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "not a video"), (b"text", "not a video"), (None, "it lasts 10 min, more than the 5 s")],
)
def test_refused(
    client: TestClient, folder: Path, tmp_path: Path, content: bytes | None, why: str
) -> None:
    if content is None:
        content = filmed(tmp_path / "long.mp4", *[0] * 600, rate=1).read_bytes()
    id = client.post("/kit/clip", content=content).json()["id"]
    told = ended(client, id)
    assert told["state"] == "failed"
    assert why in told["why"]
    assert client.get(f"/kit/clip/{id}/seen").status_code == 404
    assert not list(folder.iterdir())


def test_too_many_bytes(client: TestClient, folder: Path) -> None:
    assert client.post("/kit/clip", content=bytes(1_000_001)).status_code == 413
    assert not list(folder.iterdir())


def test_too_many_clips(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST", 0)
    assert client.post("/kit/clip", content=b"clip").status_code == 503


def test_no_such_bundle(client: TestClient) -> None:
    assert client.post("/kit/clip?bundle=other", content=b"clip").status_code == 404


def test_a_page_that_is_left_while_it_sends(folder: Path) -> None:
    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"half a clip", "more_body": True},
        {"type": "http.disconnect"},
    ]
    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ClientDisconnect):  # a loop of its own
        pool.submit(asyncio.run, video_routes._received(request, 1)).result()
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("wanted", "code", "content", "told"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=3-5", 206, b"345", "bytes 3-5/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-3", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_parts(wanted: str | None, code: int, content: bytes, told: str | None) -> None:
    answer = ranged(b"0123456789", wanted, "video/webm")
    assert (answer.status_code, answer.body, answer.headers.get("content-range")) == (
        code, content, told
    )  # fmt: skip
    assert answer.headers["accept-ranges"] == "bytes"


def test_who_leaves_takes_the_clips_along(folder: Path, clips: Clips, slow: Slow) -> None:
    hers, his = (clips.add(job(folder, user, user=user)) for user in ("ann", "bob"))
    until(lambda: len(slow.begun) == 2)
    clips.drop_user("ann")
    assert hers.left
    assert not his.left
    until(lambda: clips.get(hers.id, "ann") is None)
    assert clips.get(his.id, "bob") is his


def test_a_header_that_tells_any_rate_makes_no_long_clip_short() -> None:
    told: Any = SimpleNamespace(size=(64, 48), rate=1000.0, frames=18_000)  # ten minutes at 30
    with pytest.raises(DataError, match="it lasts"):
        video._check(told, 120)
    short: Any = SimpleNamespace(size=(64, 48), rate=1000.0, frames=7_000)
    video._check(short, 120)
