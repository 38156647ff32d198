"""A served log: begun, ended, gone on with, and refused where it was touched."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.app.chain import read_file


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_when_it_starts_and_stops(
    serve: Any, bundle: Path, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "audit"
    for _ in range(2):
        server = serve(bundle, "--audit", path)
        server.process.send_signal(number)
        server.process.wait(20)
    found = read_file(path)
    assert (found.fault, dict(found.events)) == (None, {"start": 2, "stop": 2})
    assert len({json.loads(line)["bundle_sha256"] for line in path.read_text().splitlines()}) == 2


def test_a_touched_log_stops_the_start(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit"
    path.write_text('{"event": "look", "seq": 1}\n')
    command = [sys.executable, "-m", "kit.cli.root", "serve", bundle, "--audit", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "not a whole audit log (line 1: the line was changed" in done.stderr
    assert "Traceback" not in done.stderr
