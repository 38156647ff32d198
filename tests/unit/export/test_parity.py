"""The gate: it lets equal detectors through, and refuses each kind of difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.cards import ModelCard, load_card
from kit.data.dataset import Dataset
from kit.errors import GateRefused
from kit.export.parity import compare, require
from kit.pixels import encode_picture
from kit.types import Detections, Example, Result


class _Says:
    """A detector that gives prepared answers, one per picture in turn."""

    card = load_card(ModelCard, "yolov8n")
    backend = "prepared"

    def __init__(self, answers: list[Detections]) -> None:
        self.answers, self.classes = iter(answers), ("a", "b")

    def detect(self, images: Any, *, floor: float | None = None) -> list[Result]:
        return [Result(next(self.answers), {}) for _ in images]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    rng = np.random.default_rng(0)
    examples = []
    for number in range(4):
        path = tmp_path / f"{number}.png"
        path.write_bytes(encode_picture(np.zeros((100, 100, 3), np.uint8), ".png"))
        low = rng.uniform(0, 60, (6, 2))
        truth = Detections.truth(np.hstack([low, low + 30]), rng.integers(0, 2, 6))
        examples.append(Example(path.name, path, (100, 100), truth, np.zeros(6, np.uint8)))
    return Dataset.from_examples("t", tmp_path, ("a", "b"), examples, {})


def answers(dataset: Dataset) -> list[Detections]:
    scores = np.linspace(0.9, 0.3, 6)
    return [Detections(e.truth.xyxy, scores, e.truth.labels) for e in dataset]


def judged(dataset: Dataset, candidate: list[Detections]) -> Any:
    return compare(_Says(answers(dataset)), _Says(candidate), dataset, manifest="m")  # type: ignore[arg-type]


def test_equal_answers_pass(dataset: Dataset) -> None:
    parity = judged(dataset, answers(dataset))
    assert (parity.matched, parity.refused) == (1.0, ())
    assert parity.detections == 48
    require(parity)


def test_another_order_passes(dataset: Dataset) -> None:
    """Near-equal scores change places between engines."""
    equal = [Detections(d.xyxy, np.full(6, 0.5), d.labels) for d in answers(dataset)]
    turned = [d[::-1] for d in equal]
    parity = compare(_Says(equal), _Says(turned), dataset, manifest="m")  # type: ignore[arg-type]
    assert parity.matched == 1.0


def test_rounding_near_the_floor_passes(dataset: Dataset) -> None:
    faint = Detections(np.array([[0.0, 0, 9, 9]]), np.array([0.002]), np.array([0]))
    more = [
        Detections(
            np.vstack([d.xyxy, faint.xyxy]), np.append(d.scores, 0.002), np.append(d.labels, 0)
        )
        for d in answers(dataset)
    ]
    require(judged(dataset, more))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: Detections(d.xyxy + 5, d.scores, d.labels),
        lambda d: Detections(d.xyxy, d.scores * 0.8, d.labels),
        lambda d: Detections(d.xyxy, d.scores, 1 - d.labels),
        lambda d: d[:5],
        lambda d: Detections(
            np.vstack([d.xyxy, d.xyxy[:1]]), np.append(d.scores, 0.29), np.append(d.labels, 1)
        ),
        lambda d: d[:0],
    ],
    ids=["moved", "scores", "classes swapped", "one missing", "one more", "none"],
)
def test_differences_are_refused(dataset: Dataset, change: Any) -> None:
    parity = judged(dataset, [change(found) for found in answers(dataset)])
    with pytest.raises(GateRefused, match="no bundle was written"):
        require(parity)


def test_a_refusal_names_the_classes(dataset: Dataset) -> None:
    """What class lost what, in the message."""
    less = [d[d.labels == 0] for d in answers(dataset)]
    with pytest.raises(GateRefused, match=r"b: ap50 1\.0000 -> 0\.0000"):
        require(judged(dataset, less))
