"""Every backend keeps the interface: one file in the folder, and this suite looks at it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.bundle import BundleCard, save_bundle
from kit.cards import Input
from kit.errors import UsageError
from kit.runtime.backends import load_backend, names


@pytest.mark.parametrize("name", names())
def test_interface(name: str) -> None:
    backend: Any = load_backend(name)
    assert backend.__doc__
    assert backend.SUFFIX == "" or backend.SUFFIX.startswith(".")
    assert backend.available() is None or isinstance(backend.available(), str)
    parameters = inspect.signature(backend.load).parameters
    assert list(parameters) == ["bundle", "device", "threads"]
    assert parameters["device"].default == "auto"
    assert parameters["threads"].default is None


@pytest.mark.parametrize("name", names())
def test_damaged_weights_are_one_clear_message_or_not_read(name: str, tmp_path: Path) -> None:
    backend: Any = load_backend(name)
    if backend.available() is not None:
        pytest.skip(backend.available())
    card = BundleCard(
        name="tiny", kind="onnx", family="none", model="none", architecture="none",
        licence="none", classes=("a", "b"), input=Input(64), suppress=None,
        weights=f"weights{backend.SUFFIX or '.any'}", files={},
    )  # fmt: skip
    bundle = save_bundle(tmp_path / "bundle", card, {card.weights: b"nonsense"})
    if backend.SUFFIX:
        with pytest.raises(UsageError):
            backend.load(bundle)
        return
    runner = backend.load(bundle)
    raw = runner.run(np.zeros((2, 64, 64, 3), np.uint8))
    assert raw.boxes.shape[0] == raw.scores.shape[0] == 2
    assert raw.scores.shape[2] == 2
    assert runner.provider
    assert runner.device
    assert "run" in raw.stages_ns
