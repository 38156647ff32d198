"""The loop: it learns, repeats itself, survives being killed, and refuses what isn't its run."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kit.bundle import open_bundle
from kit.door import open as open_detector
from kit.errors import BundleError, RunFailed, Stopped, UsageError
from kit.finetune import loop as loop_module
from kit.finetune.engine import Machine
from kit.finetune.job import held_run
from kit.finetune.loop import Loop
from kit.finetune.state import STATE, Standing
from kit.finetune.train import WEIGHTS, train
from kit.lock import locked
from kit.pixels import read_picture
from kit.progress import Silent

CPU = Machine("cpu", threads=2)


class _Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def whole(make_job: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    train(make_job(), directory, CPU)
    return directory


def same_weights(one: Path, other: Path) -> bool:
    for name in ("best", "last"):
        a, b = load_file(one / name / WEIGHTS), load_file(other / name / WEIGHTS)
        if a.keys() != b.keys() or not all(torch.equal(a[key], b[key]) for key in a):
            return False
    return True


def test_a_run_leaves_bundles_manifests_and_a_curve(whole: Path, make_job: Any) -> None:
    job = make_job()
    for name in ("best", "last"):
        card = open_bundle(whole / name).card
        assert card.classes == job.train.classes
        assert card.manifests["train"] == job.train_manifest.sha256
        assert card.training["start"]["kind"] == "random"
    history = json.loads((whole / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2, 3]
    with (whole / "history.csv").open() as file:
        assert [float(row["train_loss"]) for row in csv.DictReader(file)] == [
            row["train_loss"] for row in history
        ]
    assert not (whole / STATE).exists()


def test_a_checkpoint_opens_as_a_detector(whole: Path, make_job: Any) -> None:
    detector = open_detector(whole / "best")
    found = detector(read_picture(make_job().valid[0].path))
    assert detector.classes == ("Platelets", "RBC", "WBC")
    assert len(found) <= detector.card.cap


def test_a_seed_decides_the_weights(whole: Path, make_job: Any, tmp_path: Path) -> None:
    train(make_job(), tmp_path / "again", CPU)
    train(make_job(seed=1), tmp_path / "other", CPU)
    assert same_weights(whole, tmp_path / "again")
    assert not same_weights(whole, tmp_path / "other")


def test_workers_change_the_speed_only(whole: Path, make_job: Any, tmp_path: Path) -> None:
    train(make_job(), tmp_path / "run", Machine("cpu", threads=2, workers=2))
    assert same_weights(whole, tmp_path / "run")


@pytest.mark.parametrize("kill_at", [0, 1, 3, 5])
def test_a_killed_run_resumes_to_the_same_weights(
    whole: Path, make_job: Any, tmp_path: Path, kill_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed without warning before the step of this number, of the six there are."""
    done = 0
    step = Loop._step

    def fatal(self: Loop, batch: Any) -> None:
        nonlocal done
        if done == kill_at:
            raise SystemError("the power went out")
        done += 1
        step(self, batch)

    monkeypatch.setattr(Loop, "_step", fatal)
    with pytest.raises(SystemError):
        train(make_job(), tmp_path / "run", CPU)
    monkeypatch.undo()
    train(make_job(), tmp_path / "run", CPU, resume=True)
    assert same_weights(whole, tmp_path / "run")
    assert (whole / "history.json").read_text().count("epoch") == (
        tmp_path / "run/history.json"
    ).read_text().count("epoch")


def test_a_run_that_another_process_is_at_work_in_is_left_alone(
    whole: Path, make_job: Any, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "run.json").write_bytes((whole / "run.json").read_bytes())
    for directory in (tmp_path / "new", begun):
        for resume in (False, True):
            with locked(directory):
                before = sorted(directory.iterdir())
                with pytest.raises(UsageError, match="another process is at work here"):
                    train(make_job(), directory, CPU, resume=resume)
                assert sorted(directory.iterdir()) == before


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("written", [(), ("train.json",), ("train.json", "valid.json")])
def test_a_run_killed_before_its_settings_were_written_is_begun_again(
    make_job: Any, tmp_path: Path, written: tuple[str, ...], resume: bool
) -> None:
    for name in (".lock", ".run.json.abcd1234.kit-part", *written):
        (tmp_path / name).write_text("")
    with held_run(tmp_path, make_job(), resume=resume):
        found = {path.name for path in tmp_path.iterdir()}
    assert found == {".lock", "run.json", "train.json", "valid.json"}


def test_lists_of_somebody_elses_are_no_run(make_job: Any, tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text("mine")
    with (
        pytest.raises(UsageError, match="exists already"),
        held_run(tmp_path, make_job(), resume=False),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["train.json"]


def test_a_kill_after_the_last_state_costs_no_row_and_no_page(
    whole: Path, make_job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is saved before the curve is."""
    saved = loop_module.save_history

    def killed(directory: Path, history: Any) -> None:
        if len(history) == 3:
            raise SystemError
        saved(directory, history)

    monkeypatch.setattr(loop_module, "save_history", killed)
    with pytest.raises(SystemError):
        train(make_job(), tmp_path / "run", CPU)
    monkeypatch.undo()
    told: list[int] = []
    train(
        make_job(),
        tmp_path / "run",
        CPU,
        resume=True,
        on_epoch=lambda s: told.append(s.epoch),
    )
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert told == [3]
    assert same_weights(whole, tmp_path / "run")


def test_what_only_a_run_under_way_needs_goes_though_a_kill_came_between(
    whole: Path, make_job: Any, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / STATE).write_text("large")
    with pytest.raises(UsageError, match="complete"):
        train(make_job(), tmp_path / "run", CPU, resume=True)
    assert not (tmp_path / "run" / STATE).exists()


def test_a_worker_that_is_killed_is_one_message(
    whole: Path, make_job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system does when memory is short, in the second epoch."""
    step, done = Loop._step, 0

    def kills(self: Loop, batch: Any) -> None:
        nonlocal done
        done += 1
        if done == 3:
            for child in multiprocessing.active_children():
                child.kill()  # who waited for it here would keep its end from torch
        step(self, batch)

    monkeypatch.setattr(Loop, "_step", kills)
    with pytest.raises(RunFailed, match="a process that draws pictures died") as told:
        train(make_job(), tmp_path / "run", Machine("cpu", threads=2, workers=1))
    assert "--resume" in str(told.value)
    monkeypatch.undo()
    train(make_job(), tmp_path / "run", CPU, resume=True)
    assert same_weights(whole, tmp_path / "run")


@pytest.mark.parametrize(
    ("number", "after"), [(signal.SIGINT, 3), (signal.SIGTERM, 3), (signal.SIGINT, 4)]
)
def test_a_signal_stops_after_saving_within_the_epoch(
    whole: Path,
    make_job: Any,
    tmp_path: Path,
    number: int,
    after: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the middle of the second epoch, and after its last step."""
    step, done = Loop._step, 0

    def interrupted(self: Loop, batch: Any) -> None:
        nonlocal done
        step(self, batch)
        done += 1
        if done == after:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Loop, "_step", interrupted)
    with pytest.raises(Stopped, match="epoch 2 of 3") as stopped:
        train(make_job(), tmp_path / "run", CPU)
    assert stopped.value.exit_code == 128 + number
    monkeypatch.undo()
    notes = _Notes()
    train(make_job(), tmp_path / "run", CPU, resume=True, progress=notes)
    assert any("going on in epoch 2" in line for line in notes.lines)
    assert same_weights(whole, tmp_path / "run")


def test_a_run_is_never_overwritten(whole: Path, make_job: Any, tmp_path: Path) -> None:
    before = (whole / "best" / "card.json").read_bytes()
    with pytest.raises(UsageError, match="holds a run already"):
        train(make_job(), whole, CPU)
    with pytest.raises(UsageError, match=r"different .*recipe"):
        train(make_job(epochs=4), whole, CPU, resume=True)
    with pytest.raises(UsageError, match="complete"):
        train(make_job(), whole, CPU, resume=True)
    with pytest.raises(UsageError, match="no run to resume"):
        train(make_job(), tmp_path / "new", CPU, resume=True)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        train(make_job(), tmp_path, CPU)
    assert (whole / "best" / "card.json").read_bytes() == before


def test_a_damaged_state_is_told(make_job: Any, tmp_path: Path) -> None:
    def stop(standing: Standing) -> None:
        raise SystemError

    with pytest.raises(SystemError):
        train(make_job(), tmp_path / "run", CPU, on_epoch=stop)
    (tmp_path / "run" / STATE).write_bytes(b"half a file")
    with pytest.raises(BundleError, match="the state can't be read"):
        train(make_job(), tmp_path / "run", CPU, resume=True)


def test_out_of_memory_lets_the_batch_fall(
    make_job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one picture at once doesn't fit: it goes on with one, and says so."""
    backward = Loop._backward

    def tight(self: Loop, batch: Any) -> Any:
        if self.standing.micro != 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return backward(self, batch)

    monkeypatch.setattr(Loop, "_backward", tight)
    notes = _Notes()
    train(make_job(epochs=1), tmp_path / "run", CPU, progress=notes)
    assert [n for n in notes.lines if "out of memory" in n][-1].endswith("1 pictures at a time")


def test_a_run_that_can_not_fit_is_told(
    make_job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **options: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Loop, "_backward", full)
    with pytest.raises(RunFailed, match="not even one picture fits"):
        train(make_job(), tmp_path / "run", CPU)


def test_a_loss_that_runs_away_is_told(make_job: Any, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"loss \(\w+\) is not finite"):
        train(make_job(lr=1e20, clip=None, optimizer="sgd", warmup=0.0), tmp_path / "run", CPU)


def test_no_better_ap_stops_early(
    make_job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "Watch", _Worse)
    bundle = train(make_job(epochs=9, patience=2), tmp_path / "run", CPU)
    assert bundle.card.training["epoch"] == 1
    assert bundle.card.training["epochs"] == 3


class _Worse(loop_module.Watch):
    """AP falls from epoch to epoch."""

    ap = 0.9

    def __call__(self, loss: Any, device: torch.device) -> dict[str, Any]:
        self.ap -= 0.1
        return {**super().__call__(loss, device), "ap": self.ap}


def test_a_corrupt_picture_in_the_middle_is_a_named_warning(
    make_job: Any, smears: Path, tmp_path: Path
) -> None:
    """Checked before training, damaged since: training goes on with another picture."""
    from dataclasses import replace

    shutil.copytree(smears, tmp_path / "data")
    job = make_job(epochs=1)
    moved = replace(job.train, root=tmp_path / "data")
    victim = moved[0].path
    victim.write_bytes(victim.read_bytes()[:200])
    notes = _Notes()
    train(replace(job, train=moved), tmp_path / "run", CPU, progress=notes)
    assert [line for line in notes.lines if victim.name in line and "drawn in its place" in line]


def test_frozen_statistics_stay(make_job: Any, tmp_path: Path) -> None:
    train(make_job(epochs=1, norm="frozen"), tmp_path / "run", CPU)
    state = load_file(tmp_path / "run" / "last" / WEIGHTS)
    means = [value for name, value in state.items() if name.endswith("running_mean")]
    assert means
    assert all(not value.any() for value in means)


def test_a_full_disk_leaves_the_last_state_whole(
    make_job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    save, calls = torch.save, 0

    def full(content: Any, path: Any, *rest: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device", str(path))
        save(content, path, *rest)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        train(make_job(), tmp_path / "run", CPU)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "run").glob(".state*")] == []
    train(make_job(), tmp_path / "run", CPU, resume=True)
    assert same_weights(whole, tmp_path / "run")
