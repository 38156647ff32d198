"""Training under a plan: what is frozen stays to the bit, what is tuned moves at its rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kit.bundle import open_bundle, save_bundle
from kit.errors import RunFailed, UsageError
from kit.families import load_family
from kit.finetune.engine import Machine
from kit.finetune.layout import Layout, lay_out, learning_rates
from kit.finetune.loop import Loop
from kit.finetune.optimise import make_optimizer
from kit.finetune.plan import parse
from kit.finetune.state import weights_bytes
from kit.finetune.train import WEIGHTS, train
from kit.progress import Silent

CPU = Machine("cpu", threads=1)
State = dict[str, torch.Tensor]


def state_of(bundle: Path) -> State:
    return load_file(bundle / WEIGHTS)


def place(name: str) -> int:
    return int(name.split(".")[1])


def test_what_is_frozen_stays_to_the_bit(make_job: Any, learnt: Path, tmp_path: Path) -> None:
    """Weights and batch statistics, in the weights of the last step and in their average; the
    digest in the card is that of the start."""
    before = state_of(learnt)
    before["model.0.conv.weight"].view(-1)[0] = -0.0  # as there are in weights that were halved
    rounded = tmp_path / "start"
    save_bundle(rounded, open_bundle(learnt).card, {WEIGHTS: weights_bytes(before)})
    job = make_job(start=rounded, plan="F1-10 T11 R12", ema=0.5)
    train(job, tmp_path / "run", CPU)
    for name in ("best", "last"):
        after = state_of(tmp_path / "run" / name)
        frozen = [key for key in before if place(key) < 10]
        assert any("running_var" in key for key in frozen)
        assert all(torch.equal(after[key], before[key]) for key in frozen)
        told = open_bundle(tmp_path / "run" / name).card.training["plan"]
        assert told["notation"] == "F1-10 T11@0.2 R12"
        assert list(told["stages"].values()) == ["F"] * 10 + ["T@0.2", "R"]
        network = load_family("ultralytics").build("yolov8n.yaml", 3, 80)
        layout = lay_out(load_family("ultralytics"), network, job.plan)
        assert layout.digest(before) == layout.digest(after) == told["frozen_sha256"]
        assert set(layout.frozen(before)) == set(frozen)
        moved = {place(key) for key in before if not torch.equal(after[key], before[key])}
        assert moved >= {12, 15, 18, 21, 22}


def test_a_step_moves_tuned_stages_by_their_factor(
    make_job: Any, learnt: Path, tmp_path: Path
) -> None:
    """One step of plain SGD: the same gradient, the factor times the way."""
    plain = {
        "epochs": 1, "batch": 8, "optimizer": "sgd", "lr": 0.01, "momentum": 0.0,
        "weight_decay": 0.0, "warmup": 0.0, "ema": 0.0, "clip": None, "mosaic": 0.0,
    }  # fmt: skip
    steps: dict[str, State] = {}
    for plan in ("T:rest@1", "T1-10@0.2 T:rest@0.5"):
        train(make_job(start=learnt, plan=plan, **plain), tmp_path / plan, CPU)
        steps[plan] = state_of(tmp_path / plan / "last")
    before, (whole, part) = state_of(learnt), steps.values()
    learns = [key for key in before if "running" not in key and "num_batches" not in key]
    assert max(float((whole[key] - before[key]).abs().max()) for key in learns) > 1e-4
    for key in learns:
        factor = 0.2 if place(key) < 10 else 0.5
        far = (whole[key] - before[key]).double()
        near = (part[key] - before[key]).double()
        assert torch.allclose(near, factor * far, rtol=1e-3, atol=5e-7), key


def test_groups_are_by_factor_and_frozen_weights_do_not_decay() -> None:
    family = load_family("ultralytics")
    network = family.build("yolov8n.yaml", 3, 80)
    layout = lay_out(family, network, parse("F1-10 T11 R12"))
    filled = {name for name in network.state_dict() if not name.startswith("model.22.")}
    factors = learning_rates(layout, network, filled)
    made = make_optimizer(network, _recipe(), factors)
    assert [group["factor"] for group in made.param_groups] == [1.0, 1.0, 0.2, 0.2]
    held = {id(p) for group in made.param_groups for p in group["params"]}
    names = {name for name, p in network.named_parameters() if id(p) in held}
    assert names == set(factors)
    assert not [name for name in names if place(name) < 10]


def _recipe() -> Any:
    from kit.cards import Recipe

    return Recipe("r", lr=0.1)


@pytest.mark.parametrize("kill_at", [1, 3])
def test_a_killed_run_with_a_plan_resumes_to_the_same_weights(
    make_job: Any, learnt: Path, tmp_path: Path, kill_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def job() -> Any:
        return make_job(epochs=2, start=learnt, plan="F1-4 T5-11 R12")

    train(job(), tmp_path / "whole", CPU)
    done = 0
    step = Loop._step

    def fatal(self: Loop, batch: Any) -> None:
        nonlocal done
        if done == kill_at:
            self.save()
            raise SystemError("the power went out")
        done += 1
        step(self, batch)

    monkeypatch.setattr(Loop, "_step", fatal)
    with pytest.raises(SystemError):
        train(job(), tmp_path / "run", CPU)
    monkeypatch.undo()
    with pytest.raises(UsageError, match="different plan"):
        train(make_job(epochs=2, start=learnt), tmp_path / "run", CPU, resume=True)
    train(job(), tmp_path / "run", CPU, resume=True)
    for name in ("best", "last"):
        one, other = state_of(tmp_path / "whole" / name), state_of(tmp_path / "run" / name)
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_no_plan_leaves_no_trace(make_job: Any, learnt: Path) -> None:
    """Runs that were begun before there were plans go on."""
    job = make_job(start=learnt)
    assert "plan" not in job.facts()
    assert make_job(start=learnt, plan="paper").facts()["plan"] == "T:rest@1 R:classes"
    assert "plan" not in open_bundle(learnt).card.training


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("F1-13 T:rest", "no stage 13"),
        ("F1-10", r"says nothing of stage 11-12 \(neck\)"),
        ("F:backbone T:rest", "would stay random for ever"),  # there is no start
    ],
)
def test_a_plan_that_can_not_be_is_told_before_a_directory_is_made(
    make_job: Any, tmp_path: Path, plan: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(make_job(plan=plan), tmp_path / "run", CPU)
    assert not (tmp_path / "run").exists()


def test_what_learns_is_said(make_job: Any, learnt: Path, tmp_path: Path) -> None:
    class Notes(Silent):
        lines: list[str] = []  # noqa: RUF012  # one instance

        def note(self, text: str) -> None:
            self.lines.append(text)

    notes = Notes()
    train(make_job(epochs=1, start=learnt, plan="head-only"), tmp_path / "run", CPU, progress=notes)
    said = [line for line in notes.lines if line.startswith("plan ")]
    assert len(said) == 1
    sizes = {key: value.numel() for key, value in state_of(learnt).items() if "running" not in key}
    weights = {key: size for key, size in sizes.items() if "num_batches" not in key}
    head = sum(n for key, n in weights.items() if place(key) == 22 and "dfl" not in key)
    assert said[0] == (
        f"plan T:head@0.2 F:rest: {head:,} of {sum(weights.values()):,} parameters learn"
    )


def test_a_frozen_weight_that_moved_would_be_noticed(
    make_job: Any, learnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard itself: batch statistics that are not held move."""
    monkeypatch.setattr(Layout, "hold", lambda self, network: None)
    with pytest.raises(RunFailed, match="have moved that the plan froze"):
        train(make_job(epochs=1, start=learnt, plan="head-only"), tmp_path / "run", CPU)
