"""The parity gate: does the exported graph still say what the checkpoint says, on real pictures?

Compared are Detections after the one shared decode: what a person would see. Where both compute in
float32 they are matched one by one, by overlap, since near-equal scores change places. A graph of
less precision answers a little differently everywhere, so there AP decides, and for int8
sensitivity at the threshold that cries wolf no oftener than before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from kit.binding import plain
from kit.bundle import BundleCard
from kit.data.dataset import Dataset
from kit.errors import BundleError, GateRefused, RunFailed
from kit.evaluate.coco import Scores, run, summarize
from kit.evaluate.intervals import LEVEL, Resampled, resample, resample_classes
from kit.evaluate.matches import Matches, match
from kit.evaluate.operating import count, thresholds_like
from kit.pixels import read_picture
from kit.progress import SILENT, Progress
from kit.runtime.detector import EVALUATION_FLOOR
from kit.types import Detections, Detector


@dataclass(frozen=True)
class Tolerance:
    """How much a graph may lose of what it was made from.

    Attributes:
        ap: largest change of AP and of AP50, in 0..1 (0.001 is 0.1 point). A class may not lose
            more AP50 than that for sure, i.e. with its whole interval.
        matched: least share of detections that find their like; None doesn't ask.
        sensitive: whether a loss of sensitivity that is more than chance refuses.
        floor: detections scored below this are left to AP: they come and go with rounding.
        iou: least overlap of two detections that are the same one.
        score: largest difference of their scores.
    """

    ap: float
    matched: float | None = None
    sensitive: bool = False
    floor: float = 0.05
    iou: float = 0.95
    score: float = 0.02


TOLERANCES = {
    "fp32": Tolerance(0.001, matched=0.999),
    "fp16": Tolerance(0.003),
    "int8": Tolerance(0.01, sensitive=True),
}
"""By precision."""


@dataclass(frozen=True)
class Change:
    """A figure before and after.

    Attributes:
        before, after: in 0..1; None where there is no object to find.
        interval: 95 %, of ``after - before`` on other pictures, drawn in pairs.
    """

    before: float | None
    after: float | None
    interval: tuple[float, float] | None

    @property
    def difference(self) -> float:
        """After minus before; 0 where there is nothing to find."""
        if self.before is None or self.after is None:
            return 0.0
        return self.after - self.before


@dataclass(frozen=True)
class ClassChange:
    """What became of one class."""

    ap: Change
    ap50: Change


@dataclass(frozen=True)
class Parity:
    """What the gate saw.

    Attributes:
        pictures: compared.
        detections: of both sides, at or above the tolerance's floor.
        matched: share of them with a like on the other side.
        ap, ap50, per_class: of what it was made from, and of the graph.
        sensitivity: at the operating points, the graph's with no more false positives.
        operating_point, class_thresholds: of the graph, chosen for that.
        manifest: sha256 of the pictures and labels compared on.
        refused: why, empty where the gate lets it through.
    """

    pictures: int
    detections: int
    matched: float
    ap: Change
    ap50: Change
    per_class: Mapping[str, ClassChange]
    sensitivity: Change
    operating_point: float
    manifest: str
    refused: tuple[str, ...]
    class_thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a detector says of the gate's pictures, and how that scores; ``features`` are ``(P, D)``
    where the graph has any."""

    found: Sequence[Detections]
    scores: Scores
    drawn: Resampled
    classes: Mapping[str, Resampled]
    matches: Mapping[str, Matches]
    features: NDArray[np.float32] | None = None


def answers(
    detector: Detector, dataset: Dataset, *, label: str = "parity", progress: Progress = SILENT
) -> Answers:
    """Run a detector over the gate's pictures.

    Raises:
        GateRefused: it answers with numbers that no graph may answer with.
    """
    found, features = [], []
    for example in progress.track(dataset, label, total=len(dataset)):
        picture = read_picture(example.path, bit_depth=dataset.bit_depth)
        try:
            result = detector.detect([picture], floor=EVALUATION_FLOOR)[0]
        except (BundleError, RunFailed) as error:
            raise GateRefused(
                f"the graph can't answer for a picture: {error.what}", where=example.id
            ) from error
        found.append(result.detections)
        if result.features is not None:
            features.append(result.features)
    evaluator = run(dataset, found)
    scores, matches = summarize(evaluator, dataset), match(evaluator, dataset)
    drawn = resample(matches, scores)
    seen = np.stack(features) if features else None
    return Answers(found, scores, drawn, resample_classes(matches), matches, seen)


def compare(
    reference: Answers,
    candidate: Answers,
    *,
    manifest: str,
    operating_point: float,
    tolerance: Tolerance,
    class_thresholds: Mapping[str, float] | None = None,
) -> Parity:
    """Compare the answers of two detectors on the same pictures.

    Args:
        operating_point, class_thresholds: of the reference.
    """
    alike = total = 0
    for pair in zip(reference.found, candidate.found, strict=True):
        for one, other in (pair, pair[::-1]):
            strong = one[one.scores >= tolerance.floor]
            total += len(strong)
            alike += _alike(strong, other, tolerance)
    point = operating_point, class_thresholds or {}
    before = count(reference.matches, *point)
    threshold, own = thresholds_like(candidate.matches, reference.matches, *point)
    after = count(candidate.matches, threshold, own)
    parity = Parity(
        pictures=len(reference.found),
        detections=total,
        matched=alike / total if total else 1.0,
        ap=_change(reference, candidate, lambda side: (side.scores.ap, side.drawn.ap)),
        ap50=_change(reference, candidate, lambda side: (side.scores.ap50, side.drawn.ap50)),
        per_class={
            name: _class_change(reference, candidate, name) for name in reference.scores.per_class
        },
        sensitivity=Change(
            before.sensitivity,
            after.sensitivity,
            _interval(before.resampled(), after.resampled()),
        ),
        operating_point=threshold,
        class_thresholds=own,
        manifest=manifest,
        refused=(),
    )
    return replace(parity, refused=tuple(_reasons(parity, tolerance)))


def require(parity: Parity) -> None:
    """Raise where the gate refuses.

    Raises:
        GateRefused: with every reason.
    """
    if parity.refused:
        reasons = "\n  ".join(parity.refused)
        raise GateRefused(
            "the exported graph differs from what it was made from, no bundle was written:\n  "
            + reasons
        )


def record(card: BundleCard, parity: Parity) -> BundleCard:
    """The card of what passed: its thresholds, its AP, and all that the gate saw."""
    report = plain(parity)
    report.pop("refused")
    valid = {"ap": parity.ap.after, "ap50": parity.ap50.after, "manifest": parity.manifest}
    return replace(
        card,
        operating_point=parity.operating_point,
        class_thresholds=parity.class_thresholds,
        reports={"valid": valid, "parity": report},
    )


def _class_change(reference: Answers, candidate: Answers, name: str) -> ClassChange:
    nothing = np.empty(0)

    def figure(kind: str) -> Change:
        return _change(
            reference,
            candidate,
            lambda side: (
                getattr(side.scores.per_class[name], kind),
                getattr(side.classes[name], kind) if name in side.classes else nothing,
            ),
        )

    return ClassChange(figure("ap"), figure("ap50"))


def _change(
    reference: Answers,
    candidate: Answers,
    of: Callable[[Answers], tuple[float | None, NDArray[np.float64]]],
) -> Change:
    (before, drawn_before), (after, drawn_after) = of(reference), of(candidate)
    return Change(before, after, _interval(drawn_before, drawn_after))


def _interval(
    before: NDArray[np.float64], after: NDArray[np.float64]
) -> tuple[float, float] | None:
    differences = after - before
    differences = differences[~np.isnan(differences)]
    if not len(differences):
        return None
    low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _reasons(parity: Parity, tolerance: Tolerance) -> list[str]:
    reasons = []
    for name, change in (("AP", parity.ap), ("AP50", parity.ap50)):
        if abs(change.difference) > tolerance.ap:
            reasons.append(f"{name} {_told(change)}, allowed are {tolerance.ap:.4f}")
    if tolerance.matched is not None and parity.matched < tolerance.matched:
        reasons.append(f"only {parity.matched:.2%} of the detections have their like")
    high = None if parity.sensitivity.interval is None else parity.sensitivity.interval[1]
    if tolerance.sensitive and high is not None and high < 0:
        reasons.append(
            f"sensitivity {_told(parity.sensitivity)}, with no more false positives: "
            "more than chance"
        )
    for name, each in parity.per_class.items():
        if each.ap50.interval is not None and each.ap50.interval[1] < -tolerance.ap:
            reasons.append(f"{name} loses more AP50 than chance would have it")
    if reasons:
        reasons += [f"  {name}: AP50 {_told(each.ap50)}" for name, each in parity.per_class.items()]
    return reasons


def _told(change: Change) -> str:
    if change.before is None or change.after is None:
        return "of no object"
    told = f"{change.before:.4f} -> {change.after:.4f}"
    if change.interval is None:
        return told
    return f"{told} (95 % interval {change.interval[0]:+.4f} to {change.interval[1]:+.4f})"


def _alike(one: Detections, other: Detections, tolerance: Tolerance) -> int:
    """How many of ``one`` have their like in ``other``."""
    if not len(one) or not len(other):
        return 0
    near = overlaps(one.xyxy, other.xyxy) >= tolerance.iou
    near &= one.labels[:, None] == other.labels[None]
    near &= np.abs(one.scores[:, None] - other.scores[None]) <= tolerance.score
    return int(near.any(axis=1).sum())


def overlaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Overlaps ``(n, m)`` of boxes ``(n, 4)`` and ``(m, 4)``; equal boxes without area overlap."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(np.clip(x[:, 2:] - x[:, :2], 0, None), axis=1) for x in (a, b)]
    either = areas[0][:, None] + areas[1][None] - both
    same = np.abs(a[:, None] - b[None]).max(axis=2) < 1e-3
    return np.where(same, 1.0, both / np.maximum(either, 1e-9))
