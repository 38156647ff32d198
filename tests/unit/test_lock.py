"""Locks: one at a time, who holds it is told, and they go with their process however it ends."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from kit.errors import UsageError
from kit.lock import LOCK, Hold, locked

HOLDS = """
import sys, time
from pathlib import Path
from kit.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(directory: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(directory)], stdout=subprocess.PIPE, env=os.environ
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_the_second_process_is_told_who_is_there_and_a_kill_leaves_no_lock(tmp_path: Path) -> None:
    process = holder(tmp_path / "run")
    told = rf"process {process.pid} on {socket.gethostname()}, since \d{{4}}-"
    with pytest.raises(UsageError, match=told) as refused, locked(tmp_path / "run"):
        pass
    assert refused.value.exit_code == 2
    process.kill()
    process.wait()
    with locked(tmp_path / "run"):
        assert str(os.getpid()) in (tmp_path / "run" / LOCK).read_text()


def test_threads_wait_for_each_other_as_long_as_they_are_told(tmp_path: Path) -> None:
    held, leave = Event(), Event()

    def hold() -> None:
        with locked(tmp_path):
            held.set()
            leave.wait(30)

    thread = Thread(target=hold)
    thread.start()
    held.wait(30)
    with pytest.raises(UsageError, match="another process"), locked(tmp_path, wait=0.05):
        pass
    leave.set()
    with locked(tmp_path, wait=30):
        pass
    thread.join()


def _outlive(ready: multiprocessing.synchronize.Event) -> None:
    ready.set()
    Event().wait(60)


def test_a_forked_worker_that_outlives_its_parent_holds_nothing(tmp_path: Path) -> None:
    """As torch's workers do for seconds. The child is still there when the lock is taken."""
    context = multiprocessing.get_context("fork")
    hold = Hold(os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR))
    assert hold.lock()
    ready = context.Event()
    child = context.Process(target=_outlive, args=(ready,), daemon=True)
    child.start()
    try:
        assert ready.wait(30)
        hold.close()  # as the end of the parent would
        again = Hold(os.open(tmp_path / "file", os.O_RDWR))
        assert again.lock()
        assert child.is_alive()
        again.close()
    finally:
        child.kill()
        child.join()


def test_a_program_that_is_started_inherits_nothing(tmp_path: Path) -> None:
    with locked(tmp_path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with locked(tmp_path):
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_a_file_system_without_locks_is_worked_on_unguarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff" * 9000])
def test_a_note_that_tells_nothing_is_passed_over(tmp_path: Path, content: bytes) -> None:
    with locked(tmp_path):
        (tmp_path / LOCK).write_bytes(content)
        with pytest.raises(UsageError, match=r"at work here$|at work here\n"), locked(tmp_path):
            pass


def test_a_directory_that_can_not_be_written_to_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UsageError, match=r"can't be written to \(Read-only"), locked(tmp_path):
        pass


def test_what_is_no_matter_of_leave_is_raised_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError), locked(tmp_path / "file"):
        pass
