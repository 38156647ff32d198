"""A model as it was published, ready to look at pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from kit.cards import ModelCard
from kit.errors import WeightsError
from kit.families import Graph, load_family, pick_device
from kit.files import sha256_file
from kit.finetune.start import begin
from kit.progress import SILENT, Progress
from kit.weights import require


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A published model.

    Attributes:
        graph: for the card's input size, on ``device``.
        weights_sha256: of the file.
    """

    card: ModelCard
    graph: Graph
    weights_sha256: str
    device: torch.device


def pretrained(
    card: ModelCard,
    *,
    device: str = "auto",
    threads: int | None = None,
    download: bool = False,
    progress: Progress = SILENT,
) -> Pretrained:
    """Open a model card's weights, head and all.

    Raises:
        WeightsError: not on this machine, or not of this model.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    weights = require(card, allow_download=download, progress=progress)
    family, chosen = load_family(card.family), pick_device(device)
    begun = begin(family, card, card.classes, seed=0, start="coco", weights=weights)
    if begun.start.fresh:
        raise WeightsError(
            f"leave {begun.start.fresh} tensors of the model unfilled", where=weights
        )
    graph = family.graph(begun.network, card.input.size).to(chosen)
    return Pretrained(card, graph, sha256_file(weights), chosen)
