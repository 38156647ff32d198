"""The parity gate: does the exported graph still say what the checkpoint says, on real pictures?

Compared are Detections after the one shared decode, matched by overlap: element by element two
sound graphs may differ, since near-equal scores change places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.data.dataset import Dataset
from kit.errors import GateRefused
from kit.evaluate.coco import Scores, score
from kit.pixels import read_picture
from kit.progress import SILENT, Progress
from kit.runtime.detector import EVALUATION_FLOOR
from kit.types import Detections, Detector


@dataclass(frozen=True)
class Tolerance:
    """How much a graph may differ from what it was made from.

    Attributes:
        ap: largest difference of AP and AP50, in 0..1 (0.001 is 0.1 point).
        floor: detections scored below this are left to AP: they come and go with rounding.
        iou: least overlap of two detections that are the same one.
        score: largest difference of their scores.
        matched: least share of detections that find their like.
    """

    ap: float = 0.001
    floor: float = 0.05
    iou: float = 0.95
    score: float = 0.02
    matched: float = 0.999


FP32 = Tolerance()


@dataclass(frozen=True)
class Parity:
    """What the gate saw.

    Attributes:
        pictures: compared.
        detections: of both sides, at or above the tolerance's floor.
        matched: share of them with a like on the other side.
        reference, candidate: ``{ap, ap50}`` of the checkpoint and of the graph.
        manifest: sha256 of the pictures and labels compared on.
        refused: why, empty where the gate lets it through.
    """

    pictures: int
    detections: int
    matched: float
    reference: dict[str, float | None]
    candidate: dict[str, float | None]
    manifest: str
    refused: tuple[str, ...]


def compare(
    reference: Detector,
    candidate: Detector,
    dataset: Dataset,
    *,
    manifest: str,
    tolerance: Tolerance = FP32,
    progress: Progress = SILENT,
) -> Parity:
    """Run both detectors over the pictures and compare."""
    found: tuple[list[Detections], list[Detections]] = ([], [])
    alike = total = 0
    for example in progress.track(dataset, "parity", total=len(dataset)):
        picture = read_picture(example.path, bit_depth=dataset.bit_depth)
        pair = [
            detector.detect([picture], floor=EVALUATION_FLOOR)[0].detections
            for detector in (reference, candidate)
        ]
        for side, detections in zip(found, pair, strict=True):
            side.append(detections)
        for one, other in (pair, pair[::-1]):
            strong = one[one.scores >= tolerance.floor]
            total += len(strong)
            alike += _alike(strong, other, tolerance)
    scores = [score(dataset, side) for side in found]
    matched = alike / total if total else 1.0
    return Parity(
        pictures=len(dataset),
        detections=total,
        matched=matched,
        reference=_headline(scores[0]),
        candidate=_headline(scores[1]),
        manifest=manifest,
        refused=tuple(_reasons(scores[0], scores[1], matched, tolerance)),
    )


def require(parity: Parity) -> None:
    """Raise where the gate refuses.

    Raises:
        GateRefused: with every reason.
    """
    if parity.refused:
        reasons = "\n  ".join(parity.refused)
        raise GateRefused(
            f"the exported graph differs from the checkpoint, no bundle was written:\n  {reasons}"
        )


def _reasons(
    reference: Scores, candidate: Scores, matched: float, tolerance: Tolerance
) -> list[str]:
    reasons = []
    for name in ("ap", "ap50"):
        before, after = getattr(reference, name), getattr(candidate, name)
        if before is not None and abs(after - before) > tolerance.ap:
            reasons.append(f"{name} is {after:.4f}, the checkpoint's is {before:.4f}")
    if matched < tolerance.matched:
        reasons.append(f"only {matched:.2%} of the detections have their like")
    if reasons:
        for name, one in reference.per_class.items():
            other = candidate.per_class[name]
            if one.ap50 is not None and other.ap50 is not None:
                reasons.append(f"  {name}: ap50 {one.ap50:.4f} -> {other.ap50:.4f}")
    return reasons


def _headline(scores: Scores) -> dict[str, float | None]:
    return {"ap": scores.ap, "ap50": scores.ap50}


def _alike(one: Detections, other: Detections, tolerance: Tolerance) -> int:
    """How many of ``one`` have their like in ``other``."""
    if not len(one) or not len(other):
        return 0
    near = _iou(one.xyxy, other.xyxy) >= tolerance.iou
    near &= one.labels[:, None] == other.labels[None]
    near &= np.abs(one.scores[:, None] - other.scores[None]) <= tolerance.score
    return int(near.any(axis=1).sum())


def _iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Overlaps ``(n, m)`` of boxes ``(n, 4)`` and ``(m, 4)``; equal boxes without area overlap."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(np.clip(x[:, 2:] - x[:, :2], 0, None), axis=1) for x in (a, b)]
    either = areas[0][:, None] + areas[1][None] - both
    same = np.abs(a[:, None] - b[None]).max(axis=2) < 1e-3
    return np.where(same, 1.0, both / np.maximum(either, 1e-9))
