"""A visitor of `kit serve` who streams a camera over a WebSocket, as the page's script does."""

from __future__ import annotations

import asyncio
import json
import statistics
import struct
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

RATE = 30.0
"""Frames a second of the camera."""

IN_FLIGHT, LEAD, LOST = 2, 0.03, 30.0  # frames; seconds


@dataclass
class Visitor:
    """What one of them saw.

    Attributes:
        ages_ms: of each frame that was answered, from its capture to its boxes.
        camera: frames that the camera gave.
        errors: messages that were none of these, and connections that broke.
    """

    ages_ms: list[float] = field(default_factory=list)
    camera: int = 0
    errors: list[str] = field(default_factory=list)


async def stream(visitor: Visitor, frames: Sequence[bytes], address: str, end: float) -> None:
    """One camera, until the end."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    flying: dict[int, float] = {}
    spent: deque[float] = deque([0.0], maxlen=20)
    news, answered = asyncio.Event(), 0.0

    def early() -> float:
        """Seconds until another frame should leave."""
        if not flying:
            return 0.0
        if len(flying) >= IN_FLIGHT:
            return LOST
        begun = max(answered, *flying.values())
        return begun + statistics.median(spent) - LEAD - time.monotonic()

    async def hear(socket: Any) -> None:
        nonlocal answered
        while True:
            told = json.loads(await asyncio.wait_for(socket.recv(), LOST))
            if told["kind"] != "looked":
                visitor.errors.append(told.get("why", told["kind"]))
            number = told.get("sequence")
            answered = time.monotonic()
            if number in flying and told["kind"] == "looked":
                spent.append(sum(told["stages_ms"].values()) / 1000)
                visitor.ages_ms.append(1000 * (time.monotonic() - flying[number]))
            for each in [each for each in flying if number is not None and each <= number]:
                del flying[each]
            news.set()

    async def send(socket: Any) -> None:
        began, sequence, last = time.monotonic(), 0, 0.0
        while (now := time.monotonic()) < end:
            visitor.camera = int((now - began) * RATE) + 1
            captured = began + (visitor.camera - 1) / RATE  # the newest frame by now
            if early() <= 0 and captured > last:
                sequence, last = sequence + 1, captured
                flying[sequence] = captured
                file = frames[visitor.camera // 4 % len(frames)]
                await socket.send(struct.pack(">I", sequence) + file)
            news.clear()
            pause = max(early(), captured + 1 / RATE - time.monotonic(), 0)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(news.wait(), min(pause, max(end - now, 0)))

    try:
        async with connect(address, compression=None, max_size=None) as socket:
            ready = json.loads(await socket.recv())
            if ready["kind"] != "ready":
                visitor.errors.append(ready["why"])
                return
            hearing = asyncio.create_task(hear(socket))
            await send(socket)
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
    except (OSError, WebSocketException, asyncio.TimeoutError) as error:
        visitor.errors.append(f"{type(error).__name__}: {error}")
