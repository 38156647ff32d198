"""What a finished run kept of the weights it started from, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from kit.bundle import Bundle
from kit.cards import ModelCard, load_card
from kit.data.dataset import Dataset
from kit.errors import UsageError, WeightsError
from kit.families import Graph, load_family, pick_device
from kit.families.checkpoint import load_weights
from kit.files import sha256_file
from kit.finetune.job import MEAN_VAR
from kit.finetune.plan import parse
from kit.finetune.similarity import Kept, compare
from kit.finetune.start import Begun, begin
from kit.pixels import read_picture
from kit.runtime.fit import Fit
from kit.types import Picture
from kit.weights import require


def fitted(bundle: Bundle, dataset: Dataset) -> list[Picture]:
    """Every picture as the bundle's detector is given it.

    Raises:
        DataError: one can't be read.
    """
    fit = Fit(bundle.card.input)
    return [
        fit.apply(read_picture(example.path, bit_depth=dataset.bit_depth))[0] for example in dataset
    ]


def reuse(
    bundle: Bundle,
    pictures: Sequence[Picture],
    *,
    random: Sequence[Bundle] = (),
    start: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> list[Kept]:
    """Compare a run's detector with what it was before its first step.

    Args:
        bundle: a checkpoint that a run made.
        pictures: ``(S, S, 3)`` uint8 BGR, fitted to its input.
        random: checkpoints of two or more runs from random weights on the same data, for the
            baseline; or none.
        start: where the weights are that it started from, if they aren't where they were.

    Raises:
        UsageError: a bundle is no checkpoint, or one of ``random`` is of another model, started
            otherwise, or is the only one.
        WeightsError: the start is not here, or is not the one the run had.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    card = bundle.card
    for each in (bundle, *random):
        if each.card.kind != "checkpoint":
            raise UsageError(
                "holds a graph, not a checkpoint", where=each.directory, fix="give the run's best/"
            )
    for each in random:
        if each.card.training["start"]["kind"] != "random":
            raise UsageError("did not start from random weights", where=each.directory)
        if (each.card.architecture, each.card.classes) != (card.architecture, card.classes):
            raise UsageError("is of another model or other classes", where=each.directory)
    if len({each.sha256 for each in random}) == 1:
        raise UsageError("a baseline needs two different runs", where=random[0].directory)
    family, chosen = load_family(card.family), pick_device(device)

    def graph(network: nn.Module) -> Graph:
        return family.graph(network, card.input.size).to(chosen)

    def trained(of: Bundle) -> nn.Module:
        network = family.build(
            card.architecture, len(card.classes), of.card.training["pretrained_classes"]
        )
        load_weights(network, of)
        return network

    after = trained(bundle)
    return compare(
        family.stages(after),
        graph(_begin_again(bundle, start).network),
        graph(after),
        [graph(trained(each)) for each in random],
        pictures,
    )


def _begin_again(bundle: Bundle, start: Path | None) -> Begun:
    """The run's network before its first step, to the bit."""
    training = bundle.card.training
    model, told = load_card(ModelCard, bundle.card.model), training["start"]
    weights = start or _weights(model, told["kind"])
    if weights is not None:
        own = sha256_file(weights / "card.json" if weights.is_dir() else weights)
        if own != told["sha256"]:
            raise WeightsError("is not what the run started from", where=weights)
    plan = training.get("plan")
    return begin(
        load_family(bundle.card.family),
        model,
        len(bundle.card.classes),
        seed=training["seed"],
        start=told["kind"],
        weights=weights,
        plan=None if plan is None else parse(plan["notation"]),
        partial=True,
    )


def _weights(model: ModelCard, kind: str) -> Path | None:
    if kind == "random":
        return None
    if kind in ("coco", MEAN_VAR):
        return require(model)
    path = Path(kind)
    if not path.exists():
        raise WeightsError(
            "what the run started from is not here", where=kind, fix="name it with --start PATH"
        )
    return path
