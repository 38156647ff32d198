"""A plan laid over a network: what becomes of each tensor."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from kit.errors import UsageError
from kit.families import Family, Stage
from kit.finetune.plan import CLASSES, Plan, Treatment

NEW, TUNED = Treatment("R", 1.0), Treatment("T", 1.0)
_COUNTER = "num_batches_tracked"
"""Batch normalisation counts with it, and does nothing with the count."""


@dataclass(frozen=True)
class Layout:
    """Stages of a network with their treatments.

    Attributes:
        plan: None tunes everything at the rate of new layers.
        stages, treatments: first to last.
        classes: prefixes of the class-dependent layers.
    """

    plan: Plan | None
    stages: tuple[Stage, ...]
    treatments: tuple[Treatment, ...]
    classes: tuple[str, ...]

    def of(self, tensor: str) -> Treatment:
        """The treatment of a parameter or buffer, by its name."""
        if self.plan is not None and self.plan.new_classes and tensor.startswith(self.classes):
            return NEW
        for stage, treatment in zip(self.stages, self.treatments, strict=True):
            if tensor.startswith(stage.prefixes):
                return treatment
        return TUNED

    def counts(self, tensor: str) -> bool:
        """Whether a start must fill a parameter: those of the stages that a plan copies; without
        one, those before the head. Class-dependent layers never."""
        if tensor.startswith(self.classes):
            return False
        if self.plan is not None:
            return self.of(tensor).letter != "R"
        return not any(
            stage.name.split()[0] == "head" and tensor.startswith(stage.prefixes)
            for stage in self.stages
        )

    def frozen(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those weights and statistics of a network's state that the plan freezes."""
        return {name: value for name, value in state.items() if self.of(name).letter == "F"}

    def digest(self, state: Mapping[str, Tensor]) -> str:
        """Of everything frozen: names and values."""
        total = hashlib.sha256()
        for name, value in sorted(self.frozen(state).items()):
            total.update(name.encode())
            total.update(value.detach().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()

    def hold(self, network: nn.Module) -> None:
        """Put what is frozen into evaluation: batch normalisation uses the statistics it has and
        keeps them. Only modules without parts: a head as a whole would answer otherwise."""
        for name, module in network.named_modules():
            if not any(module.children()) and self.of(f"{name}.").letter == "F":
                module.eval()


def lay_out(family: Family, network: nn.Module, plan: Plan | None) -> Layout:
    """Lay a plan over a family's network.

    Raises:
        UsageError: the plan doesn't fit the network's stages.
    """
    stages = family.stages(network)
    treatments = (TUNED,) * len(stages)
    if plan is not None:
        treatments = plan.over([stage.name for stage in stages])
    return Layout(plan, stages, treatments, family.class_layers(network))


def learning_rates(layout: Layout, network: nn.Module, filled: Collection[str]) -> dict[str, float]:
    """Freeze what the plan freezes, and give every other parameter its factor on the rate.

    Args:
        filled: tensors that the start filled; others are new, and learn at the full rate.

    Raises:
        UsageError: what is frozen would stay as it was drawn.
    """
    unlearnt = [
        name
        for name in layout.frozen(network.state_dict())
        if name not in filled and not name.endswith(_COUNTER)
    ]
    if unlearnt:
        of_classes = all(name.startswith(layout.classes) for name in unlearnt)
        raise UsageError(
            f"freezes {len(unlearnt)} tensors that the start has not filled, so they would stay "
            f"random for ever, e.g. {unlearnt[0]}",
            where=f'plan "{layout.plan}"',
            fix=f"they depend on the classes: add R:{CLASSES}, or tune their stage"
            if of_classes
            else "mark their stage R, or choose another start",
        )
    factors: dict[str, float] = {}
    for name, parameter in network.named_parameters():
        treatment = layout.of(name)
        if treatment.letter == "F":
            parameter.requires_grad_(False)
        elif parameter.requires_grad:
            factors[name] = treatment.factor if name in filled else NEW.factor
    return factors


def told(layout: Layout, network: nn.Module) -> dict[str, Any]:
    """The plan for the bundle's card, with the digest of everything frozen."""
    stages = zip(layout.stages, layout.treatments, strict=True)
    return {
        "notation": str(layout.plan),
        "stages": {stage.name: str(treatment) for stage, treatment in stages},
        "frozen_sha256": layout.digest(network.state_dict()),
    }


def spoken(layout: Layout, network: nn.Module) -> str:
    """The plan for a person."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    learning = sum(size for size, learns in sizes if learns)
    return (
        f"plan {layout.plan}: {learning:,} of {sum(size for size, _ in sizes):,} parameters learn"
    )


def modules_within(network: nn.Module, prefixes: tuple[str, ...]) -> dict[str, nn.Module]:
    """By name; those that stand elsewhere too, as activations may, are no part of a stage."""
    every = list(network.named_modules(remove_duplicate=False))
    outside = {id(module) for name, module in every if not f"{name}.".startswith(prefixes)}
    return {
        name: module
        for name, module in network.named_modules()
        if f"{name}.".startswith(prefixes) and id(module) not in outside
    }
