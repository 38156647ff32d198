"""What an engine was built from and for, and whether that is this machine.

An engine is a program for one GPU and one version of TensorRT, and loading it runs it: NVIDIA warns
that one from elsewhere can do anything. So ONNX travels, engines don't. One is loaded only where
its card fits, and only by the user whose cache notes that it was built here.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from kit.binding import bind
from kit.bundle import Bundle
from kit.cards import cache_folder
from kit.errors import BundleError
from kit.files import read_json, sha256_file, write_text
from kit.runtime.backends.tensorrt.cuda import Device
from kit.runtime.machine import gpu_driver

CARD = "engine.json"


@dataclass(frozen=True)
class Machine:
    """What an engine is tied to; all of it must be the same for the engine to be loaded.

    Attributes:
        driver: NVIDIA's kernel driver, empty where the system doesn't tell; driver_cuda: the newest
            CUDA that it takes. cuda: that of the binding.
    """

    gpu: str
    compute_capability: str
    driver: str
    driver_cuda: str
    cuda: str
    tensorrt: str
    platform: str

    @classmethod
    def of(cls, device: Device, tensorrt: str) -> Machine:
        """This one."""
        system = f"{platform.system()}-{platform.machine()}".lower()
        return cls(
            device.name,
            device.capability,
            gpu_driver(),
            device.driver,
            device.cuda,
            tensorrt,
            system,
        )


@dataclass(frozen=True)
class EngineCard:
    """The card beside an engine.

    Attributes:
        machine: it was built on, and runs on.
        onnx_sha256: of the graph it was built from; engine_sha256: of the engine.
        source: directory of the bundle it was built from, as it was given.
        batches: smallest, likeliest and largest batch.
        layers: how many of the engine's layers compute in ``int8``, ``fp16``, ``fp32`` and
            ``other``, as TensorRT's inspector tells.
        build_s: seconds it took.
    """

    machine: Machine
    onnx_sha256: str
    engine_sha256: str
    source: str
    batches: tuple[int, int, int]
    layers: Mapping[str, int]
    build_s: float
    schema: int = 1


def rebuild(source: str | Path) -> str:
    """The command that builds an engine here."""
    return f"kit compile {source} --backend tensorrt --out NEW"


def require_fit(bundle: Bundle, here: Machine) -> EngineCard:
    """The engine's card, once it is sure that the engine may be loaded.

    Raises:
        BundleError: the engine was built on another machine, for another one, or from elsewhere.
    """
    anew = rebuild("THE_ONNX_BUNDLE")
    if CARD not in bundle.card.files:
        raise BundleError(f"the engine has no {CARD}", where=bundle.directory, fix=anew)
    data = read_json(bundle.directory / CARD, "an engine's card", error=BundleError, fix=anew)
    card = bind(EngineCard, data, where=bundle.directory / CARD, error=BundleError)
    anew = rebuild(card.source)
    others = [
        f"{field.name.replace('_', ' ')}: {there}, here {now}"
        for field in fields(Machine)
        if (there := getattr(card.machine, field.name)) != (now := getattr(here, field.name))
    ]
    if others:
        raise BundleError(
            "the engine was built for another machine:\n  " + "\n  ".join(others),
            where=bundle.directory,
            fix=anew,
        )
    digest = sha256_file(bundle.weights)
    if digest != card.engine_sha256 or not _note(digest).is_file():
        raise BundleError(
            "the engine was not built here: an engine is a program, and is never taken from "
            "elsewhere",
            where=bundle.directory,
            fix=anew,
        )
    return card


def note_built_here(engine_sha256: str) -> None:
    """Remember that this user built this engine on this machine."""
    write_text(_note(engine_sha256), "")


def _note(engine_sha256: str) -> Path:
    return cache_folder() / "engines" / engine_sha256
