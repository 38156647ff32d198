"""What every tab and route has at hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from kit.app.looked import Memory
from kit.app.seats import Seats
from kit.app.settings import Settings
from kit.app.shelf import Shelf


@dataclass(frozen=True, eq=False)
class Desk:
    """One per running app."""

    settings: Settings
    shelf: Shelf
    memory: Memory = field(default_factory=Memory)
    seats: Seats = field(default_factory=Seats)
