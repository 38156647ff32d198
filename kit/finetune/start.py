"""Where the weights come from: pretrained ones copied by name and shape, the rest fresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kit.bundle import CARD, open_bundle
from kit.cards import ModelCard
from kit.errors import WeightsError
from kit.families import Family
from kit.families.checkpoint import read_tensors
from kit.files import sha256_file
from kit.finetune.job import MEAN_VAR
from kit.finetune.layout import Layout, lay_out
from kit.finetune.plan import Plan

LEAST = 0.9
"""A start that fills a smaller share of the parameters that are counted on is not the start of this
model, and refused unless it is allowed."""


@dataclass(frozen=True)
class Start:
    """What a start did.

    Attributes:
        kind: ``coco``, ``random``, ``mean-var`` or the name of the file or bundle.
        sha256: of the file the weights came from; None for random.
        copied: tensors copied; for ``mean-var``, drawn like them.
        skipped: tensors of the source that found no place.
        fresh: tensors of the network left as they were initialised.
        share: copied parameters as a share of those that the plan copies or, without a plan, of
            those before the head; class-dependent layers aside.
        filled: names of the tensors copied or drawn.
    """

    kind: str
    sha256: str | None
    copied: int
    skipped: int
    fresh: int
    share: float
    filled: frozenset[str] = field(default=frozenset(), repr=False)

    def facts(self) -> dict[str, Any]:
        """For the bundle's card."""
        return {name: value for name, value in vars(self).items() if name != "filled"}

    def __str__(self) -> str:
        if self.sha256 is None:
            return "random weights: nothing is pretrained"
        verb = "drawn with the mean and variance of each" if self.kind == MEAN_VAR else "copied"
        return (
            f"{self.kind}: {self.copied} tensors {verb}, {self.fresh} fresh, {self.skipped} of the "
            f"source not used; {self.share:.0%} of the parameters to be copied"
        )


@dataclass(frozen=True, eq=False)
class Begun:
    """A network before its first step."""

    network: nn.Module
    layout: Layout
    start: Start


def begin(
    family: Family,
    model: ModelCard,
    classes: int,
    *,
    seed: int,
    start: str,
    weights: Path | None,
    plan: Plan | None = None,
    partial: bool = False,
) -> Begun:
    """Build a network and fill it; equal arguments give equal weights.

    Args:
        classes: that it is to tell apart.
        start: what the user called it.
        weights: where it led; None leaves the network as it was built.

    Raises:
        UsageError: the plan doesn't fit the model.
        WeightsError: the start can't be read or is of another model.
    """
    torch.manual_seed(seed)
    network = family.build(model.architecture, classes, model.classes)
    layout = lay_out(family, network, plan)
    if weights is None:
        return Begun(network, layout, Start("random", None, 0, 0, 0, 0.0))
    found = load_start(family, network, weights, start, layout=layout, partial=partial, seed=seed)
    return Begun(network, layout, found)


def load_start(
    family: Family,
    network: nn.Module,
    path: Path,
    kind: str,
    *,
    layout: Layout | None = None,
    partial: bool = False,
    seed: int = 0,
) -> Start:
    """Copy what fits from a vendor checkpoint, or from a bundle this kit made.

    Args:
        kind: what the user called it; ``mean-var`` draws instead of copying.
        layout: says what is not to be copied; None copies all that fits.
        partial: whether it may fill less than it should.
        seed: of the draw.

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
        state, digest = read_tensors(bundle.weights), sha256_file(path / CARD)
    elif path.is_file():
        state, digest = family.read_state(path), sha256_file(path)
    else:
        raise WeightsError("there is no such file or bundle", where=path)
    layout = layout or lay_out(family, network, None)
    own = network.state_dict()
    fits = {
        name: tensor
        for name, tensor in state.items()
        if name in own and own[name].shape == tensor.shape and layout.of(name).letter != "R"
    }
    if kind == MEAN_VAR:
        fits = draw_like(network, fits, seed)
    share = _share(network, layout, fits)
    if share < LEAST and not partial:
        raise _too_little(share, layout, path)
    network.load_state_dict(fits, strict=False)
    fresh = len(network.state_dict()) - len(fits)  # as it is now: what comes frozen counts nothing
    return Start(kind, digest, len(fits), len(state) - len(fits), fresh, share, frozenset(fits))


def draw_like(network: nn.Module, state: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """The Mean Var initialisation of Raghu et al., "Transfusion" (2019): each weight is drawn from
    a normal distribution with the mean and variance of its tensor.

    So the scale of what was learnt is kept, and no feature. Statistics of batch normalisation are
    left out, since they are of features that are gone: they stay as the network was built, and
    follow in the first steps. Constants (parameters that never learn) are kept.

    Args:
        state: tensors that fit the network.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn: dict[str, Tensor] = {}
    for name, parameter in network.named_parameters():
        if name not in state:
            continue
        like = state[name].double()
        if parameter.requires_grad:
            noise = torch.randn(like.shape, generator=generator, dtype=torch.float64)
            like = like.mean() + like.std(correction=0) * noise
        drawn[name] = like.to(parameter.dtype)
    return drawn


def _share(network: nn.Module, layout: Layout, fits: Mapping[str, Tensor]) -> float:
    sizes = {name: p.numel() for name, p in network.named_parameters() if layout.counts(name)}
    if not sizes:  # the plan copies nothing
        return 1.0
    return sum(size for name, size in sizes.items() if name in fits) / sum(sizes.values())


def _too_little(share: float, layout: Layout, path: Path) -> WeightsError:
    if layout.plan is None:
        return WeightsError(
            f"only {share:.0%} of the parameters before the head fit: these are weights of another "
            "model",
            where=path,
            fix="choose the model they were made for; --allow-partial takes what fits",
        )
    return WeightsError(
        f'only {share:.0%} of the parameters that the plan "{layout.plan}" copies fit',
        where=path,
        fix="mark the stages that don't as R; --allow-partial takes what fits",
    )
