"""Advice and similarity as a user gets them, on real pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ADVISE = ("advise", "yolov8n", "mask-wearing", "--sample", "few.json")


@pytest.fixture(scope="module")
def adviser(new_user: Callable[..., Any], data: Path, weights: Path) -> Any:
    """A user with real data, COCO weights, and a sample of twelve pictures."""
    pytest.importorskip("sklearn")
    user = new_user(KIT_DATA=str(data), KIT_WEIGHTS=str(weights))
    words = ("--images", "12", "--out", "few.json")
    user("sample", "mask-wearing", *words, makes=["few.json", "few.svg"])
    return user


def test_advice_comes_with_its_evidence(adviser: Any) -> None:
    told = adviser.json(*ADVISE)
    for measure in ("cosine", "mmd", "svm"):
        low, high = told["distance"]["interval"][measure]
        assert low <= told["distance"][measure] <= high
        halves = told["yardsticks"]["two halves of COCO"][measure]
        assert told["distance"][measure] > halves, "masks lie further off than COCO from itself"
    assert told["data"]["pictures"] == 12
    assert set(told["data"]["classes"]) == {"mask", "no-mask"}
    assert told["bands"]["calibrated"] is False
    about = {advice["about"]: advice for advice in told["advice"]}
    assert {"start", "plan", "size"} <= set(about)
    assert all(advice["why"] for advice in told["advice"])
    assert told["try"] is None


def test_a_try_picks_the_better_on_valid(adviser: Any) -> None:
    words = (*ADVISE, "--try", "--epochs", "1", "--size", "64", "--threads", "1")
    told = adviser.json(*words, "--out", "tries", makes=["tries"])
    assert told["bands"]["says"] == "freeze"
    first, *others = told["try"]
    assert {each["plan"] for each in told["try"]} == {None, "freeze-backbone", "head-only"}
    assert first["behind"] is None
    for each in others:
        assert first["ap"] >= each["ap"]
        low, high = each["behind"]["interval"]
        assert low <= each["behind"]["mean"] <= high
    assert ("--plan" in told["options"]) == (first["plan"] is not None)
    again = adviser(*words, "--out", "tries", makes=["tries"])
    assert "picked" in again.stdout
    assert "epoch" not in again.stdout, "what is trained is taken"


def test_a_reference_of_ones_own(adviser: Any) -> None:
    words = ("advise", "yolov8n", "mask-wearing", "--write-reference", "own.safetensors")
    assert "145 pictures" in adviser(*words, makes=["own.safetensors"]).stdout
    told = adviser.json(*ADVISE, "--reference", "own.safetensors")
    assert told["distance"]["cosine"] < 0.01
    assert told["reference"]["source"] == "145 pictures of mask-wearing"
    other = ("advise", "yolov8s", *ADVISE[2:], "--reference", "own.safetensors")
    assert "a reference of another model: of yolov8n" in adviser(*other, code=2).stderr
    path = adviser.folder / "own.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    told = adviser(*ADVISE, "--reference", "own.safetensors", code=2)
    assert "is no reference" in told.stderr


def test_options_of_a_try_need_one(adviser: Any) -> None:
    assert "add --try" in adviser(*ADVISE, "--epochs", "1", code=2).stderr


def test_a_model_without_a_reference_is_told_how_to_make_one(adviser: Any) -> None:
    told = adviser("advise", "yolo11n", *ADVISE[2:], code=2)
    assert "no COCO reference for yolo11n" in told.stderr
    assert "--write-reference" in told.stderr


def test_similarity_of_a_run_to_its_start(user: Any, parted: str, trained: str) -> None:
    words = ("similarity", f"{trained}/best", parted, "--threads", "1")
    told = user.json(*words, "--out", "reuse.svg", makes=["reuse.svg"])
    assert told["pictures"] == 6
    stages = {row["stage"]: row for row in told["stages"]}
    assert stages["backbone 0 (Conv)"]["cka"] > 0.5, "so short a run moves the stem little"
    assert all(row["reused"] is None for row in told["stages"]), "nothing to compare with"
    text = (user.folder / "reuse.svg").read_text()
    assert text.startswith("<svg")
    assert "backbone 0" in text


def test_similarity_needs_comparable_runs(
    user: Any, trained: str, parted: str, exported: str
) -> None:
    best = f"{trained}/best"
    told = user("similarity", exported, parted, code=2)
    assert "not a checkpoint" in told.stderr
    told = user("similarity", best, parted, "--random", best, best, code=2)
    assert "two different runs" in told.stderr
    made = user("similarity", best, parted, "--random", best, f"{trained}/last", "--threads", "1")
    assert "share" in made.stdout
