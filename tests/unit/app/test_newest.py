"""What never queues."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("anyio", reason="anyio comes with the app")

from kit.app.newest import Newest, Shared, first_of
from kit.app.seats import NoSeat, Seats


def alone(work: Coroutine[Any, Any, None]) -> None:
    """Run it in an event loop of its own thread: a browser's tests leave one in this."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20))
def test_who_waits_gets_the_last_and_can_tell_how_many_were_missed(bursts: list[int]) -> None:
    async def run() -> None:
        newest, count, value = Newest[int](), 0, 0
        for burst in bursts:
            taker = asyncio.create_task(newest.after(count))
            await asyncio.sleep(0)  # it waits already
            for _ in range(burst):
                value += 1
                newest.put(value)
            before, (count, got) = count, await taker
            assert (got, count - before) == (value, burst)

    alone(run())


def test_what_was_forgotten_is_given_to_nobody() -> None:
    async def run() -> None:
        newest = Newest[int]()
        newest.put(1)
        newest.forget()
        waiting = asyncio.create_task(newest.after(0))
        await asyncio.sleep(0)
        assert not waiting.done()
        newest.put(2)
        assert await waiting == (2, 2)

    alone(run())


class Ticks(Shared[int]):
    begun = 0

    async def run(self) -> None:
        self.begun += 1
        while self.wanted:
            self._news.put(self.begun)
            await asyncio.sleep(0)


def test_shared_work_is_done_once_while_anybody_watches_and_again_for_a_newcomer() -> None:
    async def run() -> None:
        ticks = Ticks()
        with ticks.watched() as first:
            await first.after(3)
            with ticks.watched() as second:
                assert second is first
                await second.after(second.count)
            await first.after(first.count)
            assert (ticks.begun, ticks.running) == (1, True)
        with ticks.watched() as again:  # before the work noticed that all had left
            await again.after(again.count)
        while ticks.running:
            await asyncio.sleep(0)
        with ticks.watched() as later:
            await later.after(later.count)
        assert ticks.begun == 2
        while ticks.running:
            await asyncio.sleep(0)

    alone(run())


def test_the_first_to_end_stops_the_others_and_its_error_is_raised() -> None:
    ended = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("stopped")

    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        alone(first_of(forever, fails))
    assert ended == ["stopped"]


def test_a_seat_is_free_again_whatever_happened_on_it() -> None:
    seats = Seats()
    for _ in range(3):
        with suppress(ZeroDivisionError), seats.one(1):
            with pytest.raises(NoSeat, match="All 1 places"), seats.one(1):
                pass
            assert seats.taken == 1
            raise ZeroDivisionError
    assert seats.taken == 0
