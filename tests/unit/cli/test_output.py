"""Progress that helps: bars where somebody watches, few words where nobody does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kit.cli import output
from kit.cli.output import TOLD_EVERY, Output

WORK = """
from kit.cli.output import Output
out = Output()
for number in out.track(range(3), "working"):
    out.note(f"noted {number}")
    out.print(f"printed {number}")
out.print("done")
"""


def test_without_a_terminal_short_work_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(Output().track(range(100), "working")) == list(range(100))
    told = capsys.readouterr()
    assert told.out == told.err == ""


def test_without_a_terminal_long_work_says_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 10))  # ten seconds pass at every look
    monkeypatch.setattr(output, "monotonic", lambda: next(clock))
    every = int(TOLD_EVERY) // 10
    assert len(list(Output().track(range(3 * every), "working"))) == 3 * every
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"working: {every} of {3 * every}"
    assert 2 <= len(lines) <= 3
    list(Output().track(iter(range(every)), "counting"))
    assert capsys.readouterr().err == f"counting: {every}\n"


def test_the_work_is_closed_with_the_loop() -> None:
    closed = []

    def work() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(True)

    for _ in Output().track(work(), "working"):
        break
    assert closed


def test_on_a_terminal_the_bar_leaves_notes_whole_and_output_where_it_goes() -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", WORK],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
            check=True,
        )
    finally:
        os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # what Linux answers at the end
        pass
    os.close(ours)
    assert done.stdout.split(b"\n") == [b"printed 0", b"printed 1", b"printed 2", b"done", b""]
    assert b"working" in shown
    for number in range(3):
        # the bar's line is cleared first, and a new line follows
        assert b"\x1b[2Knoted %d\r\n" % number in shown
    assert b"printed" not in shown
