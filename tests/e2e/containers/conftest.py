"""Images, really built of this checkout, on an engine and a base that are here or are made."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
import yaml
from doubles.engine import Engine, NoEngine, an_engine

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Docker; without it the tests say what is missing."""
    folder = Path(tempfile.mkdtemp(prefix="kit-docker-"))  # short: a socket's path has a limit
    try:
        with an_engine(folder) as made:
            yield made
    except NoEngine as missing:
        pytest.skip(f"no container engine: {missing}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def edge(engine: Engine, _train: Future[str] | None) -> str:
    return engine.build("edge", "edge.Dockerfile", REPOSITORY)


@pytest.fixture(scope="session")
def app(engine: Engine, edge: str) -> str:
    return engine.build("app", "edge.Dockerfile", REPOSITORY, "--build-arg", "APP=1")


@pytest.fixture(scope="session")
def train(_train: Future[str] | None) -> str:
    """The image for training, with a build of torch for CPUs in place of the lock's, which with its
    libraries for GPUs takes minutes and gigabytes (`make slow` does that)."""
    if _train is None:
        pytest.skip("pip's find-links name no build of torch for CPUs: see `make slow`")
    return _train.result()


@pytest.fixture(scope="session")
def _train(
    request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Future[str] | None]:
    """Begun before the others where it is wanted, and built beside them: it takes longest."""
    wheel = _torch_for_cpus()
    wanted = any("train" in getattr(item, "fixturenames", ()) for item in request.session.items)
    if wheel is None or not wanted:
        yield None
        return
    context = tmp_path_factory.mktemp("context")
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(_build_for_cpus, engine, wheel, context)


def _build_for_cpus(engine: Engine, wheel: Path, context: Path) -> str:
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        if line.startswith("!") and (path := REPOSITORY / line[1:]).exists():
            _copy(path, context / line[1:])
    shutil.copytree(REPOSITORY / "docker", context / "docker")
    (context / "requirements" / "train-cpu.txt").write_text(lock_for_cpus(wheel))
    with _Served(wheel.parent) as address:
        return engine.build(
            "train", "train.Dockerfile", context,
            "--build-arg", "LOCK=requirements/train-cpu.txt",
            "--build-arg", f"PIP_FIND_LINKS={address}",
        )  # fmt: skip


def lock_for_cpus(wheel: Path) -> str:
    """``train.txt`` with torch and ONNX Runtime for CPUs, without the libraries for GPUs."""
    ours = _entries("train.txt")
    dropped = re.compile(r"(nvidia-(?!ml-py)|cuda-|triton|onnxruntime-gpu|torch=)")
    kept = [entry for entry in ours if not dropped.match(entry)]
    kept += [entry for entry in _entries("edge-cpu.txt") if entry.startswith("onnxruntime=")]
    assert len(kept) < len(ours)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return "".join([*kept, f"torch=={wheel.name.split('-')[1]} --hash=sha256:{digest}\n"])


def _entries(lock: str) -> list[str]:
    text = (REPOSITORY / "requirements" / lock).read_text()
    return re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]


def _torch_for_cpus() -> Path | None:
    """Debian 12 has Python 3.11."""
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    for text in re.findall(r"find-links='([^']*)'", told.stdout):
        for each in text.split():
            folder = Path(url2pathname(urlsplit(each).path))
            if found := sorted(folder.glob("torch-*+cpu-cp311-*x86_64.whl")):
                return found[-1]
    return None


class _Served:
    """A folder behind an address of this machine."""

    def __init__(self, folder: Path) -> None:
        class Silent(SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=folder))

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _copy(path: Path, to: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(path, to)


@pytest.fixture(scope="session")
def services() -> dict[str, Any]:
    """Of docker/compose.yaml, with the defaults of its variables."""
    text = (REPOSITORY / "docker" / "compose.yaml").read_text()
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return yaml.safe_load(text)["services"]


@pytest.fixture(scope="session")
def flags(services: dict[str, Any]) -> Callable[..., list[str]]:
    """What `docker run` is told for a service; its volumes are replaced by folders of the test."""

    def told(name: str, **mounted: Path) -> list[str]:
        words = []
        for key, value in services[name].items():
            words += _told(key, value)
        for volume in services[name]["volumes"]:
            source, target, *mode = volume.split(":")
            if source in mounted:
                words += ["-v", ":".join([str(mounted[source]), target, *mode])]
        return words

    return told


def _told(key: str, value: Any) -> list[str]:
    one = {"user": "--user", "mem_limit": "--memory", "shm_size": "--shm-size",
           "pids_limit": "--pids-limit", "network_mode": "--network"}  # fmt: skip
    many = {"tmpfs": "--tmpfs", "cap_drop": "--cap-drop", "security_opt": "--security-opt"}
    switches = {"init": "--init", "read_only": "--read-only"}
    if key in one:
        return [one[key], str(value)]
    if key in many:
        return [word for each in value for word in (many[key], each)]
    if key in switches:
        assert value is True
        return [switches[key]]
    # not of `docker run`, or told by the test that needs it
    rest = {"profiles", "image", "build", "volumes", "command", "networks", "ports", "restart",
            "stop_grace_period", "deploy"}  # fmt: skip
    assert key in rest, f"docker/compose.yaml: what is {key} to `docker run`?"
    return []


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder that any user may write to, as a shared folder of a workstation is."""
    folder = tmp_path / "out"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder
