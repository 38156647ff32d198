"""Datasets without pictures, and detectors' answers to them, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kit.data.dataset import Dataset
from kit.types import Detections, Example, Ignore

Drawn = tuple[Dataset, list[Detections]]


def draw_scene(
    seed: int,
    pictures: int = 12,
    objects: int = 12,
    noise: int = 10,
    classes: int = 3,
    ignored: float = 0.1,
    digits: int = 2,
) -> Drawn:
    """Truth, and detections that are the truth shaken, some missed, some twice, some invented.

    Scores have few digits, so that ties happen. The last class has no object.
    """
    rng = np.random.default_rng(seed)
    examples, predictions = [], []
    for index in range(pictures):
        count = int(rng.integers(0, objects + 1))
        corner, size = rng.uniform(0, 300, (count, 2)), rng.uniform(8, 90, (count, 2))
        boxes = np.concatenate([corner, corner + size], axis=1)
        labels = rng.integers(0, max(classes - 1, 1), count)
        kinds = rng.choice([Ignore.NONE, Ignore.DIFFICULT, Ignore.CROWD], count,
                           p=[1 - ignored, ignored / 2, ignored / 2])  # fmt: skip
        examples.append(
            Example(
                id=f"{index}.png",
                path=Path(f"{index}.png"),
                size=(400, 400),
                truth=Detections.truth(boxes, labels),
                ignore=kinds.astype(np.uint8),
            )
        )
        copies = rng.choice(count, int(1.3 * count)) if count else np.zeros(0, int)
        shaken = boxes[copies] + rng.normal(0, 4, (len(copies), 4))
        corner = rng.uniform(0, 300, (noise, 2))
        invented = np.concatenate([corner, corner + rng.uniform(5, 60, (noise, 2))], axis=1)
        found = np.concatenate([shaken, invented])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        guessed = np.concatenate([labels[copies], rng.integers(0, classes, noise)])
        scores = np.concatenate([rng.beta(4, 2, len(copies)), rng.beta(1, 4, noise)])
        predictions.append(Detections(found, scores.round(digits), guessed))
    names = [f"class {k}" for k in range(classes)]
    return Dataset.from_examples("drawn", Path(), names, examples, {}), predictions


@pytest.fixture
def scene() -> Callable[..., Drawn]:
    return draw_scene
