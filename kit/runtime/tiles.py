"""Small objects in large pictures: a detector looks at overlapping tiles, and at the whole.

Slicing aided inference (Akyon et al., "Slicing aided hyper inference and fine-tuning for small
object detection", ICIP 2022): fitted to the graph's input, a large picture loses its small objects;
a tile of it loses less. The whole picture is looked at too, for what is larger than a tile.

What a tile's edge cuts through is left to a view that doesn't cut it. An object somewhat smaller
than the overlap lies whole in a tile, wherever it is, and any object in the whole picture. So a
tile's box that touches an edge inside the picture is dropped, whatever its score: kept, pieces of
large objects cost more accuracy than small objects bring (``benchmarks/tiling.py``). And since no
other box decides it, a floor of 0.5 returns what a lower one returns from 0.5 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from kit.errors import UsageError
from kit.runtime.around import Around
from kit.runtime.detector import GraphDetector
from kit.runtime.fit import Window
from kit.runtime.suppress import merge
from kit.types import Picture, Result, Tiling

BATCH = 8
"""Most tiles run at once, whatever the graph takes: bounds the memory."""

MOST = 1000
"""Most tiles of one picture."""

MERGE_IOU = 0.6
"""Boxes of one class that overlap more are of one object, though the bundle's card may allow more:
those of a coarse and a fine view agree less than those of one view."""

_NEAR = 0.01  # of a tile's side: a box this close to an edge touches it


def windows(width: int, height: int, tiling: Tiling) -> list[Window]:
    """Cut a picture into tiles of one size, which cover it and don't reach beyond it.

    Tiles are spread evenly: as few as keep the overlap, each sharing as much with the next.

    Returns:
        Row by row; one window, of everything, where the picture is not larger than a tile.

    Raises:
        UsageError: more than :data:`MOST`.
    """
    columns, rows = _starts(width, tiling), _starts(height, tiling)
    if (count := len(columns) * len(rows)) > MOST:
        raise UsageError(
            f"a picture of {width} x {height} pixels would be cut into {count} {tiling}; "
            f"at most {MOST} are",
            fix="take larger tiles, or less overlap",
        )
    wide, high = min(tiling.side, width), min(tiling.side, height)
    return [Window(x, y, x + wide, y + high) for y in rows for x in columns]


def _starts(length: int, tiling: Tiling) -> list[int]:
    """Where tiles begin along an axis."""
    spare = length - tiling.side
    if spare <= 0:
        return [0]
    step = tiling.side - ceil(tiling.side * tiling.overlap)
    count = ceil(spare / step)
    return [place * spare // count for place in range(count + 1)]


def whole(xyxy: NDArray[np.float64], window: Window, width: int, height: int) -> NDArray[np.bool_]:
    """``(n,)`` which boxes, in original pixels, touch no edge of a tile inside the picture."""
    edges = np.array([window.left, window.top, window.right, window.bottom])
    inside = edges != np.array([0, 0, width, height])
    sides = np.array([window.right - window.left, window.bottom - window.top] * 2)
    near = np.abs(xyxy - edges) <= np.maximum(_NEAR * sides, 1.0)
    return np.asarray(~(near & inside).any(axis=1))


@dataclass(frozen=True, eq=False)
class TiledDetector(Around):
    """It cuts large pictures into tiles.

    A picture not larger than a tile is looked at once, as if there were no tiling.

    Attributes:
        detector: looks at each tile.
        cut: how.
    """

    detector: GraphDetector
    cut: Tiling

    @property
    def tiling(self) -> Tiling | None:
        return self.cut

    def detect(self, images: Sequence[Picture], *, floor: float | None = None) -> list[Result]:
        """Detect on pictures of any size, tile by tile, and merge what was found.

        Each stage of a result is the sum over the picture's views, merging belongs to ``post``.
        Features are the whole picture's.

        Raises:
            UsageError: too many tiles.
            ValueError, BundleError, RunFailed: as :meth:`GraphDetector.detect`.
        """
        large = [max(image.shape[:2], default=0) > self.cut.side for image in images]
        small = [image for image, cut in zip(images, large, strict=True) if not cut]
        at_once = iter(self.detector.detect(small, floor=floor))
        return [
            self._tiled(image, floor) if cut else next(at_once)
            for image, cut in zip(images, large, strict=True)
        ]

    def _tiled(self, image: Picture, floor: float | None) -> Result:
        height, width = image.shape[:2]
        places = windows(width, height, self.cut)
        views: list[Window | None] = [None, *places]
        seen: list[Result] = []
        for start in range(0, len(views), BATCH):
            part = views[start : start + BATCH]
            seen += self.detector.detect([image] * len(part), floor=floor, windows=part)
        begun = perf_counter_ns()
        parts = [seen[0].detections]
        for result, window in zip(seen[1:], places, strict=True):
            found = result.detections
            parts.append(found[whole(found.xyxy, window, width, height)])
        suppress = self.card.suppress
        iou = MERGE_IOU if suppress is None else min(suppress.iou, MERGE_IOU)
        found = merge(parts, iou=iou, cap=self.card.cap)
        stages = {
            stage: sum(result.stages_ns[stage] for result in seen) for stage in seen[0].stages_ns
        }
        stages["post"] += perf_counter_ns() - begun
        return Result(found, stages, seen[0].features)
