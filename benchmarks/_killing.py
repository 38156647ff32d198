"""Works that are killed at random moments, gone on with, and compared with one left in peace."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
from _whole import content, halves, parts
from _workshop import Workshop

IN_A_ROW = 5
"""Kills of one work before it may end."""

_BETWEEN = (0.02, 0.8)  # of the time that the whole takes
_LINGER = 0.03  # seconds after something was seen to be written, at most


@dataclass(frozen=True)
class Kill:
    """One kill -9.

    Attributes:
        work: what was killed. second: after its start.
        whom: ``all`` of its processes, or the ``first`` alone, whose children go on for a while.
        writing: files and folders that were half-written then, under hidden names.
        halves: what was not whole under its final name.
    """

    work: str
    second: float
    whom: str
    writing: int
    halves: Sequence[str]


@dataclass(frozen=True)
class End:
    """A work that was killed several times, then gone on with to its end.

    Attributes:
        kills: how many times.
        code: exit code of the last command. told: what it said, where it failed.
        differs: files that are not what they are in one left in peace, or not in both.
        left: half-written things that lay there at the end.
    """

    work: str
    kills: int
    code: int
    told: str
    differs: Sequence[str]
    left: int


def campaign(
    shop: Workshop, work: str, kills: int, rng: random.Random
) -> tuple[list[Kill], list[End]]:
    """Kill a work so many times; ``train-whole`` and so on must be there to compare with."""
    whole = content(shop.root / f"{work}-whole")
    seconds = float((shop.root / f"{work}-whole.seconds").read_text())
    done: list[Kill] = []
    ends: list[End] = []
    while len(done) < kills:
        out, row = f"{work}-{len(ends)}", 0
        while row < IN_A_ROW and len(done) < kills:
            kill = _kill(shop, work, out, seconds, rng)
            if kill is None:  # it was done before
                break
            done, row = [*done, kill], row + 1
        ended = shop.finish(work, out)
        folder = shop.root / out
        now = content(folder)
        differs = sorted(name for name in {*whole, *now} if whole.get(name) != now.get(name))
        told = ended.told[-1000:] if ended.code else ""
        ends.append(End(work, row, ended.code, told, differs, len(parts(folder))))
    return done, ends


def leave_in_peace(shop: Workshop, work: str) -> None:
    """Do a work undisturbed, to compare with."""
    begun = time.monotonic()
    shop.require(shop.finish(work, f"{work}-whole"))
    (shop.root / f"{work}-whole.seconds").write_text(str(time.monotonic() - begun))


def _kill(shop: Workshop, work: str, out: str, seconds: float, rng: random.Random) -> Kill | None:
    """Begin or go on with a work, and kill it; None where it ended before."""
    folder = shop.root / out
    process = shop.start(shop.command(work, out), shop.root / "told.txt")
    begun = time.monotonic()
    writing, whom = rng.random() < 0.5, rng.choice(("all", "first"))
    moment = begun + rng.uniform(*_BETWEEN) * seconds
    late = begun + 2 * seconds
    while process.poll() is None:
        now = time.monotonic()
        if now >= moment and (not writing or now > late or (folder.is_dir() and parts(folder))):
            break
        time.sleep(0.001 if writing and now >= moment else 0.01)
    time.sleep(rng.uniform(0, _LINGER) if writing else 0)
    if process.poll() is not None:
        return None
    second = time.monotonic() - begun
    victims = _family(process.pid) if whom == "all" else [process.pid]
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
    there = folder.is_dir()
    left = len(parts(folder)) if there else 0
    return Kill(work, round(second, 3), whom, left, halves(folder) if there else [])


def _family(pid: int) -> list[int]:
    """A process and all that it has started."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    return [pid, *(child.pid for child in children)]
