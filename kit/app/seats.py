"""How many cameras are looked at now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kit.app import strings as say
from kit.errors import UsageError


class NoSeat(UsageError):
    """Every place is taken."""


class Seats:
    """Places of live visitors, for one event loop."""

    def __init__(self) -> None:
        self._taken = 0

    @property
    def taken(self) -> int:
        """How many sit."""
        return self._taken

    @contextmanager
    def one(self, most: int) -> Iterator[None]:
        """Sit down while there are fewer than ``most``.

        Raises:
            NoSeat: there aren't.
        """
        if self._taken >= most:
            raise NoSeat(say.LIVE_FULL.format(most=most))
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
