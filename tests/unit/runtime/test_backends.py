"""Choosing a backend says why it was taken and not another."""

from __future__ import annotations

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
