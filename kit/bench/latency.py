"""Latency of the path that serves, on real pictures: from the file's bytes to boxes.

A sample is one batch: read and decode the files, fit, copy, run, copy back, decode boxes. Pictures
are taken in the manifest's order, again and again. ``total`` is the clock around all of it, not the
sum of the stages. Before the samples come warm-up runs, until the medians of two windows agree.

Regimes: ``burst`` is back to back, the highest load and the shortest gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any, Literal

from kit.bench.environment import PeakMemory, environment, throttle_count
from kit.bench.statistics import FLOORS, Spread, settled, spread, too_few
from kit.binding import bind, plain
from kit.bundle import Bundle
from kit.errors import DataError, UsageError
from kit.files import read_json, write_json
from kit.pixels import read_picture
from kit.progress import SILENT, Progress
from kit.types import Detector

STAGES = ("decode", "fit", "copy_in", "run", "copy_out", "post", "total")
SAMPLES = max(FLOORS.values())
SECONDS = 30.0
_FEWEST = 20  # samples, whatever the time
_WINDOW, _TOLERANCE, _WARMUP_SECONDS = 10, 0.05, 15.0


@dataclass(frozen=True)
class LatencyReport:
    """One row: one bundle, one backend, one regime.

    Attributes:
        samples: batches that were timed. warmup: batches before them.
        settled: whether the warm-up ended because the times had settled; else its time was up.
        stages: milliseconds a batch, by :data:`STAGES`; None for a stage the backend doesn't have.
        too_few: percentiles left out, for want of samples.
        throughput: pictures a second, over the whole of the samples.
        memory_mb: peak resident memory of the whole process during this row; on the host.
        power_w: None where it isn't measured. throttled: None where the system doesn't tell.
        ap50: of the same bundle, scored on the same pictures through the same code, untimed.
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


def bench(
    detector: Detector,
    bundle: Bundle,
    pictures: Sequence[Path],
    *,
    manifest_sha256: str,
    regime: Literal["burst"] = "burst",
    batch: int = 1,
    threads: int | None = None,
    bit_depth: int | None = None,
    ap50: float | None = None,
    samples: int = SAMPLES,
    seconds: float = SECONDS,
    progress: Progress = SILENT,
) -> LatencyReport:
    """Time a detector.

    Args:
        detector: the bundle, opened, at its operating point.
        pictures: files, in the order of the manifest with this sha256.
        batch: pictures a sample.
        threads: what the detector was opened with, for the record.
        ap50: what the report tells of accuracy (measured apart: see ``kit bench``).
        samples: how many; fewer when ``seconds`` are over first, but never below 20.

    Raises:
        UsageError: the batch is larger than the bundle takes, or not positive.
        DataError: no picture, or one that can't be read.
    """
    check_batch(bundle, batch)
    if regime != "burst":
        raise UsageError("there is no such regime", where=regime, fix="burst")
    if not pictures:
        raise DataError("there is no picture to time", where=bundle.directory)
    memory, throttles = PeakMemory(), throttle_count()
    stream = cycle(pictures)

    def sample() -> dict[str, int]:
        return _sample(detector, list(islice(stream, batch)), bit_depth)

    warmup = _warm_up(sample)
    rows: list[dict[str, int]] = []
    end = perf_counter() + seconds
    for _ in progress.track(range(samples), f"timing {bundle.card.name}", samples):
        if perf_counter() > end and len(rows) >= min(_FEWEST, samples):
            break
        rows.append(sample())
    after = throttle_count()
    return LatencyReport(
        bundle=bundle.card.name,
        bundle_sha256=bundle.sha256,
        manifest_sha256=manifest_sha256,
        backend=detector.backend,
        provider=detector.runner.provider,
        device=detector.runner.device,
        precision=bundle.card.precision,
        input_size=bundle.card.input.size,
        batch=batch,
        regime=regime,
        samples=len(rows),
        warmup=len(warmup),
        settled=settled(warmup, _WINDOW, _TOLERANCE),
        stages={
            stage: spread([row[stage] for row in rows]) if stage in rows[0] else None
            for stage in STAGES
        },
        too_few=too_few(len(rows)),
        throughput=len(rows) * batch / (sum(row["total"] for row in rows) / 1e9),
        memory_mb=memory.megabytes(),
        power_w=None,
        throttled=None if after is None or throttles is None else after > throttles,
        ap50=ap50,
        environment=environment(threads),
    )


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


def check_batch(bundle: Bundle, batch: int) -> None:
    """Raise where a bundle doesn't take batches of this size.

    Raises:
        UsageError: it is too large, or not positive.
    """
    limit = bundle.card.max_batch
    if batch < 1 or (limit is not None and batch > limit):
        raise UsageError(
            f"takes batches of 1 to {limit or 'any number'}, not {batch}", where=bundle.directory
        )


def _warm_up(sample: Callable[[], dict[str, int]]) -> list[int]:
    """Totals of the runs it took."""
    times: list[int] = []
    end = perf_counter() + _WARMUP_SECONDS
    while not settled(times, _WINDOW, _TOLERANCE) and (perf_counter() < end or len(times) < 2):
        times.append(sample()["total"])
    return times


def _sample(detector: Detector, paths: Sequence[Path], bit_depth: int | None) -> dict[str, int]:
    """Nanoseconds a stage for one batch."""
    start = perf_counter_ns()
    pictures = [read_picture(path, bit_depth=bit_depth) for path in paths]
    decoded = perf_counter_ns()
    results = detector.detect(pictures)
    end = perf_counter_ns()
    stages = {"decode": decoded - start, "total": end - start}
    for stage in results[0].stages_ns:
        # a shared stage was divided by the batch, so the sum is the batch's own time
        stages[stage] = sum(result.stages_ns[stage] for result in results)
    return stages
