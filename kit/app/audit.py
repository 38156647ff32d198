"""Who looked at which picture with which detector, and what it counted: a file that is only ever
appended to. No picture, no name of a file, no address of a visitor is in it.

Its lines are chained (:mod:`kit.app.chain`); ``kit audit verify`` tells whether one was touched.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeAlias

from kit.app import chain
from kit.app import strings as say
from kit.errors import RunFailed, UsageError
from kit.lock import Hold

Event = Literal[
    "start",
    "stop",
    "look",
    "live start",
    "live end",
    "video",
    "kept",
    "not kept",
    "login ok",
    "login failed",
]
"""What can be written; ``recovered`` is written by the log itself."""

Threshold: TypeAlias = "float | Mapping[str, float] | None"
"""For all classes, or by class."""


class Audit:
    """Writes nothing: the app was started without a log."""

    def write(
        self,
        event: Event,
        *,
        user: str | None = None,
        bundle_sha256: str | None = None,
        picture_sha256: str | None = None,
        threshold: Threshold = None,
        counts: Mapping[str, int] | None = None,
        **measured: float,
    ) -> None:
        """Write an event down; once this returns, it is on the disk.

        Args:
            user: who, where there is a login. Not what somebody typed whose login failed: it may be
                a password in the wrong field.
            picture_sha256: of the file as it came.
            threshold: least score of what was counted.
            counts: boxes by class name.
            measured: numbers that belong to the event (``frames=120, seconds=9.5``); numbers only,
                so that no name can slip in.

        Raises:
            RunFailed: it can't be written (the disk is full). What was to be done must not be done,
                or at least not be shown: nobody looks unlogged.
            TypeError: ``measured`` has something other than numbers.
        """

    def close(self) -> None:
        """Let another process write to it."""


class AuditLog(Audit):
    """Appends to a file; any number of threads may write.

    Args:
        path: a new file, or a log to be continued. All of it is verified first. What a power cut
            left half-written at its end stays, and a ``recovered`` event vouches for it.

    Raises:
        UsageError: it can't be opened or made, another process writes to it, it is something else
            than a log, or its chain is broken.
        RunFailed: it can't be written to.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        self._file = Hold(_open(path))
        try:
            if self._file.lock() is False:
                fix = "give each server an --audit file of its own"
                raise UsageError("another process writes to this log", where=path, fix=fix)
            found = _continued(path)
            self._seq = found.entries
            self._head = found.head or secrets.token_hex(32)
            self._torn = found.rest
            if self._torn:
                self._recover()
        except BaseException:
            self.close()
            raise

    def write(
        self,
        event: Event,
        *,
        user: str | None = None,
        bundle_sha256: str | None = None,
        picture_sha256: str | None = None,
        threshold: Threshold = None,
        counts: Mapping[str, int] | None = None,
        **measured: float,
    ) -> None:
        if wrong := [key for key, value in measured.items() if not isinstance(value, (int, float))]:
            raise TypeError(f"{', '.join(wrong)}: only numbers are written to the log")
        facts = {
            **measured,
            "user": user,
            "bundle_sha256": bundle_sha256,
            "picture_sha256": picture_sha256,
            "threshold": dict(threshold) if isinstance(threshold, Mapping) else threshold,
            "counts": None if counts is None else dict(counts),
        }
        with self._lock:
            if self._torn:
                self._recover()
            self._append(event, facts)

    def close(self) -> None:
        with self._lock:
            self._file.close()  # who writes now fails

    def _recover(self) -> None:
        """Vouch for what lies half-written at the end of the file, and go on behind it."""
        whole = chain.read_on(self._seq, self._head if self._seq else None, self._torn + b"\n")
        if whole.fault is None and whole.head:  # nothing but the newline was missing
            self._put(b"\n", whole.entries, whole.head)
        else:
            self._append(chain.RECOVERED, chain.fragment_facts(self._torn), lead=b"\n")

    def _append(self, event: str, facts: Mapping[str, Any], lead: bytes = b"") -> None:
        facts = {**facts, "event": event, "time": _now()}
        text, sha256 = chain.line(self._seq + 1, self._head, facts)
        self._put(lead + text, self._seq + 1, sha256)

    def _put(self, data: bytes, seq: int, head: str) -> None:
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file.file, data[done:])
            # the line is there now, whatever becomes of the disk
            self._seq, self._head, self._torn = seq, head, b""
            os.fsync(self._file.file)
        except OSError as error:
            if done < len(data):
                self._torn += data[:done]
            raise RunFailed(say.AUDIT_FAILED.format(why=error.strerror)) from error


def open_audit(path: Path | None) -> Audit:
    """The log at a path, see :class:`AuditLog`; one that writes nothing where there is no path."""
    return Audit() if path is None else AuditLog(path)


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        new = not path.exists()
        file = os.open(path, flags, 0o600)  # it says who looked at what: not for everybody
    except OSError as error:
        raise UsageError(f"can't be written to ({error.strerror})", where=path) from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise UsageError("not a file: a log is read again, from its first line", where=path)
    if new:
        _keep_name(path.parent)
    return file


def _keep_name(folder: Path) -> None:
    """A new file's name is in its folder, which has to reach the disk by itself."""
    handle = os.open(folder, os.O_RDONLY)
    with contextlib.suppress(OSError):  # not every file system can
        os.fsync(handle)
    os.close(handle)


def _continued(path: Path) -> chain.Chain:
    """What is in the file already.

    Raises:
        UsageError: nothing that can be continued.
    """
    found = chain.read_file(path)
    if found.fault is None or found.fault.kind == "empty":
        return found
    cut_short = found.fault.kind in ("half-written", "damaged") and found.rest
    if cut_short and chain.begins(found.rest):
        return found
    raise UsageError(
        f"not a whole audit log (line {found.fault.line}: {found.fault.what})",
        where=path,
        fix=f"look at it with `kit audit verify {path}`, keep it, and name a new --audit file",
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
