"""What never queues: the newest of what comes, for whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Newest(Generic[T]):
    """Holds the last value put in; one that nobody took in time is gone. For one event loop."""

    def __init__(self) -> None:
        self._count = 0
        self._value: T | None = None
        self._news = asyncio.Event()

    @property
    def count(self) -> int:
        """Values put in so far."""
        return self._count

    def put(self, value: T) -> None:
        """Replace what is there, and wake who waits."""
        self._count, self._value = self._count + 1, value
        news, self._news = self._news, asyncio.Event()
        news.set()

    def forget(self) -> None:
        """Let go of the value; it is not given to anybody any more."""
        self._value = None

    async def after(self, count: int) -> tuple[int, T]:
        """Wait until more than ``count`` were put in.

        Returns:
            How many there were by now, and the last.
        """
        while self._count <= count or self._value is None:
            await self._news.wait()
        return self._count, self._value


class Shared(Generic[T]):
    """Work that goes on while somebody watches, once for all who do."""

    def __init__(self) -> None:
        self._news = Newest[T]()
        self._task: asyncio.Task[None] | None = None
        self._watching = 0

    @property
    def wanted(self) -> bool:
        """Whether anybody watches."""
        return self._watching > 0

    @property
    def running(self) -> bool:
        """Whether the work goes on; it ends a moment after the last has left."""
        return self._task is not None

    @contextmanager
    def watched(self) -> Iterator[Newest[T]]:
        """Watch what comes of it from now on."""
        self._watching += 1
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        try:
            yield self._news
        finally:
            self._watching -= 1

    async def _work(self) -> None:
        # no await between the last look at `wanted` and the end, else a newcomer would be missed
        try:
            await self.run()
        finally:
            self._news.forget()
            self._task = None

    async def run(self) -> None:
        """Work while :attr:`wanted`."""
        raise NotImplementedError


async def first_of(*works: Callable[[], Awaitable[None]]) -> None:
    """Do them side by side until one ends; then the others are stopped, and its error is raised."""
    errors: list[Exception] = []

    async def one(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            errors.append(error)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for work in works:
            group.start_soon(one, work)
    if errors:
        raise errors[0]
