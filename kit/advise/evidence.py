"""Look at a dataset through a pretrained model, and gather what advice rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit.advise.bands import Bands, fall
from kit.advise.facts import Facts, gather
from kit.advise.measured import Case, Measured, known, nearest
from kit.advise.recommend import Advice, recommend
from kit.binding import plain
from kit.cards import ModelCard, card_folder, load_card
from kit.data.dataset import Dataset
from kit.data.doctor import usable
from kit.data.findings import require_read
from kit.data.manifest import Manifest
from kit.data.source import open_source
from kit.errors import DataError
from kit.finetune.distance import Distance, Reference, of
from kit.finetune.features import Features, extract
from kit.finetune.prepare import chosen_pictures, examined
from kit.finetune.pretrained import Pretrained, pretrained
from kit.finetune.transferability import tlogme
from kit.progress import SILENT, Progress


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was seen, and what follows.

    Attributes:
        sample: the training pictures that were looked at.
        distances: of whole ``pictures``, and of the ``objects`` on them.
        tlogme: transferability; to be compared between models.
        case: the most similar one of the kit's own studies.
    """

    card: ModelCard
    dataset: Dataset
    sample: Manifest
    held: Facts
    reference: Reference
    distances: Mapping[str, Distance]
    tlogme: float
    bands: Bands
    case: tuple[Measured, Case] | None
    advice: tuple[Advice, ...]

    def facts(self) -> dict[str, Any]:
        """In plain data; ``distance`` is of whole pictures, its ``objects`` of those on them."""
        distance = self.distances["pictures"].facts()
        return {
            "model": self.card.name,
            "licence": self.card.licence,
            "dataset": self.dataset.name,
            "manifest_sha256": self.sample.sha256,
            "distance": {**distance, "objects": self.distances["objects"].facts()},
            "reference": {
                "source": self.reference.source,
                "pictures": len(self.reference.pictures),
                "weights_sha256": self.reference.weights_sha256,
            },
            "yardsticks": {name: dict(each) for name, each in self.reference.yardsticks.items()},
            "tlogme": round(self.tlogme, 4),
            "data": plain(self.held),
            "bands": {**plain(self.bands), "calibrated": False},
            "measured": None if self.case is None else plain(self.case[1]),
            "advice": [plain(each) for each in self.advice],
        }


def look(
    model: str,
    source: str,
    *,
    sample: Path | None = None,
    reference: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    download: bool = False,
    progress: Progress = SILENT,
) -> Evidence:
    """Gather the evidence.

    Args:
        sample: a manifest of training pictures; None looks at the whole train split.
        reference: a file; None takes the one beside the model's card.

    Raises:
        DataError: the dataset has errors, or the reference is missing or of another model.
        WeightsError: the pretrained weights are not here.
    """
    card = load_card(ModelCard, model)
    where = reference or beside(card)
    found = Reference.load(where)
    dataset = examined(source, progress=progress)
    manifest = chosen_pictures(dataset, sample)
    if not manifest.objects:
        raise DataError("no training picture shows an object", where=dataset.source)
    own = pretrained(card, device=device, threads=threads, download=download, progress=progress)
    found.require_model(card.name, own.weights_sha256, card.input.size, where)
    train = dataset.take(manifest)
    features = _features(own, train, progress)
    distances, held = of(features, found), gather(train, card.input, card.input.size)
    cosine = distances["pictures"].cosine.value
    bands = fall(cosine, held.fewest)
    case = nearest(known(card.name), cosine, held.pictures)
    return Evidence(
        card, dataset, manifest, held, found, distances, tlogme(features), bands, case,
        tuple(recommend(held, card.input.size, distances["pictures"], bands, case)),
    )  # fmt: skip


def write_reference(
    model: str,
    source: str,
    path: Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    download: bool = False,
    progress: Progress = SILENT,
) -> Reference:
    """Make a reference of all pictures of a folder, and write it.

    Raises:
        DataError: pictures or labels can't be read.
        WeightsError: the pretrained weights are not here.
    """
    card = load_card(ModelCard, model)
    dataset = open_source(source, progress=progress)
    require_read(dataset, before="measuring")
    dataset = usable(dataset)
    own = pretrained(card, device=device, threads=threads, download=download, progress=progress)
    features = _features(own, dataset, progress)
    every = dataset.manifest(np.arange(len(dataset)), rule="all pictures")
    reference = Reference(
        model=card.name,
        weights_sha256=own.weights_sha256,
        size=card.input.size,
        source=f"{len(dataset)} pictures of {dataset.name}",
        sha256=dict(zip(every.ids, every.pictures, strict=True)),
        pictures=features.pictures,
        objects=features.pictures_by_object,
    )
    reference.save(path)
    return reference


def _features(own: Pretrained, dataset: Dataset, progress: Progress) -> Features:
    return extract(own.graph, dataset, own.card.input, device=own.device, progress=progress)


def beside(card: ModelCard) -> Path:
    path = card_folder(ModelCard) / f"{card.name}.coco.safetensors"
    if not path.is_file():
        raise DataError(
            f"the kit has no COCO reference for {card.name}",
            where=path,
            fix=f"kit advise {card.name} COCO_FOLDER --write-reference FILE, then --reference FILE",
        )
    return path
