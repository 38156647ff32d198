"""What comes of a stream, counted as it comes."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field

from kit.errors import KitError
from kit.progress import SILENT, Progress
from kit.runtime.stream import Frame
from kit.runtime.watch import Drift
from kit.types import Detections, Watched

_RECENT = 32  # frames that the rate is told of


@dataclass
class Recorded:
    """What came of a stream.

    Attributes:
        found: boxes by label.
        frames: looked at.
        dropped: frames of a live source passed over, since a newer one was there.
        reconnects: how often a live source came back.
        age_ms: of live frames when their boxes were known: the sum, and the largest.
        unlike: frames that don't look like the training pictures; None where nobody watches.
        drifted: frames since about which many in a row did not.
        seconds: from the first frame to the last by the clock here.
        error: what ended it early, None at the end of a file or where it was asked to stop.
    """

    found: Counter[int] = field(default_factory=Counter)
    frames: int = 0
    dropped: int = 0
    reconnects: int = 0
    age_ms: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0
    unlike: int | None = None
    drifted: list[int] = field(default_factory=list)
    error: KitError | None = None


@dataclass(frozen=True, eq=False)
class Looked:
    """A frame, what was found on it, and how old it was by then (None in a file)."""

    frame: Frame
    detections: Detections
    age_ms: float | None
    watched: Watched | None = None


class Tally:
    """Counts what was found, and tells how it goes.

    Args:
        alarms: share of usual pictures that the watch flags; None where nobody watches.
        live: whether frames have an age.

    Attributes:
        done: so far.
    """

    def __init__(
        self, alarms: float | None, *, live: bool = False, progress: Progress = SILENT
    ) -> None:
        self.done, self.progress, self._live = Recorded(), progress, live
        self._drift = None if alarms is None else Drift(alarms)
        self._times: deque[float] = deque(maxlen=_RECENT)
        self._age = 0.0

    @property
    def rate(self) -> float | None:
        """Frames a second of late; None before the second."""
        times = self._times
        return (len(times) - 1) / max(times[-1] - times[0], 1e-9) if len(times) > 1 else None

    def add(self, looked: Looked) -> None:
        """Count a frame."""
        now, done = time.monotonic(), self.done
        if not done.frames:
            self._first = now
        self._times.append(now)
        done.frames += 1
        done.seconds = now - self._first
        done.found.update(looked.detections.labels.tolist())
        done.dropped, done.reconnects = looked.frame.dropped, looked.frame.reconnects
        if looked.watched is not None and self._drift is not None:
            done.unlike = (done.unlike or 0) + looked.watched.unlike
            if self._drift.add(looked.watched.unlike):
                done.drifted.append(max(0, looked.frame.index + 1 - self._drift.window))
                self.progress.note(
                    f"warning: since about frame {done.drifted[-1]} many "
                    "frames don't look like the training pictures"
                )
        if looked.age_ms is not None:
            self._age = looked.age_ms
            done.age_ms = done.age_ms[0] + self._age, max(done.age_ms[1], self._age)

    def told(self) -> str:
        """How it goes, in words."""
        if (rate := self.rate) is None:
            return "detecting"
        text = f"detecting, {rate:.1f} a second"
        if self._live:
            text += f", {self._age:.0f} ms old, {self.done.dropped} dropped"
        return text
