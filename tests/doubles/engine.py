"""A container engine for tests: the one that answers here, or one of our own, and a base image
that is made on the spot where none can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BASE = "debian:bookworm-slim"
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")


class NoEngine(Exception):
    """Why there is none."""


@dataclass(frozen=True)
class Engine:
    """Docker's command line.

    Attributes:
        program: of the client.
        environment: where the daemon is.
        prefix: of the names of images, volumes and networks, so that nobody's own are touched.
        base: image that others are built from.
    """

    program: str
    environment: dict[str, str]
    prefix: str
    base: str = BASE
    started: list[str] = field(default_factory=list)

    def __call__(
        self, *words: str | Path, code: int | None = 0, timeout: float = 120, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; it must end with ``code`` unless that is None."""
        told = subprocess.run(
            [self.program, *map(str, words)],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **options,
        )
        said = f"docker {' '.join(map(str, words))}: {told.returncode}\n{told.stdout[-4000:]}"
        assert code is None or told.returncode == code, f"{said}\n{told.stderr[-4000:]}"
        return told

    def build(self, name: str, file: str, context: Path, *words: str) -> str:
        """Build an image; its name."""
        tag = f"{self.prefix}{name}"
        arguments = ["--build-arg", f"BASE_IMAGE={self.base}", *words]
        # by name, so that a stage that another build has made is not made again
        self(
            "build", "--network", "host", "-q", "-t", tag, "-f", context / "docker" / file,
            *arguments, context, timeout=1500,
        )  # fmt: skip
        return tag

    def start(self, *words: str | Path) -> str:
        """Run a container in the background; its id."""
        container = self("run", "-d", *words).stdout.strip()
        self.started.append(container)
        return container

    def state(self, container: str) -> Any:
        import json

        return json.loads(self("inspect", container).stdout)[0]["State"]


@contextmanager
def an_engine(folder: Path) -> Iterator[Engine]:
    """An engine with a base image; what it made is gone afterwards.

    Args:
        folder: empty, for a daemon of our own.

    Raises:
        NoEngine: what is missing.
    """
    # Debian's client can build with BuildKit; one that lacks its plug-in may come before it
    beside = shutil.which("docker", path="/usr/bin") or shutil.which("docker")
    if beside is None:
        raise NoEngine("there is no docker (apt install docker.io)")
    engine = Engine(beside, {"DOCKER_BUILDKIT": "1"}, f"kit-test-{os.getpid()}-")
    if engine("info", code=None).returncode == 0:
        try:
            yield _with_base(engine)
        finally:
            _clear(engine)
        return
    with _own_daemon(folder) as address:
        yield _with_base(Engine(beside, {**engine.environment, "DOCKER_HOST": address}, "kit-"))


@contextmanager
def _own_daemon(folder: Path) -> Iterator[str]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        raise NoEngine("no Docker daemon answers, and starting one needs root and dockerd")
    bridge = Path("/sys/class/net/docker0").exists()
    address = f"unix://{folder}/docker.sock"
    command = [
        "dockerd", "-H", address, "--data-root", str(folder / "data"),
        "--exec-root", str(folder / "exec"), "--pidfile", str(folder / "dockerd.pid"),
    ]  # fmt: skip
    with (folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    engine = Engine(
        shutil.which("docker", path="/usr/bin") or "docker", {"DOCKER_HOST": address}, ""
    )
    try:
        end = time.monotonic() + 30
        while engine("info", code=None).returncode:
            if daemon.poll() is not None or time.monotonic() > end:
                last = (folder / "dockerd.log").read_text()[-300:]
                raise NoEngine(f"a Docker daemon does not start here: {last}")
            time.sleep(0.3)
        yield address
    finally:
        if daemon.poll() is None:
            if held := engine("ps", "-aq", code=None).stdout.split():
                engine("rm", "-f", *held, code=None)
            daemon.terminate()
            daemon.wait(60)
        subprocess.run(["umount", folder / "exec/netns/default"], capture_output=True, check=False)
        if not bridge:
            subprocess.run(["ip", "link", "del", "docker0"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _with_base(engine: Engine) -> Engine:
    """The engine, with a base image: one it has, one it can pull, or a stand-in."""
    if engine("image", "inspect", BASE, code=None).returncode == 0:
        return engine
    try:
        if engine("pull", "-q", BASE, code=None, timeout=60).returncode == 0:
            return engine
    except subprocess.TimeoutExpired:
        pass
    stand_in = "localhost/debian:bookworm-slim"
    if engine("image", "inspect", stand_in, code=None).returncode:
        _debootstrap(engine, stand_in)
    return Engine(engine.program, engine.environment, engine.prefix, stand_in, engine.started)


def _debootstrap(engine: Engine, name: str) -> None:
    """Debian as the official slim image has it, from this machine's own mirror. It trusts whom this
    machine trusts, so that pip gets through a proxy with a certificate of its own."""
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None or not _SOURCES.is_file():
        raise NoEngine(f"{BASE} can't be pulled, and making one needs root, mmdebstrap and Debian")
    drop = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("man", "doc", "locale")]
    trust = (
        f'install -D -m 644 {_TRUSTED} "$1/usr/local/share/local-ca.pem"; '
        'printf "[global]\\ncert = /usr/local/share/local-ca.pem\\n" >"$1/etc/pip.conf"'
    )
    merged = 'chroot "$1" apt-get -qq -y purge usrmerge "^libperl5" "^perl-modules" "^lib.*-perl$"'
    command = [
        "mmdebstrap", "--quiet", "--variant=minbase", "--include=usr-is-merged", *drop,
        "--dpkgopt=force-unsafe-io", f"--customize-hook={merged} >/dev/null",
        *([f"--customize-hook={trust}"] if _TRUSTED.is_file() else []),
        "bookworm", "-", str(_SOURCES),
    ]  # fmt: skip
    memory = Path("/dev/shm")
    variables = {**os.environ, **({"TMPDIR": str(memory)} if memory.is_dir() else {})}
    made = subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False
    )
    taken = subprocess.run(
        [engine.program, "import", "--change", 'CMD ["bash"]', "-", name],
        env={**os.environ, **engine.environment}, stdin=made.stdout, capture_output=True,
        check=False,
    )  # fmt: skip
    _, complaint = made.communicate()
    if made.returncode or taken.returncode:
        raise NoEngine(f"no base image could be made: {complaint.decode()[-300:]}")


def _clear(engine: Engine) -> None:
    """Leave somebody's daemon as it was; only the layers its cache keeps stay."""
    if engine.started:
        engine("rm", "-f", *engine.started, code=None)
    for kind in ("network", "volume"):
        listed = engine(kind, "ls", "-q", "-f", f"name={engine.prefix}", code=None).stdout.split()
        if listed:
            engine(kind, "rm", *listed, code=None)
    listed = engine("image", "ls", "-q", f"{engine.prefix}*", code=None).stdout.split()
    if listed:
        engine("image", "rm", "-f", *listed, code=None)
