"""The evaluator against pycocotools, and what it says where there is nothing to find."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.evaluate.coco import score
from kit.types import Detections, Ignore


def reference(dataset: Any, predictions: Any) -> dict[str, Any]:
    """The same figures from pycocotools."""
    pycocotools = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    def rows(boxes: Any) -> Any:
        return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()

    truth, found = [], []
    for image, (example, detections) in enumerate(zip(dataset, predictions, strict=True)):
        for box, label, ignore in zip(
            rows(example.truth.xyxy), example.truth.labels, example.ignore, strict=True
        ):
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": int(label),
                          "bbox": box, "area": box[2] * box[3],
                          "iscrowd": int(ignore != Ignore.NONE)})  # fmt: skip
        for box, label, value in zip(
            rows(detections.xyxy), detections.labels, detections.scores, strict=True
        ):
            found.append({"image_id": image, "category_id": int(label), "bbox": box,
                          "score": float(value)})  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco = pycocotools.COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": i, "width": 400, "height": 400} for i in range(len(dataset))],
            "categories": [{"id": k, "name": n} for k, n in enumerate(dataset.classes)],
            "annotations": truth,
        }
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluator.params.maxDets = [1, 100, 300]
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval["precision"][:, :, :, 0, 2]
    recall = evaluator.eval["recall"][:, :, 0, 1]

    def mean(values: Any) -> float | None:
        known = values[values > -1]
        return float(known.mean()) if len(known) else None

    return {
        "ap": mean(precision),
        "ap50": mean(precision[0]),
        "ap75": mean(precision[5]),
        "ar100": mean(recall),
        "per_class": [(mean(precision[:, :, k]), mean(precision[0, :, k]))
                      for k in range(len(dataset.classes))],
    }  # fmt: skip


def assert_same(dataset: Any, predictions: Any) -> None:
    ours, theirs = score(dataset, predictions), reference(dataset, predictions)
    for name in ("ap", "ap50", "ap75", "ar100"):
        assert getattr(ours, name) == pytest.approx(theirs[name], abs=1e-6), name
    for mine, (ap, ap50) in zip(ours.per_class.values(), theirs["per_class"], strict=True):
        assert mine.ap == pytest.approx(ap, abs=1e-6)
        assert mine.ap50 == pytest.approx(ap50, abs=1e-6)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    pictures=st.integers(1, 8),
    objects=st.integers(1, 20),
    noise=st.integers(1, 25),
    classes=st.integers(1, 4),
    ignored=st.sampled_from([0.0, 0.2, 0.9]),
    digits=st.sampled_from([1, 2, 7]),
)
def test_equal_to_pycocotools(scene: Callable[..., Any], **how: Any) -> None:
    assert_same(*scene(**how))


def test_equal_to_pycocotools_beyond_100_and_300_detections(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(5, pictures=4, objects=200, noise=350)
    assert max(map(len, predictions)) > 300
    assert_same(dataset, predictions)


def test_truth_scores_one_and_a_class_without_objects_none(scene: Callable[..., Any]) -> None:
    dataset, _ = scene(1, ignored=0.0)
    scores = score(dataset, [example.truth for example in dataset])
    assert (scores.ap, scores.ap50, scores.ap75) == (1.0, 1.0, 1.0)
    assert scores.per_class["class 2"].ap is None
    assert scores.per_class["class 2"].objects == 0
    assert scores.objects == len(dataset.labels)


def test_no_detections_score_zero(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(2)
    scores = score(dataset, [Detections.empty() for _ in predictions])
    assert (scores.ap, scores.ap50, scores.ar100) == (0.0, 0.0, 0.0)


def test_nothing_to_find_is_none(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(3, objects=0)
    scores = score(dataset, predictions)
    assert (scores.ap, scores.ap50, scores.ap75, scores.ar100) == (None, None, None, None)


def test_what_lies_on_a_crowd_or_a_difficult_object_is_neither_right_nor_wrong(
    scene: Callable[..., Any],
) -> None:
    dataset, _ = scene(4, ignored=0.4)
    everything = [example.truth for example in dataset]
    counted = [example.truth[example.ignore == Ignore.NONE] for example in dataset]
    assert score(dataset, everything).ap == score(dataset, counted).ap == 1.0


def test_silent(scene: Callable[..., Any], capfd: pytest.CaptureFixture[str]) -> None:
    score(*scene(6))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_refuses_what_does_not_fit(scene: Callable[..., Any]) -> None:
    dataset, predictions = scene(7)
    with pytest.raises(ValueError, match="as many predictions"):
        score(dataset, predictions[:-1])
    with pytest.raises(ValueError, match="label 9"):
        score(dataset, [Detections.truth([[0, 0, 1, 1]], [9]), *predictions[1:]])
