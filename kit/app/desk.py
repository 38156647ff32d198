"""What every tab and route has at hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from anyio import CapacityLimiter

from kit.app.access import Access
from kit.app.audit import Audit
from kit.app.clips import Clips
from kit.app.feedback import Feedback
from kit.app.findings import Shown, counts_of
from kit.app.looked import Looked, Memory
from kit.app.seats import Seats
from kit.app.settings import Settings
from kit.app.shelf import Shelf

_AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class Desk:
    """One per running app.

    Attributes:
        access: who may enter; None lets everybody in.
        audit: writes nothing where no log was asked for.
        feedback: None where nothing is kept.
    """

    settings: Settings
    shelf: Shelf
    memory: Memory[Looked] = field(default_factory=Memory)
    clips: Clips = field(default_factory=Clips)
    audit: Audit = field(default_factory=Audit)
    feedback: Feedback | None = None
    seats: Seats = field(default_factory=Seats)
    access: Access | None = None
    looks: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_AT_ONCE))

    def seen(self, looked: Looked) -> Looked:
        """Write down that it was looked at, then keep it for its visitor.

        Raises:
            RunFailed: as :meth:`note`.
        """
        self.note(looked)
        return self.memory.keep(looked)

    def forget(self, user: str) -> None:
        """Forget all of a visitor's, who has left."""
        self.memory.drop_user(user)
        self.clips.drop_user(user)

    def note(self, looked: Looked) -> None:
        """Write down that it was looked at; to be called before anything of it is shown.

        Raises:
            RunFailed: the audit log can't be written: show nothing.
        """
        self.audit.write(
            "look",
            user=looked.user,
            bundle_sha256=looked.served.bundle.sha256,
            picture_sha256=looked.picture_sha256,
            threshold=looked.served.threshold,
            counts=counts_of(looked, Shown().of(looked)),
        )
