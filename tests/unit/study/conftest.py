"""Finished cells as a run leaves them behind, made up but for their scores: those are the kit's own
of detections that are the labels, shaken the more the less the cell is said to know."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from kit.bundle import BundleCard, save_bundle
from kit.cards import Input
from kit.data import formats, smear
from kit.data.dataset import Dataset
from kit.data.doctor import usable
from kit.data.source import open_source
from kit.data.split import folds, split
from kit.evaluate.coco import run, summarize
from kit.evaluate.intervals import resample
from kit.evaluate.matches import match
from kit.evaluate.report import EvalReport, Measurement
from kit.files import write_json
from kit.study.cell import Cell
from kit.study.results import CELLS, Finished, Result, save
from kit.types import Detections

Skill = Callable[[Cell], float]
"""From 0, knows nothing, to 1."""


@pytest.fixture(scope="session")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blood smears, split 12/6/12."""
    return draw_smears(tmp_path_factory.mktemp("smears"))


def draw_smears(folder: Path, pictures: int = 30, size: tuple[int, int] = (160, 120)) -> Path:
    smear.make(folder / "drawn", pictures=pictures, size=size)
    apart = split(open_source(str(folder / "drawn")), (0.4, 0.2, 0.4))
    (folder / "smears").mkdir()
    formats.load("yolo").write(apart, folder / "smears")
    return folder / "smears"


@pytest.fixture(scope="session")
def fabricate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Finished]]:
    """``fabricate(cells, skill)`` fills a study's directory, each time another."""

    def make(cells: Sequence[Cell], skill: Skill = lambda _: 0.8, **how: Any) -> list[Finished]:
        out = tmp_path_factory.mktemp("study")
        return [finish(out, cell, skill(cell), **how) for cell in cells]

    return make


def finish(
    out: Path,
    cell: Cell,
    skill: float,
    *,
    overfit: bool = False,
    epochs: int = 20,
    resamples: int = 200,
    energy_wh: float | None = None,
    size: int = 96,
) -> Finished:
    """Leave behind what a cell of so much skill would."""
    # by what the cell is, not by the numbered folder that pytest gave this run
    told = re.sub(r"\b[\w-]*\d+/", "", str(cell))
    rng = np.random.default_rng(crc32(told.encode()))
    skill = float(np.clip(skill + rng.normal(0, 0.02), 0, 1))
    setting = cell.setting
    dataset = opened(setting.dataset)
    if setting.folds is not None and cell.fold is not None:
        dataset = divided(setting.dataset, setting.folds, cell.seed)[cell.fold]
    directory = out / CELLS / cell.name
    history = curve(rng, skill, epochs, overfit=overfit)
    write_json(directory / "run" / "history.json", history)
    best = max(history, key=lambda row: row["ap"])
    card = BundleCard(
        name=f"{cell.setting.model}-{dataset.name}",
        kind="checkpoint",
        family="ultralytics",
        model=cell.setting.model,
        architecture="yolov8n.yaml",
        licence="AGPL-3.0",
        classes=dataset.classes,
        input=Input(size),
        suppress=None,
        weights="weights.safetensors",
        files={},
        operating_point=0.3,
    )
    bundle = save_bundle(directory / "run" / "best", card, {"weights.safetensors": b"weights"})
    measured = measure(dataset, rng, skill, resamples, bundle.card.name, bundle.sha256)
    train = len(dataset.split("train")) * (cell.setting.draw.fraction or 1.0)
    pictures = cell.setting.draw.images or (cell.setting.draw.objects or 0) // 9 or round(train)
    result = Result(
        cell=cell,
        key="0" * 64,
        pictures=pictures,
        objects=9 * pictures + int(rng.integers(0, 5)),
        class_counts=dataset.class_counts(dataset.split("train")),
        size=size,
        epochs=epochs,
        best_epoch=best["epoch"],
        valid={"ap": best["ap"], "ap50": best["ap50"]},
        test=measured.report,
        seconds=round(float(pictures * epochs * 0.11), 1),
        energy_wh=energy_wh,
        licence="AGPL-3.0",
        environment={
            "cpu": "a processor",
            "cores": 2,
            "threads": 1,
            "governor": None,
            "load_average": round(float(rng.uniform(0.5, 2)), 2),
            "kit": "0.1.0",
            "packages": {"numpy": "2.4.6"},
            "commit": "0123456789ab",
            "torch": "2.15.0",
            "date": f"2026-11-{1 + cell.seed:02}T12:00:00+00:00",
        },
    )
    return save(directory, result, measured)


@cache
def opened(source: str) -> Dataset:
    return usable(open_source(source))


@cache
def divided(source: str, count: int, seed: int) -> list[Dataset]:
    return folds(opened(source), count, seed=seed)


def measure(
    dataset: Dataset,
    rng: np.random.Generator,
    skill: float,
    resamples: int,
    name: str,
    sha256: str,
) -> Measurement:
    """Score made-up detections on test."""
    manifest = dataset.manifest(dataset.split("test"), rule="the test split")
    chosen = dataset.take(manifest)
    found = [shaken(rng, each.truth, skill, len(dataset.classes)) for each in chosen]
    evaluator = run(chosen, found)
    scores = summarize(evaluator, chosen)
    resampled = resample(match(evaluator, chosen), scores, resamples=resamples)
    report = EvalReport(
        **vars(scores),
        interval=resampled.interval(),
        backend="ultralytics",
        provider="torch",
        device="a processor",
        precision="fp32",
        bundle=name,
        bundle_sha256=sha256,
        manifest_sha256=manifest.sha256,
        dataset=dataset.name,
        split="test",
    )
    return Measurement(report, chosen.ids, found, resampled)


def shaken(rng: np.random.Generator, truth: Detections, skill: float, classes: int) -> Detections:
    """The labels, some missed, some called another class, all moved a little; and inventions."""
    seen = rng.random(len(truth)) < 0.4 + 0.6 * skill
    side = np.sqrt(truth.area[seen])[:, None]
    boxes = truth.xyxy[seen] + rng.normal(0, 0.22 * (1.1 - skill), (seen.sum(), 4)) * side
    labels = np.where(
        rng.random(seen.sum()) < 0.3 * (1 - skill),
        rng.integers(0, classes, seen.sum()),
        truth.labels[seen],
    )
    count = int(rng.poisson(6 * (1 - skill) + 0.5))
    corner = rng.uniform(0, 90, (count, 2))
    boxes = np.concatenate([boxes, np.concatenate([corner, corner + 25], axis=1)])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    scores = np.concatenate([rng.beta(4 + 4 * skill, 2, seen.sum()), rng.beta(2, 5, count)])
    order = np.argsort(-scores)
    found = np.concatenate([labels, rng.integers(0, classes, count)])
    return Detections(boxes[order], scores[order], found[order])


def curve(
    rng: np.random.Generator, skill: float, epochs: int, *, overfit: bool = False
) -> list[dict[str, Any]]:
    """A learning curve; of one that overfits, valid loss rises over its second half."""
    rows = []
    for epoch in range(1, epochs + 1):
        done = epoch / epochs
        fall = np.exp(-4 * done)
        rise = 1.5 * max(0.0, done - 0.5) if overfit else 0.0
        ap50 = skill * (1 - fall) - 0.2 * rise
        rows.append(
            {
                "epoch": epoch,
                "train_loss": 2.2 - 0.6 * skill + 3 * fall - 0.2 * done + rng.normal(0, 0.03),
                "valid_loss": 2.6 - 0.6 * skill + 3 * fall + rise + rng.normal(0, 0.05),
                "ap": max(0.0, 0.7 * ap50 + rng.normal(0, 0.01)),
                "ap50": max(0.0, ap50),
                "train_ap": 0.75 * skill * (1 - fall),
                "train_ap50": min(1.0, 1.05 * skill * (1 - fall)),
                "seconds": 1.1,
                "valid_seconds": 0.2,
            }
        )
    return rows
