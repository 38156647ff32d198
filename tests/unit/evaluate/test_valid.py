"""The valid split that chooses and that gates: found in one way, strict about what may choose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from kit.bundle import Bundle, BundleCard
from kit.cards import Input
from kit.data.source import open_source
from kit.errors import DataError, UsageError
from kit.evaluate.valid import own_dataset, valid_pictures
from kit.export.data import gate_pictures

CARD = BundleCard(
    name="n", kind="onnx", family="f", model="m", architecture="x", licence="l",
    classes=("cell",), input=Input(64), suppress=None, weights="w", files={},
)  # fmt: skip


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path / "bundle", CARD, "0" * 64)


def made(root: Path, splits: dict[str, str], label: str = "0 0.5 0.5 0.5 0.5\n") -> str:
    """A folder of three pictures, and which split is which of its folders."""
    (root / "a/images").mkdir(parents=True)
    (root / "a/labels").mkdir()
    (root / "none/images").mkdir(parents=True)
    for place in range(3):
        picture = np.full((40, 60, 3), 80 * place, np.uint8)
        cv2.imwrite(str(root / f"a/images/{place}.png"), picture)
        (root / f"a/labels/{place}.txt").write_text(label)
    lines = [f"{split}: {folder}/images\n" for split, folder in splits.items()]
    (root / "data.yaml").write_text("".join(lines) + "names: [cell]\n")
    return str(root)


def test_what_is_tested_on_may_gate_but_not_choose(bundle: Bundle, tmp_path: Path) -> None:
    source = made(tmp_path / "data", {"valid": "a", "test": "a"})
    with pytest.raises(DataError, match=r"3 picture\(s\) of valid are in test too"):
        valid_pictures(bundle, source)
    assert len(gate_pictures(bundle, source).pictures) == 3


def test_both_are_the_same_pictures_and_refuse_the_same(bundle: Bundle, tmp_path: Path) -> None:
    source = made(tmp_path / "data", {"valid": "a"})
    for find in (valid_pictures, gate_pictures):
        assert find(bundle, source).manifest == valid_pictures(bundle, source).manifest
        with pytest.raises(DataError, match="detects x"):
            find(replace(bundle, card=replace(CARD, classes=("x",))), source)
        recorded = replace(CARD, dataset={"source": source}, manifests={"valid": "other"})
        with pytest.raises(DataError, match="have changed since"):
            find(replace(bundle, card=recorded), None)
        with pytest.raises(UsageError, match="records no dataset"):
            find(bundle, None)
        empty = made(tmp_path / find.__name__, {"train": "a", "valid": "none"})
        with pytest.raises(DataError, match="valid"):
            find(bundle, empty)


def test_labels_that_can_not_be_read_choose_nothing(bundle: Bundle, tmp_path: Path) -> None:
    source = made(tmp_path / "data", {"valid": "a"}, label="0 0.5 nonsense\n")
    with pytest.raises(DataError, match="before choosing by it"):
        valid_pictures(bundle, source)


def test_a_recorded_dataset_that_is_gone_says_how_to_name_another(
    bundle: Bundle, tmp_path: Path
) -> None:
    gone = replace(bundle, card=replace(CARD, dataset={"source": str(tmp_path / "gone")}))
    with pytest.raises(UsageError, match="name a dataset after the bundle"):
        own_dataset(gone, None)
    with pytest.raises(UsageError, match="--data SRC; there is no unchecked export"):
        gate_pictures(gone, None)
    with pytest.raises(DataError):
        own_dataset(gone, str(tmp_path / "gone too"))
    source = made(tmp_path / "data", {"valid": "a"})
    assert own_dataset(gone, source).ids == open_source(source).ids
