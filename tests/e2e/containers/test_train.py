"""The image for training: no network, a read-only root, any user; stopped, and gone on with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from doubles.engine import Engine

Flags = Callable[..., list[str]]
TRAIN = (
    "train", "yolov8n", "blood-smears", "--start", "random", "--recipe", "quickstart",
    "--size", "64", "--epochs", "3", "--workers", "1", "--out", "/out/run",
)  # fmt: skip


@pytest.fixture
def run(flags: Flags, out: Path) -> list[str]:
    """The service train."""
    return flags("train", out=out)


def test_training_stops_by_signal_and_goes_on(
    engine: Engine, train: str, run: list[str], out: Path
) -> None:
    container = engine.start(*run, train, *TRAIN)
    end = time.monotonic() + 120
    while "1/3" not in (told := engine("logs", container).stderr):
        assert engine.state(container)["Running"], told
        assert time.monotonic() < end
        time.sleep(0.2)
    engine("stop", "-t", "60", container)
    assert engine.state(container)["ExitCode"] == 143
    assert "saved" in engine("logs", container).stderr
    assert not (out / "run" / "best").exists()

    engine("run", "--rm", *run, train, *TRAIN, "--resume")
    assert len(json.loads((out / "run" / "history.json").read_text())) >= 3
    assert (out / "run" / "best").is_dir()
    assert {path.stat().st_uid for path in out.rglob("*")} == {10001}


def test_bad_input_is_one_message(
    engine: Engine, train: str, flags: Flags, out: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    (data / "train" / "images").mkdir(parents=True, mode=0o755)
    (data / "train" / "images" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    data.chmod(0o755)
    begin = ["run", "--rm", *flags("train", data=data, out=out), train]
    for words in (
        ("train", "yolov8n", "/data", "--start", "random", "--out", "/out/run"),
        (*TRAIN, "--device", "cuda"),
        ("train", "yolov8n", "blood-smears", "--out", "/out/run"),  # the weights are not there
    ):
        told = engine(*begin, *words, code=2)
        assert told.stderr.count("error: ") == 1, told.stderr
        assert "Traceback" not in told.stderr
    assert not list(out.iterdir())


def test_the_agpl_is_told(engine: Engine, train: str) -> None:
    facts = json.loads(engine("image", "inspect", train).stdout)[0]
    assert "AGPL-3.0" in facts["Config"]["Labels"]["org.opencontainers.image.licenses"]
    told = engine("run", "--rm", "--entrypoint", "cat", train, "/licences/LICENCES.md").stdout
    assert "AGPL-3.0" in told
    assert "ultralytics" in told


@pytest.mark.slow
def test_the_lock_for_gpus_installs(engine: Engine) -> None:
    """Some GB, and minutes; without a GPU it says so, and trains on the CPU."""
    image = engine.build("train-gpu", "train.Dockerfile", Path(__file__).parents[3])
    told = engine("run", "--rm", "--network", "none", image, "list", "backends", code=None)
    assert told.returncode == 0
    told = engine("run", "--rm", "--network", "none", image, *TRAIN, "--device", "cuda", code=2)
    assert "Traceback" not in told.stderr


@pytest.mark.slow
def test_the_instructions_for_jetson_work_on_a_stand_in(engine: Engine) -> None:
    """On x86 and Debian's Python: it shows the instructions, and nothing about a board."""
    image = engine.build("jetson", "jetson.Dockerfile", Path(__file__).parents[3])
    assert "tensorrt" in engine("run", "--rm", image, "list", "backends").stdout
