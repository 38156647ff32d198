"""A detector around a detector: tiles, scaled scores, the watch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kit.bundle import BundleCard
from kit.types import Detections, Detector, Picture, Result, Runner, Tiling


@dataclass(frozen=True, eq=False)
class Around:
    """A :class:`kit.types.Detector` that is what the one inside is; what it does differently is up
    to :meth:`detect`.

    Attributes:
        detector: the one inside.
    """

    detector: Detector

    @property
    def classes(self) -> tuple[str, ...]:
        return self.detector.classes

    @property
    def card(self) -> BundleCard:
        card: BundleCard = self.detector.card
        return card

    @property
    def runner(self) -> Runner:
        return self.detector.runner

    @property
    def backend(self) -> str:
        return self.detector.backend

    @property
    def tiling(self) -> Tiling | None:
        return self.detector.tiling

    @property
    def fits(self) -> int | None:
        return self.detector.fits

    def __call__(self, image: Picture) -> Detections:
        """Detections of one picture at the card's operating point."""
        return self.detect([image])[0].detections

    def detect(self, images: Sequence[Picture], *, floor: float | None = None) -> list[Result]:
        """As the one inside does."""
        return self.detector.detect(images, floor=floor)
