"""Tiles cover a picture, and what is found on them is what a person sees: each object once, whole.

The graph here finds squares of a colour, and overlooks those of fewer than 3 x 3 input pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kit.bundle import BundleCard
from kit.cards import Input, Suppress
from kit.errors import UsageError
from kit.runtime.detector import GraphDetector
from kit.runtime.fit import Fit, Window
from kit.runtime.suppress import merge
from kit.runtime.tiles import BATCH, TiledDetector, whole, windows
from kit.types import Detections, RawDetections, Tiling

CARD = BundleCard(
    name="squares", kind="onnx", family="none", model="squares", architecture="none",
    licence="none", classes=("blue", "green"), input=Input(64), suppress=Suppress(),
    weights="w", files={},
)  # fmt: skip
TILING = Tiling(64, 0.25)
ROWS = 40

Square = tuple[int, int, int, int]
"""Left, top, side and class."""


@dataclass
class Squares:
    """A runner that finds squares, larger ones with a higher score."""

    batches: list[int] = field(default_factory=list)
    provider: str = "squares"
    device: str = "none"
    staged: bool = False
    elsewhere: Sequence[str] | None = ()

    def run(self, images: np.ndarray) -> RawDetections:
        self.batches.append(len(images))
        boxes = np.zeros((len(images), ROWS, 4), np.float32)
        scores = np.zeros((len(images), ROWS, 2), np.float32)
        for index, image in enumerate(images):
            row = 0
            for label in (0, 1):
                mask = (image[..., label] > 200) & (image[..., 1 - label] < 100)
                _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
                for left, top, width, height, _ in stats[1:]:
                    if min(width, height) >= 3:
                        boxes[index, row] = left, top, left + width, top + height
                        scores[index, row, label] = 0.4 + min(width * height / 10_000, 0.5)
                        row += 1
        features = images.reshape(len(images), -1).mean(axis=1, dtype=np.float32)[:, None]
        stages = {"copy_in": 100 * len(images), "run": 900 * len(images)}
        return RawDetections(boxes, scores, features, stages)


def picture(width: int, height: int, squares: Sequence[Square] = ()) -> np.ndarray:
    made = np.zeros((height, width, 3), np.uint8)
    for left, top, side, label in squares:
        made[top : top + side, left : left + side, label] = 255
    return made


def corners(squares: Sequence[Square]) -> list[list[int]]:
    return sorted([x, y, x + side, y + side] for x, y, side, _ in squares)


def found(result: Detections) -> list[list[float]]:
    return sorted(result.xyxy.tolist())


def detectors(**changes: Any) -> tuple[GraphDetector, TiledDetector]:
    plain = GraphDetector(replace(CARD, **changes), Squares())
    return plain, TiledDetector(GraphDetector(replace(CARD, **changes), Squares()), TILING)


TILINGS = st.builds(Tiling, side=st.integers(32, 900), overlap=st.floats(0, 0.89))
SIDES = st.integers(1, 1500)


@settings(max_examples=200)
@given(width=SIDES, height=SIDES, tiling=TILINGS)
def test_tiles_cover_the_picture_and_overlap(width: int, height: int, tiling: Tiling) -> None:
    assume(max(width, height) <= 20 * tiling.side * (1 - tiling.overlap))  # else too many
    places = windows(width, height, tiling)
    assert len({(w.right - w.left, w.bottom - w.top) for w in places}) == 1, "of one size"
    assert places == sorted(set(places), key=lambda w: (w.top, w.left)), "row by row, each once"
    for length, spans in (
        (width, sorted({(w.left, w.right) for w in places})),
        (height, sorted({(w.top, w.bottom) for w in places})),
    ):
        assert (spans[0][0], spans[-1][1]) == (0, length), "to the picture's edges, not beyond"
        assert {end - begin for begin, end in spans} == {min(tiling.side, length)}
        shared = [one[1] - other[0] for one, other in pairwise(spans)]
        assert all(share >= tiling.side * tiling.overlap for share in shared)
        assert not shared or max(shared) - min(shared) <= 1, "spread evenly"
        # no fewer would do: the same tiles without the last are too short
        step = tiling.side - int(np.ceil(tiling.side * tiling.overlap))
        assert len(spans) == 1 or tiling.side + (len(spans) - 2) * step < length


def test_how_many_tiles() -> None:
    assert windows(640, 480, Tiling(640)) == [Window(0, 0, 640, 480)]
    assert windows(641, 480, Tiling(640)) == [Window(0, 0, 640, 480), Window(1, 0, 641, 480)]
    assert len(windows(6000, 4000, Tiling(640))) == 12 * 8
    assert [w.left for w in windows(300, 50, Tiling(100, 0))] == [0, 100, 200]
    with pytest.raises(UsageError, match="larger tiles"):
        windows(12_000, 9_000, Tiling(64))


@pytest.mark.parametrize(
    ("side", "overlap"), [(31, 0.2), (0, 0.2), (-640, 0.2), (64, -0.1), (64, 0.9), (64, np.nan)]
)
def test_what_is_no_tiling(side: int, overlap: float) -> None:
    with pytest.raises(ValueError, match="must"):
        Tiling(side, overlap)


@given(
    input=st.builds(
        Input, size=st.integers(32, 700), fit=st.sampled_from(["letterbox", "stretch"])
    ),
    window=st.tuples(SIDES, SIDES, SIDES, SIDES),
    data=st.data(),
)
def test_undo_brings_boxes_back_from_a_tile(
    input: Input, window: tuple[int, int, int, int], data: st.DataObject
) -> None:
    left, top, width, height = window
    shares = data.draw(st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=4))
    boxes = np.array(shares).reshape(-1, 4) * [width, height, width, height]
    boxes += [left, top, left, top]
    placement = Fit(input).place(width, height, (left, top))
    np.testing.assert_allclose(placement.undo(placement.apply(boxes)), boxes, atol=1e-8)
    beyond = placement.undo([[-1e6, -1e6, 1e6, 1e6]])
    np.testing.assert_array_equal(beyond, [[left, top, left + width, top + height]])


def test_a_window_is_fitted_as_the_picture_cut_out() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    fitted, placement = Fit(Input(64)).apply(image, window=Window(30, 20, 110, 80))
    expected, alone = Fit(Input(64)).apply(image[20:80, 30:110].copy())
    np.testing.assert_array_equal(fitted, expected)
    assert placement == replace(alone, origin=(30, 20))


def test_small_objects_are_found_on_tiles_and_lost_on_the_whole() -> None:
    squares = [(20, 30, 6, 0), (200, 40, 8, 1), (310, 222, 7, 0), (392, 292, 8, 1)]
    plain, tiled = detectors()
    image = picture(400, 300, squares)
    assert len(plain(image)) == 0
    assert found(tiled(image)) == corners(squares)
    assert len(tiled(picture(400, 300))) == 0


@settings(max_examples=60, deadline=None)
@given(
    left=st.integers(0, 400),
    top=st.integers(0, 300),
    side=st.integers(4, 13),
    label=st.integers(0, 1),
)
def test_an_object_is_found_once_and_whole_wherever_it_lies(
    left: int, top: int, side: int, label: int
) -> None:
    """Up to the overlap, 16 px, less what counts as touching on both sides."""
    square = (min(left, 400 - side), min(top, 300 - side), side, label)
    _, tiled = detectors()
    result = tiled(picture(400, 300, [square]))
    assert found(result) == corners([square])
    assert result.labels.tolist() == [label]


def test_what_is_larger_than_a_tile_is_the_whole_pictures() -> None:
    plain, tiled = detectors()
    image = picture(256, 256, [(40, 60, 150, 1)])
    result = tiled(image)
    np.testing.assert_array_equal(result.xyxy, plain(image).xyxy)
    np.testing.assert_allclose(result.xyxy, [[40, 60, 190, 210]], atol=4)


def test_what_a_tile_cuts_is_dropped_only_where_it_cuts() -> None:
    tile = Window(100, 0, 200, 100)  # of a picture of 300 x 100: two edges lie inside
    boxes = [[100, 20, 120, 40], [150, 20, 199.5, 40], [150, 0, 170, 100], [120, 20, 180, 40]]
    assert whole(np.array(boxes, float), tile, 300, 100).tolist() == [False, False, True, True]
    assert whole(np.array(boxes, float), tile, 200, 100).tolist() == [False, True, True, True]


@pytest.mark.parametrize("size", [(64, 64), (50, 64), (64, 20), (33, 1)])
def test_a_picture_no_larger_than_a_tile_is_looked_at_as_ever(size: tuple[int, int]) -> None:
    width, height = size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    image[:9, :9] = (255, 0, 0)
    plain, tiled = detectors()
    for floor in (None, 0.001):
        expected = plain.detect([image, image], floor=floor)
        results = tiled.detect([image, image], floor=floor)
        for one, other in zip(results, expected, strict=True):
            for name in ("xyxy", "scores", "labels"):
                np.testing.assert_array_equal(
                    getattr(one.detections, name), getattr(other.detections, name)
                )
            np.testing.assert_array_equal(one.features, other.features)
    assert plain.runner.batches == tiled.runner.batches == [2, 2]  # type: ignore[attr-defined]


def test_pictures_of_all_sizes_come_back_in_order() -> None:
    _, tiled = detectors()
    images = [picture(width, 60, [(width - 20, 10, 8, 0)]) for width in (60, 200, 64, 300, 50)]
    answers = [result.detections.xyxy for result in tiled.detect(images)]
    expected = [[[w - 20, 10, w - 12, 18]] for w in (60, 200, 64, 300, 50)]
    np.testing.assert_allclose(answers, expected, atol=0.5)
    assert tiled.detect([]) == []


@pytest.mark.parametrize("limit", [None, 1, 3, 100])
def test_tiles_run_in_batches(limit: int | None) -> None:
    _, tiled = detectors(max_batch=limit)
    tiled(picture(400, 300))
    batches = tiled.runner.batches  # type: ignore[attr-defined]
    assert sum(batches) == 1 + len(windows(400, 300, TILING))
    assert max(batches) == min(BATCH, limit or BATCH)


def test_stages_are_sums_and_features_the_whole_pictures() -> None:
    plain, tiled = detectors()
    image = picture(400, 300, [(200, 40, 60, 1)])
    [result], [expected] = tiled.detect([image]), plain.detect([image])
    views = 1 + len(windows(400, 300, TILING))
    assert set(result.stages_ns) == set(expected.stages_ns)
    assert (result.stages_ns["run"], result.stages_ns["copy_in"]) == (900 * views, 100 * views)
    np.testing.assert_array_equal(result.features, expected.features)


def test_a_floor_only_cuts_off_what_lies_below_it() -> None:
    rng = np.random.default_rng(0)
    squares = [(int(x), int(y), int(s), 0) for x, y, s in rng.integers(4, 120, (12, 3))]
    _, tiled = detectors()
    image = picture(400, 300, squares)
    everything = tiled.detect([image], floor=0.001)[0].detections
    for floor in (0.41, 0.5, 0.7):
        above = tiled.detect([image], floor=floor)[0].detections
        np.testing.assert_array_equal(
            above.xyxy, everything[everything.scores >= np.float32(floor)].xyxy
        )


def test_the_cap_holds_for_the_picture() -> None:
    squares = [(x, y, 8, 0) for x in range(10, 390, 40) for y in range(10, 290, 40)]
    image = picture(400, 300, squares)
    assert found(detectors()[1](image)) == corners(squares)
    assert len(detectors(cap=5)[1](image)) == 5


def test_a_graph_that_suppresses_nothing_is_merged_too() -> None:
    squares = [(x, 100, 12, 0) for x in range(10, 390, 30)]  # each is seen by two tiles or more
    _, tiled = detectors(suppress=None)
    assert found(tiled(picture(400, 300, squares))) == corners(squares)


PARTS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 9), st.integers(0, 2)),
        max_size=6,
    ),
    min_size=1,
    max_size=5,
)


@given(parts=PARTS, seed=st.integers(0, 99))
def test_the_order_of_views_does_not_matter(parts: list[list[Any]], seed: int) -> None:
    views = [
        Detections(
            np.array([[x, y, x + s, y + s] for x, y, s, _ in part], float).reshape(-1, 4),
            np.array([s / 10 for _, _, s, _ in part]),
            np.array([label for *_, label in part], int),
        )
        for part in parts
    ]
    order = np.random.default_rng(seed).permutation(len(views))
    one, other = merge(views, iou=0.5, cap=9), merge([views[i] for i in order], iou=0.5, cap=9)
    np.testing.assert_array_equal(one.xyxy, other.xyxy)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert (np.diff(one.scores) <= 0).all()
    assert {box for box, *_ in map(str, one.xyxy)} <= {
        box for view in views for box, *_ in map(str, view.xyxy)
    }


def test_it_is_a_detector_like_any_other() -> None:
    plain, tiled = detectors()
    for name in ("classes", "card", "backend"):
        assert getattr(plain, name) == getattr(tiled, name)
    assert (plain.tiling, tiled.tiling) == (None, TILING)
    with pytest.raises(ValueError, match="picture"):
        tiled(np.zeros((300, 300), np.uint8))
