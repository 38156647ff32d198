"""A detector travels: packed here, and checked, installed and used where there is no network."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles.graph import whole_picture_graph
from doubles.keys import make_keys
from doubles.parcel import tiny_bundle, tiny_wheels
from PIL import Image

from kit.bundle import BundleCard, save_bundle
from kit.cards import Input

pytest.importorskip("cyclonedx")

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "edge-cpu.txt"
OFFLINE = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture
def carrier(new_user: Callable[..., Any]) -> Any:
    """A user with a detector that answers every picture, pictures, and keys."""
    user = new_user()
    card = BundleCard(
        name="whole picture", kind="onnx", family="none", model="whole", architecture="whole",
        licence="Apache-2.0", classes=("bright", "dark"), input=Input(64), suppress=None,
        weights="w.onnx", boxes=1, backends=("onnxruntime",), files={},
    )  # fmt: skip
    save_bundle(user.folder / "bundle", card, {"w.onnx": whole_picture_graph(64)})
    (user.folder / "smears").mkdir()
    for number in range(6):
        pixels = np.full((48, 64, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(user.folder / "smears" / f"doe-{number}.png")
    make_keys(user.folder)
    return user


def test_a_detector_travels(carrier: Any) -> None:
    tiny_bundle(carrier.folder / "unused")
    tiny_wheels(carrier.folder)
    packed = carrier.json(
        "pack", "bundle", "--samples", "smears", "--n", "2", "--key", "our-private.pem",
        "--wheels", "wheels", "--lock", "edge-tiny.txt", "--python", "3.11", "--machine", "x86_64",
        "--out", "a.tar", makes=["a.tar"],
    )  # fmt: skip
    assert (packed["samples"], packed["wheels"]) == (2, 3)
    words = ["unpack", "a.tar", "--key", "our-public.pem", "--out", "there"]
    found = carrier.json(*words, makes=["there"])
    assert found["signed_by"] == packed["signed_by"]
    carrier("verify", "there/bundle", "--key", "our-public.pem")
    told = carrier.json(
        "detect", "there/bundle", "there/samples", "--out", "found", makes=["found"]
    )
    assert [each["picture"] for each in told["pictures"]] == ["sample-1.jpg", "sample-2.jpg"]
    assert "doe" not in json.dumps(told)


def test_pip_installs_what_was_unpacked_and_nothing_else(carrier: Any) -> None:
    pytest.importorskip("pip")
    tiny_wheels(carrier.folder)
    carrier(
        "pack", "bundle", "--wheels", "wheels", "--lock", "edge-tiny.txt", "--python", "3.11",
        "--machine", "x86_64", "--out", "a.tar", makes=["a.tar"],
    )  # fmt: skip
    found = carrier.json("unpack", "a.tar", "--out", "there", makes=["there"])
    [install] = [command for command in found["next"] if "pip install" in command]
    there = carrier.folder / "there"

    def installed(target: str) -> subprocess.CompletedProcess[str]:
        words = install.replace("venv/bin/python", sys.executable).split()
        return subprocess.run(
            [*words, "--target", target],
            cwd=there, env={**carrier.variables(), **OFFLINE},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    told = installed("site")
    assert told.returncode == 0, told.stderr
    assert {path.stem for path in (there / "site").glob("*.py")} == {
        "alpha",
        "beta",
        "detector_kit",
    }
    wheel = there / "wheels" / "alpha-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    told = installed("other")
    assert told.returncode != 0
    assert "DO NOT MATCH THE HASHES" in told.stderr


# Stopped, and no room


@pytest.fixture
def large(carrier: Any) -> Any:
    """With an image that takes a moment to copy."""
    with (carrier.folder / "image.tar").open("wb") as file:
        file.truncate(200 << 20)
    return carrier


def archive_of(user: Any) -> None:
    user("pack", "bundle", "--image-archive", "image.tar", "--out", "a.tar", makes=["a.tar"])


def half_way(folder: Path) -> bool:
    """Whether something is being written beside ``new``."""
    for beside in folder.glob(".new.*"):
        within = [*beside.glob("*/*"), *beside.glob("*")] if beside.is_dir() else [beside]
        if any(path.is_file() and path.stat().st_size for path in within):
            return True
    return False


@pytest.mark.parametrize(
    ("verb", "number", "code"), [("pack", signal.SIGINT, 130), ("unpack", signal.SIGTERM, 143)]
)
def test_stopped_half_way_nothing_is_left(large: Any, verb: str, number: int, code: int) -> None:
    words = ["pack", "bundle", "--image-archive", "image.tar", "--out", "new"]
    if verb == "unpack":
        archive_of(large)
        words = ["unpack", "a.tar", "--out", "new"]
    before = sorted(large.folder.iterdir())
    process = large.start(*words)
    while not (begun := half_way(large.folder)) and process.poll() is None:
        time.sleep(0.002)
    assert begun, process.communicate()
    process.send_signal(number)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == code, told
    assert "Traceback" not in told
    assert sorted(large.folder.iterdir()) == before


@pytest.mark.parametrize("verb", ["pack", "unpack"])
def test_no_room_leaves_nothing(carrier: Any, verb: str) -> None:
    words: Sequence[str] = ["pack", "bundle", "--out", "new"]
    if verb == "unpack":
        carrier("pack", "bundle", "--out", "a.tar", makes=["a.tar"])
        words = ["unpack", "a.tar", "--out", "new"]

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

    told = carrier(*words, code=1, preexec_fn=small_files).stderr
    assert "file is larger" in told
    assert told.count("error:") == 1


# The real thing


@pytest.mark.slow
def test_a_fresh_machine_without_a_network(carrier: Any, tmp_path: Path) -> None:
    """The real lock: fetched here, installed there into a new environment, and used.

    There, no network is left to reach for where the system lets us take it away.
    """
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--require-hashes", "--no-deps"]
    fetch += ["--only-binary", ":all:", "-d", str(carrier.folder / "wheels"), "-r", str(LOCK)]
    told = subprocess.run(fetch, capture_output=True, text=True, check=False)
    if told.returncode:
        pytest.skip(f"no package registry: {told.stderr.strip().splitlines()[-1:]}")
    carrier(
        "pack", "bundle", "--samples", "smears", "--wheels", "wheels", "--lock", str(LOCK),
        "--key", "our-private.pem", "--out", "a.tar", makes=["a.tar"],
    )  # fmt: skip
    with tarfile.open(carrier.folder / "a.tar") as tar:  # there is no kit to unpack it
        tar.extractall(tmp_path, filter="data")
    there = tmp_path / "a"
    shutil.copy(carrier.folder / "our-public.pem", there / "public.pem")
    readme = (there / "README.txt").read_text().splitlines()
    commands = [line.strip() for line in readme if line.startswith("    ")]
    assert any("sha256sum" in each for each in commands)
    assert any("kit detect" in each for each in commands)
    python = Path(sys.executable).resolve().parent
    environment = {"PATH": f"{python}:{os.environ['PATH']}", "HOME": str(tmp_path), **OFFLINE}
    alone = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        alone = []
    for command in commands:
        told = subprocess.run(
            [*alone, "bash", "-c", command],
            cwd=there, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert told.returncode == 0, f"$ {command}\n{told.stdout}\n{told.stderr}"
    assert len(json.loads((there / "found" / "detections.json").read_text())["pictures"]) == 4
