"""Bundles and reports that were never measured, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kit.bench.report import LatencyReport
from kit.bench.statistics import spread
from kit.bundle import Bundle, BundleCard, save_bundle
from kit.cards import Input
from kit.evaluate.coco import ClassScore
from kit.evaluate.detail import Detail, Estimate, Paired
from kit.evaluate.froc import GRID, Curve, Froc
from kit.evaluate.proportions import Share
from kit.evaluate.report import EvalReport
from kit.evaluate.subgroups import Group

CLASSES = ("cell", "dust")


def bundle(directory: Path, **changes: Any) -> Bundle:
    """A bundle of nothing."""
    facts: dict[str, Any] = {
        "name": "cells", "kind": "onnx", "family": "none", "model": "m", "architecture": "a",
        "licence": "Apache-2.0", "classes": CLASSES, "input": Input(64), "suppress": None,
        "weights": "w", "files": {}, **changes,
    }  # fmt: skip
    return save_bundle(directory, BundleCard(**facts), {"w": b"nothing"})


def estimate(value: float | None, n: int, interval: tuple[float, float] | None = None) -> Estimate:
    why = None if interval else "interval not measurable: every draw gives the same"
    return Estimate(value, n, percentile=interval, bca=interval, why=why)


def row(
    sensitivity: Estimate | None = None, precision: Estimate | None = None
) -> dict[str, Estimate]:
    """The figures of a class."""
    return {
        "ap": estimate(0.6, 200, (0.5, 0.7)),
        "ap50": estimate(0.9, 200, (0.8, 0.95)),
        "sensitivity": sensitivity or estimate(0.93, 200, (0.841, 0.979)),
        "precision": precision or estimate(0.9, 200, (0.8, 0.95)),
    }


def detail(per_class: Mapping[str, Mapping[str, Estimate]] | None = None, **changes: Any) -> Detail:
    curve = Curve(200, 50, (0.5,) * len(GRID), (), (), 0.5, (0.4, 0.6), 8.0)
    classes = per_class or {name: row() for name in CLASSES}
    facts: dict[str, Any] = {
        "drawn_by": "picture", "units": 50, "resamples": 100, "operating_point": 0.25,
        "figures": row(), "per_class": classes,
        "shares": {"every_object_found": Share(40, 50, (0.7, 0.9))},
        "froc": Froc("iou", curve, dict.fromkeys(classes, curve)),
        "paired": Paired("d" * 64, {}, {}),
        "subgroups": {"size": (Group("small", 3, 7, 6, 1, 6 / 7, (0.5, 0.97), 6 / 7),)},
        **changes,
    }  # fmt: skip
    return Detail(**facts)


def evaluation(of: str, **changes: Any) -> EvalReport:
    """A report of a bundle with this sha256."""
    facts: dict[str, Any] = {
        "ap": 0.6, "ap50": 0.9, "ap75": 0.7, "ar100": 0.7,
        "per_class": {name: ClassScore(0.6, 0.9, 200) for name in CLASSES}, "images": 50,
        "objects": 400, "max_detections": {"ap": 300, "ar": 100},
        "interval": {"ap": (0.5, 0.7), "ap50": (0.8, 0.95)}, "backend": "onnxruntime",
        "provider": "CPUExecutionProvider", "device": "a CPU", "precision": "fp32",
        "bundle": "cells", "bundle_sha256": of, "manifest_sha256": "e" * 64, "dataset": "smears",
        "split": "test", "detail": detail(), **changes,
    }  # fmt: skip
    return EvalReport(**facts)


def timing(of: str, **changes: Any) -> LatencyReport:
    """A row of a bundle with this sha256."""
    total = spread((np.linspace(19, 21, 200) * 1e6).astype(int).tolist())
    facts: dict[str, Any] = {
        "bundle": "cells", "bundle_sha256": of, "manifest_sha256": "e" * 64,
        "backend": "onnxruntime", "provider": "CPUExecutionProvider", "device": "a CPU",
        "precision": "fp32", "input_size": 64, "batch": 1, "regime": "burst", "samples": 200,
        "warmup": 20, "settled": True, "stages": {"run": total, "total": total},
        "too_few": ("p99",), "throughput": 50.0, "memory_mb": 100.0, "power_w": None,
        "throttled": None, "ap50": 0.9, "environment": {"threads": 2}, **changes,
    }  # fmt: skip
    return LatencyReport(**facts)
