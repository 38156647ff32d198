"""The detector: original pixels, floors, batches, stages; and answers it does not believe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from kit.bundle import BundleCard
from kit.cards import Input
from kit.errors import BundleError, OutOfMemory, RunFailed
from kit.runtime import contract
from kit.runtime.detector import GraphDetector
from kit.runtime.tiles import TiledDetector
from kit.types import RawDetections, Tiling

CARD = BundleCard(
    name="fake", kind="onnx", family="none", model="fake", architecture="none", licence="none",
    classes=("a", "b"), input=Input(100), suppress=None, weights="w", files={},
)  # fmt: skip


@dataclass
class Fake:
    """Answers two boxes for every picture, and remembers the batches."""

    scores: tuple[float, float] = (0.9, 0.2)
    batches: list[int] = field(default_factory=list)
    provider: str = "fake"
    device: str = "none"

    def run(self, images: np.ndarray) -> RawDetections:
        self.batches.append(len(images))
        boxes = np.tile(
            np.array([[0, 25, 50, 75], [10, 30, 20, 40]], np.float32), (len(images), 1, 1)
        )
        scores = np.zeros((len(images), 2, 2), np.float32)
        scores[:, :, 1] = self.scores
        return RawDetections(boxes, scores, stages_ns={"run": 900 * len(images)})


def picture(width: int = 200, height: int = 100) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_boxes_are_in_original_pixels() -> None:
    found = GraphDetector(CARD, Fake())(picture())
    # 200 x 100 becomes 100 x 50 with 25 rows of padding above
    np.testing.assert_allclose(found.xyxy, [[0, 0, 100, 100]])
    assert (found.labels.tolist(), found.scores.tolist()) == ([1], [np.float32(0.9)])


def test_the_floor_is_the_operating_point_unless_given() -> None:
    detector = GraphDetector(replace(CARD, operating_point=0.1), Fake())
    assert len(detector(picture())) == 2
    assert [len(r.detections) for r in detector.detect([picture()], floor=0.95)] == [0]


@pytest.mark.parametrize("shrink", [False, True])
def test_a_class_is_shown_from_its_own_threshold_on(shrink: bool) -> None:
    """Inclusive, in float32; a given floor is that of every class."""
    card = replace(CARD, operating_point=0.1, class_thresholds={"b": 0.9})
    assert len(GraphDetector(card, Fake(), shrink=shrink)(picture())) == 1
    above = replace(card, class_thresholds={"b": float(np.nextafter(np.float32(0.9), 2))})
    assert len(GraphDetector(above, Fake())(picture())) == 0
    below = replace(CARD, operating_point=0.95, class_thresholds={"b": 0.2})
    assert len(GraphDetector(below, Fake())(picture())) == 2
    assert len(GraphDetector(below, Fake()).detect([picture()], floor=0.5)[0].detections) == 1
    tiled = TiledDetector(GraphDetector(card, Fake()), Tiling(100))
    assert (tiled.detect([picture(300, 100)])[0].detections.scores >= np.float32(0.9)).all()


def test_batches_are_as_large_as_the_graph_takes() -> None:
    pictures = [picture(200 + i) for i in range(5)]
    for limit, batches in ((1, [1] * 5), (2, [2, 2, 1]), (None, [5])):
        runner = Fake()
        results = GraphDetector(replace(CARD, max_batch=limit), runner).detect(pictures)
        assert runner.batches == batches
        widths = [result.detections.xyxy[0, 2] for result in results]
        assert widths == sorted(widths)  # each picture's boxes are scaled back by its own size
    assert GraphDetector(CARD, Fake()).detect([]) == []


def test_stages_of_a_batch_are_shared() -> None:
    results = GraphDetector(CARD, Fake()).detect([picture()] * 3)
    assert [result.stages_ns["run"] for result in results] == [900] * 3
    assert all(set(result.stages_ns) == {"fit", "run", "post"} for result in results)


def test_a_graph_that_breaks_its_promise_is_not_believed() -> None:
    with pytest.raises(BundleError, match=r"0\.\.1"):
        GraphDetector(CARD, Fake(scores=(1.7, 0.2)))(picture())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_no_number_is_an_error_and_not_an_empty_picture(value: float) -> None:
    runner = Fake()
    detector = GraphDetector(CARD, runner)
    detector(picture())
    runner.scores = (value, 0.2)
    with pytest.raises(RunFailed, match="not finite"):
        detector(picture())


class Small(Fake):
    """Memory for so many pictures at once."""

    room = 3

    def run(self, images: Any) -> Any:
        if len(images) > self.room:
            raise OutOfMemory("no room", where="a GPU")
        return super().run(images)


def test_where_memory_is_short_the_message_says_what_fits() -> None:
    detector = GraphDetector(CARD, Small())
    assert len(detector.detect([picture()] * 3)) == 3
    with pytest.raises(OutOfMemory, match="a batch of 2 fits: --batch 2, or --shrink"):
        detector.detect([picture()] * 8)
    small = Small()
    small.room = 0
    with pytest.raises(OutOfMemory, match="not even one picture fits"):
        GraphDetector(CARD, small, shrink=True).detect([picture()] * 4)


@pytest.mark.parametrize("tiling", [None, Tiling(32)])
def test_where_asked_a_batch_is_run_in_parts(tiling: Tiling | None) -> None:
    one = GraphDetector(CARD, Small(), shrink=True)
    detector: Any = one if tiling is None else TiledDetector(one, tiling)
    expected: Any = GraphDetector(CARD, Fake())
    if tiling is not None:
        expected = TiledDetector(expected, tiling)
    pictures = [picture()] * 8
    results = zip(detector.detect(pictures), expected.detect(pictures), strict=True)
    for result, other in results:
        np.testing.assert_array_equal(result.detections.xyxy, other.detections.xyxy)
    assert (detector.fits, expected.fits) == (2, None)


def answer(**changes: Any) -> dict[str, Any]:
    boxes = np.array([[[1, 2, 3, 4], [5, 6, 7, 8]]], np.float32)
    return {"boxes": boxes, "scores": np.full((1, 2, 3), 0.5, np.float32), **changes}


def test_contract_holds() -> None:
    expected = {"classes": 3, "batch": 1, "size": 64}
    contract.check(**answer(), **expected)
    contract.check(**answer(features=np.zeros((1, 8), np.float32)), **expected)
    none = {"boxes": np.zeros((1, 0, 4), np.float32), "scores": np.zeros((1, 0, 3), np.float32)}
    contract.check(**none, **expected)
    filled = answer()  # unused rows of a graph that selects inside
    filled["scores"][0, 1] = 0
    filled["boxes"][0, 1] = [9, 9, 0, 0]
    contract.check(**filled, **expected)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda a: {"boxes": a["boxes"].astype(np.float64)}, "float32"),
        (lambda a: {"boxes": a["boxes"][0]}, "3 dimensions"),
        (lambda a: {"boxes": a["boxes"][:, :, :3]}, "go with scores"),
        (lambda a: {"boxes": a["boxes"][:, :1]}, "go with scores"),
        (lambda a: {"boxes": a["boxes"] * np.nan}, "not finite"),
        (lambda a: {"boxes": a["boxes"][..., ::-1]}, "right < left"),
        (lambda a: {"boxes": a["boxes"] * 100}, "far outside"),
        (lambda a: {"scores": a["scores"] * 4}, r"0\.\.1"),
        (lambda a: {"scores": a["scores"] - 1}, r"0\.\.1"),
        (lambda a: {"scores": np.concatenate([a["scores"]] * 2)}, "hold 1 picture"),
        (lambda a: {"scores": a["scores"][..., :2]}, "column per class"),
        (lambda a: {"features": np.zeros(4, np.float32)}, "features"),
    ],
)
def test_contract_is_asserted(change: Callable[[Any], dict[str, Any]], complaint: str) -> None:
    good = answer()
    with pytest.raises(BundleError, match=complaint):
        contract.check(**{**good, **change(good)}, classes=3, batch=1, size=64)
