"""``docs/api.md`` does what it says: its sessions are typed and its Python is run, in order, on a
server with a login and one without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from doubles.document import blocks, typed

REPOSITORY = Path(__file__).parents[3]
DOCUMENT = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
HOME = "http://127.0.0.1:7860"
GUARD = """
import socket
_real = socket.getaddrinfo

def _home_only(host, *words, **options):
    if host not in ("127.0.0.1", b"127.0.0.1"):
        print("asked", host, file=open(LOG, "a"))
        raise OSError("nobody is outside")
    return _real(host, *words, **options)

socket.getaddrinfo = _home_only
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a picture, a password and a watch over names that are looked up."""
    folder = tmp_path_factory.mktemp("reader")
    cv2.imwrite(str(folder / "smear.jpg"), np.full((80, 120, 3), 153, np.uint8))
    (folder / "password").write_text("correct horse battery")
    watch = folder / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(f"LOG = {str(folder / 'log')!r}\n{GUARD}")
    return folder


@pytest.fixture(scope="module")
def with_login(serve: Any, bundle: Path, folder: Path) -> Any:
    from kit.app.passwords import Hashed, write_users

    users = folder / "users"
    write_users(users, {"anna": Hashed.of("correct horse battery")})
    return serve(bundle, "--auth-file", users)


def run(command: list[str], folder: Path) -> str:
    path = os.pathsep.join((str(folder / "watch"), str(REPOSITORY)))
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": path}
    told = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, f"{command[-1]}\n{told.stdout}\n{told.stderr}"
    return told.stdout


def test_the_sessions_work(served: Any, with_login: Any, folder: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    sessions = [block for block in blocks(DOCUMENT) if block.language == "console"]
    assert len(sessions) >= 3
    for session in sessions:
        for command in typed(session):
            if command.startswith("kit serve"):
                continue  # they run already
            login = "session" in command
            home = with_login.url if login else served.url
            said = run(["bash", "-o", "pipefail", "-c", command.replace(HOME, home)], folder)
            if "tee answer" in command:
                assert '"counts": {"bright": 1, "dark": 1}' in said
            if login and "username" in command:
                assert said == '{"success":true}'


def test_the_python_works_and_asks_nobody_else(served: Any, folder: Path) -> None:
    snippets = [block for block in blocks(DOCUMENT) if block.language == "python"]
    assert snippets
    for snippet in snippets:
        code = "\n".join(snippet.lines)
        assert HOME in code
        said = run([sys.executable, "-c", code.replace(HOME, served.url)], folder)
        assert "{'bright': 1, 'dark': 1}" in said
    assert not (folder / "log").exists()
