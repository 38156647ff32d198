"""A detector whose answer can be read off the picture, and folders of such pictures.

A picture is painted in one colour ``(look, red, doubt)``. The detector finds one box on it, scored
``doubt / 200`` (none at 0), and its features are ``look`` and ``red``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from kit.bundle import Bundle, BundleCard, save_bundle
from kit.cards import Input
from kit.types import Detections, Result

CLASSES = ("cell", "dust")
Colour = tuple[int, int, int]


@dataclass
class Reader:
    """Reads its answer off the picture."""

    features: bool = True
    classes: tuple[str, ...] = CLASSES
    backend: str = "reader"
    card: Any = None
    runner: Any = None
    looked: int = 0
    floor: float | None = None

    def __post_init__(self) -> None:
        self.card = SimpleNamespace(thresholds=(0.25, 0.25), name="reader")

    def detect(self, images: Any, *, floor: float | None = None) -> list[Result]:
        self.looked, self.floor = self.looked + len(images), floor
        return [self._answer(image, floor or 0.25) for image in images]

    def __call__(self, image: Any) -> Detections:
        return self.detect([image])[0].detections

    def _answer(self, image: Any, floor: float) -> Result:
        look, red, doubt = (float(value) for value in image[0, 0])
        found = Detections([[4, 4, 24, 24]], [doubt / 200], [1])
        features = np.array([look, red], np.float32) if self.features else None
        return Result(found[found.scores >= floor], {}, features)


@pytest.fixture
def reader() -> Callable[..., Reader]:
    return Reader


@pytest.fixture
def paint(tmp_path: Path) -> Callable[[Mapping[str, Colour]], Path]:
    """Make a folder of pictures of one colour each, by name."""

    def make(colours: Mapping[str, Colour]) -> Path:
        folder = tmp_path / "ward"
        for name, colour in colours.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((60, 80, 3), colour, np.uint8))
        return folder

    return make


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    card = BundleCard(
        name="reader", kind="onnx", family="none", model="m", architecture="a", licence="l",
        classes=CLASSES, input=Input(64), suppress=None, weights="w", files={},
    )  # fmt: skip
    return save_bundle(tmp_path / "bundle", card, {"w": b"w"})
