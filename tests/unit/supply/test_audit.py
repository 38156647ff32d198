"""The audit: a clean bill only where everything was looked up."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kit.supply import audit as module
from kit.supply.audit import main


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "some.txt"
    path.write_text(f"thing==1.0 --hash=sha256:{'a' * 64}\n")
    return path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What pip-audit would answer, in place of it: the service can't be asked in tests."""

    def answer(stdout: str, stderr: str = "", code: int = 0) -> None:
        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            assert command[1:3] == ["-m", "pip_audit"]
            assert "--require-hashes" in command
            return subprocess.CompletedProcess(command, code, stdout, stderr)

        monkeypatch.setattr(module, "find_spec", lambda name: name)
        monkeypatch.setattr(module.subprocess, "run", run)

    return answer


def told(**more: object) -> str:
    return json.dumps({"dependencies": [{"name": "thing", "version": "1.0", **more}], "fixes": []})


def test_what_is_clean(lock: Path, answers: Any, capsys: pytest.CaptureFixture[str]) -> None:
    answers(told(vulns=[]))
    assert main([str(lock)]) == 0
    assert "nothing is known of its 1 packages" in capsys.readouterr().out


def test_what_is_known(lock: Path, answers: Any, capsys: pytest.CaptureFixture[str]) -> None:
    answers(told(vulns=[{"id": "CVE-1", "fix_versions": ["1.1"]}]), code=1)
    assert main([str(lock)]) == 3
    assert "thing 1.0: CVE-1 (fixed in 1.1)" in capsys.readouterr().err


def test_what_was_skipped_is_not_clean(
    lock: Path, answers: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """pip-audit itself ends well where a service knew none of the packages."""
    answers(told(skip_reason="not found"))
    assert main([str(lock)]) == 1
    assert "1 package(s) could not be looked up: thing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "stderr",
    ["Traceback ...\nrequests.exceptions.ConnectionError: no route", "Failed to resolve 'it'"],
)
def test_no_connection_is_one_message(
    stderr: str, lock: Path, answers: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    answers("", stderr, 1)
    assert main([str(lock)]) == 1
    said = capsys.readouterr().err
    assert "there is no connection" in said
    assert "Traceback" not in said


def test_what_is_no_lock_is_asked_nobody(tmp_path: Path, answers: Any) -> None:
    answers("")
    (tmp_path / "bad.txt").write_text("thing\n")
    assert main([str(tmp_path / "bad.txt")]) == 2
