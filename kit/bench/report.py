"""The rows of a benchmark: what was timed, on what, under which load, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.bench.statistics import Drift, Spread
from kit.binding import bind, plain
from kit.errors import DataError
from kit.files import read_json, write_json
from kit.types import Tiling

STAGES = ("decode", "fit", "copy_in", "run", "copy_out", "post", "total")


@dataclass(frozen=True)
class LatencyReport:
    """One row: one bundle, one backend, one regime.

    Attributes:
        samples: batches in the end-to-end pass. warmup: batches before both passes.
        settled: whether the warm-up ended because the times had settled; else its time was up.
        stages: milliseconds a batch, by :data:`STAGES`; None for a stage the backend doesn't have.
        too_few: percentiles left out, for want of samples.
        throughput: pictures a second, of all streams together.
        memory_mb: peak resident memory of the whole process during this row; on the host.
        power_w: mean over the end-to-end pass; None where it isn't measured, never 0.
        throttled: None where the system doesn't tell.
        ap50: of the same bundle, scored on the same pictures through the same code, untimed.
        streams: at once, each with a detector of its own.
        staged_samples: batches in the pass that timed the stages.
        load_ms, first_ms: opening the bundle, and its very first batch; None where they were over
            before anybody looked.
        floor: total of the same path with the null backend; None where there was none.
        rate: pictures a second that came in each stream, where they come at a pace. missed: share
            of these that had no boxes when the next one came.
        drift: whether times rose; only of a soak long enough to tell.
        energy_j: joules a picture.
        device_memory_mb: in use on the whole GPU after the row, with what others hold.
        health: the machine ``before`` and ``after``.
        totals_ms: every total, in order; what :mod:`kit.bench.compare` compares.
        fits: pictures at once that memory had room for, where a batch had to be run in parts.
        build_s: seconds the engine took to build, once; None where nothing is built.
        elsewhere: operators that the provider's processor doesn't run; None where nobody tells.
        tiling: how pictures were cut; None where each was looked at as a whole.
    """

    bundle: str
    bundle_sha256: str
    manifest_sha256: str
    backend: str
    provider: str
    device: str
    precision: str
    input_size: int
    batch: int
    regime: str
    samples: int
    warmup: int
    settled: bool
    stages: Mapping[str, Spread | None]
    too_few: tuple[str, ...]
    throughput: float
    memory_mb: float | None
    power_w: float | None
    throttled: bool | None
    ap50: float | None
    environment: Mapping[str, Any]
    streams: int = 1
    staged_samples: int = 0
    load_ms: float | None = None
    first_ms: float | None = None
    floor: Spread | None = None
    rate: float | None = None
    missed: float | None = None
    drift: Drift | None = None
    energy_j: float | None = None
    device_memory_mb: float | None = None
    health: Mapping[str, Any] = field(default_factory=dict)
    totals_ms: tuple[float, ...] = ()
    elsewhere: tuple[str, ...] | None = None
    build_s: float | None = None
    fits: int | None = None
    tiling: Tiling | None = None


def save_reports(path: Path, reports: Sequence[LatencyReport]) -> None:
    """Write rows as a JSON list."""
    write_json(path, [plain(report) for report in reports])


def load_reports(path: Path) -> list[LatencyReport]:
    """Read rows back.

    Raises:
        DataError: missing, or not such a report.
    """
    fix = "make one with `kit bench`"
    data = read_json(path, "a latency report", error=DataError, fix=fix)
    if not isinstance(data, list):
        raise DataError("not a latency report", where=path, fix=fix)
    return [bind(LatencyReport, row, where=path, error=DataError) for row in data]
