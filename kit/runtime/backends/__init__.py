"""Engines that run an exported graph: one file each, found by its name, imported when asked for."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from kit.errors import BundleError, UsageError
from kit.types import Backend, Runner


@dataclass(frozen=True)
class CompileOptions:
    """How a backend that compiles is to compile.

    Attributes:
        largest_batch: most pictures at once, where the graph takes as many.
        likely_batch: the batch it is made quickest for.
        level: how long to look for quick kernels, 0..5.
        workspace_mb: most memory a kernel may use beside its tensors; None leaves it open.
    """

    largest_batch: int = 16
    likely_batch: int = 1
    level: int = 3
    workspace_mb: int | None = None


@dataclass(frozen=True, eq=False)
class Compiled:
    """What a backend compiled.

    Attributes:
        runner: it, loaded.
        max_batch: most pictures at once.
        weights: name of the weights among the files.
        files: content by name, of the bundle it will be.
        layers: how many layers compute in which precision.
        build_s: seconds it took.
    """

    runner: Runner
    max_batch: int
    weights: str
    files: Mapping[str, bytes]
    layers: Mapping[str, int]
    build_s: float


@dataclass(frozen=True)
class Choice:
    """The backend chosen for a kind of weights, and why not the others.

    Attributes:
        name: of its file.
        passed_over: one sentence for each backend that was not taken.
    """

    name: str
    passed_over: tuple[str, ...]


def names() -> list[str]:
    """Names of all backends: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_backend(name: str) -> Backend:
    """Import a backend.

    Raises:
        UsageError: there is none of this name; the message lists those there are.
    """
    if name not in names():
        raise UsageError(
            "there is no backend of this name",
            where=name,
            fix=f"one of: auto, {', '.join(names())}",
        )
    module: Any = import_module(f"{__name__}.{name}")
    backend: Backend = module
    return backend


def choose(suffix: str) -> Choice:
    """The backend for weights with this suffix; ``null`` runs nothing, so it is only taken by name.

    Raises:
        BundleError: none loads such weights.
        UsageError: those that do can't run here; the message says why.
    """
    fitting, passed_over = [], []
    for name in names():
        backend = load_backend(name)
        if suffix == backend.SUFFIX:
            fitting.append(name)
        else:
            loads = f"loads {backend.SUFFIX}" if backend.SUFFIX else "finds nothing, on purpose"
            passed_over.append(f"{name}: {loads}")
    if not fitting:
        raise BundleError(f"no backend loads {suffix} weights", fix="; ".join(passed_over))
    for name in fitting:
        why_not = load_backend(name).available()
        if why_not is None:
            return Choice(name, tuple(passed_over))
        passed_over.append(f"{name}: {why_not}")
    raise UsageError(f"no backend for {suffix} weights can run here", fix="; ".join(passed_over))
