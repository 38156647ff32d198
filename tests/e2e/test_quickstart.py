"""`kit quickstart`: the whole way in one command, and the floor that it must reach."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.cli import quickstart
from kit.cli.root import main


def assert_one_page(page: Path) -> None:
    """Everything a report shows is inside it, and nothing in it runs or is fetched."""
    text = page.read_text(encoding="utf-8")
    assert text.lower().startswith("<!doctype html>")
    assert "<svg" in text
    assert "data:image/" in text
    assert "<script" not in text.lower()
    links = re.findall(r"""(?:src|href)=["']?([^"'\s>]+)""", text)
    assert [link for link in links if not link.startswith(("data:", "#"))] == []
    assert not re.search(r"url\((?!['\"]?(data:|#))", text)


@pytest.mark.slow
def test_the_whole_way(new_user: Callable[..., Any]) -> None:
    """From random weights, as on a machine that has nothing."""
    user = new_user()
    result = user.json("quickstart", "--out", "quick", makes=["quick"])
    folder = user.folder / "quick"
    assert result["start"] == "random"
    floor = quickstart.FLOOR["random"]
    assert floor > 0  # a floor of nothing would let everything pass
    assert result["floor"] == floor
    assert result["onnx"]["ap50"] >= floor
    assert result["onnx"]["ap50"] == pytest.approx(result["checkpoint"]["ap50"], abs=0.001)
    assert result["onnx"]["images"] > 0
    assert result["bench"]["samples"] > 0
    history = json.loads((folder / "run" / "history.json").read_text())
    epochs = quickstart.EPOCHS["random"]
    assert [row["epoch"] for row in history] == list(range(1, epochs + 1))
    assert_one_page(folder / "report.html")
    documented = user.json("verify", "quick/documented")
    assert {"MODEL_CARD.html", "evaluation-test.json", "latency.json"} <= documented["files"].keys()
    again = user("quickstart", "--out", "quick", code=2)
    assert "exists already" in again.stderr


def test_a_detector_that_learned_too_little_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("torch", "ultralytics", "albumentations", "onnxruntime", "onnx"):
        pytest.importorskip(package)
    monkeypatch.delenv("KIT_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quickstart, "PICTURES", 40)
    monkeypatch.setattr(quickstart, "EPOCHS", {"random": 1})
    monkeypatch.setattr(quickstart, "FLOOR", {"random": 0.9})
    assert main(["quickstart"]) == 1
    said = capsys.readouterr()
    assert re.search(r"error: .*test AP50 0\.\d+ is below 0\.9: .*learned too little", said.err)
    assert "starting at random" in said.out
    page = tmp_path / "runs" / "quickstart" / "report.html"
    assert page.resolve().as_uri() in said.out.replace("\n", "")
    assert_one_page(page)  # what went wrong can be looked at
