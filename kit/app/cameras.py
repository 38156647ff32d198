"""Cameras of the server: each read once, and each of its frames looked at once by a bundle, however
many visitors watch. Opened for the first of them, closed after the last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import anyio
import cv2
from starlette.concurrency import run_in_threadpool

from kit.app import strings as say
from kit.app.frames import Drifting, as_jpeg, look, told
from kit.app.newest import Newest, Shared
from kit.app.shelf import Served
from kit.errors import DataError, KitError
from kit.runtime.capture import scheme, shown
from kit.runtime.stream import Frame, Live, open_stream

RETRY = 3.0
"""Seconds after which a camera that can't be opened is tried again."""

_PATIENCE = 30.0  # seconds that one which died is tried before it is opened anew
_LOOK = 0.5  # seconds after which the reader looks whether anybody still watches
_SILENT = 3.0  # seconds without a frame after which watchers are told


@dataclass(frozen=True)
class Trouble:
    """Why there is no frame now."""

    why: str


@dataclass(frozen=True, eq=False)
class Taken:
    """A frame, and how many the camera gave before it, ever."""

    frame: Frame
    number: int


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame that was looked at, ready to travel.

    Attributes:
        told: all but its number and age, which are a visitor's own.
    """

    told: dict[str, Any]
    jpeg: bytes
    frame: Frame


class Camera(Shared["Taken | Trouble"]):
    """One camera or stream.

    Args:
        source: as :func:`kit.runtime.stream.open_stream` takes it.
        number: among the server's, from 0.

    Attributes:
        name: for visitors, without passwords.
    """

    def __init__(self, source: str, number: int) -> None:
        super().__init__()
        self._source, self._number = source, 0
        name = shown(source) if scheme(source) else say.LIVE_DEVICE.format(name=source)
        self.name = say.LIVE_CAMERA.format(number=number + 1, name=name)

    async def run(self) -> None:
        while self.wanted:
            try:
                stream = await run_in_threadpool(_open, self._source)
                try:
                    await self._read(stream)
                finally:
                    await run_in_threadpool(stream.close)
            except (KitError, cv2.error, OSError) as error:
                why = error.what if isinstance(error, KitError) else say.LIVE_CAMERA_FAILED
                self._news.put(Trouble(say.LIVE_CAMERA_GONE.format(why=why, seconds=RETRY)))
                await asyncio.sleep(RETRY)

    async def _read(self, stream: Live) -> None:
        before, heard = -1, time.monotonic()
        while self.wanted:
            frame = await run_in_threadpool(stream.latest, _LOOK)
            if frame is not None:
                self._number += frame.index - before
                before, heard = frame.index, time.monotonic()
                self._news.put(Taken(frame, self._number))
            elif time.monotonic() - heard > _SILENT:
                heard = time.monotonic()
                self._news.put(Trouble(say.LIVE_CAMERA_SILENT))


class View(Shared["Seen | Trouble"]):
    """One camera, looked at by one bundle."""

    def __init__(self, camera: Camera, served: Served) -> None:
        super().__init__()
        self._camera, self.served = camera, served

    async def run(self) -> None:
        drifting = Drifting.of(self.served)
        with self._camera.watched() as frames:
            count, first, looks = frames.count, 0, 0
            while self.wanted:
                count, taken = await self._next(frames, count)
                if not isinstance(taken, Taken):
                    if taken is not None:
                        self._news.put(taken)
                    continue
                first, looks = first or taken.number, looks + 1
                dropped = taken.number - first + 1 - looks
                try:
                    self._news.put(await self._look(taken.frame, dropped, drifting))
                except KitError as error:
                    self._news.put(Trouble(f"{error.what}."))
                    await asyncio.sleep(RETRY)

    @staticmethod
    async def _next(
        frames: Newest[Taken | Trouble], count: int
    ) -> tuple[int, Taken | Trouble | None]:
        """The next frame; None where none comes soon, so that the watchers are counted again."""
        with anyio.move_on_after(_LOOK):
            return await frames.after(count)
        return count, None

    async def _look(self, frame: Frame, dropped: int, drifting: Drifting) -> Seen:
        looked = await look(self.served, frame.picture)
        began = time.perf_counter()
        jpeg = await run_in_threadpool(as_jpeg, frame.picture)
        stages = {**looked.stages_ms, "encode": 1000 * (time.perf_counter() - began)}
        facts = told(
            self.served,
            replace(looked, stages_ms=stages),
            dropped=dropped,
            drifted=drifting.add(looked.result),
        )
        return Seen(facts, jpeg, frame)


class Cameras:
    """All of them, by number."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._cameras = [Camera(source, number) for number, source in enumerate(sources)]
        self._views: dict[tuple[int, str], View] = {}

    def __iter__(self) -> Iterator[Camera]:
        return iter(self._cameras)

    def __len__(self) -> int:
        return len(self._cameras)

    def view(self, number: int, served: Served) -> View:
        """One camera by one bundle, the same for all who ask."""
        key = number, served.name
        if key not in self._views:
            self._views[key] = View(self._cameras[number], served)
        return self._views[key]


def _open(source: str) -> Live:
    stream = open_stream(source, patience=_PATIENCE)
    if isinstance(stream, Live):
        return stream
    with closing(stream):
        raise DataError("it is a recording, not a camera", where=stream.name)
