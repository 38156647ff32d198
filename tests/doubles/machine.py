"""A machine with a GPU and TensorRT, as far as the doubles go."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from importlib.machinery import ModuleSpec

import pytest

from kit.runtime.backends.tensorrt import builder

from .cuda import Cuda
from .tensorrt import Faults, Seen, module

PAIRS = [("10.3", "12.9"), ("11.4", "13.5")]
"""A version of TensorRT and of CUDA's binding: as on JetPack 6, and on a new workstation."""


@dataclass
class Gpu:
    """The machine: its GPU, what shall go wrong, and what was asked of TensorRT."""

    cuda: Cuda
    faults: Faults
    seen: Seen


def install(monkeypatch: pytest.MonkeyPatch, version: str, device: Cuda) -> Gpu:
    """Put the doubles where the packages would be."""
    gpu = Gpu(device, Faults(), Seen())
    bindings = types.ModuleType("cuda.bindings")
    bindings.runtime = device.module  # type: ignore[attr-defined]
    for name, each in {
        "tensorrt": module(version, device, gpu.faults, gpu.seen),
        "cuda": types.ModuleType("cuda"),
        "cuda.bindings": bindings,
        "cuda.bindings.runtime": device.module,
    }.items():
        each.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, each)
    forget()
    return gpu


def forget() -> None:
    """What the backend keeps of the package it has seen."""
    builder.trt.cache_clear()
    builder.log.cache_clear()
