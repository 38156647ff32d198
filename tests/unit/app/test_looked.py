"""What is kept of pictures, for whom, and how long."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kit.app import looked as module
from kit.app.looked import Looked, Memory
from kit.types import Detections, Result


def picture(id: str, user: str | None = None, side: int = 10) -> Looked:
    served: Any = SimpleNamespace(name="any")
    result = Result(Detections.empty(), {})
    pixels = np.zeros((side, side, 3), np.uint8)
    return Looked(id, served, pixels, "0" * 64, result, {"decode": 1.0}, user)


def test_a_picture_is_its_visitors() -> None:
    memory = Memory()
    memory.keep(picture("a", "ada"))
    assert memory.get("a", "ada") is not None
    assert memory.get("a", "bob") is None
    assert memory.get("a", None) is None


def test_forgotten_after_a_while_without_use(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    memory = Memory(kept_for=10)
    memory.keep(picture("a"))
    memory.keep(picture("b"))
    now += 8
    assert memory.get("a") is not None  # used: its time begins anew
    now += 8
    assert memory.get("b") is None
    assert memory.get("a") is not None
    now += 11
    assert len(memory) == 0


def test_the_oldest_go_when_there_are_too_many() -> None:
    memory = Memory(most_bytes=700)
    for id in "abc":
        memory.keep(picture(id))  # 300 bytes each
    assert memory.get("a") is None
    assert memory.get("b") is not None
    memory.keep(picture("large", side=100))
    assert memory.get("large") is not None  # one is kept however large
    assert len(memory) == 1


def test_ids_cannot_be_guessed(bundle_on_shelf: Any, png: bytes) -> None:
    served = bundle_on_shelf.first
    ids = {module.look(png, served).id for _ in range(3)}
    assert len(ids) == 3
    assert all(len(id) >= 22 for id in ids)


def test_another_detector_looks_at_the_same_picture(bundle_on_shelf: Any, png: bytes) -> None:
    served = bundle_on_shelf.first
    first = module.look(png, served, "ada")
    assert module.look_again(first, served) is first
    other = module.look_again(first, bundle_on_shelf["brighter"])
    assert other.picture is first.picture
    assert other.picture_sha256 == first.picture_sha256
    assert other.user == "ada"
    assert other.id != first.id


def test_shelf_names_are_the_shortest_that_differ(tmp_path: Path) -> None:
    from kit.app.shelf import _names

    a, b, c = tmp_path / "x" / "onnx", tmp_path / "y" / "onnx", tmp_path / "other"
    assert _names((a, b, c)) == ["x/onnx", "y/onnx", "other"]


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_wall_clock_that_jumps_forgets_nothing(
    jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory()
    memory.keep(picture("a"))
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + jump)
    memory.keep(picture("b"))
    assert memory.get("a") is not None
    assert memory.get("b") is not None
