"""The rule on curves of which the answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kit.study.overfit import RISE, overfitting

Loss = list[float]
FALLING = [1 + 2 * 0.9**epoch for epoch in range(40)]


def history(train: Loss, valid: list[float | None]) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "train_loss": t, "valid_loss": v, "ap": 0.5 - 0.01 * abs(epoch - 20)}
        for epoch, (t, v) in enumerate(zip(train, valid, strict=True), 1)
    ]


def rising(by: float) -> list[float | None]:
    """Falls to 1.5 in epoch 20, and rises by so much, as a share, until the end."""
    return [1.5 + 0.1 * (20 - epoch) if epoch <= 20 else 1.5 * (1 + by * (epoch - 20) / 20)
            for epoch in range(1, 41)]  # fmt: skip


def test_valid_rises_while_train_falls() -> None:
    answer = overfitting(history(FALLING, rising(0.5)))
    assert answer.overfits
    assert answer.since is not None
    assert 19 <= answer.since <= 23
    assert answer.rise is not None
    assert 0.35 < answer.rise < 0.5
    assert answer.lost is not None
    assert answer.lost == np.float64(0.5) - 0.3


def test_both_fall() -> None:
    answer = overfitting(history(FALLING, list(FALLING)))
    assert answer.overfits is False
    assert answer.rise == 0


def test_a_rise_below_the_limit_does_not_count() -> None:
    assert overfitting(history(FALLING, rising(RISE))).overfits is False


def test_a_loss_that_rises_on_both_diverges_and_does_not_overfit() -> None:
    answer = overfitting(history(FALLING[::-1], rising(0.5)))
    assert answer.overfits is False
    assert answer.rise is not None
    assert answer.rise > RISE


@given(st.integers(0, 999))
def test_noise_on_a_flat_loss_is_not_overfitting(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(1, 0.012, 60)
    assert overfitting(history(FALLING + FALLING[:20], noise.tolist())).overfits is False


@given(st.floats(0.01, 100), st.floats(0.0, 1.0))
def test_the_unit_of_the_loss_does_not_matter(scale: float, by: float) -> None:
    valid = rising(by)
    scaled = [scale * value for value in valid if value is not None]
    one, other = overfitting(history(FALLING, valid)), overfitting(history(FALLING, [*scaled]))
    if abs((one.rise or 0) - RISE) > 1e-6:
        assert one.overfits == other.overfits


def test_too_few_epochs_tell_nothing() -> None:
    assert overfitting(history(FALLING[:9], rising(0.5)[:9])).overfits is None
    gaps: list[float | None] = [None if epoch % 4 else 1.0 for epoch in range(36)]
    assert overfitting(history(FALLING[:36], gaps)).overfits is None
    assert overfitting([]).overfits is None
