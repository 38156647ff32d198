"""Two opened bundles whose answers every test can tell."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from doubles.graph import whole_picture_graph

from kit.app.desk import Desk
from kit.app.settings import Settings
from kit.app.shelf import Shelf
from kit.bundle import BundleCard, save_bundle
from kit.cards import Input


def make_bundle(directory: Path, gain: float = 1, **facts: object) -> Path:
    """One box of each class around the whole picture: ``bright`` scores its brightness times
    ``gain``, ``dark`` the rest."""
    card = BundleCard(
        **{
            "name": "whole picture",
            "kind": "onnx",
            "family": "none",
            "model": "whole",
            "architecture": "whole",
            "licence": "Apache-2.0",
            "classes": ("bright", "dark"),
            "input": Input(size=64, fit="stretch"),
            "suppress": None,
            "weights": "model.onnx",
            "files": {},
            "boxes": 1,
            **facts,
        }  # type: ignore[arg-type]
    )
    save_bundle(directory, card, {"model.onnx": whole_picture_graph(64, gain)})
    return directory


@pytest.fixture(scope="session")
def bundle_on_shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("shelf")
    whole = make_bundle(folder / "whole")
    brighter = make_bundle(folder / "brighter", 1.5)
    return Shelf.open(Settings(bundles=(whole, brighter)))


@pytest.fixture
def desk(bundle_on_shelf: Shelf) -> Desk:
    return Desk(Settings(), bundle_on_shelf)


@pytest.fixture(scope="session")
def png() -> bytes:
    """A picture as bright as 60 %, 120 by 80."""
    return cv2.imencode(".png", np.full((80, 120, 3), 153, np.uint8))[1].tobytes()
