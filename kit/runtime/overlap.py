"""Steps of a chain that work at once: reading ahead, working side by side, writing behind.

OpenCV and the engines let other threads run while they work. What goes wrong in a thread is raised
once, where its work is waited for; nothing waits for a thread that has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, Full, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_LOOK = 0.05  # seconds between two looks whether to stop
_LANES = 4  # each needs memory for a run of its own
_END: Any = object()


def ahead(items: Iterable[T], depth: int) -> Generator[T]:
    """Yield the items, taken by a thread that is up to ``depth`` ahead; none is lost."""
    ready: Queue[tuple[Any, BaseException | None]] = Queue(depth)
    stop = Event()

    def put(item: Any, error: BaseException | None = None) -> bool:
        while not stop.is_set():
            try:
                ready.put((item, error), timeout=_LOOK)
                return True
            except Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(_END)
        except BaseException as error:
            put(_END, error)

    thread = Thread(target=work, name="kit-ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item, error = ready.get(timeout=_LOOK)  # a signal is heard between two waits
            except Empty:
                continue
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        thread.join()


def beside(work: Callable[[T], R], items: Iterable[T], lanes: int) -> Generator[R]:
    """Yield ``work(item)`` in the order of the items, ``lanes`` of them at a time.

    One lane works in the caller's thread, and takes an item only when the last is done with.
    """
    if lanes == 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(lanes, thread_name_prefix="kit-beside")
    under_way: deque[Future[R]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) > lanes:  # one waits, so that no lane does
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def share(threads: int) -> tuple[int, int]:
    """Lanes, and threads of an engine that they share, where so many threads may work.

    Runs side by side wait less for each other's threads than one run on all of them: on two cores
    that pays for decoding, drawing and encoding. Each lane works itself, beside the engine's own.
    """
    lanes = min(threads, _LANES)
    return lanes, threads - lanes + 1


class Behind(Generic[T]):
    """Hands items to a function in a thread, in order; the caller waits where ``depth`` are due.

    Leaving the block waits until all are done. What the function raised is raised by the next
    :meth:`put`, or at the end of the block; items after it are dropped.
    """

    def __init__(self, work: Callable[[T], object], depth: int) -> None:
        self._work, self._due = work, Queue[Any](depth)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="kit-behind", daemon=True)

    def put(self, item: T) -> None:
        """Hand over an item."""
        if self._error is not None:
            raise self._error
        self._due.put(item)

    def __enter__(self) -> Behind[T]:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._due.put(_END)
        self._thread.join()
        if error is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._due.get()) is not _END:
            if self._error is None:
                try:
                    self._work(item)
                except BaseException as error:
                    self._error = error
