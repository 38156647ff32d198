"""Live cameras over a WebSocket: the newest frame wins, and nobody starves."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import pytest
from doubles.site import Site

pytest.importorskip("fastapi", reason="fastapi is not installed")

from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from kit.app import cameras, live, visit
from kit.app.desk import Desk
from kit.app.frames import Drifting, as_jpeg, side_of
from kit.app.settings import Settings
from kit.app.shelf import Shelf
from kit.errors import RunFailed, UsageError
from kit.report.film import VideoWriter
from kit.runtime.around import Around
from kit.runtime.watch import Drift
from kit.types import Detections, Picture, Result, Watched

DARK, BRIGHT = 51, 204


def jpeg(shade: int = BRIGHT, width: int = 64, height: int = 48) -> bytes:
    picture = np.full((height, width, 3), shade, np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def frame(sequence: int, shade: int = BRIGHT) -> bytes:
    return struct.pack(">I", sequence) + jpeg(shade)


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def app(desk: Desk) -> Iterator[TestClient]:
    """A client of one event loop for all its connections."""
    made = FastAPI()
    made.include_router(live.routes(desk))
    with TestClient(made) as client:
        yield client


@contextmanager
def watching(client: TestClient, query: str = "") -> Iterator[Any]:
    """A connection that was let in."""
    with client.websocket_connect(f"/kit/live{query}") as socket:
        socket.ready = socket.receive_json()
        assert socket.ready["kind"] == "ready"
        yield socket


def ending(socket: Any) -> tuple[str, int]:
    """Why it was ended, and the code."""
    told = socket.receive_json()
    assert told["kind"] == "end"
    with pytest.raises(WebSocketDisconnect) as caught:
        socket.receive_json()
    return told["why"], caught.value.code


@dataclass(frozen=True, eq=False)
class Slow(Around):
    """Looks only when it is let, and remembers how bright each picture was."""

    let: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    begun: list[int] = field(default_factory=list)

    def detect(self, images: Sequence[Picture], *, floor: float | None = None) -> list[Result]:
        self.begun.append(int(images[0][0, 0, 0]))
        assert self.let.acquire(timeout=20)
        return self.detector.detect(images, floor=floor)


class Turns(ThreadPoolExecutor):
    """Counts what was queued."""

    queued = 0

    def submit(self, *args: Any, **options: Any) -> Future[Any]:
        try:
            return super().submit(*args, **options)
        finally:
            self.queued += 1


@pytest.fixture
def slow(desk: Desk) -> Iterator[tuple[Desk, Slow, Turns]]:
    """A desk whose one detector waits for the test."""
    first = desk.shelf.first
    detector, turns = Slow(first.detector), Turns(1)
    yield (
        Desk(Settings(), Shelf({"slow": replace(first, detector=detector, turns=turns)})),
        detector,
        turns,
    )
    detector.let.release(1000)
    turns.shutdown()


def test_boxes_belong_to_the_frame_by_its_number(desk: Desk) -> None:
    with app(desk) as client, watching(client, "?bundle=whole") as socket:
        assert desk.seats.taken == 1
        assert socket.ready["bundle"] == "whole"
        assert 'data-class="1"' in socket.ready["viewer"]
        for sequence, shade in ((7, BRIGHT), (9, DARK), (4294967295, BRIGHT)):
            socket.send_bytes(frame(sequence, shade))
            told = socket.receive_json()
            assert (told["kind"], told["sequence"], told["dropped"]) == ("looked", sequence, 0)
            assert (told["width"], told["height"]) == (64, 48)
            scores = {each["class"]: each["score"] for each in told["detections"]}
            assert scores == pytest.approx(
                {"bright": shade / 255, "dark": 1 - shade / 255}, abs=0.02
            )
            assert told["detections"][0]["xyxy"] == pytest.approx([0, 0, 64, 48])
            assert {"decode", "wait", "run", "post"} <= set(told["stages_ms"])
    until(lambda: desk.seats.taken == 0)


def test_another_bundle_is_asked_for_by_name(desk: Desk) -> None:
    with app(desk) as client, watching(client, "?bundle=brighter") as socket:
        socket.send_bytes(frame(1, DARK))
        [best, _] = socket.receive_json()["detections"]
        assert (best["class"], best["score"]) == ("dark", pytest.approx(1 - 1.5 * 0.2, abs=0.02))


def test_the_newest_frame_wins_and_those_before_it_are_counted(
    slow: tuple[Desk, Slow, Turns],
) -> None:
    desk, detector, _ = slow
    with app(desk) as client, watching(client) as socket:
        socket.send_bytes(frame(1))
        until(lambda: len(detector.begun) == 1)
        for sequence in (2, 3, 4):
            socket.send_bytes(frame(sequence))
        socket.send_text("are they there?")  # messages keep their order
        assert socket.receive_json()["kind"] == "wrong"
        detector.let.release(2)
        told = [socket.receive_json() for _ in range(2)]
        assert [(each["sequence"], each["dropped"]) for each in told] == [(1, 0), (4, 2)]
        assert len(detector.begun) == 2


def test_who_sends_much_does_not_starve_who_sends_little(slow: tuple[Desk, Slow, Turns]) -> None:
    desk, detector, turns = slow
    with app(desk) as client, watching(client) as greedy, watching(client) as modest:
        greedy.send_bytes(frame(1, DARK))
        until(lambda: len(detector.begun) == 1)
        modest.send_bytes(frame(1, BRIGHT))
        until(lambda: turns.queued == 2)
        for sequence in range(2, 30):
            greedy.send_bytes(frame(sequence, DARK))
        detector.let.release(3)
        assert modest.receive_json()["sequence"] == 1
        assert [greedy.receive_json()["kind"] for _ in range(2)] == ["looked"] * 2
        assert detector.begun[:3] == pytest.approx([DARK, BRIGHT, DARK], abs=3)


def test_a_visitor_who_leaves_gives_up_their_turn(slow: tuple[Desk, Slow, Turns]) -> None:
    desk, detector, turns = slow
    with app(desk) as client:
        with watching(client) as stays:
            stays.send_bytes(frame(1, DARK))
            until(lambda: len(detector.begun) == 1)
            with watching(client) as leaves:
                leaves.send_bytes(frame(1, BRIGHT))
                until(lambda: turns.queued == 2)
            until(lambda: desk.seats.taken == 1)
            stays.send_bytes(frame(2, DARK))
            detector.let.release(2)
            assert [stays.receive_json()["sequence"] for _ in range(2)] == [1, 2]
        assert detector.begun == pytest.approx([DARK, DARK], abs=3)


def test_places_are_counted_and_free_again(bundle_on_shelf: Shelf) -> None:
    desk = Desk(Settings(visitors=2), bundle_on_shelf)
    with app(desk) as client, watching(client):
        with watching(client), client.websocket_connect("/kit/live") as late:
            why, code = ending(late)
            assert "All 2 places" in why
            assert code == 1013
        until(lambda: desk.seats.taken == 1)
        with watching(client) as again:
            again.send_bytes(frame(1))
            assert again.receive_json()["kind"] == "looked"


def huge() -> bytes:
    """A PNG of more pixels than a frame may have, and few bytes."""
    return cv2.imencode(".png", np.zeros((2001, 2001), np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "no frame"),
        (b"\0\0\1", "no frame"),
        (struct.pack(">I", 5), "not a picture"),
        (struct.pack(">I", 5) + b"<svg/>", "not a picture"),
        (struct.pack(">I", 5) + jpeg()[:-40], "cut off"),
        (struct.pack(">I", 5) + bytes(4_000_001), "larger than 4 MB"),
        (struct.pack(">I", 5) + huge(), "more than the limit of 4,000,000"),
    ],
    ids=["empty", "short", "bare", "svg", "cut", "heavy", "large"],
)
def test_what_is_no_frame_is_told_and_the_next_good_one_is_looked_at(
    desk: Desk, message: bytes, words: str
) -> None:
    with app(desk) as client, watching(client) as socket:
        for sequence in range(2 * visit.MOST_WRONG):  # never so many in a row
            socket.send_bytes(message)
            told = socket.receive_json()
            assert told["kind"] == "wrong"
            assert words in told["why"]
            assert told["sequence"] == (5 if len(message) > 3 else None)
            socket.send_bytes(frame(sequence))
            assert socket.receive_json()["sequence"] == sequence


def test_many_wrong_messages_in_a_row_end_it(desk: Desk) -> None:
    with app(desk) as client, watching(client) as socket:
        for _ in range(visit.MOST_WRONG):
            socket.send_text("GET / HTTP/1.1")
        for _ in range(visit.MOST_WRONG - 1):
            assert socket.receive_json()["kind"] == "wrong"
        why, code = ending(socket)
        assert "5 messages in a row" in why
        assert code == 1008


def test_who_sends_nothing_has_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "IDLE", 0.05)
    with app(desk) as client:
        with watching(client) as socket:
            assert ending(socket) == ("Nothing came for 0.05 seconds, so it was stopped.", 1000)
        until(lambda: desk.seats.taken == 0)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?bundle=other", "no such detector"),
        ("?camera=0", "no such camera"),
        ("?camera=-1", "no such camera"),
        ("?camera=x", "no such camera"),
    ],
)
def test_what_is_not_served(desk: Desk, query: str, words: str) -> None:
    with app(desk) as client, client.websocket_connect(f"/kit/live{query}") as socket:
        why, code = ending(socket)
        assert words in why
        assert code == 1008


def test_a_detector_that_fails_says_so_and_no_more(desk: Desk) -> None:
    class Broken(Around):
        def detect(self, images: Sequence[Picture], *, floor: float | None = None) -> list[Result]:
            raise RunFailed("the device was lost", where="/srv/bundles/secret")

    first = desk.shelf.first
    broken = Desk(Settings(), Shelf({"broken": replace(first, detector=Broken(first.detector))}))
    with app(broken) as client, watching(client) as socket:
        socket.send_bytes(frame(1))
        assert ending(socket) == ("the device was lost.", 1011)


@dataclass(frozen=True, eq=False)
class Unlike(Around):
    """Whose watch likes no picture."""

    def detect(self, images: Sequence[Picture], *, floor: float | None = None) -> list[Result]:
        watched = Watched(9.0, unlike=True, complaints=("blurred",))
        found = self.detector.detect(images, floor=floor)
        return [replace(result, watched=watched) for result in found]


def test_the_watch_is_heard_and_drift_is_told_once_for_good(desk: Desk) -> None:
    first = desk.shelf.first
    card = replace(first.bundle.card, watch={"alarms": 0.05})
    bundle = replace(first.bundle, card=card)
    served = replace(first, bundle=bundle, detector=Unlike(first.detector))
    with app(Desk(Settings(), Shelf({"far": served}))) as client, watching(client) as socket:
        drifted = []
        for sequence in range(Drift.window + 2):
            socket.send_bytes(frame(sequence))
            told = socket.receive_json()
            assert len(told["warnings"]) == 2
            assert told["watched"] == {"unlike": True, "distance": 9.0, "complaints": ["blurred"]}
            drifted.append(told["drifted"])
        assert drifted == [False] * (Drift.window - 1) + [True] * 3


def test_no_drift_without_a_watch(desk: Desk) -> None:
    drifting = Drifting.of(desk.shelf.first)
    assert not any(drifting.add(Result(Detections.empty(), {})) for _ in range(200))


@pytest.mark.parametrize(("size", "side"), [(64, 640), (416, 832), (640, 1280), (1280, 1280)])
def test_frames_are_as_large_as_is_of_use(desk: Desk, size: int, side: int) -> None:
    first = desk.shelf.first
    card = replace(first.bundle.card, input=replace(first.bundle.card.input, size=size))
    assert side_of(replace(first, bundle=replace(first.bundle, card=card))) == side


# cameras of the server


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    made.serve()
    yield made
    made.close()


@pytest.fixture
def with_camera(bundle_on_shelf: Shelf, site: Site) -> Iterator[Desk]:
    source = f"{site.address}/camera?token=secret"
    yield Desk(Settings(cameras=(source,)), bundle_on_shelf)
    until(lambda: not [each for each in threading.enumerate() if each.name == "kit-live"])


def take(socket: Any) -> tuple[dict[str, Any], Picture]:
    """The next frame of the server's camera."""
    message = socket.receive_bytes()
    length = struct.unpack_from(">I", message)[0]
    told = json.loads(message[4 : 4 + length])
    picture = cv2.imdecode(np.frombuffer(message[4 + length :], np.uint8), cv2.IMREAD_COLOR)
    return told, np.asarray(picture, np.uint8)


def test_a_camera_of_the_server_is_read_once_for_all(with_camera: Desk, site: Site) -> None:
    with app(with_camera) as client:
        with watching(client, "?camera=0") as one, watching(client, "?camera=0") as two:
            assert with_camera.seats.taken == 2
            for socket in (one, two) * 4:
                told, picture = take(socket)
                assert picture.shape == (48, 64, 3)
                assert (told["width"], told["height"]) == (64, 48)
                best = told["detections"][0]
                bright = best["score"] if best["class"] == "bright" else 1 - best["score"]
                assert bright == pytest.approx(picture.mean() / 255, abs=0.03)
                assert told["dropped"] >= 0
                socket.send_bytes(struct.pack(">I", told["sequence"]))
            assert told["age_ms"] > 0
            assert site.opened == 1
        until(lambda: site.watching == 0)
        assert with_camera.seats.taken == 0


def test_who_does_not_confirm_gets_no_more_and_holds_up_nobody(with_camera: Desk) -> None:
    with (
        app(with_camera) as client,
        watching(client, "?camera=0") as stuck,
        watching(client, "?camera=0") as quick,
    ):
        for _ in range(10):
            told, _ = take(quick)
            quick.send_bytes(struct.pack(">I", told["sequence"]))
        assert [take(stuck)[0]["sequence"] for _ in range(visit.IN_FLIGHT)] == [1, 2]
        stuck.send_bytes(struct.pack(">I", 77))  # never sent
        assert stuck.receive_json()["kind"] == "wrong"  # and no third frame before it
        stuck.send_bytes(struct.pack(">I", 2))
        assert take(stuck)[0]["sequence"] == 3


def test_a_camera_that_is_not_there_is_told_and_tried_again(
    bundle_on_shelf: Shelf, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "RETRY", 0.05)
    port = site.server.server_address[1]
    site.close()
    desk = Desk(Settings(cameras=(f"http://u:secret@127.0.0.1:{port}/camera",)), bundle_on_shelf)
    with app(desk) as client, watching(client, "?camera=0") as socket:
        told = socket.receive_json()
        assert told["kind"] == "trouble"
        assert "does not answer" in told["why"]
        assert "secret" not in told["why"]
        site.serve(port)
        while "bytes" not in (message := socket.receive()):
            assert json.loads(message["text"])["kind"] == "trouble"


def test_a_recording_is_no_camera(
    bundle_on_shelf: Shelf, site: Site, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.film = tmp_path / "film.mp4"
    with closing(VideoWriter(site.film, 10)) as writer:
        for _ in range(4):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    desk = Desk(Settings(cameras=(f"{site.address}/film.mp4",)), bundle_on_shelf)
    monkeypatch.setattr(cameras, "RETRY", 0.05)
    with app(desk) as client, watching(client, "?camera=0") as socket:
        assert "recording" in socket.receive_json()["why"]


def test_names_of_cameras_hold_no_password() -> None:
    [one, two] = cameras.Cameras(["0", "rtsp://doctor:secret@10.0.0.5/ward?key=secret"])
    assert one.name == "The server's camera 1 (device 0)"
    assert two.name == "The server's camera 2 (rtsp://***@10.0.0.5/ward?***)"


@pytest.mark.parametrize("source", ["clip.mp4", "ftp://u:secret@host/x", "", "file:///etc/passwd"])
def test_what_is_no_camera_is_refused_at_the_start(source: str) -> None:
    with pytest.raises(UsageError, match="neither a camera") as caught:
        Settings(cameras=(source,))
    assert "secret" not in str(caught.value)


def test_large_frames_of_the_server_travel_smaller() -> None:
    small = cv2.imdecode(np.frombuffer(as_jpeg(np.zeros((1500, 3000, 3), np.uint8)), np.uint8), 1)
    assert small is not None
    assert small.shape == (640, 1280, 3)
