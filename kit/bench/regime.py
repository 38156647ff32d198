"""How load comes: back to back, or at a camera's pace; from one stream, or from several at once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Literal

Regime = Literal["burst", "paced", "soak"]

FEWEST = 20
"""Samples, whatever the time."""


@dataclass
class Timeline:
    """When samples began, and how long they took.

    Attributes:
        starts_ns: since the first one. times_ns: of each.
        missed: pictures that had no boxes when the next came, those never looked at included; None
            where they don't come at a pace.
        arrived: pictures that came, where they come at a pace.
    """

    starts_ns: list[int] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    missed: int | None = None
    arrived: int | None = None

    @property
    def seconds(self) -> float:
        """From the first start to the last end."""
        ends = [start + taken for start, taken in zip(self.starts_ns, self.times_ns, strict=True)]
        return max(ends, default=0) / 1e9


@dataclass(frozen=True)
class Limits:
    """When to stop: after so many samples or so much time, but not below :data:`FEWEST`."""

    samples: int
    seconds: float


def nothing() -> None:
    """Where nobody wants to know of every sample."""


def burst(
    samplers: Sequence[Callable[[], object]],
    limits: Limits,
    *,
    tick: Callable[[], object] = nothing,
) -> Timeline:
    """One sample after the other, in every stream.

    Args:
        samplers: one a stream; each takes one sample a call.
        limits: of all streams together.
        tick: called after each sample, never by two streams at once.
    """
    timeline, lock = Timeline(), threading.Lock()
    begun = perf_counter_ns()

    def stream(sample: Callable[[], object], stopped: threading.Event) -> None:
        while not (stopped.is_set() or _over(timeline, limits, perf_counter_ns() - begun)):
            start = perf_counter_ns()
            sample()
            taken = perf_counter_ns() - start
            with lock:
                timeline.starts_ns.append(start - begun)
                timeline.times_ns.append(taken)
                tick()

    _together(stream, samplers)
    return _sorted(timeline)


def paced(
    samplers: Sequence[Callable[[], object]],
    limits: Limits,
    rate: float,
    *,
    tick: Callable[[], object] = nothing,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], int] = perf_counter_ns,
) -> Timeline:
    """A picture every ``1 / rate`` seconds in every stream; of those that came while it was busy,
    the latest is taken and the others are never looked at, as with a camera.

    A device that idles between pictures clocks down: its times are often longer than back to back.
    """
    timeline, lock = Timeline(missed=0, arrived=0), threading.Lock()
    begun, period = clock(), 1e9 / rate

    def stream(sample: Callable[[], object], stopped: threading.Event) -> None:
        picture = 0  # the first that has not come yet, or that nobody has looked at
        while not (stopped.is_set() or _over(timeline, limits, clock() - begun)):
            early = picture * period - (clock() - begun)
            if early > 0:
                sleep(early / 1e9)
            start = clock() - begun
            latest = max(picture, math.floor(start / period))
            sample()
            end = clock() - begun
            with lock:
                timeline.starts_ns.append(start)
                timeline.times_ns.append(end - start)
                passed_by, late = latest - picture, end > (latest + 1) * period
                timeline.missed = (timeline.missed or 0) + passed_by + late
                timeline.arrived = (timeline.arrived or 0) + passed_by + 1
                tick()
            picture = latest + 1

    _together(stream, samplers)
    return _sorted(timeline)


def _over(timeline: Timeline, limits: Limits, passed_ns: int) -> bool:
    done = len(timeline.times_ns)
    late = passed_ns > limits.seconds * 1e9
    return done >= limits.samples or (late and done >= min(FEWEST, limits.samples))


def _together(
    stream: Callable[[Callable[[], object], threading.Event], None],
    samplers: Sequence[Callable[[], object]],
) -> None:
    """All streams at once; what ends one, or Ctrl-C, ends all after the sample under way."""
    stopped = threading.Event()
    if len(samplers) == 1:
        stream(samplers[0], stopped)  # without a thread beside it
        return
    with ThreadPoolExecutor(len(samplers)) as pool:
        running = [pool.submit(stream, sample, stopped) for sample in samplers]
        try:
            for done in as_completed(running):
                done.result()
        finally:
            stopped.set()


def _sorted(timeline: Timeline) -> Timeline:
    """By start: streams end when they like."""
    order = sorted(range(len(timeline.starts_ns)), key=timeline.starts_ns.__getitem__)
    timeline.starts_ns = [timeline.starts_ns[place] for place in order]
    timeline.times_ns = [timeline.times_ns[place] for place in order]
    return timeline
