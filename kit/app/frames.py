"""Frames of live cameras: how they travel, how they are looked at, and what is said of them.

A visitor's frame comes as four bytes, its number (big-endian), and a picture file; a frame of the
server's camera goes as four bytes, the length of the JSON that follows, and a JPEG.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from starlette.concurrency import run_in_threadpool

from kit.app.shelf import Served
from kit.app.viewer import cautions
from kit.pixels import decode_picture, encode_picture
from kit.report.rows import json_rows, watched_facts
from kit.runtime.watch import Drift
from kit.types import Picture, Result

MOST_BYTES = 4_000_000
"""Of one frame as a file."""

MOST_PIXELS = 4_000_000
"""Of one frame; a larger one belongs in the tab for pictures."""

SIDES = (640, 1280)
"""Least and most pixels of a frame's longest side as it travels."""

_NUMBER = struct.Struct(">I")
_QUALITY = 85


@dataclass(frozen=True, eq=False)
class Look:
    """A frame that was looked at.

    Attributes:
        stages_ms: time by stage; ``wait`` is what passed besides: until it was its turn, and the
            watch.
    """

    result: Result
    size: tuple[int, int]
    stages_ms: Mapping[str, float]


@dataclass
class Drifting:
    """Whether the frames so far have become unlike those of training; once said, it stays said.

    Attributes:
        told: the answer.
    """

    drift: Drift | None
    told: bool = field(default=False, init=False)

    @classmethod
    def of(cls, served: Served) -> Drifting:
        """By the share of false alarms on the bundle's card."""
        alarms = served.bundle.card.watch.get("alarms")
        return cls(None if alarms is None else Drift(alarms))

    def add(self, result: Result) -> bool:
        """Count a frame."""
        if self.drift is not None and result.watched is not None:
            self.told = self.drift.add(result.watched.unlike) or self.told
        return self.told


def side_of(served: Served) -> int:
    """Pixels of a frame's longest side that are worth sending: twice the graph's input, so that the
    kit's own scaling makes the pixels it looks at, as in training, and not the browser's; all that
    may travel where it cuts pictures into tiles."""
    if served.detector.tiling is not None:
        return SIDES[1]
    return min(max(2 * served.bundle.card.input.size, SIDES[0]), SIDES[1])


def split(message: bytes) -> tuple[int, bytes]:
    """Number and picture file of a visitor's message; a bare number has no picture.

    Raises:
        ValueError: it has not even a number.
    """
    if len(message) < _NUMBER.size:
        raise ValueError("a message without a number")
    return _NUMBER.unpack_from(message)[0], message[_NUMBER.size :]


def joined(told: Mapping[str, Any], jpeg: bytes) -> bytes:
    """What is said of a frame of the server's, and the frame."""
    text = json.dumps(told).encode()
    return _NUMBER.pack(len(text)) + text + jpeg


async def decoded(data: bytes) -> tuple[Picture, float]:
    """A picture file, decoded beside the event loop, and the milliseconds that took.

    Raises:
        DataError: no picture, damaged, or more than :data:`MOST_PIXELS`.
    """
    began = perf_counter()
    picture = await run_in_threadpool(decode_picture, data, max_pixels=MOST_PIXELS)
    return picture, 1000 * (perf_counter() - began)


async def look(served: Served, picture: Picture, **before_ms: float) -> Look:
    """Detect on a frame when it is its turn.

    Args:
        before_ms: stages it went through before.

    Raises:
        KitError: the machine or the bundle failed.
    """
    began = perf_counter()
    result = await asyncio.wrap_future(served.look(picture))
    passed = 1000 * (perf_counter() - began)
    stages = {name: spent / 1e6 for name, spent in result.stages_ns.items()}
    waited = max(0.0, passed - sum(stages.values()))
    height, width = picture.shape[:2]
    return Look(result, (width, height), {**before_ms, "wait": waited, **stages})


def told(
    served: Served, looked: Look, *, dropped: int, drifted: bool, **more: Any
) -> dict[str, Any]:
    """What is said of a frame, as plain data; boxes in its own pixels.

    Args:
        dropped: frames that came, and were never looked at, so far.
        drifted: whether the frames have become unlike those of training.
        more: its ``sequence``, where it is known already.
    """
    return {
        "kind": "looked",
        "width": looked.size[0],
        "height": looked.size[1],
        "detections": json_rows(looked.result.detections, served.bundle.card.classes),
        "stages_ms": {name: round(ms, 2) for name, ms in looked.stages_ms.items()},
        "dropped": dropped,
        "warnings": cautions(looked.result.watched),
        "drifted": drifted,
        **watched_facts(looked.result.watched),
        **more,
    }


def as_jpeg(picture: Picture) -> bytes:
    """A frame of the server's as it travels, no longer than :data:`SIDES` allow."""
    scale = SIDES[1] / max(picture.shape[:2])
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in picture.shape[1::-1])
        smaller = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        picture = np.asarray(smaller, np.uint8)
    return encode_picture(picture, ".jpg", quality=_QUALITY)
