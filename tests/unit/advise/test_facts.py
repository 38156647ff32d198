"""Classes are counted, and objects measured as they will lie in the input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kit.advise.facts import Held, gather
from kit.cards import Input
from kit.data.dataset import Dataset
from kit.types import Detections, Example, Ignore


def dataset(root: Path) -> Dataset:
    """Two pictures of 400 x 200: squares of 40 px, one of 10, and one that doesn't count."""
    boxes = [[0, 0, 40, 40], [50, 50, 90, 90], [100, 100, 110, 110], [0, 0, 300, 150]]
    truth = Detections(
        np.array(boxes, np.float32), np.ones(4, np.float32), np.array([0, 0, 1, 1], np.int64)
    )
    ignore = np.array([Ignore.NONE, Ignore.NONE, Ignore.NONE, Ignore.CROWD], np.uint8)
    none = np.zeros(0, np.uint8)
    examples = [
        Example("a.png", root / "a.png", (400, 200), truth, ignore),
        Example("b.png", root / "b.png", (400, 200), Detections.empty(), none),
    ]
    return Dataset.from_examples("made", root, ("cell", "dot", "none"), examples, {})


def test_what_is_counted(tmp_path: Path) -> None:
    found = gather(dataset(tmp_path), Input(320), 320, 640)
    assert (found.pictures, found.objects) == (2, 3)
    assert found.classes == {"cell": Held(1, 2), "dot": Held(1, 1), "none": Held(0, 0)}
    assert found.fewest == 1, "a class without pictures is no class with few"
    assert found.rare == {"cell": 2, "dot": 1, "none": 0}


def test_sides_are_those_in_the_input(tmp_path: Path) -> None:
    found = gather(dataset(tmp_path), Input(320), 300, 320)
    expected = {300: 1.0, 320: 1 / 3}  # 40 px of 400 are 30 px of 300, and 32 of 320
    assert found.small == pytest.approx(expected, abs=1e-3)
    # a fifth of the way from the smallest share, 0.025, to the next, 0.1
    assert found.wanted == 32 * np.ceil(48 / (0.025 + 0.2 * 0.075) / 32)


def test_a_stretched_picture_is_larger(tmp_path: Path) -> None:
    letterbox, stretch = (
        gather(dataset(tmp_path), Input(320, fit), 400)  # type: ignore[arg-type]
        for fit in ("letterbox", "stretch")
    )
    assert stretch.wanted < letterbox.wanted
