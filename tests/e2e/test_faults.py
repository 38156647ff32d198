"""Killed, out of room, refused, too late: work that is disturbed loses nothing.

The same harness that makes docs/results/faults.md, with few kills; `make slow` lets it do more.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def harness() -> Any:
    """Imports a module of benchmarks/."""
    for package in ("torch", "ultralytics", "albumentations", "onnxruntime", "onnx", "psutil"):
        pytest.importorskip(package)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module


@pytest.fixture(scope="module")
def shop(harness: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = harness("_workshop").Workshop(tmp_path_factory.mktemp("faults"))
    made.furnish()
    harness("_killing").leave_in_peace(made, "feedback")
    return made


@pytest.fixture(scope="module")
def trained(harness: Any, shop: Any) -> Any:
    """The workshop, with a run that nothing disturbed."""
    harness("_killing").leave_in_peace(shop, "train")
    return shop


def survived(harness: Any, shop: Any, work: str, kills: int) -> None:
    done, ends = harness("_killing").campaign(shop, work, kills, random.Random(1))
    assert len(done) == kills
    assert not [each for each in done if each.halves]
    assert not [each for each in ends if each.code or each.differs or each.left], ends


def test_a_killed_run_ends_as_one_left_in_peace(harness: Any, trained: Any) -> None:
    survived(harness, trained, "train", 2)


def test_killed_keeping_of_pictures_loses_none(harness: Any, shop: Any) -> None:
    survived(harness, shop, "feedback", 4)


def test_workers_that_outlive_their_run_do_not_hold_it(trained: Any) -> None:
    """Killed without its workers, which go on for seconds; it can be gone on with at once."""
    out = trained.root / "orphans"
    process = trained.start(trained.command("train", "orphans"), trained.root / "told.txt")
    while process.poll() is None and not (out / "state.pt").is_file():
        time.sleep(0.005)
    while process.poll() is None and not (worker := drawing(process.pid)):
        time.sleep(0.001)
    os.kill(worker, signal.SIGSTOP)  # so that it is still there
    process.kill()
    process.wait()
    try:
        trained.require(trained.finish("train", "orphans"))
        assert Path(f"/proc/{worker}/stat").read_text().split()[2] == "T"
    finally:
        os.kill(worker, signal.SIGKILL)


def drawing(pid: int) -> int:
    """A child that has let go of what it was forked with; 0 where there is none."""
    import psutil

    for child in psutil.Process(pid).children():
        try:
            held = [each.readlink().name for each in Path(f"/proc/{child.pid}/fd").iterdir()]
        except OSError:
            continue
        if held and ".lock" not in held:
            return child.pid
    return 0


def test_a_second_process_is_refused_and_the_first_goes_on(harness: Any, shop: Any) -> None:
    [log] = harness("_disturbing").two(shop, works=())
    assert (log.work, log.told, log.kept) == ("audit log", True, True), log


@pytest.fixture
def disk(harness: Any, shop: Any) -> Any:
    """Makes small disks."""
    disturbing = harness("_disturbing")
    with disturbing.disk(shop, "4k") as folder:
        if folder is None:
            pytest.skip("only root can mount a small disk")
    return disturbing


def test_a_full_disk_costs_no_picture_and_no_line(disk: Any, shop: Any) -> None:
    found = [*disk.full_disk(shop, works=("feedback",)), *disk.full_log(shop)]
    assert [(row.told, row.kept) for row in found] == [(True, True)] * 3, found


def test_a_read_only_disk_is_one_message(disk: Any, shop: Any) -> None:
    [row] = disk.read_only(shop, works=("feedback",))
    assert (row.told, row.kept) == (True, True), row
    assert "can't be written to" in row.message


def test_a_clock_that_jumps_changes_nothing(harness: Any, shop: Any) -> None:
    found = list(harness("_disturbing").jumping_clock(shop, works=("feedback",)))
    assert [(row.told, row.kept) for row in found] == [(True, True)] * 2, found


HALVES = {
    "history.json": b'[{"epoch": 1',
    "weights.safetensors": b"\x10\x00\x00\x00\x00\x00\x00\x00{",
    "state.pt": b"PK\x03\x04half",
    "test.npz": b"PK\x03\x04half",
    "history.csv": b"a,b\n1,2\n3",
    "report.html": b"<!doctype html><html><body>",
    "a.png": b"\x89PNG\r\n\x1a\nhalf",
    "detections.jsonl": b'{"frame": 0}\n{"fra',
}


@pytest.mark.parametrize("name", HALVES)
def test_half_a_file_is_seen_as_such(harness: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HALVES[name])
    assert len(harness("_whole").halves(tmp_path)) == 1
    (tmp_path / name).rename(tmp_path / f".{name}.abcd1234.kit-part")
    assert not harness("_whole").halves(tmp_path)
    assert len(harness("_whole").parts(tmp_path)) == 1


def test_a_changed_bundle_is_seen_as_such(harness: Any, trained: Any, tmp_path: Path) -> None:
    whole = harness("_whole")
    shutil.copytree(trained.root / "train-whole", tmp_path / "run")
    assert not whole.halves(tmp_path / "run")
    before = whole.content(tmp_path / "run")
    history = tmp_path / "run" / "history.json"
    rows = json.loads(history.read_bytes())
    history.write_text(json.dumps([{**row, "seconds": 99} for row in rows]))
    assert whole.content(tmp_path / "run") == before
    weights = tmp_path / "run" / "best" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "best/card.json" in whole.halves(tmp_path / "run")[0]
    assert whole.content(tmp_path / "run") != before
    weights.parent.joinpath("card.json").unlink()
    assert "without card" in whole.halves(tmp_path / "run")[0]


@pytest.mark.slow
def test_the_whole_of_it(tmp_path: Path, harness: Any) -> None:
    command = [sys.executable, str(BENCHMARKS / "faults.py"), "--kills", "20"]
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)}
    done = subprocess.run([*command, "--seed", "1", "--out", str(tmp_path)], env=environment)
    assert done.returncode == 0, (tmp_path / "faults.md").read_text()
