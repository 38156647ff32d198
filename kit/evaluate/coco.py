"""COCO average precision, by a reference evaluator: we never own the metric.

The evaluator is faster-coco-eval, equal to pycocotools on the same boxes (a test holds it to 1e-6)
and quick enough to run after every epoch.

AP and AP50 look at 300 detections of a picture: a blood smear can hold more than a hundred cells,
and a limit below the number of objects would punish a right answer. AR is at 100, as published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from kit.data.dataset import Dataset
from kit.types import Detections, Ignore

MAX_DETECTIONS = {"ap": 300, "ar": 100}
"""Most detections of a picture that count."""

IOUS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
"""Overlaps that AP averages over."""

RECALLS: NDArray[np.float64] = np.linspace(0.0, 1.0, 101)
"""Recalls at which precision is read."""


@dataclass(frozen=True)
class ClassScore:
    """Score of one class; ``ap`` and ``ap50`` are None where the pictures hold no such object."""

    ap: float | None
    ap50: float | None
    objects: int


@dataclass(frozen=True)
class Scores:
    """COCO's figures, in 0..1; None where there is no object to find.

    Attributes:
        ap: mean over classes and the overlaps 0.50:0.05:0.95.
        ar100: mean over classes and overlaps of the recall with 100 detections a picture.
        objects: those that count, so without crowds and difficult ones.
        max_detections: most detections of a picture behind ``ap`` and ``ar``.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ar100: float | None
    per_class: Mapping[str, ClassScore]
    images: int
    objects: int
    max_detections: Mapping[str, int]


def score(dataset: Dataset, predictions: Sequence[Detections]) -> Scores:
    """Score the detections of every picture of a dataset.

    An object marked crowd or difficult is given to the evaluator as ``iscrowd``: what lies on it is
    neither right nor wrong, and it may take several detections. (Pascal VOC would let a difficult
    object excuse only boxes that overlap it well; COCO's evaluator knows just the one kind.)

    Args:
        dataset: the pictures, e.g. ``dataset.select(dataset.split("valid"))``.
        predictions: one per picture, in the dataset's order; labels index the dataset's classes.

    Raises:
        ValueError: the counts differ, or a label is not a class of the dataset.
    """
    return summarize(run(dataset, predictions), dataset)


def run(dataset: Dataset, predictions: Sequence[Detections]) -> Any:
    """The evaluator after its run: for :func:`summarize`, and for intervals from its overlaps."""
    if len(predictions) != len(dataset):
        raise ValueError(
            f"{len(dataset)} pictures need as many predictions, not {len(predictions)}"
        )
    top = max((int(p.labels.max()) for p in predictions if len(p)), default=-1)
    if top >= len(dataset.classes):
        raise ValueError(f"label {top} is not one of the {len(dataset.classes)} classes")
    evaluator = COCOeval_faster(_truth(dataset), _found(dataset, predictions), "bbox")
    evaluator.params.maxDets = sorted({1, *MAX_DETECTIONS.values()})
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluator.params.iouThrs, evaluator.params.recThrs = IOUS, RECALLS
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator


def summarize(evaluator: Any, dataset: Dataset) -> Scores:
    """The figures of an evaluator that :func:`run` returned."""
    limits = evaluator.params.maxDets
    precision = np.asarray(evaluator.eval["precision"])[..., 0, limits.index(MAX_DETECTIONS["ap"])]
    recall = np.asarray(evaluator.eval["recall"])[..., 0, limits.index(MAX_DETECTIONS["ar"])]
    counted = dataset.labels[dataset.ignore == Ignore.NONE]
    objects = np.bincount(counted, minlength=len(dataset.classes))
    return Scores(
        ap=_mean(precision),
        ap50=_mean(precision[0]),
        ap75=_mean(precision[5]),
        ar100=_mean(recall),
        per_class={
            name: ClassScore(_mean(precision[..., k]), _mean(precision[0, :, k]), int(objects[k]))
            for k, name in enumerate(dataset.classes)
        },
        images=len(dataset),
        objects=len(counted),
        max_detections=dict(MAX_DETECTIONS),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    """The evaluator writes -1 for a class without objects."""
    known = values[values > -1]
    return float(known.mean()) if len(known) else None


def _truth(dataset: Dataset) -> Any:
    rows = zip(
        dataset.picture_of.tolist(),
        dataset.labels.tolist(),
        _xywh(dataset.boxes),
        (dataset.ignore != Ignore.NONE).astype(int).tolist(),
        strict=True,
    )
    return _coco(
        dataset,
        [
            {"id": i, "image_id": image, "category_id": label, "bbox": box, "iscrowd": crowd,
             "area": box[2] * box[3]}
            for i, (image, label, box, crowd) in enumerate(rows, 1)  # id 0 means "no match"
        ],
    )  # fmt: skip


def _found(dataset: Dataset, predictions: Sequence[Detections]) -> Any:
    everything = [Detections.empty(), *predictions]
    images = np.repeat(np.arange(len(predictions)), [len(p) for p in predictions])
    rows = zip(
        images.tolist(),
        np.concatenate([p.labels for p in everything]).tolist(),
        _xywh(np.concatenate([p.xyxy for p in everything])),
        np.concatenate([p.scores for p in everything]).tolist(),
        strict=True,
    )
    return _coco(
        dataset,
        [
            {"id": i, "image_id": image, "category_id": label, "bbox": box, "score": value,
             "area": box[2] * box[3], "iscrowd": 0}
            for i, (image, label, box, value) in enumerate(rows, 1)
        ],
    )  # fmt: skip


def _xywh(xyxy: NDArray[np.float64]) -> Any:
    return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1).tolist()


def _coco(dataset: Dataset, annotations: list[dict[str, Any]]) -> Any:
    sizes = dataset.sizes.tolist()
    return COCO(
        {
            "images": [{"id": i, "width": w, "height": h} for i, (w, h) in enumerate(sizes)],
            "categories": [{"id": k, "name": name} for k, name in enumerate(dataset.classes)],
            "annotations": annotations,
        }
    )
