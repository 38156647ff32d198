"""The benchmark times what it says it times. No test here looks at how long anything took."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kit import door
from kit.bench.latency import STAGES, bench, load_reports, save_reports
from kit.bundle import Bundle, BundleCard, save_bundle
from kit.cards import Input
from kit.errors import DataError, UsageError
from kit.types import Detections, Result


def make(directory: Path, **changes: Any) -> Bundle:
    facts: dict[str, Any] = {
        "name": "b", "kind": "onnx", "family": "none", "model": "m", "architecture": "a",
        "licence": "l", "classes": ("a", "b"), "input": Input(64), "suppress": None,
        "weights": "w.onnx", "files": {}, **changes,
    }  # fmt: skip
    return save_bundle(directory / "bundle", BundleCard(**facts), {"w.onnx": b"nothing"})


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), np.full((20, 30 + i, 3), 90, np.uint8))
    return paths


@dataclass
class Spy:
    """A detector with a clock of its own: every stage of a picture takes 7 ns."""

    card: Any
    runner: Any
    backend: str = "spy"
    classes: tuple[str, ...] = ("a", "b")
    widths: list[list[int]] = field(default_factory=list)

    def detect(self, images: Any, *, floor: float | None = None) -> list[Result]:
        assert floor is None  # at the operating point, as it serves
        self.widths.append([image.shape[1] for image in images])
        stages = {"fit": 7, "copy_in": 7, "run": 7, "copy_out": 7, "post": 7}
        return [Result(Detections.empty(), stages) for _ in images]

    def __call__(self, image: Any) -> Detections:
        return Detections.empty()


def test_null_backend_end_to_end(tmp_path: Path, pictures: list[Path]) -> None:
    bundle = make(tmp_path)
    detector = door.open(bundle, backend="null")
    row = bench(detector, bundle, pictures, manifest_sha256="0" * 64, samples=70, ap50=0.5)
    assert (row.samples, row.batch, row.regime, row.backend) == (70, 1, "burst", "null")
    assert set(row.stages) == set(STAGES)
    assert row.stages["copy_in"] is None  # off the GPU there is nothing to copy
    total, decode = row.stages["total"], row.stages["decode"]
    assert total is not None
    assert decode is not None
    parts = [spread for name, spread in row.stages.items() if spread and name != "total"]
    assert sum(part.mean for part in parts) <= total.mean
    assert (row.power_w, row.ap50, row.too_few) == (None, 0.5, ("p95", "p99"))
    assert row.throughput == pytest.approx(1000 / total.mean)
    assert row.environment["threads"] >= 1
    path = tmp_path / "rows.json"
    save_reports(path, [row, row])
    assert load_reports(path) == [row, row]


def test_batches_follow_the_order_of_the_manifest(tmp_path: Path, pictures: list[Path]) -> None:
    bundle = make(tmp_path)
    spy = Spy(bundle.card, door.open(bundle, backend="null").runner)
    row = bench(spy, bundle, pictures, manifest_sha256="", batch=2, samples=4)
    assert spy.widths[:3] == [[30, 31], [32, 30], [31, 32]]
    assert len(spy.widths) == row.warmup + row.samples
    run = row.stages["run"]
    assert run is not None
    assert run.p50 == pytest.approx(14e-6)  # of the batch, not of a picture


def test_refuses(tmp_path: Path, pictures: list[Path]) -> None:
    bundle = make(tmp_path, max_batch=1)
    detector = door.open(bundle, backend="null")
    with pytest.raises(UsageError, match="batches of 1 to 1"):
        bench(detector, bundle, pictures, manifest_sha256="", batch=2)
    with pytest.raises(DataError, match="no picture"):
        bench(detector, bundle, [], manifest_sha256="")
    with pytest.raises(DataError, match="can't be read"):
        bench(detector, bundle, [tmp_path / "gone.png"], manifest_sha256="")
    with pytest.raises(UsageError, match="regime"):
        bench(detector, bundle, pictures, manifest_sha256="", regime="nonesuch")  # type: ignore[arg-type]
    (tmp_path / "rows.json").write_text("{}")
    with pytest.raises(DataError, match="not a latency report"):
        load_reports(tmp_path / "rows.json")


def test_time_ends_it_early_but_not_at_once(tmp_path: Path, pictures: list[Path]) -> None:
    bundle = make(tmp_path)
    detector = door.open(bundle, backend="null")
    row = bench(detector, bundle, pictures, manifest_sha256="", seconds=0.0)
    assert row.samples == 20
    assert replace(row, samples=0) != row
