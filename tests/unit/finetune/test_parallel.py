"""Two processes train as one would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

RECIPE = """
optimizer: sgd
lr: 0.01
warmup: 0.1
batch: 4
norm: frozen  # two processes see half the batch each, and so would have other statistics
mosaic: 0.5
augment:
  - HorizontalFlip: {p: 0.5}
"""


@pytest.fixture(scope="module")
def runs(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same twenty steps in one process and in two, the same global batch."""
    folder = tmp_path_factory.mktemp("parallel")
    (folder / "recipe.yaml").write_text(RECIPE)
    made = {}
    for name, device in (("one", "cpu"), ("two", "cpu:0,1")):
        made[name] = folder / name
        command = f"""train yolov8n {smears} --start random --size 64 --epochs 10 --threads 1
            --recipe {folder / "recipe.yaml"} --device {device} --out {made[name]}"""
        done = subprocess.run(
            [sys.executable, "-m", "kit.cli.root", *command.split()],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return made


def test_weights_are_equal_after_twenty_steps(runs: dict[str, Path]) -> None:
    one, two = (load_file(run / "last" / "weights.safetensors") for run in runs.values())
    for name, value in one.items():
        assert torch.allclose(value, two[name], rtol=0, atol=1e-5), name


def test_the_weights_moved(runs: dict[str, Path]) -> None:
    """Else equality would say nothing."""
    from kit.families import load_family

    torch.manual_seed(0)
    fresh = load_family("ultralytics").build("yolov8n.yaml", 3, 80).state_dict()
    last = load_file(runs["one"] / "last" / "weights.safetensors")
    moved = max(float((last[name] - fresh[name]).abs().max()) for name in fresh)
    assert moved > 1e-3


def test_the_first_process_writes_alone(runs: dict[str, Path]) -> None:
    one, two = (sorted(p.name for p in run.iterdir()) for run in runs.values())
    assert one == two
