"""A detector: fit, run, decode, and back to original pixels, each stage timed for each picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns

import numpy as np

from kit.bundle import BundleCard
from kit.errors import OutOfMemory, RunFailed
from kit.runtime import contract
from kit.runtime.fit import Fit, Window
from kit.runtime.suppress import decode, reaching
from kit.types import Detections, Picture, RawDetections, Result, Runner, Tiling

EVALUATION_FLOOR = 0.001
"""Lowest score asked for when a detector is scored: a precision-recall curve needs the tail."""


@dataclass(eq=False)
class GraphDetector:
    """Anything that keeps the graph waist, as a :class:`kit.types.Detector`.

    Attributes:
        card: what the graph expects and promises.
        runner: the graph, loaded.
        backend: name of the file in ``kit/runtime/backends`` that loaded it, or of the family.
        shrink: whether a batch that the memory is too small for is run in smaller ones.
        fits: what it was shrunk to so far; None where everything has fitted.
    """

    card: BundleCard
    runner: Runner
    backend: str = ""
    shrink: bool = False
    fits: int | None = None
    _checked: bool = field(default=False, repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.card.classes

    @property
    def tiling(self) -> Tiling | None:
        """None: see :class:`kit.runtime.tiles.TiledDetector`."""
        return None

    def __call__(self, image: Picture) -> Detections:
        """Detections of one picture at the card's operating point."""
        return self.detect([image])[0].detections

    def detect(
        self,
        images: Sequence[Picture],
        *,
        floor: float | None = None,
        windows: Sequence[Window | None] | None = None,
    ) -> list[Result]:
        """Detect on pictures of any size, in batches as large as the graph takes.

        Args:
            images: ``(H, W, 3)`` uint8 BGR each.
            floor: lowest score returned; None takes the card's operating point, class by class
                where it has one for each.
            windows: the part of each picture to look at; boxes are in pixels of the whole one.

        Raises:
            ValueError: something that is not a picture.
            BundleError: the first answer breaks the graph's promise.
            OutOfMemory: a batch is too large; the message holds one that fits.
            RunFailed: a later answer is not finite.
        """
        step = min(self.card.max_batch or len(images), self.fits or len(images)) or 1
        windows = [None] * len(images) if windows is None else windows
        results: list[Result] = []
        for start in range(0, len(images), step):
            part = slice(start, start + step)
            try:
                results.extend(self._batch(images[part], windows[part], floor))
            except OutOfMemory as error:
                self._make_room(len(images[part]), error)
                results.extend(self.detect(images[part], floor=floor, windows=windows[part]))
        return results

    def _make_room(self, batch: int, error: OutOfMemory) -> None:
        """Take half of the batch from now on, or say what would fit.

        Raises:
            OutOfMemory: it may not be shrunk, or is a single picture.
        """
        if self.shrink and batch > 1:
            self.fits = batch // 2
            return
        fix = "not even one picture fits"
        while batch := batch // 2:
            side = self.card.input.size
            try:
                self.runner.run(np.zeros((batch, side, side, 3), np.uint8))
            except OutOfMemory:
                continue
            fix = f"a batch of {batch} fits: --batch {batch}, or --shrink"
            break
        raise OutOfMemory(error.what, where=error.where, fix=fix) from error

    def _batch(
        self, images: Sequence[Picture], windows: Sequence[Window | None], floor: float | None
    ) -> Iterator[Result]:
        fit, size = Fit(self.card.input), self.card.input.size
        thresholds = self.card.thresholds if floor is None else (floor,)
        batch = np.empty((len(images), size, size, 3), np.uint8)
        placements, fit_ns = [], []
        for row, image, window in zip(batch, images, windows, strict=True):
            start = perf_counter_ns()
            placements.append(fit.apply(image, out=row, window=window)[1])
            fit_ns.append(perf_counter_ns() - start)
        raw = self.runner.run(batch)
        self._check(raw, len(images))
        shared = {stage: ns // len(images) for stage, ns in raw.stages_ns.items()}
        for index, placement in enumerate(placements):
            start = perf_counter_ns()
            try:
                found = decode(
                    raw.boxes[index],
                    raw.scores[index],
                    floor=min(thresholds),
                    cap=self.card.cap,
                    suppress=self.card.suppress,
                )
            except FloatingPointError as error:
                raise RunFailed(
                    f"the graph answered with {error}",
                    where=self._where,
                    fix="use a bundle of higher precision",
                ) from error
            if min(thresholds) < max(thresholds):
                found = reaching(found, thresholds)
            found = Detections(placement.undo(found.xyxy), found.scores, found.labels)
            stages: Mapping[str, int] = {
                "fit": fit_ns[index],
                **shared,
                "post": perf_counter_ns() - start,
            }
            yield Result(found, stages, None if raw.features is None else raw.features[index])

    @property
    def _where(self) -> str:
        return f"{self.card.name} on {self.runner.provider}"

    def _check(self, raw: RawDetections, batch: int) -> None:
        """The whole promise, once; later answers are looked at where they are decoded."""
        if not self._checked:
            contract.check(
                raw.boxes,
                raw.scores,
                raw.features,
                classes=len(self.classes),
                batch=batch,
                size=self.card.input.size,
                where=self._where,
            )
            self._checked = True
