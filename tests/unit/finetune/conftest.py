"""A dataset small enough to train on within a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.cards import ModelCard, Recipe, load_card
from kit.data import formats, smear
from kit.data.source import open_source
from kit.data.split import split
from kit.files import sha256_file
from kit.finetune.engine import Machine
from kit.finetune.job import Job
from kit.finetune.plan import parse
from kit.finetune.rule import Extent, resolve
from kit.finetune.train import train


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
    """A job on the smears, at random weights or a bundle's, for a network of 64 pixels."""

    def make(
        *,
        epochs: int = 3,
        batch: int = 4,
        seed: int = 0,
        start: Path | None = None,
        plan: str | None = None,
        **recipe: object,
    ) -> Job:
        dataset = open_source(str(smears))
        card = load_card(ModelCard, "yolov8n")
        settings = {"mosaic": 0.5, "augment": ({"HorizontalFlip": {"p": 0.5}},), **recipe}
        chosen = resolve(
            Recipe("test", **settings),  # type: ignore[arg-type]
            card,
            Extent(8, 80, 0.1),
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
            start="random" if start is None else str(start),
            weights=start,
            weights_sha256=None if start is None else sha256_file(start / "card.json"),
            train=dataset.take(manifests["train"]),
            valid=dataset.take(manifests["valid"]),
            train_manifest=manifests["train"],
            valid_manifest=manifests["valid"],
            seed=seed,
            plan=None if plan is None else parse(plan),
        )

    return make


@pytest.fixture(scope="session")
def learnt(make_job, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    """A checkpoint that has learnt a little, and whose batch statistics have moved."""
    directory = tmp_path_factory.mktemp("learnt") / "run"
    train(make_job(epochs=1, seed=5), directory, Machine("cpu", threads=1))
    return directory / "best"
