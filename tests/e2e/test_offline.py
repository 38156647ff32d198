"""Nothing is sent and nothing is left anywhere: one process tree goes the whole path, from a check
of the data to a served page, while every connection and every file it makes is watched."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]

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
        if words and _outside(words[-1]):
            _note(f"{{name}} {{words[-1]}}")
            raise OSError(101, "Network is unreachable")
        return real(self, *words)
    return guard

for name in ("connect", "connect_ex", "sendto", "sendmsg"):
    setattr(socket.socket, name, _guarded(name))

def _no_name(name):
    real = getattr(socket, name)
    def guard(host, *words, **options):
        if host not in (None, "", "127.0.0.1", "::1", "localhost", b"127.0.0.1", b"localhost"):
            _note(f"{{name}} {{host}}")
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return real(host, *words, **options)
    return guard

for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
    setattr(socket, name, _no_name(name))
"""
"""Stands in for ``sitecustomize`` in every Python process that is started: counts and refuses."""

JOURNEY = """
import re, signal, subprocess, sys, urllib.request

def kit(words):
    return [sys.executable, "-m", "kit.cli.root", *words.split()]

for words in {commands!r}:
    print("kit", words, flush=True)
    subprocess.run(kit(words), check=True)

def by_hand():  # a test in the background has the signal ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)

server = subprocess.Popen(
    kit("serve onnx --port 0"), stderr=subprocess.PIPE, text=True, preexec_fn=by_hand
)
for line in server.stderr:
    if found := re.search(r"serving on (http://127\\S+)", line):
        break
else:
    raise SystemExit("it never served")
here = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
for path, body in (("/", None), ("/kit/look", open({picture!r}, "rb").read())):
    with here.open(urllib.request.Request(found[1] + path, body), timeout=60) as answer:
        print(path, answer.status, len(answer.read()), flush=True)
server.send_signal(signal.SIGINT)
raise SystemExit(0 if server.wait(60) == 130 else "it did not end")
"""

COMMANDS = (
    "doctor",
    "data check data",
    "sample data --fraction 0.5 --out sample.json",
    "train yolov8n data --start random --sample sample.json --size 64 --epochs 1 --threads 1 "
    "--out run",
    "evaluate run/best data --threads 1 --page page.html",
    "export run/best --threads 1 --out onnx",
    "export onnx --precision int8 --threads 1 --out small --tolerance 100 --calibrate 4",
    "detect onnx data/test/images --out found",
    "bench onnx data --seconds 1 --threads 1",
)

SENDS = ("connect", "sendto", "sendmsg", "sendmmsg")
MAKES = (
    "open", "openat", "openat2", "creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2",
    "link", "linkat", "symlink", "symlinkat", "mknod", "mknodat", "truncate",
)  # fmt: skip
TRACE = [
    "strace", "-f", "-qq", "-y", "-s", "300", "--seccomp-bpf", "-e",
    f"trace={','.join(f'?{name}' for name in (*SENDS, *MAKES))}",
]  # fmt: skip

HARMLESS = ("/dev/null", "/dev/tty", "/dev/pts", "/proc/", "/sys/", "/dev/nvidia")
IN_MEMORY = re.compile(r"/dev/shm/(kit-app-|torch_|sem\.|[a-zA-Z0-9_]{6,}$|$)")
"""Semaphores, what workers hand over and what a page takes in; all of it gone at the end."""


@dataclass(frozen=True)
class Travelled:
    """What was seen of the whole path.

    Attributes:
        said: by the commands.
        attempts: to connect, or to look up a name, that Python made.
        trace: system calls, None where they can't be watched.
        files: every file and folder of the watched places, before and after.
    """

    root: Path
    said: str
    attempts: list[str]
    trace: str | None
    files: tuple[set[str], set[str]]


@pytest.fixture(scope="module")
def guarded(new_user: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A user all of whose Python processes note and refuse connections."""
    folder = tmp_path_factory.mktemp("guard")
    (folder / "sitecustomize.py").write_text(GUARD.format(log=str(folder / "log")))
    return new_user(PYTHONPATH=f"{folder}:{REPOSITORY}")


def log_of(user: Any) -> Path:
    return Path(user.environment["PYTHONPATH"].partition(":")[0]) / "log"


def attempts(user: Any) -> list[str]:
    log = log_of(user)
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


def made(trace: str, began: Path) -> Iterator[Path]:
    """Every path that a trace shows made, changed or opened for writing, by processes that stay in
    the folder they ``began`` in."""
    for line in trace.splitlines():
        name = re.search(r"\b(\w+)\(", line)
        if name is None or name[1] not in MAKES or re.search(r" = -1 E", line):
            continue
        if name[1].startswith("open") and not re.search(r"O_(WRONLY|RDWR|CREAT|TMPFILE)", line):
            continue
        given = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
        folder = re.search(r"\((?:AT_FDCWD|\d+)<([^>]*)>", line)
        path = Path(given[-1]) if given else Path()
        yield (Path(folder[1]) if folder else began) / path


@pytest.fixture(scope="module")
def travelled(
    new_user: Callable[..., Any], user: Any, parted: str, tmp_path_factory: pytest.TempPathFactory
) -> Travelled:
    """The whole path, once: in a home, with folders for caches, settings and temporary files of its
    own, and no word of where the kit keeps its cache."""
    pytest.importorskip("gradio")
    folder = tmp_path_factory.mktemp("journey")
    (folder / "sitecustomize.py").write_text(GUARD.format(log=str(folder / "log")))
    someone = new_user()
    root = someone.root
    shutil.copytree(user.folder / parted, someone.folder / "data")
    picture = next((someone.folder / "data/test/images").iterdir())
    (folder / "journey.py").write_text(JOURNEY.format(commands=COMMANDS, picture=str(picture)))
    variables = {**someone.variables(), "PYTHONPATH": f"{folder}:{REPOSITORY}"}
    del variables["KIT_CACHE"]
    for name in ("CACHE_HOME", "CONFIG_HOME", "DATA_HOME", "STATE_HOME", "RUNTIME_DIR"):
        variables[f"XDG_{name}"] = str(root / f"xdg-{name.lower()}")
        (root / f"xdg-{name.lower()}").mkdir(mode=0o700)
    traced = strace() is None
    before = [*TRACE, "-o", str(folder / "trace")] if traced else []
    was = listed(root)
    done = subprocess.run(
        [*before, sys.executable, str(folder / "journey.py")],
        cwd=someone.folder, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    log, trace = folder / "log", folder / "trace"
    return Travelled(
        root,
        said,
        log.read_text().splitlines() if log.exists() else [],
        trace.read_text(errors="replace") if traced else None,
        (was, listed(root)),
    )


def listed(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def test_the_guard_sees(guarded: Any) -> None:
    """In a process of a process, too: a name, an address, a datagram."""
    tries = (
        "import urllib.request as u; u.urlopen('http://192.0.2.1/', timeout=1)",
        "import socket; socket.getaddrinfo('example.invalid', 80)",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.2', 9))",
        "import socket; socket.socket().connect_ex(('192.0.2.3', 9))",
    )
    before = len(attempts(guarded))
    for code in tries:
        inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
        subprocess.run(
            [sys.executable, "-c", inner], env=guarded.variables(), capture_output=True, check=True
        )
    seen = attempts(guarded)[before:]
    assert [bool(re.search(r"192\.0\.2|example", line)) for line in seen] == [True] * len(tries)
    log_of(guarded).unlink()


def test_the_trace_sees(tmp_path: Path) -> None:
    if reason := strace():
        pytest.skip(reason)
    code = (
        "import os, socket\n"
        "for kind, to in ((socket.AF_INET, '192.0.2.1'), (socket.AF_INET, '127.0.0.1')):\n"
        "    socket.socket(kind, socket.SOCK_DGRAM).connect((to, 9))\n"  # sends nothing
        "open('new', 'w').close(); os.mkdir('folder'); os.rename('new', 'folder/old')\n"
        "open('/dev/null').close()\n"
    )
    log = tmp_path / "trace"
    subprocess.run([*TRACE, "-o", str(log), sys.executable, "-c", code], cwd=tmp_path, check=True)
    (line,) = outward(log.read_text())
    assert "192.0.2.1" in line
    ours = {tmp_path / name for name in ("new", "folder", "folder/old")}
    assert set(made(log.read_text(), tmp_path)) == ours


def test_the_whole_path_connects_to_nothing(travelled: Travelled) -> None:
    """Seen from Python, and where strace works also from below it: libraries connect on their own.
    A page was asked for and a picture looked at over this machine's own loopback."""
    assert re.search(r"^/ 200 \d{4,}", travelled.said, re.MULTILINE)
    assert re.search(r"^/kit/look 200 \d{3,}", travelled.said, re.MULTILINE)
    assert travelled.attempts == []
    if travelled.trace is not None:
        assert re.search(r'connect\(.*"127\.0\.0\.1"', travelled.trace)  # the trace did see
        assert outward(travelled.trace) == []


def test_the_whole_path_leaves_nothing_behind(travelled: Travelled) -> None:
    """But what it was told to make, and the kit's own cache."""
    was, now = travelled.files
    outputs = ("run", "onnx", "small", "found", "page.html", "sample.json", "sample.svg")
    own = (*(f"work/{name}" for name in outputs), "xdg-cache_home/detector-kit")
    assert {f"work/{name}" for name in outputs} <= now
    assert {p for p in now - was if not any(p == o or p.startswith(f"{o}/") for o in own)} == set()
    assert was <= now


def test_the_whole_path_writes_nowhere_else(travelled: Travelled) -> None:
    """Anywhere in the file system, for however short a time."""
    if travelled.trace is None:
        pytest.skip(str(strace()))
    root = travelled.root
    places = (root / "work", root / "tmp", root / "xdg-cache_home/detector-kit")
    inputs = root / "work/data"
    stray = {
        path
        for path in made(travelled.trace, root / "work")
        if not any(path.is_relative_to(place) for place in places)
        and not str(path).startswith(HARMLESS)
        and not IN_MEMORY.match(str(path))
    }
    assert stray == set()
    assert not [
        path for path in made(travelled.trace, root / "work") if path.is_relative_to(inputs)
    ]


def test_what_needs_the_network_says_so(guarded: Any) -> None:
    """Asked for, it tries, and fails with a message."""
    before = len(attempts(guarded))
    told = guarded("fetch", "yolov8n", code=2).stderr
    assert "can't be downloaded" in told
    assert "KIT_WEIGHTS" in told
    assert len(attempts(guarded)) > before
