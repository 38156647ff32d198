"""Which stages of a network fine-tuning has kept, and which it has made anew.

Two networks of one architecture look at the same pictures, and what their stages answer is compared
by two measures that don't care how channels are turned or numbered: SVCCA (Raghu et al., "SVCCA:
Singular Vector Canonical Correlation Analysis for Deep Learning Dynamics and Interpretability",
2017) and linear CKA (Kornblith et al., "Similarity of Neural Network Representations Revisited",
2019). Neither is 0 for networks that share nothing, since both see the same pictures: so what was
kept is told from what any training leads to by networks that were trained from random weights, and
compared with each other ("Transfusion", Raghu et al., 2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kit.families import Graph, Stage
from kit.finetune.layout import modules_within
from kit.types import Picture

Array = NDArray[np.float64]

KEPT_VARIANCE = 0.99
"""Directions that explain so much of the variance enter SVCCA."""

_PLACES = 64  # of each map and picture that are looked at


@dataclass(frozen=True)
class Alike:
    """How alike two networks' answers at a stage are, 0..1."""

    cka: float
    svcca: float


@dataclass(frozen=True)
class Kept:
    """What training left of a stage.

    Attributes:
        stage: its name.
        trained: before and after training.
        random: each pair of networks that were trained from random weights; may be empty.
    """

    stage: str
    trained: Alike
    random: Sequence[Alike]

    @property
    def reused(self) -> bool | None:
        """Whether more was kept than any two of the others share, by both measures; None where
        there are none."""
        if not self.random:
            return None
        return all(
            getattr(self.trained, name) > max(getattr(pair, name) for pair in self.random)
            for name in ("cka", "svcca")
        )


def compare(
    stages: Sequence[Stage],
    before: Graph,
    after: Graph,
    random: Sequence[Graph],
    pictures: Sequence[Picture],
) -> list[Kept]:
    """Compare stage by stage.

    Args:
        stages: of the networks.
        before, after, random: graphs of one architecture and size; each pair of ``random`` is
            compared.
        pictures: ``(S, S, 3)`` uint8 BGR, fitted to the graphs' input.

    Returns:
        Of each stage that answers once for each picture and place, in order. (The second step of a
        two-stage detector answers for what the first proposed, which differs.)
    """
    seen = answers(stages, before, pictures), answers(stages, after, pictures)
    others = [answers(stages, each, pictures) for each in random]
    return [
        Kept(
            stage.name,
            alike(seen[0][stage.name], seen[1][stage.name]),
            [alike(one[stage.name], two[stage.name]) for one, two in combinations(others, 2)],
        )
        for stage in stages
        if stage.name in seen[0]
    ]


def answers(stages: Sequence[Stage], graph: Graph, pictures: Sequence[Picture]) -> dict[str, Array]:
    """``(n, C)`` of each stage: the channels of its last map, at places that are the same for every
    network of an architecture."""
    network: Any = graph.network
    device = next(graph.parameters()).device
    rows: dict[str, list[Array]] = {}
    for number, picture in enumerate(pictures):
        with _last_maps(stages, network) as maps, torch.inference_mode():
            graph(torch.from_numpy(picture)[None].to(device))
        for name, each in maps.items():
            rng = np.random.default_rng([number, each.shape[2], each.shape[3]])
            places = rng.permutation(each.shape[2] * each.shape[3])[:_PLACES]
            channels = each[0].flatten(1).T[torch.from_numpy(np.sort(places)).to(device)]
            rows.setdefault(name, []).append(channels.double().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in rows.items()}


@contextmanager
def _last_maps(stages: Sequence[Stage], network: nn.Module) -> Iterator[Mapping[str, Tensor]]:
    """Filled while the network runs: the last map ``(1, C, h, w)`` that each stage makes."""
    maps: dict[str, Tensor] = {}

    def keep(stage: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and len(output) == 1:
                maps[stage] = output

        return hook

    hooks = [
        module.register_forward_hook(keep(stage.name))
        for stage in stages
        for module in modules_within(network, stage.prefixes).values()
    ]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


def alike(one: Array, two: Array) -> Alike:
    """Both measures.

    Args:
        one: ``(n, C)``, two: ``(n, D)``: answers to the same n things.
    """
    centred = one - one.mean(0), two - two.mean(0)
    return Alike(cka(*centred), svcca(*centred))


def cka(one: Array, two: Array) -> float:
    """Linear centred kernel alignment of centred ``(n, C)`` and ``(n, D)``, 0..1."""
    own = np.linalg.norm(one.T @ one) * np.linalg.norm(two.T @ two)
    return float(np.linalg.norm(one.T @ two) ** 2 / own) if own else 0.0


def svcca(one: Array, two: Array) -> float:
    """Mean canonical correlation of centred ``(n, C)`` and ``(n, D)``, each reduced to the
    directions of most of its variance, 0..1."""
    bases = [_directions(side) for side in (one, two)]
    if not all(base.shape[1] for base in bases):
        return 0.0
    found = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
    return float(np.clip(found, 0, 1).mean())


def _directions(centred: Array) -> Array:
    """``(n, k)`` orthonormal."""
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    share = np.cumsum(sizes**2) / max((sizes**2).sum(), np.finfo(np.float64).tiny)
    return np.asarray(
        left[:, : int(np.searchsorted(share, KEPT_VARIANCE)) + 1][:, : (sizes > 0).sum()]
    )
