"""A side of a comparison of latencies: a process that waits until it is told to do a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from kit.errors import RunFailed
from kit.types import Detections


@dataclass(frozen=True)
class Opened:
    """What a side does.

    Attributes:
        run: one picture (or several, where a side takes several), from the file to the side's own
            answer: this is timed.
        boxes: the answer as detections: this is not.
        facts: what it really ran on; asked for at the end.
    """

    run: Callable[[Any], Any]
    boxes: Callable[[Any], Detections]
    facts: Callable[[], Mapping[str, Any]]


class Side:
    """A detector in a process of its own, driven over a pipe.

    Sessions of ONNX Runtime keep their threads spinning for a while after a run, which slows
    whatever else the process does; in processes of their own, and with a pause between turns, the
    sides don't meet.
    """

    def __init__(self, name: str, opener: Callable[..., Opened], *args: Any) -> None:
        context = get_context("spawn")
        self.name = name
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, opener, args), daemon=True)
        self._process.start()
        there.close()

    def time(self, path: Path | Sequence[Path], lead: int) -> int:
        """Nanoseconds for one picture, after ``lead`` runs on it that don't count."""
        return int(self._ask("time", path, lead))

    def boxes(self, path: Path) -> Detections:
        found: Detections = self._ask("boxes", path)
        return found

    def facts(self) -> dict[str, Any]:
        return dict(self._ask("facts"))

    def close(self) -> None:
        self._pipe.close()
        self._process.join()

    def _ask(self, *task: Any) -> Any:
        try:
            self._pipe.send(task)
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise RunFailed("its process ended, for the reason above", where=self.name) from error


def _serve(pipe: Connection, opener: Callable[..., Opened], args: tuple[Any, ...]) -> None:
    opened = opener(*args)
    while True:
        try:
            what, *rest = pipe.recv()
        except EOFError:
            return
        if what == "time":
            path, lead = rest
            for _ in range(lead):
                opened.run(path)
            start = perf_counter_ns()
            opened.run(path)
            pipe.send(perf_counter_ns() - start)
        elif what == "boxes":
            pipe.send(opened.boxes(opened.run(rest[0])))
        else:
            pipe.send(opened.facts())
