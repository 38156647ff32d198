"""Suppression against torchvision's, and what floor, cap and order mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.cards import Suppress
from kit.runtime.suppress import decode


def drawn(seed: int, rows: int, classes: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Crowded boxes, some beyond the input's edges, and scores without ties."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-30, spread, (rows, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.5, 60, (rows, 2))], axis=1)
    scores = rng.permutation(rows * classes).reshape(rows, classes) / max(rows * classes, 1)
    return boxes.astype(np.float32), scores.astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(0, 120),
    classes=st.integers(1, 5),
    spread=st.sampled_from([20.0, 100.0, 400.0]),
    iou=st.sampled_from([0.3, 0.5, 0.7, 1.0]),
    floor=st.sampled_from([0.0, 0.001, 0.5]),
    cap=st.sampled_from([1, 5, 300]),
    candidates=st.sampled_from([10, 3000]),
)
def test_equal_to_torchvision(
    seed: int, rows: int, classes: int, spread: float, iou: float, floor: float, cap: int,
    candidates: int,
) -> None:  # fmt: skip
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision.ops")
    boxes, scores = drawn(seed, rows, classes, spread)
    ours = decode(boxes, scores, floor=floor, cap=cap, suppress=Suppress(iou, candidates))

    row, label = np.nonzero(scores >= floor)
    best = np.argsort(-scores[row, label], kind="stable")[:candidates]
    row, label = row[best], label[best]
    kept = ops.batched_nms(
        torch.from_numpy(boxes[row].astype(np.float64)),
        torch.from_numpy(scores[row, label].astype(np.float64)),
        torch.from_numpy(label),
        iou,
    ).numpy()[:cap]
    np.testing.assert_array_equal(ours.labels, label[kept])
    np.testing.assert_array_equal(ours.scores, scores[row, label][kept])
    np.testing.assert_array_equal(ours.xyxy, boxes[row][kept])


def test_full_head_and_full_list_agree() -> None:
    """Where the best candidates don't fill the cap, all of them are looked at."""
    rng = np.random.default_rng(0)
    pile = np.tile([[10, 10, 50, 50]], (500, 1)) + rng.uniform(0, 0.1, (500, 4))
    apart = np.array([[x, 200, x + 5, 205] for x in range(0, 100, 10)])
    boxes = np.concatenate([pile, apart]).astype(np.float32)
    scores = np.linspace(0.9, 0.3, len(boxes), dtype=np.float32)[:, None]
    found = decode(boxes, scores, floor=0.1, cap=11, suppress=Suppress(0.7))
    assert len(found) == 11  # one of the pile and ten that stand apart


def test_classes_do_not_suppress_each_other() -> None:
    boxes = np.array([[0, 0, 10, 10]], np.float32)
    found = decode(boxes, np.array([[0.9, 0.8]], np.float32), floor=0.5, cap=9, suppress=Suppress())
    assert found.labels.tolist() == [0, 1]


def test_without_suppression_only_floor_order_and_cap() -> None:
    boxes = np.tile(np.array([[0, 0, 10, 10]], np.float32), (4, 1))
    scores = np.array([[0.2], [0.9], [0.25], [0.9]], np.float32)
    boxes[:, 0] = [0, 1, 2, 3]
    found = decode(boxes, scores, floor=0.25, cap=9, suppress=None)
    assert found.xyxy[:, 0].tolist() == [1, 3, 2]  # ties stay in the order of their rows
    assert len(decode(boxes, scores, floor=0.25, cap=2, suppress=None)) == 2


@pytest.mark.parametrize("suppress", [None, Suppress()])
@pytest.mark.parametrize(("rows", "classes"), [(0, 3), (5, 3)])
def test_nothing_found(rows: int, classes: int, suppress: Suppress | None) -> None:
    boxes, scores = drawn(0, rows, classes, 100)
    assert len(decode(boxes, scores, floor=1.0, cap=300, suppress=suppress)) == 0


def test_a_score_that_rounding_carried_above_one_is_one() -> None:
    boxes, scores = np.array([[0, 0, 9, 9]], np.float32), np.array([[1.0005]], np.float32)
    assert decode(boxes, scores, floor=0.5, cap=9, suppress=Suppress()).scores.tolist() == [1.0]
