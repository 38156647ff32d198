"""Optimizer, learning-rate schedule and weight average."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn

from kit.cards import Recipe


def make_optimizer(
    network: nn.Module, recipe: Recipe, factors: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """AdamW or SGD with Nesterov momentum; weight decay on matrices and filters only: it would
    pull biases and the scales of normalisation towards zero for no gain.

    Args:
        factors: of each parameter that learns, on the recipe's rate; None gives all the whole rate.
            Each group says its ``factor``; the highest comes first.
    """
    if recipe.lr is None:
        raise ValueError("the recipe's learning rate must be resolved first")
    trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    factors = factors or {name: 1.0 for name, _ in trained}
    groups: list[dict[str, Any]] = []
    for factor in sorted(set(factors.values()), reverse=True):
        own = [p for name, p in trained if factors[name] == factor]
        decayed, free = [p for p in own if p.ndim > 1], [p for p in own if p.ndim <= 1]
        groups += [
            {"params": params, "weight_decay": decay, "factor": factor}
            for params, decay in ((decayed, recipe.weight_decay), (free, 0.0))
            if params
        ]
    if recipe.optimizer == "sgd":
        momentum = recipe.momentum
        return torch.optim.SGD(groups, recipe.lr, momentum=momentum, nesterov=momentum > 0)
    return torch.optim.AdamW(groups, recipe.lr, betas=(recipe.momentum, 0.999))


def freeze_norm(network: nn.Module) -> None:
    """Let batch normalisation use the statistics it has instead of the batch's, and keep them."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def rate(recipe: Recipe, step: int, steps: int) -> float:
    """Factor on the learning rate at a step, in 0..1: linear warm-up, then the schedule, down to a
    hundredth at the last step."""
    warm = round(recipe.warmup * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    if recipe.schedule == "constant":
        return 1.0
    done = (step - warm) / max(steps - warm - 1, 1)
    if recipe.schedule == "linear":
        return 1.0 - 0.99 * done
    return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2


class Average:
    """Exponential moving average of a network's weights and statistics.

    The decay grows with the steps taken, ``(1 + t) / (10 + t)``, up to ``1 - 1 / horizon``, so that
    the first steps of a short training don't drown in the start.

    Args:
        still: tensors that never change, and are left alone: the average of -0.0 and -0.0 is 0.0.
    """

    def __init__(
        self, network: nn.Module, horizon: float, still: Collection[str] = frozenset()
    ) -> None:
        self._still = frozenset(still)
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.horizon = horizon
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.steps += 1
        decay = 0.0
        if self.horizon > 1:
            decay = min(1 - 1 / self.horizon, (1 + self.steps) / (10 + self.steps))
        new = network.state_dict()
        for name, kept in self.network.state_dict().items():
            if name in self._still:
                continue
            if kept.is_floating_point():
                kept.lerp_(new[name].to(kept), 1 - decay)
            else:
                kept.copy_(new[name])

    def state(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.steps = int(state["steps"])
