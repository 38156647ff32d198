"""Loads, on a clock that only moves when it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.bench.regime import FEWEST, Limits, burst, paced


class Clock:
    """Nanoseconds; sleeping and working move it on."""

    def __init__(self, work_ms: list[float]) -> None:
        self.now, self._work, self.slept = 0, iter(work_ms), 0

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.now += round(seconds * 1e9)

    def work(self) -> None:
        self.now += round(next(self._work) * 1e6)


def run(work_ms: list[float], rate: float = 100.0) -> tuple[list[float], int | None, int | None]:
    clock = Clock(work_ms)
    limits = Limits(len(work_ms), 1e9)
    found = paced([clock.work], limits, rate, sleep=clock.sleep, clock=clock)
    starts = [start / 1e6 for start in found.starts_ns]
    return starts, found.missed, found.arrived


def test_a_quick_detector_waits_for_each_picture() -> None:
    starts, missed, arrived = run([3, 3, 3, 3])
    assert starts == [0, 10, 20, 30]
    assert (missed, arrived) == (0, 4)


def test_a_slow_run_is_late_and_the_latest_picture_wins() -> None:
    """The second takes 35 ms: it is late itself, and the pictures of 20 and 30 ms are passed by
    for the one of 40 ms, which comes while it still works."""
    starts, missed, arrived = run([3, 35, 3, 3])
    assert starts == [0, 10, 45, 50]
    assert (missed, arrived) == (1 + 2, 6)


def test_always_too_slow() -> None:
    starts, missed, arrived = run([25] * 4)
    assert starts == [0, 25, 50, 75]
    assert arrived == 8
    assert missed == 4 + 4, "every one that was looked at was late, every other never looked at"


@given(st.lists(st.floats(0.1, 60), min_size=1, max_size=40))
def test_every_picture_is_counted_once(work_ms: list[float]) -> None:
    starts, missed, arrived = run(work_ms)
    assert missed is not None
    assert arrived is not None
    assert 0 <= missed <= arrived
    assert arrived >= len(work_ms)
    assert starts == sorted(starts)
    assert (arrived - 1) * 10 <= starts[-1] + 1e-6, "none is looked at before it came"


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_limits(seconds: float) -> None:
    taken = burst([lambda: None], Limits(50, seconds))
    assert len(taken.times_ns) == (50 if seconds else FEWEST)


def test_streams_work_at_once() -> None:
    """Each waits for the other inside its first sample: one by one, they would wait for ever."""
    meeting = threading.Barrier(2, timeout=20)

    def stream() -> Callable[[], object]:
        waits = iter([meeting.wait])
        return lambda: next(waits, lambda: None)()

    done = burst([stream(), stream()], Limits(30, 60))
    assert len(done.times_ns) >= 30
    assert done.starts_ns == sorted(done.starts_ns)


def test_a_stream_that_fails_is_told() -> None:
    def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        burst([fail, fail], Limits(30, 60))


def test_one_that_fails_ends_all_at_once() -> None:
    """The others would go on for the minutes of a soak."""
    turns = iter(range(1000))

    def fail() -> None:
        if next(turns) == 5:
            raise ValueError("broken")

    begun = time.monotonic()
    with pytest.raises(ValueError, match="broken"):
        burst([lambda: time.sleep(0.001), fail], Limits(1 << 31, 60))
    assert time.monotonic() - begun < 30


def test_every_sample_is_told() -> None:
    ticks: Iterator[int] = iter(range(100))
    burst([lambda: None], Limits(30, 60), tick=lambda: next(ticks))
    assert next(ticks) == 30
