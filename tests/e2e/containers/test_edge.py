"""The image of the edge: it finds, measures and serves with no more than compose.yaml gives it."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doubles.engine import Engine

Flags = Callable[..., list[str]]
MB = 1_000_000


@pytest.fixture
def bench(flags: Flags, user: Any, parted: str, exported: str, out: Path) -> list[str]:
    """The service bench, with the drawn smears and their detector."""
    return flags("bench", data=user.folder / parted, models=user.folder / exported, out=out)


def test_without_a_word_it_helps(engine: Engine, edge: str, bench: list[str]) -> None:
    told = engine("run", "--rm", *bench, edge)
    assert "usage: kit VERB" in told.stdout
    assert not told.stderr


@pytest.mark.parametrize("uid", [10001, 12345])
def test_it_detects_as_any_user(
    engine: Engine, edge: str, bench: list[str], out: Path, uid: int
) -> None:
    engine("run", "--rm", *bench, "--user", str(uid), edge,
           "detect", "/models", "/data/test/images", "--out", "found")  # fmt: skip
    found = list((out / "found").rglob("*"))
    assert any(path.suffix == ".json" for path in found)
    assert {path.stat().st_uid for path in [out / "found", *found]} == {uid}


def test_it_evaluates_and_benchmarks(
    engine: Engine, edge: str, bench: list[str], out: Path
) -> None:
    engine("run", "--rm", *bench, edge, "evaluate", "/models", "/data", "--out", "e.json",
           "--page", "e.html")  # fmt: skip
    engine("run", "--rm", *bench, edge, "bench", "/models", "/data", "--seconds", "1",
           "--out", "b.json", "--page", "b.html")  # fmt: skip
    timed = json.loads((out / "b.json").read_text())
    assert {row["provider"] for row in timed} == {"CPUExecutionProvider"}
    assert json.loads((out / "e.json").read_text())["ap50"] is not None
    assert {path.stat().st_uid for path in out.iterdir()} == {10001}


def test_bad_input_is_one_message(
    engine: Engine, edge: str, flags: Flags, user: Any, exported: str, out: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    (data / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    run = ["run", "--rm", *flags("bench", data=data, models=user.folder / exported, out=out), edge]
    for words in (
        ("detect", "/models", "/data", "--out", "found"),
        ("detect", "/models", "/nowhere", "--out", "found"),
        ("bench", "/models", "/data", "--seconds", "1", "--out", "b.json"),
        ("detect", "/data", "/data", "--out", "found"),
        ("detect", "/models", "/data", "--device", "cuda", "--out", "found"),
    ):
        told = engine(*run, *words, code=2)
        assert told.stderr.count("error: ") == 1, told.stderr
        assert "Traceback" not in told.stderr
    assert not list(out.iterdir())


def test_what_may_not_be_written_is_not(engine: Engine, edge: str, bench: list[str]) -> None:
    told = engine("run", "--rm", *bench, edge, "detect", "/models", "/data/test/images",
                  "--out", "/models/found", code=None)  # fmt: skip
    assert told.returncode in (1, 2)
    assert "Traceback" not in told.stderr
    assert engine("run", "--rm", *bench, "--entrypoint", "touch", edge, "/opt/venv/x", code=1)


def test_it_is_small_and_holds_no_tools(engine: Engine, edge: str, app: str) -> None:
    for image, most in ((edge, 450), (app, 900)):
        facts = json.loads(engine("image", "inspect", image).stdout)[0]
        assert facts["Size"] < most * MB, f"{image}: {facts['Size'] / MB:.0f} MB"
        told = engine(
            "run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", INSPECT
        )
        assert told.stdout.split() == []
        assert facts["Config"]["User"] == "10001:10001"
        assert facts["Config"]["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
        bill = engine("run", "--rm", "--entrypoint", "cat", image, "/licences/sbom.cdx.json").stdout
        names = {each["name"] for each in json.loads(bill)["components"]}
        assert "onnxruntime" in names
        assert ("gradio" in names) == (image == app)
        assert not {"torch", "ultralytics"} & names


INSPECT = """
for each in pip pip3 gcc cc ld make strip git curl wget; do command -v $each; done
find / -xdev \\( -name pip -o -name setuptools -o -name '*.whl' \\) 2>/dev/null
ls -A /var/lib/apt/lists /var/cache/apt /root /tmp 2>/dev/null | grep -v : | grep .
find / -xdev -perm -4000 -name 'python*' 2>/dev/null
exit 0
"""


def test_the_page_answers_and_is_healthy(
    engine: Engine, app: str, flags: Flags, services: dict[str, Any], user: Any, exported: str
) -> None:
    models = user.folder / exported
    port = _free_port()
    # as compose.yaml has it: a network that carries the port, and from which nothing leads out
    network = f"{engine.prefix}page"
    engine(
        "network", "create", "-o", "com.docker.network.bridge.enable_ip_masquerade=false", network
    )
    command = [str(word).replace("/served", "") for word in services["app"]["command"]]
    container = engine.start(
        *flags("app", models=models), "--network", network, "-p", f"127.0.0.1:{port}:7860",
        "--health-interval", "1s", app, *command,
    )  # fmt: skip
    try:
        assert _answers(f"http://127.0.0.1:{port}/healthz", container, engine)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
            assert page.status == 200
        _until(lambda: engine.state(container)["Health"]["Status"] == "healthy")
        outside = ("import socket; s = socket.socket(); s.settimeout(2); "
                   "raise SystemExit(s.connect_ex(('192.0.2.1', 80)) == 0)")  # fmt: skip
        engine("exec", container, "python", "-c", outside)
        engine("stop", "-t", "30", container)
        assert engine.state(container)["ExitCode"] == 143  # it went by itself: killed is 137
        assert "Traceback" not in engine("logs", container).stderr
    finally:
        engine("rm", "-f", container)
        engine("network", "rm", network)


def test_a_page_of_nothing_is_one_message(
    engine: Engine, app: str, flags: Flags, services: dict[str, Any], tmp_path: Path
) -> None:
    empty = tmp_path / "models"
    empty.mkdir(mode=0o755)
    told = engine("run", "--rm", "--network", "none", *flags("app", models=empty), app,
                  *map(str, services["app"]["command"]), code=2)  # fmt: skip
    assert told.stderr.count("error: ") == 1
    assert "Traceback" not in told.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str, container: str, engine: Engine) -> bool:
    def ask() -> bool:
        assert engine.state(container)["Running"], engine("logs", container).stderr
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    _until(ask)
    return True


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not true():
        assert time.monotonic() < end, "it took longer than 90 seconds"
        time.sleep(0.3)
