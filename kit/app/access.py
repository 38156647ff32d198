"""Who is in: sessions in memory, and a slow-down for those who guess.

Nobody is ever locked out. An address is sent away for a while after its own failures, the longer
the more of them were for one user. Failures of others only hold an answer back, for a few seconds
at most, so that a stranger's guesses don't keep the staff out.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, RLock

from kit.app.passwords import Hashed, read_users
from kit.errors import UsageError
from kit.progress import SILENT, Progress

IDLE = 8 * 3600.0
"""Seconds without a request after which a session ends."""

LONGEST = 12 * 3600.0
"""Seconds after which it ends in any case."""

Clock = Callable[[], float]
_FORGIVEN = 15 * 60.0  # seconds after which a failure no longer counts
_MOST_KEYS = 10_000  # addresses and users remembered for failures


@dataclass(frozen=True)
class Pace:
    """How failures slow down what shares a key.

    Attributes:
        free: failures that cost nothing.
        longest: seconds at most; they double with each failure.
    """

    free: int
    longest: float

    def seconds(self, failures: int) -> float:
        """Between the last failure and the next try."""
        over = failures - self.free
        return min(2.0 ** min(over, 30), self.longest) if over > 0 else 0.0


_BARRED = {"pair": Pace(3, 60.0), "address": Pace(20, 4.0)}
_HELD = {"user": Pace(20, 4.0), "all": Pace(60, 1.0)}


class Slow:
    """Counts failures; a try counts as one until it succeeds, so that many at once don't pass where
    one would wait."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()
        self._lock = Lock()

    def begin(self, user: str, address: str) -> float:
        """Begin a try.

        Returns:
            0, or the seconds this address has to wait first; then it has not begun.
        """
        now, keys = self._clock(), _keys(user, address)
        with self._lock:
            wait = 0.0
            for kind, pace in _BARRED.items():
                failures, last = self._recall(keys[kind], now)
                wait = max(wait, last + pace.seconds(failures) - now)
            if wait > 0:
                return wait
            for key in keys.values():
                self._failed[key] = self._recall(key, now)[0] + 1, now
                self._failed.move_to_end(key)
            while len(self._failed) > _MOST_KEYS:
                self._failed.popitem(last=False)
        return 0.0

    def hold(self, user: str) -> float:
        """Seconds to hold back the answer to a try that has begun, for failures elsewhere."""
        now, keys = self._clock(), _keys(user, "")
        with self._lock:
            return max(
                pace.seconds(self._recall(keys[kind], now)[0] - 1) for kind, pace in _HELD.items()
            )

    def succeeded(self, user: str, address: str) -> None:
        """It was no failure after all, and neither were the slips of this user's fingers before."""
        keys = _keys(user, address)
        with self._lock:
            self._failed.pop(keys.pop("pair"), None)
            for key in keys.values():
                failures, last = self._failed.get(key, (0, 0.0))
                if failures > 1:
                    self._failed[key] = failures - 1, last
                else:
                    self._failed.pop(key, None)

    def _recall(self, key: tuple[str, ...], now: float) -> tuple[int, float]:
        failures, last = self._failed.get(key, (0, 0.0))
        return (failures, last) if now - last < _FORGIVEN else (0, 0.0)


def _keys(user: str, address: str) -> dict[str, tuple[str, ...]]:
    return {
        "pair": ("pair", user, address),
        "address": ("address", address),
        "user": ("user", user),
        "all": ("all",),
    }


@dataclass
class _Session:
    user: str
    password: Hashed  # as it was: another one ends the session
    began: float
    used: float


class Access:
    """The users of a file, and their sessions.

    Args:
        path: what ``kit passwd`` wrote; read again whenever it changes.
        progress: is told, once, where it can no longer be read; nobody is in then.

    Raises:
        UsageError: the file is damaged, or names nobody.
    """

    def __init__(
        self, path: Path, progress: Progress = SILENT, clock: Clock = time.monotonic
    ) -> None:
        self._path, self._progress, self._clock = path, progress, clock
        self.slow = Slow(clock)
        self._sessions: dict[bytes, _Session] = {}
        self._lock = RLock()
        self._nobody = Hashed.of(secrets.token_urlsafe())
        self._stamp = _stamp(path)
        self._users = read_users(path)
        if not self._users:
            raise UsageError("names no user", where=path, fix=f"kit passwd {path} USER")

    def enter(self, user: str, password: str) -> str | None:
        """Check a password, in as much time for a user who doesn't exist.

        Returns:
            A token of 256 random bits for a new session; None where the password is wrong.
        """
        with self._lock:
            self._renew()
            hashed = self._users.get(user)
        fits = (hashed or self._nobody).fits(password)
        if hashed is None or not fits:
            return None
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            self._drop_ended(now)
            self._sessions[_digest(token)] = _Session(user, hashed, now, now)
        return token

    def user(self, token: str | None) -> str | None:
        """Whose session it is; None for one that ended, or never was. Asking keeps it awake."""
        if not token:
            return None
        now, key = self._clock(), _digest(token)
        with self._lock:
            self._renew()
            session = self._sessions.get(key)
            if session is None:
                return None
            if self._ended(session, now):
                del self._sessions[key]
                return None
            session.used = now
            return session.user

    def leave(self, token: str | None) -> str | None:
        """End a session.

        Returns:
            The user who is not in by any other session now, if that is so.
        """
        with self._lock:
            session = self._sessions.pop(_digest(token or ""), None)
            if session is None or any(s.user == session.user for s in self._sessions.values()):
                return None
            return session.user

    def __len__(self) -> int:
        """Sessions that have not ended."""
        with self._lock:
            self._renew()
            self._drop_ended(self._clock())
            return len(self._sessions)

    def _ended(self, session: _Session, now: float) -> bool:
        changed = self._users.get(session.user) != session.password
        return changed or now - session.used > IDLE or now - session.began > LONGEST

    def _drop_ended(self, now: float) -> None:
        over = [key for key, each in self._sessions.items() if self._ended(each, now)]
        for key in over:
            del self._sessions[key]

    def _renew(self) -> None:
        """Read the file again where it changed; while it can't be read, nobody is in."""
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._users = read_users(self._path)
        except UsageError as error:
            self._users = {}
            self._progress.note(f"warning: nobody can log in: {error}")


def _digest(token: str) -> bytes:
    """Tokens are kept as hashes: looking one up tells nothing of those that are near it."""
    return hashlib.sha256(token.encode()).digest()


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
