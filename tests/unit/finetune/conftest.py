"""A dataset small enough to train on within a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.cards import ModelCard, Recipe, load_card
from kit.data import formats, smear
from kit.data.source import open_source
from kit.data.split import split
from kit.finetune.job import Job, resolve


@pytest.fixture(scope="session")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen blood smears, split 8/4/4."""
    folder = tmp_path_factory.mktemp("smears")
    smear.make(folder / "drawn", pictures=16, size=(128, 96))
    apart = split(open_source(str(folder / "drawn")), (0.5, 0.25, 0.25))
    (folder / "data").mkdir()
    formats.load("yolo").write(apart, folder / "data")
    return folder / "data"


@pytest.fixture(scope="session")
def make_job(smears: Path):  # type: ignore[no-untyped-def]  # a factory with a job's own arguments
    """A job on the smears, at random weights, for a network of 64 pixels."""

    def make(*, epochs: int = 3, batch: int = 4, seed: int = 0, **recipe: object) -> Job:
        dataset = open_source(str(smears))
        card = load_card(ModelCard, "yolov8n")
        settings = {"mosaic": 0.5, "augment": ({"HorizontalFlip": {"p": 0.5}},), **recipe}
        chosen = resolve(
            Recipe("test", **settings),  # type: ignore[arg-type]
            card,
            8,
            epochs=epochs,
            batch=batch,
            size=64,
        )
        manifests = {
            name: dataset.manifest(dataset.split(name), rule=name) for name in ("train", "valid")
        }
        return Job(
            model=card,
            recipe=chosen,
            start="random",
            weights=None,
            weights_sha256=None,
            train=dataset.take(manifests["train"]),
            valid=dataset.take(manifests["valid"]),
            train_manifest=manifests["train"],
            valid_manifest=manifests["valid"],
            seed=seed,
        )

    return make
