"""How well a pretrained network's features would carry a detection task, without training on it.

LogME (You et al., "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", 2021)
is the largest evidence, per example, of a linear model from features to a target. TLogME (Fouquet,
Maggio and Dreyfus-Schmidt, "Transferability Metrics for Object Detection", 2023) takes it to
detection: features are those within each box, and the targets are both classes and coordinates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kit.errors import DataError
from kit.finetune.features import Features

Array = NDArray[np.float64]

_ROUNDS = 100
_SETTLED = 1e-4  # relative change of the ratio of precisions


def tlogme(features: Features) -> float:
    """The mean of LogME over classes and of LogME over the boxes' coordinates, these as shares of
    the input's side. Only to compare models on the same objects; higher is better.

    Raises:
        DataError: fewer than two objects.
    """
    if len(features.objects) < 2:
        raise DataError("a transferability score needs two objects at least")
    classes = np.unique(features.labels)
    hot = (features.labels[:, None] == classes).astype(np.float64)
    return (logme(features.objects, hot) + logme(features.objects, features.boxes)) / 2


def logme(features: NDArray[np.float32], targets: NDArray[np.floating]) -> float:
    """Mean over columns of the largest log evidence per example.

    Args:
        features: ``(n, D)``, targets: ``(n, K)``.
    """
    x, y = features.astype(np.float64), targets.astype(np.float64)
    left, sizes, _ = np.linalg.svd(x, full_matrices=False)
    inside = left.T @ y  # of each target, along the directions of the features
    outside = np.maximum((y**2).sum(0) - (inside**2).sum(0), 0.0)
    columns = zip(inside.T, outside, strict=True)
    return float(np.mean([_evidence(sizes**2, *each, *x.shape) for each in columns]))


def _evidence(squares: Array, inside: Array, outside: float, n: int, dims: int) -> float:
    """Of one target, with the precisions of weights (alpha) and noise (beta) that make it largest:
    the fixed point of MacKay's updates."""
    alpha = beta = 1.0
    tiny = np.finfo(np.float64).tiny
    weights = residual = tiny
    for _ in range(_ROUNDS):
        ratio = alpha / beta
        told = squares / (squares + ratio)
        weights = max(float((squares * (inside / (squares + ratio)) ** 2).sum()), tiny)
        residual = max(float((((1 - told) * inside) ** 2).sum()) + outside, 1e-12 * n)
        gamma = float(told.sum())
        alpha, beta = gamma / weights, (n - gamma) / residual
        if abs(alpha / beta - ratio) <= _SETTLED * ratio:
            break
    flat = dims - len(squares)  # directions without any feature
    spread = np.log(alpha + beta * squares).sum() + flat * np.log(alpha)
    whole = (
        dims * np.log(alpha) + n * np.log(beta) - spread - beta * residual - alpha * weights
        - n * np.log(2 * np.pi)
    )  # fmt: skip
    return float(whole / 2 / n)
