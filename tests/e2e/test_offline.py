"""Nothing is sent anywhere: every connection of the whole path is watched, and there is none."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GUARD = """
import os, socket

LOG = {log!r}

def _note(what):
    with open(LOG, "a") as file:
        file.write(f"{{os.getpid()}} {{what}}\\n")

def _outside(address):
    if not isinstance(address, tuple):  # a socket in the file system
        return False
    return str(address[0]) not in ("127.0.0.1", "::1", "localhost")

def _guarded(name):
    real = getattr(socket.socket, name)
    def guard(self, *words):
        if _outside(words[-1]):
            _note(f"{{name}} {{words[-1]}}")
            raise OSError(101, "Network is unreachable")
        return real(self, *words)
    return guard

for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, _guarded(name))

def _no_name(name):
    real = getattr(socket, name)
    def guard(host, *words, **options):
        if host not in (None, "", "127.0.0.1", "::1", "localhost"):
            _note(f"{{name}} {{host}}")
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return real(host, *words, **options)
    return guard

for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
    setattr(socket, name, _no_name(name))
"""
"""Stands in for ``sitecustomize`` in every Python process that is started."""

TRACE = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg"]


@pytest.fixture(scope="module")
def guarded(new_user: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A user all of whose Python processes note and refuse connections."""
    folder = tmp_path_factory.mktemp("guard")
    (folder / "sitecustomize.py").write_text(GUARD.format(log=str(folder / "log")))
    repository = Path(__file__).parents[2]
    return new_user(PYTHONPATH=f"{folder}:{repository}")


def attempts(user: Any) -> list[str]:
    log = Path(user.environment["PYTHONPATH"].partition(":")[0]) / "log"
    return log.read_text().splitlines() if log.exists() else []


def strace() -> str | None:
    """Why system calls can't be watched here; None where they can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    told = subprocess.run([*TRACE, "true"], capture_output=True, text=True, check=False)
    return None if told.returncode == 0 else f"strace does not work here: {told.stderr.strip()}"


def outward(trace: str) -> list[str]:
    """Internet addresses other than this machine that a trace shows."""
    lines = [line for line in trace.splitlines() if re.search(r"sa_family=AF_INET6?\b", line)]
    return [line for line in lines if '"127.0.0.1"' not in line and '"::1"' not in line]


def test_the_guard_sees(guarded: Any) -> None:
    """In a process of a process, too."""
    code = "import urllib.request as u; u.urlopen('http://192.0.2.1/', timeout=1)"
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    before = len(attempts(guarded))
    subprocess.run(
        [sys.executable, "-c", inner], env=guarded.variables(), capture_output=True, check=True
    )
    assert ["192.0.2.1" in line for line in attempts(guarded)[before:]] == [True]
    log = Path(guarded.environment["PYTHONPATH"].partition(":")[0]) / "log"
    log.unlink()


def test_the_trace_sees(tmp_path: Path) -> None:
    if reason := strace():
        pytest.skip(reason)
    code = (
        "import socket\n"
        "for kind, to in ((socket.AF_INET, '192.0.2.1'), (socket.AF_INET, '127.0.0.1')):\n"
        "    socket.socket(kind, socket.SOCK_DGRAM).connect((to, 9))\n"  # sends nothing
    )
    log = tmp_path / "trace"
    subprocess.run([*TRACE, "-o", str(log), sys.executable, "-c", code], check=True)
    (line,) = outward(log.read_text())
    assert "192.0.2.1" in line


def test_the_whole_path_connects_to_nothing(
    guarded: Any, user: Any, parted: str, tmp_path: Path
) -> None:
    """Seen from Python, and where strace works also from below it: libraries connect on their own.
    The watch over the user's files holds them to leaving nothing in the home folder."""
    trace = tmp_path / "trace"
    traced = strace() is None
    before = [*TRACE, "-A", "-o", str(trace)] if traced else []
    shutil.copytree(user.folder / parted, guarded.folder / "data")
    for words, makes in (
        ("data check data", []),
        ("sample data --fraction 0.5 --out sample.json", ["sample.json", "sample.svg"]),
        (
            "train yolov8n data --start random --sample sample.json --size 64 --epochs 1 "
            "--threads 1 --out run",
            ["run"],
        ),
        ("evaluate run/best data --threads 1", []),
        ("export run/best --threads 1 --out onnx", ["onnx"]),
        ("evaluate onnx data --threads 1", []),
        ("bench onnx data --seconds 1 --threads 1", []),
        ("detect onnx data/test/images --out found", ["found"]),
        ("doctor", []),
    ):
        guarded(*words.split(), makes=makes, before=before)
        assert attempts(guarded) == [], words
        if traced:
            assert outward(trace.read_text()) == [], words
    assert not list((guarded.root / "home").iterdir())


def test_onnx_runtime_reports_nothing(guarded: Any) -> None:
    """Its telemetry is off before it is imported, whatever the caller's environment says."""
    code = (
        "import os, sys\n"
        "import kit.runtime.backends.onnxruntime\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
    )
    variables = {**guarded.variables(), "ORT_DISABLE_TELEMETRY": "0"}
    subprocess.run([sys.executable, "-c", code], env=variables, check=True)


def test_what_needs_the_network_says_so(guarded: Any) -> None:
    """Asked for, it tries, and fails with a message."""
    before = len(attempts(guarded))
    told = guarded("fetch", "yolov8n", code=2).stderr
    assert "can't be downloaded" in told
    assert "KIT_WEIGHTS" in told
    assert len(attempts(guarded)) > before
