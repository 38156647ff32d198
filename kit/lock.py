"""One at a time: locks on files and directories that go with their process, however it ends.

They are the kernel's (flock): a process that is killed leaves none behind, and they hold between
containers that share a disk, whose processes don't see each other. A file system that knows no
locks gives none, and who works there does so unguarded.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic, sleep
from weakref import WeakSet

from kit.errors import UsageError

LOCK = ".lock"
"""In a directory that is locked; it stays, and tells who holds or held it."""

_AGAIN = 0.01  # seconds between two tries
_LONGEST = 4096  # bytes of a note that are read


class Hold:
    """An open file that may be locked. Processes forked from this one don't have it.

    A child that outlives its parent, as workers do for a while, would else keep what it never asked
    for: locks belong to what was opened, and children inherit that.
    """

    def __init__(self, file: int) -> None:
        self.file = file
        _holds.add(self)

    def lock(self, wait: float = 0.0) -> bool | None:
        """Lock it.

        Args:
            wait: seconds to try for.

        Returns:
            Whether it is locked now: False where another has it, None where the file system knows
            no locks.
        """
        end = monotonic() + wait
        while True:
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if monotonic() >= end:
                    return False
                sleep(_AGAIN)
            except OSError:
                return None

    def close(self) -> None:
        """Let go of it."""
        if self.file >= 0:
            os.close(self.file)
        self.file = -1  # the number may be another file's soon


@contextmanager
def locked(directory: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Hold a directory; it is made where it isn't there.

    Args:
        wait: seconds to wait for whoever holds it.

    Raises:
        UsageError: another process holds it, or it can't be written to.
    """
    path = directory / LOCK
    try:
        directory.mkdir(parents=True, exist_ok=True)
        hold = Hold(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UsageError(f"can't be written to ({error.strerror})", where=directory) from error
        raise
    try:
        if hold.lock(wait) is False:
            raise UsageError(
                f"another process is at work here{_told(hold.file)}",
                where=directory,
                fix="wait for it, or stop it",
            )
        _note(hold.file)
        yield
    finally:
        hold.close()


def _note(file: int) -> None:
    since = datetime.now(timezone.utc).isoformat(timespec="seconds")
    told = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    with suppress(OSError):  # a full disk has no room for it: the lock holds without
        os.ftruncate(file, 0)
        os.pwrite(file, f"{json.dumps(told)}\n".encode(), 0)


def _told(file: int) -> str:
    """Who holds a lock, as far as the note tells."""
    try:
        told = json.loads(os.pread(file, _LONGEST, 0))
        return f" (process {told['pid']} on {told['host']}, since {told['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


_holds: WeakSet[Hold] = WeakSet()


def _let_go() -> None:
    """In a forked child; the lock stays with the parent, which still has it open."""
    for hold in _holds:
        with suppress(OSError):
            hold.close()


os.register_at_fork(after_in_child=_let_go)
