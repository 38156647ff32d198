"""The gate: it lets equal detectors through, and refuses each kind of difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.bundle import BundleCard
from kit.cards import Input, ModelCard, load_card
from kit.data.dataset import Dataset
from kit.errors import GateRefused, RunFailed
from kit.export.parity import TOLERANCES, Parity, Tolerance, answers, compare, record, require
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


def right(dataset: Dataset) -> list[Detections]:
    scores = np.linspace(0.9, 0.3, 6)
    return [Detections(e.truth.xyxy, scores, e.truth.labels) for e in dataset]


def judged(
    dataset: Dataset,
    candidate: list[Detections],
    *,
    reference: list[Detections] | None = None,
    tolerance: Tolerance = TOLERANCES["fp32"],
) -> Parity:
    sides = [_Says(reference or right(dataset)), _Says(candidate)]
    before, after = (answers(side, dataset) for side in sides)  # type: ignore[arg-type]
    return compare(before, after, manifest="m", operating_point=0.25, tolerance=tolerance)


def test_equal_answers_pass(dataset: Dataset) -> None:
    parity = judged(dataset, right(dataset))
    assert (parity.matched, parity.refused) == (1.0, ())
    assert parity.detections == 48
    require(parity)


def test_another_order_passes(dataset: Dataset) -> None:
    """Near-equal scores change places between engines."""
    equal = [Detections(d.xyxy, np.full(6, 0.5), d.labels) for d in right(dataset)]
    turned = [d[::-1] for d in equal]
    assert judged(dataset, turned, reference=equal).matched == 1.0


def test_rounding_near_the_floor_passes(dataset: Dataset) -> None:
    faint = Detections(np.array([[0.0, 0, 9, 9]]), np.array([0.002]), np.array([0]))
    more = [
        Detections(
            np.vstack([d.xyxy, faint.xyxy]), np.append(d.scores, 0.002), np.append(d.labels, 0)
        )
        for d in right(dataset)
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
    parity = judged(dataset, [change(found) for found in right(dataset)])
    with pytest.raises(GateRefused, match="no bundle was written"):
        require(parity)


def test_a_refusal_names_the_classes(dataset: Dataset) -> None:
    """What class lost what, in the message."""
    less = [d[d.labels == 0] for d in right(dataset)]
    with pytest.raises(GateRefused, match=r"b: AP50 1\.0000 -> 0\.0000"):
        require(judged(dataset, less))


def test_every_figure_has_its_change(dataset: Dataset) -> None:
    parity = judged(dataset, [d[:5] for d in right(dataset)])
    assert parity.ap50.before == 1.0
    assert parity.ap50.difference < 0
    assert parity.ap50.interval is not None
    assert parity.ap50.interval[0] <= parity.ap50.difference <= parity.ap50.interval[1]
    assert parity.sensitivity.before == 1.0
    assert parity.sensitivity.after == pytest.approx(5 / 6)
    assert set(parity.per_class) == {"a", "b"}


def test_less_precision_may_move_boxes_a_little(dataset: Dataset) -> None:
    """All boxes differ by a pixel of thirty: AP50 stays, no detection is quite the same."""
    moved = [Detections(d.xyxy + 1, d.scores, d.labels) for d in right(dataset)]
    loose = Tolerance(0.9)
    parity = judged(dataset, moved, tolerance=loose)
    assert (parity.matched, parity.refused) == (0.0, ())
    assert judged(dataset, moved).refused


def test_scores_that_shrink_get_another_threshold(dataset: Dataset) -> None:
    """int8 squeezes confidences: what was found at 0.25 is found lower, and nothing is lost."""
    alarm = Detections(np.array([[80.0, 80, 99, 99]]), np.array([0.2]), np.array([0]))

    def with_alarm(found: Detections, factor: float) -> Detections:
        return Detections(
            np.vstack([found.xyxy, alarm.xyxy]),
            np.append(found.scores, alarm.scores) * factor,
            np.append(found.labels, alarm.labels),
        )

    before = [with_alarm(found, 1) for found in right(dataset)]
    after = [with_alarm(found, 0.75) for found in right(dataset)]
    parity = judged(dataset, after, reference=before, tolerance=TOLERANCES["int8"])
    assert parity.refused == ()
    assert 0.2 * 0.75 < parity.operating_point < 0.3 * 0.75 + 1e-6
    assert parity.sensitivity.after == parity.sensitivity.before == 1.0


def test_a_class_with_its_own_threshold_keeps_one(dataset: Dataset) -> None:
    """One class is squeezed more than the other; each threshold goes with its class."""
    before = right(dataset)
    after = [Detections(d.xyxy, d.scores * np.where(d.labels, 0.5, 0.9), d.labels) for d in before]
    sides = [answers(_Says(each), dataset) for each in (before, after)]  # type: ignore[arg-type]
    parity = compare(
        *sides, manifest="m", operating_point=0.5, tolerance=Tolerance(1.0),
        class_thresholds={"b": 0.8},
    )  # fmt: skip
    assert 0.42 * 0.9 < parity.operating_point <= 0.54 * 0.9 + 1e-6
    assert 0.78 * 0.5 < parity.class_thresholds["b"] <= 0.9 * 0.5 + 1e-6
    assert parity.sensitivity.difference == 0
    card = replace(CARD, class_thresholds={"b": 0.8}, rule="f1 per class")
    made = record(card, parity)
    assert made.class_thresholds == parity.class_thresholds
    assert made.rule == "f1 per class"


CARD = BundleCard(
    name="n", kind="onnx", family="f", model="m", architecture="x", licence="l",
    classes=("a", "b"), input=Input(64), suppress=None, weights="w", files={},
)  # fmt: skip


def test_a_loss_of_sensitivity_is_refused_where_it_is_asked_for(dataset: Dataset) -> None:
    """A find in six of every picture is gone; the tolerance of AP alone would let it go."""
    less = [d[:5] for d in right(dataset)]
    assert judged(dataset, less, tolerance=Tolerance(1.0)).refused == ()
    (reason, *_) = judged(dataset, less, tolerance=Tolerance(1.0, sensitive=True)).refused
    assert "sensitivity 1.0000 -> 0.8333" in reason


def test_a_class_that_is_lost_for_sure_is_refused(dataset: Dataset) -> None:
    less = [d[d.labels == 0] for d in right(dataset)]
    reasons = judged(dataset, less, tolerance=Tolerance(0.6)).refused
    assert reasons[0] == "b loses more AP50 than chance would have it"


def test_a_graph_that_answers_with_nothing_finite_is_refused(dataset: Dataset) -> None:
    class Overflows(_Says):
        def detect(self, images: Any, *, floor: float | None = None) -> list[Result]:
            raise RunFailed("the graph answered with numbers that are not finite")

    with pytest.raises(GateRefused, match=r"0\.png: the graph can't answer.*not finite"):
        answers(Overflows([]), dataset)  # type: ignore[arg-type]


def test_nothing_to_find_is_nothing_lost(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.write_bytes(encode_picture(np.zeros((50, 50, 3), np.uint8), ".png"))
    example = Example("empty.png", path, (50, 50), Detections.empty(), np.zeros(0, np.uint8))
    empty = Dataset.from_examples("t", tmp_path, ("a",), [example], {})
    parity = judged(empty, [Detections.empty()], reference=[Detections.empty()])
    assert (parity.ap.before, parity.ap.interval, parity.refused) == (None, None, ())
