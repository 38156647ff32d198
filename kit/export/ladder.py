"""Ways to int8, from the plainest to the most careful, until one passes the gate.

First the ranges: percentile, then entropy, then more pictures. Then the layers that suffer most
are left in float, a few at a time. Which those are is measured: each layer is quantised alone, and
what that does to the detections is its damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from kit.cards import Input
from kit.data.dataset import Dataset
from kit.errors import BundleError, GateRefused, KitError, RunFailed
from kit.export.parity import Parity, overlaps
from kit.export.quantise import Method, Ranges, calibrate, candidates, quantise
from kit.pixels import read_picture
from kit.progress import SILENT, Progress
from kit.runtime.fit import Fit
from kit.types import Detections, Detector

PICTURES = 300
"""To calibrate with, at first."""

MORE = 1000
"""At most, when those were not enough."""

SPARED = (3, 6, 12)
"""How many layers are left in float, one after the other."""

_LOOKED_AT = 16  # pictures that tell a layer's damage
_FLOOR = 0.05  # weaker detections don't count there: they come and go with rounding


@dataclass(frozen=True)
class Step:
    """One way.

    Attributes:
        method: by which ranges are chosen. pictures: that they were chosen on.
        spared: layers left in float, beside the head's last.
    """

    method: Method
    pictures: int
    spared: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = f"{self.method} of {self.pictures} pictures"
        return f"{told}, {len(self.spared)} layers left in float" if self.spared else told


@dataclass(frozen=True, eq=False)
class Tried:
    """A way that was gone, and what the gate said."""

    step: Step
    model: ModelProto
    parity: Parity


@dataclass(frozen=True, eq=False)
class Climbed:
    """All ways that were tried, the last of which passed or none did.

    Attributes:
        damages: of each layer, where they had to be measured.
    """

    tried: Sequence[Tried]
    damages: Mapping[str, float]

    def facts(self) -> dict[str, Any]:
        """For the card of what came out."""
        last = self.tried[-1].step
        return {
            "method": last.method,
            "pictures": last.pictures,
            "left_in_float": list(last.spared),
            "damages": {name: round(value, 5) for name, value in self.damages.items()},
            "tried": [
                {
                    "step": str(each.step),
                    "ap": each.parity.ap.after,
                    "refused": list(each.parity.refused),
                }
                for each in self.tried
            ],
        }


@dataclass(eq=False)
class Quantiser:
    """Makes int8 graphs of one float32 graph; ranges and damages are measured once.

    Attributes:
        model: named, see :func:`kit.export.anatomy.named`.
        pictures: of the train split.
        open: a graph as a detector.
    """

    model: ModelProto
    pictures: Dataset
    input: Input
    open: Callable[[ModelProto], Detector]
    progress: Progress = SILENT
    _ranges: dict[tuple[Method, int], Ranges] = field(default_factory=dict)

    def make(self, step: Step) -> ModelProto:
        """The graph of a step."""
        layers = set(candidates(self.model)) - set(step.spared)
        return quantise(self.model, self.ranges(step), layers)

    def ranges(self, step: Step) -> Ranges:
        """By the method and on the pictures of a step."""
        key = (step.method, step.pictures)
        if key not in self._ranges:
            self._ranges[key] = calibrate(
                self.model,
                self._fitted(step.pictures),
                step.method,
                total=step.pictures,
                progress=self.progress,
            )
        return self._ranges[key]

    def damages(self, step: Step) -> Mapping[str, float]:
        """What each layer does when it alone is quantised, the worst first: the share of the float
        graph's detections that is lost, counting overlap and score; 0..1."""
        some = [
            read_picture(self.pictures.path(place), bit_depth=self.pictures.bit_depth)
            for place in range(min(_LOOKED_AT, len(self.pictures)))
        ]

        def detect(model: ModelProto) -> list[Detections]:
            detector = self.open(model)
            return [detector.detect([each], floor=_FLOOR)[0].detections for each in some]

        whole, ranges = detect(self.model), self.ranges(step)
        layers, found = candidates(self.model), dict[str, float]()
        for layer in self.progress.track(layers, "each layer alone", len(layers)):
            try:
                found[layer] = _damage(whole, detect(quantise(self.model, ranges, {layer})))
            except (BundleError, RunFailed):  # it answers with nothing finite
                found[layer] = 1.0
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def _fitted(self, count: int) -> Iterator[NDArray[np.uint8]]:
        fit = Fit(self.input)
        for place in range(count):
            picture = read_picture(self.pictures.path(place), bit_depth=self.pictures.bit_depth)
            yield fit.apply(picture)[0][None]


def climb(
    quantiser: Quantiser,
    judge: Callable[[ModelProto], Parity],
    *,
    first: int = PICTURES,
    progress: Progress = SILENT,
) -> Climbed:
    """Try one way after the other until the gate lets one through.

    Args:
        first: pictures to calibrate with before there is a reason for more.

    Raises:
        RunFailed: no way of choosing ranges works.
        GateRefused: none answers with finite numbers.
    """
    tried, failed = list[Tried](), list[KitError]()

    def passes(step: Step) -> bool:
        try:
            model = quantiser.make(step)
            tried.append(Tried(step, model, judge(model)))
        except (RunFailed, GateRefused) as error:  # no ranges, or no answer: another way may have
            failed.append(error)
            progress.note(f"int8, {step}: {error}")
            return False
        parity = tried[-1].parity
        progress.note(
            f"int8, {step}: AP {parity.ap.before or 0:.4f} -> {parity.ap.after or 0:.4f}, "
            + ("refused" if parity.refused else "passed")
        )
        return not parity.refused

    for step in _by_range(len(quantiser.pictures), first):
        if passes(step):
            return Climbed(tried, {})
    if not tried:
        raise failed[-1]
    best = max(tried, key=lambda each: each.parity.ap.difference).step
    damages = quantiser.damages(best)
    for count in SPARED:
        if 2 * count > len(damages):  # that would be a float graph by another name
            break
        if passes(Step(best.method, best.pictures, tuple(list(damages)[:count]))):
            break
    return Climbed(tried, damages)


def _by_range(available: int, first: int) -> Sequence[Step]:
    few, many = min(first, available), min(max(MORE, first), available)
    steps = [Step("percentile", few), Step("entropy", few)]
    return steps if many == few else [*steps, Step("percentile", many), Step("entropy", many)]


def _damage(reference: Sequence[Detections], found: Sequence[Detections]) -> float:
    kept, total = 0.0, 0
    for one, other in zip(reference, found, strict=True):
        total += len(one)
        if len(one) and len(other):
            like = overlaps(one.xyxy, other.xyxy)
            like *= 1 - np.abs(one.scores[:, None] - other.scores[None])
            like[one.labels[:, None] != other.labels[None]] = 0
            kept += float(like.max(axis=1).sum())
    return 1 - kept / total if total else 0.0
