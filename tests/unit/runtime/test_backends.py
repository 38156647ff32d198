"""Choosing a backend says why; importing the runtime needs no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kit.errors import BundleError, UsageError
from kit.runtime.backends import choose, load_backend, names


def test_auto_says_what_was_passed_over() -> None:
    choice = choose(".onnx")
    assert choice.name == "onnxruntime"
    assert any(reason.startswith("null") for reason in choice.passed_over)


def test_auto_without_the_package_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_backend("onnxruntime"), "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="onnxruntime is not installed"):
        choose(".onnx")


def test_no_backend_for_such_weights() -> None:
    with pytest.raises(BundleError, match="no backend loads"):
        choose(".weights")


def test_unknown_backend_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"auto, .*null"):
        load_backend("nonesuch")
    assert {"null", "onnxruntime"} <= set(names())


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "ultralytics", "lightning_fabric"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)
sys.meta_path.insert(0, Block())
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


@pytest.mark.parametrize(
    "module",
    ["kit.runtime.detector", "kit.runtime.backends.onnxruntime", "kit.runtime.backends.null",
     "kit.evaluate.coco", "kit.door"],
)  # fmt: skip
def test_needs_no_torch(module: str) -> None:
    subprocess.run([sys.executable, "-c", BLOCKED, module], check=True)
