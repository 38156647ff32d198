"""The door: which bundle goes where, and what it says to the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kit
from kit.bundle import Bundle, BundleCard, save_bundle
from kit.cards import Input
from kit.errors import BundleError, UsageError
from kit.types import Tiling


def bundle_of(directory: Path, kind: str, weights: str, family: str = "ultralytics") -> Bundle:
    card = BundleCard(
        name="b", kind=kind, family=family, model="m", architecture="a",  # type: ignore[arg-type]
        licence="l", classes=("a",), input=Input(64), suppress=None, weights=weights, files={},
    )  # fmt: skip
    return save_bundle(directory / "b", card, {weights: b"nothing"})


@pytest.mark.parametrize("kind", ["checkpoint", "onnx", "engine"])
@pytest.mark.parametrize("tiling", [None, Tiling(32)])
def test_the_null_backend_opens_any_bundle(
    tmp_path: Path, kind: str, tiling: Tiling | None
) -> None:
    bundle = bundle_of(tmp_path, kind, "weights.any").directory
    detector = kit.open(bundle, backend="null", tiling=tiling)
    assert (detector.backend, detector.tiling) == ("null", tiling)
    assert len(detector(np.zeros((30, 40, 3), np.uint8))) == 0


def test_a_backend_for_other_weights_names_the_command(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path, "checkpoint", "model.safetensors")
    with pytest.raises(BundleError, match=r"kit export .*/b --precision fp32"):
        kit.open(bundle, backend="onnxruntime")


def test_an_unknown_family_is_not_imported(tmp_path: Path) -> None:
    for number, family in enumerate(("nonesuch", "..cli.root", "os.path", "")):
        bundle = bundle_of(tmp_path / str(number), "checkpoint", "w", family)
        with pytest.raises(BundleError, match="family"):
            kit.open(bundle)


def test_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        kit.open(tmp_path)
    (tmp_path / "run").mkdir()
    bundle_of(tmp_path, "onnx", "w.onnx").directory.rename(tmp_path / "run/best")
    with pytest.raises(BundleError, match=r"not a bundle.*\n.*run/best$"):
        kit.open(tmp_path / "run")
    with pytest.raises(UsageError, match="no backend of this name"):
        kit.open(bundle_of(tmp_path, "onnx", "w.onnx"), backend="nonesuch")
