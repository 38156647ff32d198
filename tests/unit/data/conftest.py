"""Small dataset folders, written as files are found in the wild."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Draw = Callable[..., Path]
Folder = Callable[[dict[str, str]], Path]


@pytest.fixture
def draw() -> Draw:
    """Write a picture of noise; another seed shows something else."""

    def write(path: Path, size: tuple[int, int] = (100, 80), seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 255, (8, 10, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC))
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path, draw: Draw) -> Folder:
    """Write files by their path below one folder; those with a picture's suffix become pictures,
    each with a look of its own."""

    def write(files: dict[str, str]) -> Path:
        root = tmp_path / "set"
        for seed, (name, text) in enumerate(files.items()):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".jpg", ".png") and not text:
                draw(path, seed=seed)
            else:
                path.write_text(text)
        return root

    return write
