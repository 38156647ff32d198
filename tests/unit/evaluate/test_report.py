"""A report says what it measured, on what, and is not compared with one of other pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kit.binding import plain
from kit.bundle import Bundle, BundleCard, save_bundle
from kit.cards import Input
from kit.data.dataset import Dataset
from kit.data.manifest import require_same_manifest
from kit.errors import DataError
from kit.evaluate.report import EvalReport, evaluate
from kit.runtime.backends.null import NullRunner
from kit.types import Detections, Example, Result, Tiling

CLASSES = ("cell", "dust", "rare")


@dataclass
class Oracle:
    """Knows the truth by the picture's brightness, and the floor it was asked for."""

    answers: dict[int, Detections]
    classes: tuple[str, ...] = CLASSES
    backend: str = "oracle"
    card: Any = None
    runner: Any = field(default_factory=lambda: NullRunner(3))
    floor: float | None = None
    tiling: Any = None
    fits: Any = None

    def detect(self, images: Any, *, floor: float | None = None) -> list[Result]:
        self.floor = floor
        return [Result(self.answers[int(image[0, 0, 0])], {}) for image in images]

    def __call__(self, image: Any) -> Detections:
        return self.detect([image])[0].detections


@pytest.fixture
def case(tmp_path: Path) -> tuple[Oracle, Bundle, Dataset]:
    examples, answers = [], {}
    for index in range(4):
        path = tmp_path / "pictures" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.full((60, 80, 3), 10 * index, np.uint8))
        boxes = np.array([[5, 5, 25, 25], [30, 30, 50 + index, 50], [7, 7, 7, 40]])
        labels = np.array([0, 1, 0])
        examples.append(
            Example(
                path.name, path, (80, 60), Detections.truth(boxes, labels), np.zeros(3, np.uint8)
            )
        )
        answers[10 * index] = Detections(boxes[:2], [0.9, 0.8], labels[:2])
    splits = {"train": ["0.png"], "test": ["1.png", "2.png", "3.png"], "valid": []}
    dataset = Dataset.from_examples("drawn", tmp_path / "pictures", CLASSES, examples, splits)
    card = BundleCard(
        name="b", kind="onnx", family="none", model="m", architecture="a", licence="l",
        classes=CLASSES, input=Input(64), suppress=None, weights="w", files={},
    )  # fmt: skip
    return Oracle(answers), save_bundle(tmp_path / "bundle", card, {"w": b"w"}), dataset


def test_a_box_without_area_is_not_missed(case: tuple[Oracle, Bundle, Dataset]) -> None:
    """The third box of every picture has no width, so nothing could ever find it."""
    detector, bundle, dataset = case
    report = evaluate(detector, bundle, dataset, "test")
    assert (report.ap, report.ap50, report.objects, report.images) == (1.0, 1.0, 6, 3)
    assert report.per_class["rare"].ap is None
    assert report.interval == {"ap": (1.0, 1.0), "ap50": (1.0, 1.0)}
    assert detector.floor == report.floor == 0.001


def test_json_has_what_the_command_line_promises(case: tuple[Oracle, Bundle, Dataset]) -> None:
    data = json.loads(json.dumps(plain(evaluate(*case, "test"))))
    assert {
        "ap", "ap50", "ap75", "ar100", "per_class", "images", "objects", "interval", "backend",
        "bundle_sha256", "manifest_sha256",
    } <= set(data)  # fmt: skip
    assert data["per_class"]["cell"] == {"ap": 1.0, "ap50": 1.0, "objects": 3}
    assert data["interval"]["ap50"] == [1.0, 1.0]
    assert data["max_detections"] == {"ap": 300, "ar": 100}


def test_saved_and_loaded(case: tuple[Oracle, Bundle, Dataset], tmp_path: Path) -> None:
    report = evaluate(*case, "test")
    report.save(tmp_path / "report.json")
    assert EvalReport.load(tmp_path / "report.json") == report
    detector, bundle, dataset = case
    tiled = evaluate(replace(detector, tiling=Tiling(640, 0.3)), bundle, dataset, "test")
    tiled.save(tmp_path / "tiled.json")
    assert EvalReport.load(tmp_path / "tiled.json") == tiled != report, "not the same figure"
    (tmp_path / "other.json").write_text('{"ap": "high"}')
    with pytest.raises(DataError, match="mistake"):
        EvalReport.load(tmp_path / "other.json")


def test_reports_of_other_pictures_are_not_compared(case: tuple[Oracle, Bundle, Dataset]) -> None:
    test, train = evaluate(*case, "test"), evaluate(*case, "train")
    require_same_manifest(test, replace(test, bundle="another"))
    with pytest.raises(DataError, match="different pictures"):
        require_same_manifest(test, train)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda d, o: (d, replace(o, classes=("dust", "cell", "rare"))), "has the classes"),
        (lambda d, o: (replace(d, splits={}), o), "kit data split"),
        (lambda d, o: (replace(d, notes={"bad_label": ["2.txt"]}), o), "before scoring"),
        (lambda d, o: ((d.root / "2.png").write_bytes(b"nothing"), (d, o))[1], "2.png"),
        (lambda d, o: ((d.root / "2.png").unlink(), (d, o))[1], "2.png"),
    ],
)
def test_bad_input(
    case: tuple[Oracle, Bundle, Dataset], spoil: Callable[[Any, Any], Any], complaint: str
) -> None:
    detector, bundle, dataset = case
    dataset, detector = spoil(dataset, detector)
    with pytest.raises(DataError, match=complaint):
        evaluate(detector, bundle, dataset, "test")


def test_an_empty_split(case: tuple[Oracle, Bundle, Dataset]) -> None:
    with pytest.raises(DataError, match="no picture in valid"):
        evaluate(*case, "valid")
