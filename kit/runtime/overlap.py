"""Steps of a chain that work at once, each in a thread: reading ahead, working, writing behind.

OpenCV and the engines let other threads run while they work. What goes wrong in a thread is raised
once, where its work is waited for; nothing waits for a thread that has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from queue import Empty, Full, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_LOOK = 0.05  # seconds between two looks whether to stop
_END: Any = object()


def ahead(items: Iterable[T], depth: int) -> Generator[T, None, None]:
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
