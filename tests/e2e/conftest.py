"""A user at a command line, and the detector that the tests of this folder share."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kit.lock import LOCK

REPOSITORY = Path(__file__).parents[2]

RECIPE = """\
optimizer: adamw
lr: 0.003
batch: 4
ema: 0
mosaic: 0
augment: []
"""
"""Overfits a dozen small pictures within seconds, so that scores are not all zero."""


@dataclass(frozen=True)
class User:
    """Types ``kit`` commands, in a folder, home and environment of their own.

    Every command is watched: it may change nothing but what it is said to make, and its cache.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where the commands are typed."""
        return self.root / "work"

    def variables(self) -> dict[str, str]:
        """All of the environment; nothing is inherited that would switch anything off or on."""
        for name in ("work", "home", "tmp", "cache"):
            (self.root / name).mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "KIT_CACHE": str(self.root / "cache"),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "200",
            **self.environment,
        }

    def start(self, *words: str, before: Sequence[str] = (), **options: Any) -> Any:
        """Begin a command; ``before`` is what it is run under."""
        options.setdefault("preexec_fn", _by_hand)
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "kit.cli.root", *words],
            cwd=self.folder,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Stop what a test that failed left at work, so that it is not in the next one's way."""
        while self.started:
            process = self.started.pop()
            if process.poll() is None:
                process.terminate()  # a study stops its cells
                process.communicate(timeout=120)

    def __call__(
        self,
        *words: str,
        code: int = 0,
        makes: Sequence[str] = (),
        before: Sequence[str] = (),
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end.

        Args:
            code: the exit code it must have.
            makes: what it writes, below the folder; all else must stay as it was.
        """
        self.variables()
        was = self.snapshot()
        process = self.start(*words, before=before, **options)
        said, told = process.communicate()
        assert process.returncode == code, f"kit {' '.join(words)}: {process.returncode}\n{told}"
        assert "Traceback" not in told
        now = self.snapshot()
        changed = {path for path in was.keys() | now.keys() if was.get(path) != now.get(path)}
        own = tuple(f"work/{name}" for name in makes)
        stray = {p for p in changed if not any(p == o or p.startswith(f"{o}/") for o in own)}
        assert not stray, f"kit {' '.join(words)} also changed {sorted(stray)[:9]}"
        return subprocess.CompletedProcess(words, code, said, told)

    def json(self, *words: str, makes: Sequence[str] = ()) -> Any:
        """What a command answers to ``--json -``; nothing else may stand on standard output."""
        return json.loads(self(*words, "--json", "-", makes=makes).stdout)

    def snapshot(self) -> dict[str, str]:
        """Digest of every file but the cache's, and but for notes of who held a folder; folders
        too, but for empty temporary ones."""
        found = {}
        for folder in ("work", "home", "tmp"):
            for path in sorted((self.root / folder).rglob("*")):
                name = path.relative_to(self.root).as_posix()
                if (folder == "tmp" and path.is_dir()) or path.name == LOCK:
                    continue
                try:
                    content = b"" if path.is_dir() else path.read_bytes()
                except PermissionError:
                    content = b"(no permission)"
                except FileNotFoundError:  # another command at work has just renamed it
                    continue
                found[name] = hashlib.sha256(content).hexdigest()
        return found


def _by_hand() -> None:
    """Ctrl-C is ignored by what is started by tests that run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def new_user(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., User]:
    """Makes users; the keywords are variables of their environment."""

    def make(**environment: str) -> User:
        user = User(tmp_path_factory.mktemp("user"), environment)
        user.variables()
        return user

    return make


@pytest.fixture(scope="session")
def user(new_user: Callable[..., User]) -> User:
    """The user that owns the shared detector: pretrained weights and real data are not at hand."""
    for package in ("torch", "ultralytics", "albumentations", "onnxruntime", "onnx"):
        pytest.importorskip(package)
    return new_user()


@pytest.fixture(autouse=True)
def _nothing_at_work(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "user" in request.fixturenames:
        request.getfixturevalue("user").end()


@pytest.fixture(scope="session")
def smears(user: User) -> str:
    """24 small blood smears, without splits."""
    from kit.data import smear

    smear.make(user.folder / "smears", pictures=24, size=(160, 120))
    return "smears"


@pytest.fixture(scope="session")
def parted(user: User, smears: str) -> str:
    """The same, 12 to train on, 6 valid, 6 test."""
    user("data", "split", smears, "--fractions", "0.5,0.25,0.25", "--out", "data", makes=["data"])
    return "data"


@pytest.fixture(scope="session")
def trained(user: User, parted: str) -> str:
    """A run that learned to find some cells, from random weights."""
    (user.folder / "overfit.yaml").write_text(RECIPE)
    user(
        "train", "yolov8n", parted, "--start", "random", "--recipe", "overfit.yaml",
        "--size", "96", "--epochs", "24", "--threads", "1", "--out", "run",
        makes=["run"],
    )  # fmt: skip
    return "run"


@pytest.fixture(scope="session")
def exported(user: User, trained: str) -> str:
    """Its ONNX bundle."""
    user("export", f"{trained}/best", "--threads", "1", "--out", "onnx", makes=["onnx"])
    return "onnx"


@pytest.fixture
def spoiled(user: User, request: pytest.FixtureRequest) -> Any:
    """A folder that a test may fill with bad input, gone afterwards."""
    folder = user.folder / "bad"
    folder.mkdir()
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)
