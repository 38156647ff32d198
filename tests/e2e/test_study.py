"""A study as its user runs it: planned, run, stopped, killed, gone on with, and read."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.study.results import RESULT, load_all
from kit.study.tasks import TASK

STUDY = """\
about: two samples and a start that isn't here
grids:
  - title: Samples
    models: [yolov8n]
    datasets: [{data}]
    draws: [{{fraction: 0.5}}, {{fraction: 1}}]
    starts: [random]
    recipes: [small.yaml]
    size: 64
    epochs: {epochs}
  - title: A start without weights
    models: [yolov8s]
    datasets: [{data}]
    size: 64
    epochs: 1
"""


@pytest.fixture(scope="module")
def written(user: Any, parted: str) -> Callable[..., str]:
    """Writes a study file and its recipe beside the dataset."""
    (user.folder / "small.yaml").write_text("lr: 0.003\nbatch: 4\nema: 0\n")

    def write(name: str, **changes: Any) -> str:
        text = STUDY.format(**{"data": parted, "epochs": 1, **changes})
        (user.folder / f"{name}.yaml").write_text(text)
        return f"{name}.yaml"

    return write


@pytest.fixture(scope="module")
def done(user: Any, written: Callable[..., str]) -> dict[str, Any]:
    """The study, run to its end."""
    return user.json("study", written("study"), "--threads", "1", "--out", "st", makes=["st"])


def test_a_dry_run_tells_and_writes_nothing(user: Any, written: Callable[..., str]) -> None:
    told = user.json("study", written("dry"), "--dry-run", "--threads", "1", "--out", "dry")
    assert len(told["to_do"]) == 2
    assert told["done"] == []
    assert told["seconds"] > 0
    [reason] = told["not_run"].values()
    assert "weights yolov8s.pt are not on this machine" in reason
    assert not (user.folder / "dry").exists()


def test_cells_stand_alone_and_the_report_names_a_winner(user: Any, done: dict[str, Any]) -> None:
    assert len(done["done"]) == 2
    assert done["winners"]
    folder = user.folder / "st"
    cells = load_all(folder)
    assert [each.directory.name for each in cells] == sorted(done["done"])
    half, whole = sorted(cells, key=lambda each: each.result.pictures)
    assert (half.result.pictures, whole.result.pictures) == (6, 12)
    assert set(json.loads((half.directory / "sample.json").read_text())["ids"]) < set(
        json.loads((whole.directory / "run" / "train.json").read_text())["ids"]
    )
    assert len(whole.found()) == whole.result.test.images == 6
    assert len(whole.resampled().ap50) == 1000
    assert half.history()[-1]["epoch"] == 1
    page = (folder / "report.html").read_text()
    for part in ("Samples", "A start without weights", "yolov8s.pt", "yolov8n"):
        assert part in page
    markdown = (folder / "report.md").read_text()
    for link in [line for line in markdown.splitlines() if line.startswith("![")]:
        assert (folder / link.partition("](")[2].rstrip(")")).is_file(), link


def test_what_is_done_is_not_done_again(user: Any, done: dict[str, Any]) -> None:
    before = {p: p.stat().st_mtime_ns for p in (user.folder / "st").rglob(RESULT)}
    again = user.json("study", "study.yaml", "--threads", "1", "--out", "st", makes=["st"])
    assert again["done"] == done["done"]
    assert before == {p: p.stat().st_mtime_ns for p in (user.folder / "st").rglob(RESULT)}


def test_data_that_changed_underneath_is_told(user: Any, done: dict[str, Any]) -> None:
    labels = sorted(p for p in (user.folder / "data").rglob("*.txt") if "labels" in p.parts)
    label = next(path for path in labels if path.read_text())
    text = label.read_text()
    try:
        label.write_text(text.partition("\n")[2])
        told = user("study", "study.yaml", "--out", "st", code=2, makes=["data", "st/.lock"])
        assert "were made from something else" in told.stderr
        assert "choose another --out" in told.stderr
    finally:
        label.write_text(text)


def test_a_failing_cell_stops_no_other(user: Any, written: Callable[..., str]) -> None:
    (user.folder / "wild.yaml").write_text("optimizer: sgd\nlr: 1.0e+30\nbatch: 4\nclip: null\n")
    name = written("failing")
    path = user.folder / name
    path.write_text(path.read_text().replace("[small.yaml]", "[wild.yaml, small.yaml]"))
    told = user("study", name, "--threads", "1", "--out", "failing", code=1, makes=["failing"])
    assert "2 of 5 cells failed" in told.stderr
    assert "the loss" in told.stderr
    assert len(load_all(user.folder / "failing")) == 2
    assert "the loss" in (user.folder / "failing" / "report.html").read_text()


def wait_for_epoch(out: Path, process: Any, *, after: int = 1) -> None:
    """Until some cell has begun to learn."""
    for _ in range(1200):
        logs = "".join(p.read_text() for p in out.glob("cells/*/log.txt"))
        if f"epoch {after}:" in logs:
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    raise AssertionError("no cell began")


def test_stopped_killed_and_gone_on_with(user: Any, written: Callable[..., str]) -> None:
    """Stopped by a signal, then a cell's process killed: each time it goes on where it was."""
    words = ("study", written("long", epochs=30), "--threads", "1", "--out", "long")
    out = user.folder / "long"
    study = user.start(*words)
    wait_for_epoch(out, study)
    second = user(*words, code=2, makes=["long"])
    assert "another process is at work here" in second.stderr
    study.send_signal(signal.SIGTERM)
    _, told = study.communicate(timeout=120)
    assert study.returncode == 143, told
    assert "1 cell(s) under way were saved, 1 not begun" in told
    assert not list(out.glob(f"cells/*/{RESULT}"))

    [log] = out.glob("cells/*/log.txt")
    before = len(log.read_text())
    study = user.start(*words, "--json", "told.json")
    for _ in range(1800):
        if "going on in epoch" in log.read_text()[before:]:
            break
        assert study.poll() is None, study.stderr.read()
        time.sleep(0.1)
    else:
        raise AssertionError(log.read_text())
    os.kill(worker_of(log.parent), signal.SIGKILL)
    _, told = study.communicate(timeout=300)
    assert study.returncode == 1
    assert "killed by signal 9" in told, told
    assert len(load_all(out)) == 1, "the other one went on"

    read = user.json(*words, "--read", makes=["long"])
    assert (len(read["done"]), len(read["to_do"])) == (1, 1)
    assert "1 of 3 fine-tunings" in (out / "report.md").read_text()
    last = user.json(*words, makes=["long"])
    assert len(last["done"]) == 2
    assert log.read_text().count("going on in epoch") >= 2
    (user.folder / "told.json").unlink(missing_ok=True)


def worker_of(cell: Path) -> int:
    """The process at work in a cell's directory."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "kit.study.work" in words and any(word.endswith(cell.name) for word in words):
            return int(folder.name)
    raise AssertionError(f"no process works in {cell}")


def test_no_cell_that_can_be_run_is_an_error(user: Any, written: Callable[..., str]) -> None:
    name = written("none")
    path = user.folder / name
    path.write_text(path.read_text().replace("[random]", "[coco]"))
    told = user("study", name, "--out", "none", code=1, makes=["none"])
    assert "no cell came to a result" in told.stderr


def test_on_a_cluster_a_lost_worker_is_replaced(user: Any, written: Callable[..., str]) -> None:
    """A local Ray cluster of two workers, one of which is killed while it trains."""
    pytest.importorskip("ray")
    words = ("study", written("cluster", epochs=12), "--ray", "local", "--threads", "1")
    study = user.start(*words, "--out", "cluster")
    out = user.folder / "cluster"
    wait_for_epoch(out, study, after=2)
    # one that has something to go on with
    victim = next(worker for worker, log in ray_workers(out) if "epoch 2:" in log.read_text())
    os.kill(victim, signal.SIGKILL)
    _, told = study.communicate(timeout=400)
    assert study.returncode == 0, told
    assert len(load_all(out)) == 2
    logs = "".join(path.read_text() for path in out.glob("cells/*/log.txt"))
    assert "going on in epoch" in logs
    assert all((each.directory / TASK).is_file() for each in load_all(out))


def ray_workers(out: Path) -> list[tuple[int, Path]]:
    """Processes that hold a log of the study open, with the log."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            held = {each.readlink() for each in (folder / "fd").iterdir()}
        except OSError:
            continue
        logs = (h for h in held if h.is_relative_to(out.resolve()) and h.name == "log.txt")
        found += [(int(folder.name), log) for log in logs]
    return found
