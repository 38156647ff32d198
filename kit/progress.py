"""How long work tells what it is doing, without knowing where that is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")

Label = str | Callable[[], str]
"""What stands beside a bar; a function is asked again as the bar moves."""


class Progress(Protocol):
    """Given to every function that may take long; the command line's draws bars and notes."""

    def track(self, items: Iterable[T], label: Label, total: int | None = None) -> Iterator[T]:
        """Yield the items while a bar moves."""

    def note(self, text: str) -> None:
        """Tell the user something that is not an error, e.g. a warning."""


class Silent:
    """Shows nothing."""

    def track(self, items: Iterable[T], label: Label, total: int | None = None) -> Iterator[T]:
        yield from items

    def note(self, text: str) -> None:
        """Drop it."""


SILENT = Silent()
