"""The frozen stages at the front of a network, computed once for each picture and kept.

What is frozen gives the same features for the same picture for ever. So they are kept by what the
picture is, and training and validation begin behind them. Features are always computed one picture
at a time: they never depend on what else was in a batch, so a run ends with the same weights
whatever had been kept, and a resumed run with those of one that was never stopped.

No family needs to know of this: the modules of the front are found as the network calls them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from kit.families import Loss, Targets
from kit.finetune.job import Job
from kit.finetune.layout import Layout, modules_within
from kit.finetune.shelf import Shelf

TRAIN_SCORED = 32
"""Training pictures that are scored each epoch, so that overfitting is seen."""


@dataclass(frozen=True)
class Part:
    """A module of the front that the network calls.

    Attributes:
        name: of the module.
        spec: how its output is put together.
        shapes: of the output's tensors, without the batch.
        read: for each of them, whether anything behind the front reads it.
    """

    name: str
    spec: TreeSpec
    shapes: tuple[torch.Size, ...]
    read: tuple[bool, ...]


class Front:
    """Gives a network its frozen features.

    Args:
        loss: around a network whose frozen part is that of every network that is given features.
        parts: of :func:`find_parts`.
        shelf: where features are kept.
    """

    def __init__(self, loss: Loss, parts: Sequence[Part], shelf: Shelf) -> None:
        self._loss, self._parts, self._shelf = loss, parts, shelf
        self._kept: dict[bytes, tuple[Tensor, ...]] = {}
        self._device = next(loss.network.parameters()).device

    @contextmanager
    def stands_in(self, network: nn.Module, images: Tensor) -> Iterator[None]:
        """Within the block, the front of a network gives what is known of these pictures, whatever
        it is called with.

        Args:
            images: ``(B, S, S, 3)`` uint8 on the CPU, those the network will be called with.
        """
        features = [self._features(image) for image in images]
        columns = zip(*features, strict=True)
        read = iter([torch.cat(column).to(self._device, non_blocking=True) for column in columns])
        modules = [network.get_submodule(part.name) for part in self._parts]
        for module, part in zip(modules, self._parts, strict=True):
            outputs = [  # one that nothing reads has no values: reading it would be an error
                next(read) if is_read else torch.empty((len(images), *shape), device="meta")
                for shape, is_read in zip(part.shapes, part.read, strict=True)
            ]
            vars(module)["forward"] = _answer(tree_unflatten(outputs, part.spec))
        try:
            yield
        finally:
            for module in modules:
                del vars(module)["forward"]  # the class's own shows again

    def _features(self, image: Tensor) -> tuple[Tensor, ...]:
        key = hashlib.blake2b(image.contiguous().numpy().data).digest()
        if key in self._kept:
            return self._kept[key]
        features = self._compute(image)
        kept = self._shelf.put(features)
        if kept is None:
            return features
        self._kept[key] = kept
        return kept

    def _compute(self, image: Tensor) -> tuple[Tensor, ...]:
        """What is read of the front's outputs, each ``(1, ...)``."""
        seen: list[Tensor] = []

        def note(part: Part) -> Any:
            def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
                flat, _ = tree_flatten(output)
                seen.extend(t for t, is_read in zip(flat, part.read, strict=True) if is_read)
                if part is self._parts[-1]:
                    raise _Reached

            return hook

        hooks = [
            self._loss.network.get_submodule(part.name).register_forward_hook(note(part))
            for part in self._parts
        ]
        try:
            # what is kept must be of use in training, also where it was validation that asked
            with torch.inference_mode(False), torch.no_grad():
                self._loss.validate(image[None].to(self._device), _no_targets(self._device))
        except _Reached:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        return tuple(seen)


class _Reached(Exception):
    """The pass has gone as far as it need; not an error."""


def make_front(
    loss: Loss, layout: Layout, job: Job, size: int, *, limit: int, directory: Path
) -> Front | None:
    """A front with room for the features of all valid pictures, and of all training inputs where
    they come again; None where nothing can be kept.

    Args:
        size: side of the input in pixels.
        limit: bytes of memory.
        directory: on whose disk they may lie instead.
    """
    parts = find_parts(loss, layout, size)
    if not parts:
        return None
    recipe, inputs = job.recipe, 0
    if recipe.repeats:  # with and without the mosaic, which ends
        ways = (recipe.views or 1) * (2 if recipe.mosaic or recipe.mixup else 1)
        inputs = len(job.train) * ways
    count = len(job.valid) + TRAIN_SCORED + inputs
    return Front(loss, parts, Shelf(count, limit=limit, directory=directory))


def given(front: Front | None, network: nn.Module, images: Tensor) -> AbstractContextManager[None]:
    """:meth:`Front.stands_in`, where there is a front."""
    return nullcontext() if front is None else front.stands_in(network, images)


def find_parts(loss: Loss, layout: Layout, size: int) -> tuple[Part, ...]:
    """The modules of the stages that are frozen before the first that learns, as one pass calls
    them, and which of their outputs the rest of the network reads: those that its loss or its
    detections have a gradient for.

    Returns:
        In the order they are called. Empty where the first stage learns, or the network calls a
        module twice or mixes pictures, so that nothing can be kept.
    """
    frozen = next(
        (place for place, each in enumerate(layout.treatments) if each.letter != "F"),
        len(layout.treatments),
    )
    prefixes = tuple(prefix for stage in layout.stages[:frozen] for prefix in stage.prefixes)
    if not prefixes:
        return ()
    pictures, depth = 2, 0
    names: list[str] = []
    specs: list[TreeSpec] = []
    outputs: list[list[Tensor]] = []

    def enter(_module: nn.Module, _inputs: Any) -> None:
        nonlocal depth
        depth += 1

    def leave(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            nonlocal depth
            depth -= 1
            if depth:  # inside another part
                return None
            flat, spec = tree_flatten(output)
            own = [tensor.detach().requires_grad_() for tensor in flat]
            names.append(name)
            specs.append(spec)
            outputs.append(own)
            return tree_unflatten([tensor.clone() for tensor in own], spec)

        return hook

    hooks = []
    for name, module in modules_within(loss.network, prefixes).items():
        hooks.append(module.register_forward_pre_hook(enter))
        hooks.append(module.register_forward_hook(leave(name)))
    device = next(loss.network.parameters()).device
    images = torch.zeros(pictures, size, size, 3, dtype=torch.uint8, device=device)
    try:
        with torch.enable_grad():
            parts, raw = loss.validate(images, _no_targets(device))
    finally:
        for hook in hooks:
            hook.remove()
    told: Any = sum(part.total for part in parts.values()) + raw.boxes.sum() + raw.scores.sum()
    leaves = [tensor for own in outputs for tensor in own]
    gradients = iter(torch.autograd.grad(told, leaves, allow_unused=True))
    if len(set(names)) < len(names) or any(len(leaf) != pictures for leaf in leaves):
        return ()
    return tuple(
        Part(
            name,
            spec,
            tuple(t.shape[1:] for t in own),
            tuple(next(gradients) is not None for _ in own),
        )
        for name, spec, own in zip(names, specs, outputs, strict=True)
    )


def _answer(output: Any) -> Any:
    def forward(*_inputs: Any, **_options: Any) -> Any:
        return output

    return forward


def _no_targets(device: torch.device) -> Targets:
    none = torch.zeros(0, dtype=torch.long, device=device)
    return Targets(torch.zeros(0, 4, device=device), none, none)
