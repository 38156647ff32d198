"""A visitor's connection while a camera is watched: their own, or one of the server's."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import anyio
from starlette.websockets import WebSocket

from kit.app import strings as say
from kit.app.cameras import Seen, View
from kit.app.frames import MOST_BYTES, Drifting, decoded, joined, look, split, told
from kit.app.newest import Newest, first_of
from kit.app.shelf import Served
from kit.errors import DataError

IDLE = 30.0
"""Seconds after which a visitor who sends nothing has left."""

MOST_WRONG = 5
"""Messages in a row that are no frames; then it ends."""

IN_FLIGHT = 2
"""Frames of the server's under way to a visitor."""


class Ended(Exception):
    """The connection ends, and the visitor is told why.

    Args:
        code: of the WebSocket protocol; 1008 is a broken rule.
    """

    def __init__(self, why: str, code: int = 1008) -> None:
        super().__init__(why)
        self.why, self.code = why, code


class Visit:
    """What both kinds share: messages that come, and patience with those that are wrong.

    Attributes:
        frames: looked at, or shown, so far.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket, self._wrong = socket, 0
        self.frames = 0

    async def _received(self, patient: bool = False) -> bytes | None:
        """The next message's bytes, empty where it is text; None after the last.

        Raises:
            Ended: none came for :data:`IDLE` seconds.
        """
        while True:
            try:
                with anyio.fail_after(IDLE):
                    message = await self._socket.receive()
            except TimeoutError as error:
                if patient and not self._owed:
                    continue
                raise Ended(say.LIVE_IDLE.format(seconds=IDLE), 1000) from error
            if message["type"] == "websocket.disconnect":
                return None
            return message.get("bytes") or b""

    @property
    def _owed(self) -> bool:
        """Whether an answer of the visitor's is due."""
        return True

    async def _refuse(self, why: str, sequence: int | None = None) -> None:
        """Say that a message was wrong.

        Raises:
            Ended: too many were.
        """
        self._wrong += 1
        if self._wrong >= MOST_WRONG:
            raise Ended(say.LIVE_WRONG.format(count=self._wrong, why=why))
        await self._socket.send_json({"kind": "wrong", "sequence": sequence, "why": why})


class OwnCamera(Visit):
    """Frames come, the newest is looked at, and what is found goes back. One frame waits at most:
    a newer one takes its place."""

    def __init__(self, socket: WebSocket, served: Served) -> None:
        super().__init__(socket)
        self._served, self._frames = served, Newest[tuple[int, bytes]]()

    async def run(self) -> None:
        """Until the visitor leaves.

        Raises:
            Ended: told why.
            KitError: the detector failed.
        """
        await first_of(self._listen, self._answer)

    async def _listen(self) -> None:
        while (message := await self._received()) is not None:
            try:
                sequence, file = split(message)
            except ValueError:
                await self._refuse(say.LIVE_NO_FRAME)
                continue
            if len(file) > MOST_BYTES:
                await self._refuse(say.TOO_LARGE.format(most=MOST_BYTES // 1_000_000), sequence)
            else:
                self._frames.put((sequence, file))

    async def _answer(self) -> None:
        count = dropped = 0
        drifting = Drifting.of(self._served)
        while True:
            before = count
            count, (sequence, file) = await self._frames.after(count)
            dropped += count - before - 1
            try:
                picture, decode_ms = await decoded(file)
            except DataError as error:
                await self._refuse(f"{error.what}.", sequence)
                continue
            self._wrong = 0
            looked = await look(self._served, picture, decode=decode_ms)
            self.frames += 1
            drifted = drifting.add(looked.result)
            await self._socket.send_json(
                told(self._served, looked, sequence=sequence, dropped=dropped, drifted=drifted)
            )


class ServersCamera(Visit):
    """Frames and what was found go out, the newest when there is room; the visitor answers each
    with its number once it is on the screen."""

    def __init__(self, socket: WebSocket, view: View) -> None:
        super().__init__(socket)
        self._view, self._room = view, asyncio.Semaphore(IN_FLIGHT)
        self._out: dict[int, float] = {}
        self._age: float | None = None

    async def run(self) -> None:
        """Until the visitor leaves.

        Raises:
            Ended: told why.
        """
        with self._view.watched() as news:
            await first_of(self._listen, partial(self._show, news))

    @property
    def _owed(self) -> bool:
        return bool(self._out)

    async def _listen(self) -> None:
        while (message := await self._received(patient=True)) is not None:
            try:
                sequence, rest = split(message)
            except ValueError:
                await self._refuse(say.LIVE_NO_FRAME)
                continue
            if rest or sequence not in self._out:
                await self._refuse(say.LIVE_NO_FRAME)
                continue
            self._wrong = 0
            self._age = 1000 * (time.monotonic() - self._out.pop(sequence))
            self._room.release()

    async def _show(self, news: Newest[Any]) -> None:
        count = news.count
        while True:
            await self._room.acquire()
            count, seen = await news.after(count)
            if not isinstance(seen, Seen):
                await self._socket.send_json({"kind": "trouble", "why": seen.why})
                self._room.release()
                continue
            self.frames += 1
            self._out[self.frames] = seen.frame.decoded
            facts = {**seen.told, "sequence": self.frames, "age_ms": self._age}
            await self._socket.send_bytes(joined(facts, seen.jpeg))
