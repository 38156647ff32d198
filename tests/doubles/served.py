"""A served detector that always answers the same, without a file or an engine."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kit.app.looked import Looked
from kit.app.shelf import Served
from kit.bundle import Bundle, BundleCard
from kit.cards import Input
from kit.types import Detections, Picture, Result

CLASSES = ("cell", "platelet")
FOUND = Detections(
    np.array([[10, 10, 50, 40], [-5, 20, 30, 90], [60, 30, 90, 60]]),
    np.array([0.9, 0.6, 0.3], np.float32),
    np.array([0, 1, 0]),
)
"""On a picture of 100 x 80; the second reaches out of it, the third scores below the operating
point of 0.5."""


class Answers:
    """A detector."""

    def detect(self, images: Sequence[Picture], *, floor: float | None = None) -> list[Result]:
        return [Result(FOUND, {"run": 1_000_000}) for _ in images]


def served(classes: tuple[str, ...] = CLASSES, name: str = "fixed") -> Served:
    card = BundleCard(
        name=name,
        kind="onnx",
        family="none",
        model="fixed",
        architecture="fixed",
        licence="Apache-2.0",
        classes=classes,
        input=Input(size=64),
        suppress=None,
        weights="model.onnx",
        files={},
        boxes=3,
        operating_point=0.5,
    )
    detector: Any = Answers()
    return Served(name, Bundle(Path("fixed"), card, "c" * 64), detector, ThreadPoolExecutor(1))


def picture(seed: int = 120) -> Picture:
    """100 x 80; those of two seeds don't look alike."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (100, 80), interpolation=cv2.INTER_CUBIC), np.uint8)


def looked(seed: int = 120, by: Served | None = None, user: str | None = None) -> Looked:
    shown = picture(seed)
    return Looked(
        f"id{seed}",
        by or served(),
        shown,
        f"{seed:064x}",
        Result(FOUND, {"run": 1_000_000}),
        {"decode": 1.0, "run": 1.0},
        user,
    )
