"""The README's lines about containers are run as they stand, shortened, by another user."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

from doubles.document import blocks, typed
from doubles.engine import Engine

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
BUILDS = (
    "docker build -f docker/train.Dockerfile -t kit-train .",
    "docker build -f docker/edge.Dockerfile -t kit-edge .",
    "docker build -f docker/edge.Dockerfile -t kit-app --build-arg APP=1 .",
)
"""What the fixtures build, and nothing else."""


def lines() -> list[str]:
    (session,) = [
        block
        for block in blocks(README)
        if block.language == "console" and any("docker " in line for line in block.lines)
    ]
    return typed(session)


def test_the_builds_are_those_of_the_fixtures() -> None:
    assert tuple(line for line in lines() if line.startswith("docker build")) == BUILDS


def test_the_lines_work(
    engine: Engine, train: str, edge: str, app: str, user: Any, parted: str, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o1777)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    instead = (
        ("kit-train", f"--user 12345 {train}"),
        ("kit-edge", f"--user 12345 {edge}"),
        ("kit-app", f"--user 12345 {app}"),
        ("-v data:", f"-v {user.folder / parted}:"),
        ("-v weights:/weights:ro ", ""),
        ("-v out:", f"-v {tmp_path / 'out'}:"),
        ("--epochs 30 --size 416", "--epochs 1 --size 96 --start random --workers 0"),
        ("--precision fp32", "--precision fp32 --tolerance 50"),
        (" bench ", " bench --seconds 1 "),
        ("--rm $safe -p 127.0.0.1:7860:", f"-d $safe --health-interval 1s -p 127.0.0.1:{port}:"),
        ("docker ", f"{engine.program} "),
    )
    script = ["set -eu"]
    for line in lines():
        if line.startswith("docker build"):
            continue
        for old, new in instead:
            line = line.replace(old, new)
        script.append(line)
    assert len(script) == len(lines()) - len(BUILDS) + 1
    told = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        env={**os.environ, **engine.environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert told.returncode == 0, f"{told.stdout}\n{told.stderr}"
    container = told.stdout.split()[-1]
    assert re.fullmatch("[0-9a-f]{64}", container)
    engine.started.append(container)
    assert engine.state(container)["Running"], engine("logs", container).stderr
    engine("rm", "-f", container)
    made = list((tmp_path / "out").rglob("*"))
    assert {path.stat().st_uid for path in made} == {12345}
    (timed,) = json.loads((tmp_path / "out" / "latency.json").read_text())
    assert timed["provider"] == "CPUExecutionProvider"
