"""`kit show-stages`, and the plans that `kit train` takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.cli import root


def test_stages_are_numbered_named_and_sized(capsys: pytest.CaptureFixture[str]) -> None:
    assert root.main(["show-stages", "yolov8n", "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    stages = told["stages"]
    assert [stage["number"] for stage in stages] == list(range(1, 13))
    assert stages[0]["name"] == "backbone 0 (Conv)"
    assert [stage["name"] for stage in stages[-2:]] == ["neck", "head"]
    assert sum(stage["parameters"] for stage in stages) == 3_157_200  # as its makers count
    assert told["plans"]["head-only"] == "T:head@0.2 F:rest"


def test_an_unknown_model_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert root.main(["show-stages", "yolov99"]) == 2
    assert "one of: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plan", "X1-3"], "'X1-3' is no part of a plan"),
        (["--plan", "head-only", "--start", "random"], "would stay random for ever"),
        (["--plan", "F:backbone T:rest", "--start", "mean-var"], "would stay random for ever"),
    ],
)
def test_a_bad_plan_ends_training_before_it_begins(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert root.main(["train", "yolov8n", "blood-smears", *options, "--out", str(out)]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.startswith("error: ")
    assert not out.exists()
