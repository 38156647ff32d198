"""Steps that work at once: nothing lost, order kept, mistakes raised once, no thread left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.runtime.overlap import Behind, ahead, beside, share

PAUSES = st.sampled_from([0.0, 0.001])


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())  # of detectors that other tests have opened
    yield
    left = set(threading.enumerate()) - before
    assert not [each for each in left if each.name.startswith("kit-")]


@settings(max_examples=20, deadline=None)
@given(
    count=st.integers(0, 30),
    depth=st.integers(1, 4),
    lanes=st.integers(1, 4),
    before=PAUSES,
    after=PAUSES,
)
def test_all_items_come_in_order(
    count: int, depth: int, lanes: int, before: float, after: float
) -> None:
    def source() -> Iterator[int]:
        for item in range(count):
            time.sleep(before)
            yield item

    def work(item: int) -> int:
        time.sleep(after * (item % 3))  # some take longer than the next
        return -item

    done: list[int] = []
    with Behind(done.append, depth) as behind:
        for item in beside(work, ahead(source(), depth), lanes):
            behind.put(item)
    assert done == [-item for item in range(count)]


def test_no_more_is_read_ahead_than_asked_for() -> None:
    read: list[int] = []

    def source() -> Iterator[int]:
        for item in range(100):
            read.append(item)
            yield item

    with closing(ahead(source(), 3)) as items:
        assert next(items) == 0
        time.sleep(0.1)
        assert len(read) <= 1 + 3 + 1  # taken, waiting, in the hand


def test_what_goes_wrong_ahead_is_raised_after_what_went_well() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = ahead(source(), 4)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_lanes_work_at_once_and_no_further_than_they_are_needed() -> None:
    meeting = threading.Barrier(3, timeout=10)
    taken: list[int] = []

    def work(item: int) -> int:
        taken.append(item)
        if item < 3:
            meeting.wait()
        return item

    with closing(beside(work, range(100), 3)) as results:
        assert next(results) == 0
        time.sleep(0.05)
        assert len(taken) <= 4


@pytest.mark.parametrize("lanes", [1, 3])
def test_what_goes_wrong_beside_is_raised_in_its_turn(lanes: int) -> None:
    results = beside(lambda item: 6 // (2 - item), range(9), lanes)
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 6, 16, 64])
def test_lanes_and_engine_use_all_threads(threads: int) -> None:
    lanes, engine = share(threads)
    assert 1 <= lanes <= 4
    assert lanes + engine - 1 == threads  # each lane calls, the engine adds the rest


def test_what_goes_wrong_behind_is_raised_once_and_blocks_nobody() -> None:
    done = []

    def work(item: int) -> None:
        if item == 2:
            raise OSError("full")
        done.append(item)

    def put(count: int) -> None:
        with Behind(work, 1) as behind:
            for item in range(count):
                behind.put(item)
                time.sleep(0.001)

    for count in (50, 3):  # by the next item, or at the end
        done.clear()
        with pytest.raises(OSError, match="full"):
            put(count)
        assert done == [0, 1]


def test_the_callers_mistake_comes_first_and_all_is_done() -> None:
    done: list[int] = []

    def put() -> None:
        with Behind(done.append, 9) as behind:
            behind.put(1)
            raise KeyError

    with pytest.raises(KeyError):
        put()
    assert done == [1]
