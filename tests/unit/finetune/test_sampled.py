"""Losses that sample what they look at draw the same wherever a run was stopped."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kit.cards import ModelCard, load_card
from kit.errors import Stopped
from kit.finetune.engine import Machine
from kit.finetune.loop import Loop
from kit.finetune.train import WEIGHTS, train

CPU = Machine("cpu", threads=2)


def test_a_two_stage_run_resumes_to_the_same_weights(
    make_job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of its second epoch, where torch's generator has been used unevenly."""
    card = load_card(ModelCard, "fasterrcnn-mobilenet-320-fpn")
    job = replace(make_job(epochs=2), model=card)
    train(job, tmp_path / "whole", CPU)

    step, done = Loop._step, 0

    def interrupted(self: Loop, batch: Any) -> None:
        nonlocal done
        step(self, batch)
        done += 1
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Loop, "_step", interrupted)
    with pytest.raises(Stopped, match="epoch 2 of 2"):
        train(job, tmp_path / "stopped", CPU)
    monkeypatch.undo()
    train(job, tmp_path / "stopped", CPU, resume=True)
    whole, stopped = (load_file(tmp_path / n / "last" / WEIGHTS) for n in ("whole", "stopped"))
    assert all(torch.equal(value, stopped[name]) for name, value in whole.items())
