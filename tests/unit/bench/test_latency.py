"""The benchmark times what it says it times. No test here looks at how long anything took."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kit import door
from kit.bench.latency import Load, bench
from kit.bench.report import STAGES, load_reports, save_reports
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
    tiling: Any = None
    fits: Any = None

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
    row = bench(
        [detector],
        bundle,
        pictures,
        manifest_sha256="0" * 64,
        load=Load(samples=70),
        null=detector,
        ap50=0.5,
        load_ms=1.5,
    )
    assert (row.samples, row.batch, row.regime, row.backend) == (70, 1, "burst", "null")
    assert set(row.stages) == set(STAGES)
    assert row.stages["copy_in"] is None  # off the GPU there is nothing to copy
    total, decode = row.stages["total"], row.stages["decode"]
    assert total is not None
    assert decode is not None
    assert len(row.totals_ms) == row.samples
    assert np.median(row.totals_ms) == pytest.approx(total.p50, abs=1e-3)
    assert total.interval["p50"][0] <= total.p50 <= total.interval["p50"][1]
    assert set(total.interval) == {"p50", "p90"}, "what is not told has no interval"
    assert (row.ap50, row.too_few) == (0.5, ("p95", "p99"))
    assert row.power_w is None or row.power_w > 0, "never 0"
    assert 0 < row.throughput <= 1000 / total.mean * 1.01
    assert (row.load_ms, row.staged_samples, row.streams) == (1.5, 70, 1)
    assert row.first_ms is not None
    assert row.floor is not None
    assert (row.rate, row.missed, row.drift) == (None, None, None)
    assert row.environment["threads"] >= 1
    path = tmp_path / "rows.json"
    save_reports(path, [row, row])
    assert load_reports(path) == [row, row]


def test_batches_follow_the_order_of_the_manifest(tmp_path: Path, pictures: list[Path]) -> None:
    bundle = make(tmp_path)
    spy = Spy(bundle.card, door.open(bundle, backend="null").runner)
    row = bench([spy], bundle, pictures, manifest_sha256="", load=Load(batch=2, samples=4))
    assert spy.widths[:3] == [[30, 31], [32, 30], [31, 32]]
    assert len(spy.widths) == 1 + row.warmup + row.staged_samples + row.samples
    run = row.stages["run"]
    assert run is not None
    assert run.p50 == pytest.approx(14e-6)  # of the batch, not of a picture


def test_refuses(tmp_path: Path, pictures: list[Path]) -> None:
    bundle = make(tmp_path, max_batch=1)
    detector = door.open(bundle, backend="null")
    with pytest.raises(UsageError, match="batches of 1 to 1"):
        bench([detector], bundle, pictures, manifest_sha256="", load=Load(batch=2))
    with pytest.raises(DataError, match="no picture"):
        bench([detector], bundle, [], manifest_sha256="")
    with pytest.raises(DataError, match="can't be read"):
        bench([detector], bundle, [tmp_path / "gone.png"], manifest_sha256="")
    with pytest.raises(UsageError, match="regime"):
        bench([detector], bundle, pictures, manifest_sha256="", load=Load("nonesuch"))  # type: ignore[arg-type]
    (tmp_path / "rows.json").write_text("{}")
    with pytest.raises(DataError, match="not a latency report"):
        load_reports(tmp_path / "rows.json")


def test_time_ends_it_early_but_not_at_once(tmp_path: Path, pictures: list[Path]) -> None:
    bundle = make(tmp_path)
    detector = door.open(bundle, backend="null")
    row = bench([detector], bundle, pictures, manifest_sha256="", load=Load(seconds=0.0))
    assert row.samples == 20
    assert replace(row, samples=0) != row


def test_stages_are_waited_for_in_a_pass_of_their_own(tmp_path: Path, pictures: list[Path]) -> None:
    """Waiting costs time, so nothing waits while the totals are taken, nor afterwards."""
    bundle = make(tmp_path)
    spy = Spy(bundle.card, door.open(bundle, backend="null").runner)
    staged: list[bool] = []
    detect = spy.detect

    def watched(images: Any, *, floor: float | None = None) -> list[Result]:
        staged.append(spy.runner.staged)
        return detect(images, floor=floor)

    spy.detect = watched  # type: ignore[method-assign]
    row = bench([spy], bundle, pictures, manifest_sha256="", load=Load(samples=5))
    before = 1 + row.warmup
    assert staged == [False] * before + [True] * row.staged_samples + [False] * row.samples


def test_streams_begin_at_different_pictures(tmp_path: Path, pictures: list[Path]) -> None:
    bundle = make(tmp_path)
    runner = door.open(bundle, backend="null").runner
    spies = [Spy(bundle.card, runner) for _ in range(3)]
    row = bench(spies, bundle, pictures, manifest_sha256="", load=Load(samples=60))
    assert [spy.widths[0] for spy in spies] == [[30], [31], [32]]
    assert row.streams == 3
    assert row.samples >= 60
    taken = sum(len(spy.widths) for spy in spies)
    assert taken == 1 + row.warmup + 2 + row.staged_samples + row.samples


def test_a_pace_and_a_soak_are_told(tmp_path: Path, pictures: list[Path]) -> None:
    bundle = make(tmp_path)
    detector = door.open(bundle, backend="null")
    load = Load("paced", rate=500.0, samples=40)
    row = bench([detector], bundle, pictures, manifest_sha256="", load=load)
    assert (row.regime, row.rate) == ("paced", 500.0)
    assert row.missed is not None
    assert row.throughput <= 520
    soak = bench([detector], bundle, pictures, manifest_sha256="", load=Load("soak", seconds=0.6))
    assert soak.drift is not None
    assert soak.drift.interval[0] <= soak.drift.slope <= soak.drift.interval[1]
    assert soak.samples == len(soak.totals_ms) > 300


def test_the_published_schema_is_the_rows(tmp_path: Path) -> None:
    from kit.bench.schema import schema

    published = Path(__file__).parents[3] / "docs" / "bench.schema.json"
    assert json.loads(published.read_text()) == schema(), (
        "python -m kit.bench.schema > docs/bench.schema.json"
    )
