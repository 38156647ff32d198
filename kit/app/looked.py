"""Pictures that were looked at: kept in memory, for their visitor, for a while."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, Protocol, TypeVar

from kit.app.shelf import Served
from kit.pixels import decode_picture
from kit.types import Picture, Result

KEPT_FOR = 30 * 60.0
"""Seconds after its last use that a picture can still be downloaded or corrected."""

MOST_BYTES = 1 << 30
"""Of all pictures kept; the oldest go first."""


@dataclass(frozen=True, eq=False)
class Looked:
    """A picture and what was found on it.

    Attributes:
        id: 128 random bits; who has them may see the picture.
        picture: without any metadata.
        picture_sha256: of the file as it came.
        stages_ms: time by stage, ``decode`` first, in the order they were run.
        user: who asked, where there is a login.
    """

    id: str
    served: Served
    picture: Picture
    picture_sha256: str
    result: Result
    stages_ms: dict[str, float]
    user: str | None = None
    when: float = field(default_factory=time.time)

    @property
    def nbytes(self) -> int:
        """What it takes of the memory."""
        return self.picture.nbytes


def look(data: bytes, served: Served, user: str | None = None) -> Looked:
    """Decode a picture file and detect on it.

    Raises:
        DataError: it is no picture, damaged, or too large.
    """
    began = time.perf_counter()
    picture = decode_picture(data)
    decoded = 1000 * (time.perf_counter() - began)
    return _looked(served, picture, hashlib.sha256(data).hexdigest(), decoded, user)


def look_again(looked: Looked, served: Served) -> Looked:
    """The same picture, with another bundle."""
    if looked.served is served:
        return looked
    decoded = looked.stages_ms["decode"]
    return _looked(served, looked.picture, looked.picture_sha256, decoded, looked.user)


def _looked(
    served: Served, picture: Picture, sha256: str, decoded: float, user: str | None
) -> Looked:
    result = served.look(picture).result()
    stages = {name: spent / 1e6 for name, spent in result.stages_ns.items()}
    return Looked(
        secrets.token_urlsafe(16),
        served,
        picture,
        sha256,
        result,
        {"decode": decoded, **stages},
        user,
    )


class Keepsake(Protocol):
    """What is kept for a visitor."""

    @property
    def id(self) -> str: ...

    @property
    def user(self) -> str | None: ...

    @property
    def nbytes(self) -> int: ...


K = TypeVar("K", bound=Keepsake)


class Memory(Generic[K]):
    """Pictures, or films, by id, forgotten after :data:`KEPT_FOR` or when there are too many."""

    def __init__(self, kept_for: float = KEPT_FOR, most_bytes: int = MOST_BYTES) -> None:
        self._kept_for, self._most = kept_for, most_bytes
        self._kept: OrderedDict[str, tuple[float, K]] = OrderedDict()
        self._lock = Lock()

    def keep(self, looked: K) -> K:
        """Keep it, and forget what is over."""
        with self._lock:
            self._kept[looked.id] = time.monotonic(), looked
            self._forget()
        return looked

    def get(self, id: str, user: str | None = None) -> K | None:
        """One of this visitor's; None where it was forgotten, or is somebody else's."""
        with self._lock:
            self._forget()
            _, looked = self._kept.get(id, (0.0, None))
            if looked is None or looked.user != user:
                return None
            self._kept[id] = time.monotonic(), looked
            self._kept.move_to_end(id)
            return looked

    def drop(self, id: str) -> None:
        """Forget it now."""
        with self._lock:
            self._kept.pop(id, None)

    def drop_user(self, user: str) -> None:
        """Forget all that this user looked at."""
        with self._lock:
            for id in [id for id, (_, looked) in self._kept.items() if looked.user == user]:
                del self._kept[id]

    def forget(self) -> None:
        """Forget what is over, though nobody asks."""
        with self._lock:
            self._forget()

    def __len__(self) -> int:
        with self._lock:
            self._forget()
            return len(self._kept)

    def _forget(self) -> None:
        oldest = time.monotonic() - self._kept_for
        while self._kept:
            when, _ = next(iter(self._kept.values()))
            size = sum(looked.nbytes for _, looked in self._kept.values())
            if when >= oldest and (size <= self._most or len(self._kept) == 1):
                return
            self._kept.popitem(last=False)
