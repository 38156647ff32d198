"""The fit is the vendor's to the pixel, and undoes itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.cards import Input
from kit.runtime.fit import Fit

SIDES = st.integers(1, 3000)
INPUTS = st.builds(
    Input,
    size=st.integers(32, 1280),
    fit=st.sampled_from(["letterbox", "stretch"]),
    fill=st.just(114),
)


@given(input=INPUTS, width=SIDES, height=SIDES, data=st.data())
def test_undo_brings_boxes_back(input: Input, width: int, height: int, data: st.DataObject) -> None:
    corners = data.draw(st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=4))
    boxes = np.array(corners).reshape(-1, 4) * [width, height, width, height]
    placement = Fit(input).place(width, height)
    np.testing.assert_allclose(placement.undo(placement.apply(boxes)), boxes, atol=1e-8)


@given(input=INPUTS, width=SIDES, height=SIDES)
def test_the_picture_lies_inside_the_input(input: Input, width: int, height: int) -> None:
    placement = Fit(input).place(width, height)
    left, top, right, bottom = placement.apply([[0, 0, width, height]])[0]
    assert 0 <= left < right <= input.size + 1e-6
    assert 0 <= top < bottom <= input.size + 1e-6
    if input.fit == "stretch":
        assert (left, top) == (0, 0)
        assert (right, bottom) == pytest.approx((input.size, input.size))
    else:  # centred, the odd pixel to the right and below
        assert -1e-6 <= (input.size - right) - left <= 1 + 1e-6
        assert -1e-6 <= (input.size - bottom) - top <= 1 + 1e-6


def test_undo_clips_to_the_picture() -> None:
    placement = Fit(Input(size=64)).place(100, 50)
    np.testing.assert_array_equal(placement.undo([[-9, -9, 99, 99]]), [[0, 0, 100, 50]])


@settings(max_examples=40, deadline=None)
@given(size=st.sampled_from([64, 97, 416]), width=st.integers(1, 700), height=st.integers(1, 700),
       stretch=st.booleans(), fill=st.integers(0, 255))  # fmt: skip
def test_letterbox_is_the_vendors(
    size: int, width: int, height: int, stretch: bool, fill: int
) -> None:
    augment = pytest.importorskip("ultralytics.data.augment")
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    theirs = augment.LetterBox(size, auto=False, scale_fill=stretch, padding_value=fill)
    fit = Fit(Input(size=size, fit="stretch" if stretch else "letterbox", fill=fill))
    ours, placement = fit.apply(picture)
    np.testing.assert_array_equal(ours, theirs(image=picture.copy()))
    if not stretch:
        ops = pytest.importorskip("ultralytics.utils.ops")
        boxes = np.array([[3.0, 5.0, size - 4.0, size - 7.0]])
        back = ops.scale_boxes((size, size), boxes.copy(), (height, width))
        np.testing.assert_allclose(placement.undo(boxes), back, atol=1e-9)


def test_writes_into_a_row_of_a_batch() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (30, 50, 3), np.uint8)
    batch = np.zeros((2, 64, 64, 3), np.uint8)
    fit = Fit(Input(size=64))
    fit.apply(picture, out=batch[1])
    np.testing.assert_array_equal(batch[1], fit.apply(picture)[0])
    assert not batch[0].any()


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_refuses_what_is_no_picture(picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match="picture"):
        Fit(Input(size=64)).apply(picture)
