"""Scaled scores: the order stays, and what is shown stays by raw scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import door
from kit.binding import bind, plain
from kit.bundle import Bundle, Scaling
from kit.errors import BundleError
from kit.runtime.scaling import ScaledDetector, scale
from kit.types import Tiling

SCALINGS = [
    Scaling("temperature", temperature=0.05),
    Scaling("temperature", temperature=20),
    Scaling("isotonic", scores=(0.2, 0.5, 0.8), chances=(0.0, 0.9, 1.0)),
    Scaling("isotonic", scores=(0.4,), chances=(0.5,)),
]


def test_by_hand() -> None:
    warm = scale(np.array([0.5, 0.8]), Scaling("temperature", temperature=2))
    np.testing.assert_allclose(warm, [0.5, 2 / 3])  # odds of 4 become 2
    curve = scale(np.array([0.1, 0.35, 0.9]), SCALINGS[2])
    np.testing.assert_allclose(curve, 0.99 * np.array([0, 0.45, 1]) + [0.001, 0.0035, 0.009])


@pytest.mark.parametrize("scaling", SCALINGS, ids=str)
@given(scores=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=50))
def test_order_is_kept(scaling: Scaling, scores: list[float]) -> None:
    raw = np.sort(np.array(scores, np.float32))
    scaled = scale(raw, scaling)
    assert (np.diff(scaled.astype(np.float32)) >= 0).all()
    assert ((scaled >= 0) & (scaled <= 1)).all()
    if scaling.method == "isotonic":
        assert (np.diff(scaled)[np.diff(raw) > 1e-12] > 0).all()


@pytest.mark.parametrize("tiling", [None, Tiling(64)])
def test_the_same_boxes_with_other_scores(
    bundle_at: Callable[..., Bundle], tiling: Tiling | None
) -> None:
    pytest.importorskip("onnxruntime")
    scaling = Scaling("temperature", temperature=2)
    bundle = bundle_at(scaling=scaling, operating_point=0.5, class_thresholds={"bright": 0.35})
    raw, scaled = (
        door.open(bundle, tiling=tiling),
        door.open(bundle, tiling=tiling, calibrated=True),
    )
    assert isinstance(scaled, ScaledDetector)
    assert (scaled.classes, scaled.backend, scaled.tiling) == (raw.classes, raw.backend, tiling)
    picture = np.full((60, 90, 3), 100, np.uint8)  # bright by 0.41, with its padding, dark by 0.59
    for floor in (None, 0.45, 0.57, 0.7):
        (before,), (after,) = (d.detect([picture], floor=floor) for d in (raw, scaled))
        np.testing.assert_array_equal(before.detections.xyxy, after.detections.xyxy)
        np.testing.assert_array_equal(before.detections.labels, after.detections.labels)
        expected = scale(before.detections.scores, scaling)
        np.testing.assert_allclose(after.detections.scores, expected, rtol=1e-6)
    assert sorted(scaled(picture).labels) == [0, 1]
    assert len(scaled.detect([picture], floor=0.57)[0].detections) == 1, "0.59, told as 0.54"


def test_without_a_scaling_none_is_applied(bundle_at: Callable[..., Bundle]) -> None:
    with pytest.raises(BundleError, match="kit calibrate"):
        door.open(bundle_at(), calibrated=True)


@pytest.mark.parametrize("scaling", SCALINGS, ids=str)
def test_a_card_brings_it_back(scaling: Scaling) -> None:
    assert bind(Scaling, plain(scaling), where="card") == scaling


@pytest.mark.parametrize(
    "facts",
    [
        {"method": "temperature", "temperature": 0},
        {"method": "temperature", "temperature": float("nan")},
        {"method": "isotonic"},
        {"method": "isotonic", "scores": (0.1, 0.2), "chances": (0.5,)},
        {"method": "isotonic", "scores": (0.1, 0.2), "chances": (0.5, 0.5)},
        {"method": "isotonic", "scores": (0.1, 0.2), "chances": (0.5, 1.5)},
        {"method": "platt"},
    ],
)
def test_a_card_with_no_scaling_in_it_is_refused(facts: dict[str, object]) -> None:
    with pytest.raises(BundleError):
        bind(Scaling, facts, where="card", error=BundleError)
