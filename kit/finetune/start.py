"""Where the weights come from: pretrained ones copied by name and shape, the rest fresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from kit.bundle import CARD, open_bundle
from kit.errors import WeightsError
from kit.families import Family
from kit.files import sha256_file

LEAST = 0.9
"""A start that fills a smaller share of the parameters before the head is not the start of this
model, and refused."""


@dataclass(frozen=True)
class Start:
    """What a start did.

    Attributes:
        kind: ``coco``, ``random`` or the name of the file or bundle.
        sha256: of the file the weights came from; None for random.
        copied: tensors copied.
        skipped: tensors of the source that found no place.
        fresh: tensors of the network left as they were initialised.
        share: copied parameters as a share of those before the head.
    """

    kind: str
    sha256: str | None
    copied: int
    skipped: int
    fresh: int
    share: float

    def __str__(self) -> str:
        if self.sha256 is None:
            return "random weights: nothing is pretrained"
        return (
            f"{self.kind}: {self.copied} tensors copied, {self.fresh} fresh, {self.skipped} of the "
            f"source not used; {self.share:.0%} of the parameters before the head"
        )


def random_start() -> Start:
    """The network as it was built."""
    return Start("random", None, 0, 0, 0, 0.0)


def load_start(family: Family, network: nn.Module, path: Path, kind: str) -> Start:
    """Copy what fits from a vendor checkpoint, or from a bundle this kit made.

    Raises:
        WeightsError: unreadable, or not weights of this model.
    """
    if path.is_dir():
        bundle = open_bundle(path)
        if bundle.card.kind != "checkpoint":
            raise WeightsError(
                "training starts from a checkpoint, this is a graph",
                where=path,
                fix="give the bundle it was exported from",
            )
        state, digest = load_file(bundle.weights), sha256_file(path / CARD)
    elif path.is_file():
        state, digest = family.read_state(path), sha256_file(path)
    else:
        raise WeightsError("there is no such file or bundle", where=path)
    return copy_state(family, network, state, kind=kind, digest=digest, where=path)


def copy_state(
    family: Family,
    network: nn.Module,
    state: Mapping[str, Tensor],
    *,
    kind: str,
    digest: str,
    where: object = None,
) -> Start:
    """Copy the tensors whose name and shape agree."""
    own = network.state_dict()
    fits = {
        name: tensor
        for name, tensor in state.items()
        if name in own and own[name].shape == tensor.shape
    }
    network.load_state_dict(fits, strict=False)
    head = family.stages(network)[-1].prefixes
    body = {name: p.numel() for name, p in network.named_parameters() if not name.startswith(head)}
    share = sum(count for name, count in body.items() if name in fits) / sum(body.values())
    if share < LEAST:
        raise WeightsError(
            f"only {share:.0%} of the parameters before the head fit: these are weights of another "
            "model",
            where=where,
            fix="choose the model they were made for",
        )
    return Start(kind, digest, len(fits), len(state) - len(fits), len(own) - len(fits), share)
