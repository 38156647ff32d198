"""What every tab and route has at hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from kit.app.access import Access
from kit.app.looked import Memory
from kit.app.settings import Settings
from kit.app.shelf import Shelf


@dataclass(frozen=True, eq=False)
class Desk:
    """One per running app.

    Attributes:
        access: who may enter; None lets everybody in.
    """

    settings: Settings
    shelf: Shelf
    memory: Memory = field(default_factory=Memory)
    access: Access | None = None
