"""The embedded set is what it says: reproducible, learnable, skewed like BCCD, labelled tightly."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.data import smear
from kit.errors import UsageError
from kit.pixels import read_picture

PLATELETS, RBC, WBC = range(3)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    index=st.integers(0, 10**6),
    size=st.tuples(st.integers(64, 400), st.integers(64, 400)),
)
def test_any_picture_is_valid_and_drawn_the_same_twice(
    seed: int, index: int, size: tuple[int, int]
) -> None:
    picture, truth = smear.draw(seed, index, size)
    again, truth_again = smear.draw(seed, index, size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, again)
    assert np.array_equal(truth.xyxy, truth_again.xyxy)
    assert (truth.xyxy >= 0).all()
    assert (truth.xyxy[:, 2:] <= size).all()
    assert (truth.area > 0).all()


def test_seeds_and_indices_give_different_pictures() -> None:
    pictures = [smear.draw(seed, index)[0] for seed in (0, 1) for index in (0, 1, 10)]
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def test_classes_are_skewed_and_crowded_like_bccd() -> None:
    labels = np.concatenate([smear.draw(3, index)[1].labels for index in range(150)])
    platelets, red, white = np.bincount(labels, minlength=3) / 150
    assert 9 < red < 14
    assert 0.8 < white < 1.2
    assert 0.7 < platelets < 1.4
    assert 0.8 < red / (platelets + red + white) < 0.9


def test_platelets_are_large_enough_to_learn() -> None:
    for index in range(60):
        truth = smear.draw(0, index)[1]
        sides = (truth.xyxy[:, 2:] - truth.xyxy[:, :2])[truth.labels == PLATELETS]
        assert (sides >= 8).all()


def test_boxes_hold_what_they_name() -> None:
    """Nuclei and platelets are the only purple things, so all strong purple lies in their boxes,
    and every box of theirs has some."""
    for index in range(40):
        picture, truth = smear.draw(7, index)
        blue, green, red = np.moveaxis(picture.astype(int), 2, 0)
        purple = (blue - green > 35) & (blue - red > 12)
        inside = np.zeros(purple.shape, bool)
        for box, _, label in truth:
            if label != RBC:
                x0, y0, x1, y1 = box.astype(int)
                inside[max(0, y0 - 3) : y1 + 3, max(0, x0 - 3) : x1 + 3] = True
                assert purple[y0:y1, x0:x1].mean() > 0.05
        hidden = purple & ~inside
        # a white cell nearly outside the picture has no label: it can only show at the border
        assert not hidden[25:-25, 25:-25].any()


def test_make_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        smear.make(tmp_path / name, pictures=12, seed=5)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 12 + 12 + 1
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_made_folder_is_yolo_and_names_its_slides(tmp_path: Path) -> None:
    smear.make(tmp_path / "set", pictures=11, seed=1, size=(200, 160))
    assert "1: RBC" in (tmp_path / "set" / "data.yaml").read_text()
    stems = sorted(path.stem for path in (tmp_path / "set" / "images").iterdir())
    assert all(re.fullmatch(r"slide\d\d_\d{4}", stem) for stem in stems)
    assert {stem[:7] for stem in stems} == {"slide00", "slide01"}
    for index, stem in enumerate(stems):
        truth = smear.draw(1, index, (200, 160))[1]
        text = (tmp_path / "set" / "labels" / f"{stem}.txt").read_text()
        rows = np.array([line.split() for line in text.splitlines()], float).reshape(-1, 5)
        centre, half = rows[:, 1:3] * (200, 160), rows[:, 3:5] * (100, 80)
        assert np.allclose(np.hstack([centre - half, centre + half]), truth.xyxy, atol=1e-3)
        assert np.array_equal(rows[:, 0], truth.labels)
        assert read_picture(tmp_path / "set" / "images" / f"{stem}.jpg").shape == (160, 200, 3)


def test_make_refuses_what_it_can_not_do(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="exists already"):
        smear.make(tmp_path / "full", pictures=2)
    with pytest.raises(UsageError, match="positive"):
        smear.make(tmp_path / "new", pictures=0)
    with pytest.raises(UsageError, match="64"):
        smear.make(tmp_path / "new", pictures=1, size=(32, 32))
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep me"
    assert not (tmp_path / "new").exists()
