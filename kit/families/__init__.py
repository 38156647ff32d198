"""One file or package per vendor of models. The only room that knows one; torch lives here.

A family is a module that offers the functions of :class:`Family`. It is found by its file name and
imported when a card names it. Everything a family knows ends at the graph waist.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from kit import offline
from kit.errors import CardError, UsageError
from kit.types import Runner

offline.seal("torch")
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402


@dataclass(frozen=True)
class Stage:
    """A coarse, named part of a network, in the order data flows.

    Attributes:
        name: its part (``backbone``, ``neck`` or ``head``; plans name them so), then what more the
            family says of it, e.g. ``backbone 3 (Conv)``, ``head``.
        prefixes: of the parameters that belong to it.
    """

    name: str
    prefixes: tuple[str, ...]


class Targets(NamedTuple):
    """Truth of a batch, on the device. (Named tuples, not dataclasses: engines that move and cast
    what a module is given look inside them.)

    Attributes:
        boxes: ``(M, 4)`` float32 xyxy in input pixels.
        labels: ``(M,)`` int64.
        picture: ``(M,)`` int64, place in the batch.
    """

    boxes: Tensor
    labels: Tensor
    picture: Tensor


class Part(NamedTuple):
    """One term of a loss: a sum over its targets, and what the sum is to be divided by.

    Kept apart so that several devices can divide by the weight of the whole batch: then two
    processes give the gradient that one would.
    """

    total: Tensor
    weight: Tensor


class Outputs(NamedTuple):
    """Raw outputs of a batch on the device, at the graph waist."""

    boxes: Tensor
    scores: Tensor
    features: Tensor | None = None


class Graph(nn.Module, ABC):
    """A network at the graph waist: ``(B, S, S, 3)`` uint8 BGR images to :class:`Outputs`."""

    @abstractmethod
    def maps(self, images: Tensor) -> Sequence[Tensor]:
        """What the head reads, finest first: ``(B, C, h, w)`` each. Means over them, one after
        another, are the graph's features."""


class Loss(Protocol):
    """A network with its loss, as one module: what the training loop trains."""

    network: nn.Module

    def __call__(self, images: Tensor, targets: Targets) -> Mapping[str, Part]:
        """Parts of the loss on ``(B, S, S, 3)`` uint8 BGR images."""

    def validate(self, images: Tensor, targets: Targets) -> tuple[Mapping[str, Part], Outputs]:
        """Loss and detections in one pass, leaving batch normalisation alone."""

    def advance(self, epoch: int, epochs: int) -> None:
        """Told at the start of each epoch, for losses that change their balance over time."""


class Family(Protocol):
    """What a module in this folder offers."""

    LICENCE: str

    def build(self, architecture: str, classes: int, pretrained_classes: int) -> nn.Module:
        """A network with fresh weights. Layers that don't depend on the classes have the shapes
        they have in a network for ``pretrained_classes``, so pretrained ones can be copied."""

    def read_state(self, path: Path) -> dict[str, Tensor]:
        """Tensors of a published checkpoint, by the names :meth:`build` uses. Nothing is run."""

    def class_layers(self, network: nn.Module) -> tuple[str, ...]:
        """Prefixes of the layers that depend on the classes."""

    def stages(self, network: nn.Module) -> tuple[Stage, ...]:
        """The network's stages, first to last."""

    def loss(self, network: nn.Module, extra: Mapping[str, Any]) -> Any:
        """A :class:`Loss`; ``extra`` is the recipe's, checked here."""

    def graph(self, network: nn.Module, size: int) -> Graph:
        """The network at the graph waist, ready to run or export."""

    def needs_suppression(self, network: nn.Module) -> bool:
        """Whether the graph's boxes still need non-maximum suppression."""

    def max_batch(self, network: nn.Module) -> int | None:
        """Pictures that the exported graph takes at once; None means any number."""

    def runner(self, bundle: Any, *, device: str = "auto", threads: int | None = None) -> Runner:
        """Run a checkpoint bundle."""


def names() -> list[str]:
    """Families there are: the files and packages in this folder that are not its machinery."""
    return sorted(
        path.stem
        for path in Path(__file__).parent.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file())
        and path.stem not in ("__init__", "checkpoint", "runner")
    )


def load_family(name: str) -> Family:
    """Import a family by name.

    Raises:
        CardError: there is no such family.
        MissingPackage: its vendor's package is not installed.
    """
    if name not in names():
        raise CardError("there is no such family", where=name, fix=f"one of: {', '.join(names())}")
    module: Any = import_module(f"kit.families.{name}")
    return module  # type: ignore[no-any-return]  # the conformance tests hold it to Family


def gains(extra: Mapping[str, Any], known: Mapping[str, float]) -> dict[str, float]:
    """A recipe's ``extra`` as gains of a loss's parts, over those it has by itself.

    Raises:
        CardError: a key that the family doesn't know, or a value that is no number.
    """
    if unknown := set(extra) - set(known):
        raise CardError(
            f"unknown key in extra: {', '.join(sorted(unknown))}",
            where="recipe",
            fix=f"this family knows {', '.join(known)}",
        )
    for name, value in extra.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise CardError(f"the gain {name} must be a number from 0 on", where="recipe")
    return {**known, **extra}


def pick_device(device: str) -> torch.device:
    """``auto`` is the first GPU where there is one, else the CPU.

    Raises:
        UsageError: the device asked for is not there.
    """
    if device == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UsageError("not a device", where=device, fix="cpu, cuda or cuda:N") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "no GPU can be used here",
            where=device,
            fix="look at `nvidia-smi`, start the container with --gpus, or take --device cpu",
        )
    return chosen
