"""Clips that wait for their turn, are looked at, or can still be seen."""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Literal

from kit.app import strings as say
from kit.app.audit import Audit
from kit.app.looked import Memory
from kit.app.shelf import Served
from kit.app.video import Clip, look_through
from kit.errors import KitError

AT_ONCE = 2
"""Clips looked at side by side: one is decoded and drawn while the other's frame is looked at."""

MOST = 8
"""Clips that are sent, wait or are looked at: each takes memory."""

MOST_EACH = 4
"""Of them of one visitor, so that there is room for another. Visitors of one address are one, where
nobody logs in."""

ABANDONED = 90.0
"""Seconds without a question from its page after which a clip is left. A page in the background
may ask once a minute only."""

MOST_BYTES = 1 << 29
"""Of all films kept; the oldest go first."""

State = Literal["waiting", "looking", "done", "failed", "stopped"]


class Full(Exception):
    """There are :data:`MOST` clips already, or :data:`MOST_EACH` of this visitor."""


@dataclass(eq=False)
class Job:
    """A visitor's clip.

    Attributes:
        id: 128 random bits; who has them may see the clip.
        path: of the clip, in the temporary folder, without its name.
        user: who may see it, where there is a login. visitor: the user, or the address.
        frame: number of the last that was looked at, of ``frames`` (0: not known).
        rate: frames a second of late.
        clip: once it is done. why: it failed.
        asked: when its page last asked, by :func:`time.monotonic`.
    """

    path: Path
    sha256: str
    served: Served
    user: str | None = None
    visitor: str = ""
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = "waiting"
    frame: int = 0
    frames: int = 0
    rate: float | None = None
    clip: Clip | None = None
    why: str = ""
    asked: float = field(default_factory=time.monotonic)
    stopped: bool = False

    @property
    def nbytes(self) -> int:
        return self.clip.nbytes if self.clip else 0

    @property
    def left(self) -> bool:
        """Whether nobody wants it any more."""
        return self.stopped or time.monotonic() - self.asked > ABANDONED

    def tell(self, frame: int, frames: int, rate: float | None) -> None:
        """How far it is."""
        self.frame, self.frames, self.rate = frame, frames, rate


class Clips:
    """All of a server.

    Args:
        most_seconds: longer clips are refused.
        audit: told of each clip before anything of it is shown.
    """

    def __init__(self, most_seconds: float = 120, audit: Audit | None = None) -> None:
        self._most_seconds, self._audit = most_seconds, audit or Audit()
        self._changed = Condition()
        self._active: dict[str, Job] = {}  # in the order they came
        self._receiving: Counter[str] = Counter()
        self._threads: list[Thread] = []
        self._closed = False
        self._kept = Memory[Job](most_bytes=MOST_BYTES)

    @contextmanager
    def receiving(self, visitor: str) -> Iterator[None]:
        """While a clip is sent, before it is added.

        Raises:
            Full: there is no room for another.
        """
        with self._changed:
            self._sweep()
            held = Counter(job.visitor for job in self._active.values()) + self._receiving
            if self._closed or held.total() >= MOST or held[visitor] >= MOST_EACH:
                raise Full
            self._receiving[visitor] += 1
        try:
            yield
        finally:
            with self._changed:
                self._receiving[visitor] -= 1
                self._receiving += Counter()  # forgets who sends nothing

    def add(self, job: Job) -> Job:
        """Let it wait for its turn; from now on its file is removed here."""
        with self._changed:
            self._active[job.id] = job
            if not self._threads:
                self._start()
            self._changed.notify()
        return job

    def get(self, id: str, user: str | None = None) -> Job | None:
        """One of this visitor's, for its page."""
        with self._changed:
            job = self._active.get(id)
        if job is None:
            return self._kept.get(id, user)
        if job.user != user:
            return None
        job.asked = time.monotonic()
        return job

    def place(self, job: Job) -> int:
        """How many wait before it, itself among them; 0 where it doesn't wait."""
        with self._changed:
            waiting = [each for each in self._active.values() if each.state == "waiting"]
        return waiting.index(job) + 1 if job in waiting else 0

    def stop(self, job: Job) -> None:
        """Look no further, and forget it."""
        with self._changed:
            job.stopped = True
            self._sweep()
            self._kept.drop(job.id)

    def forget(self) -> None:
        """Forget what is over."""
        with self._changed:
            self._sweep()
        self._kept.forget()

    def drop_user(self, user: str) -> None:
        """Stop and forget all of a visitor's."""
        with self._changed:
            active = [job for job in self._active.values() if job.user == user]
        for job in active:
            self.stop(job)
        self._kept.drop_user(user)

    def close(self) -> None:
        """Stop all."""
        with self._changed:
            self._closed = True
            active = list(self._active.values())
            self._changed.notify_all()
        for job in active:
            self.stop(job)
        for thread in self._threads:
            thread.join(5)

    def _start(self) -> None:
        for _ in range(AT_ONCE):
            thread = Thread(target=self._work, name="kit-clip", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job.clip = self._look(job)
                job.state = "stopped" if job.clip is None else "done"
            except KitError as error:
                job.why, job.state = error.what, "failed"
            except Exception:
                logging.getLogger(__name__).exception("a clip could not be looked at")
                job.why, job.state = say.VIDEO_BROKE, "failed"
            with self._changed:
                del self._active[job.id]
                if not job.left:
                    self._kept.keep(job)

    def _look(self, job: Job) -> Clip | None:
        clip = look_through(
            job.path,
            job.sha256,
            job.served,
            most_seconds=self._most_seconds,
            stop=lambda: job.left,
            told=job.tell,
        )
        if clip is not None:
            most = clip.counts.max(axis=0, initial=0).tolist()
            self._audit.write(
                "video",
                user=job.user,
                bundle_sha256=job.served.bundle.sha256,
                picture_sha256=job.sha256,
                threshold=job.served.threshold,
                counts=dict(zip(job.served.bundle.card.classes, most, strict=True)),
                frames=len(clip.rows),
            )
        return clip

    def _next(self) -> Job | None:
        with self._changed:
            while not self._closed:
                self._sweep()
                for job in self._active.values():
                    if job.state == "waiting":
                        job.state = "looking"
                        return job
                self._changed.wait()
        return None

    def _sweep(self) -> None:
        """Forget those that wait, and nobody wants any more."""
        for job in list(self._active.values()):
            if job.state == "waiting" and job.left:
                job.state = "stopped"
                job.path.unlink(missing_ok=True)
                del self._active[job.id]


def status(job: Job, place: int) -> dict[str, Any]:
    """How it stands, as plain data."""
    rate, left = job.rate, None
    if rate and job.frames:
        left = round(max(0, job.frames - job.frame) / rate, 1)
    return {
        "state": job.state,
        "place": place,
        "frame": job.frame,
        "frames": job.frames,
        "rate": None if rate is None else round(rate, 1),
        "left_s": left,
        "why": job.why,
    }
