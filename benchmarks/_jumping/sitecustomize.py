"""Loaded by every Python that has this folder on its path: a clock that jumps, memory that ends.

``KIT_CLOCK_JUMPS`` moves the wall clock a day forward and back, every quarter of a second;
``KIT_NO_MEMORY_AFTER`` names a file: forked processes get no memory for pictures once it is there.
"""

import datetime
import os
import sys
import time
from pathlib import Path

DAY, PERIOD = 86400, 0.25


def offset() -> int:
    """Seconds the clock is wrong by: none, a day late, a day early, and so on."""
    return (0, DAY, -DAY)[int(time.monotonic() / PERIOD) % 3]


if os.environ.get("KIT_CLOCK_JUMPS"):
    true, true_ns, day = time.time, time.time_ns, datetime.timedelta(days=1)

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> "Jumping":
            return super().now(tz) + datetime.timedelta(seconds=offset())

    time.time = lambda: true() + offset()
    time.time_ns = lambda: true_ns() + offset() * 10**9
    datetime.datetime = Jumping  # type: ignore[misc]

if name := os.environ.get("KIT_NO_MEMORY_AFTER"):
    saved = Path(name)

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    def no_more() -> None:
        if saved.is_file():
            sys.modules["kit.finetune.batches"].__dict__["read_picture"] = no_memory

    os.register_at_fork(after_in_child=no_more)
