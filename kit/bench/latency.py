"""Latency of the path that serves, on real pictures: from the file's bytes to boxes.

A sample is one batch: read and decode the files, fit, copy, run, copy back, decode boxes. Pictures
are taken in the manifest's order, again and again. Stages are timed in a pass of their own, which
waits for the device between them; ``total`` is the clock around everything in a second pass, which
waits for nothing. Before both come warm-up runs, until the medians of two windows agree.

Regimes: ``burst`` is back to back, the highest load and the shortest gaps; ``paced`` has pictures
come at a camera's rate; ``soak`` is a burst of minutes, to see heat slow it down.

The null backend goes the same way without a graph: its total is the floor below which no engine
could bring this path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, cycle, islice
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any

from kit.bench.energy import Rails, meter
from kit.bench.environment import PeakMemory, environment, throttle_count
from kit.bench.health import gpu_memory_mb, gpu_uuid, health, throttled
from kit.bench.regime import Limits, Regime, Timeline, burst, paced
from kit.bench.report import STAGES, LatencyReport
from kit.bench.statistics import FLOORS, Spread, drift, settled, spread, too_few
from kit.bundle import Bundle
from kit.errors import DataError, UsageError
from kit.pixels import read_picture
from kit.progress import SILENT, Progress
from kit.types import Detector

SAMPLES = max(FLOORS.values())
SECONDS = 30.0
SOAK_SECONDS = 600.0
RATE = 30.0
"""Pictures a second, of a usual camera."""

_WINDOW, _TOLERANCE, _WARMUP_SECONDS = 10, 0.05, 15.0
_ASKED_EVERY = 60.0
_STAGED, _FLOOR = 0.4, 0.1  # shares of the time for the stages' pass, and for the null backend's


@dataclass(frozen=True)
class Load:
    """What a row is put under.

    Attributes:
        batch: pictures a sample.
        rate: pictures a second in each stream, for ``paced``.
        samples: how many; fewer when the time is over first, but never below 20. A soak takes as
            many as there is time for.
        seconds: of the stages' pass and the end-to-end pass together; a soak's are of the latter
            alone. Warm-up and floor come on top. None takes what is usual for the regime.
    """

    regime: Regime = "burst"
    batch: int = 1
    rate: float = RATE
    samples: int = SAMPLES
    seconds: float | None = None

    @property
    def limits(self) -> Limits:
        """Of the end-to-end pass."""
        if self.regime == "soak":
            return Limits(1 << 31, self._seconds)
        return Limits(self.samples, self._seconds * (1 - _STAGED))

    @property
    def _seconds(self) -> float:
        usual = SOAK_SECONDS if self.regime == "soak" else SECONDS
        return usual if self.seconds is None else self.seconds

    def share(self, part: float) -> Limits:
        """Of another pass; a soak's are as short as a burst's."""
        return Limits(self.samples, min(self._seconds, SECONDS) * part)


def bench(
    detectors: Sequence[Detector],
    bundle: Bundle,
    pictures: Sequence[Path],
    *,
    manifest_sha256: str,
    load: Load | None = None,
    null: Detector | None = None,
    threads: int | None = None,
    bit_depth: int | None = None,
    ap50: float | None = None,
    load_ms: float | None = None,
    gpu: int | None = None,
    progress: Progress = SILENT,
) -> LatencyReport:
    """Time a detector.

    Args:
        detectors: the bundle, opened at its operating point, once for each stream.
        pictures: files, in the order of the manifest with this sha256.
        load: None is a burst of single pictures.
        null: the bundle opened with the null backend, for the floor.
        threads: what each detector was opened with, for the record.
        ap50: what the report tells of accuracy (measured apart: see ``kit bench``).
        load_ms: what opening took, and that nothing was detected with the first one since; None
            where that is not so.
        gpu: index of the GPU in use.

    Raises:
        UsageError: the batch is larger than the bundle takes, or not positive; no such regime.
        DataError: no picture, or one that can't be read.
    """
    load = load or Load()
    check_batch(bundle, load.batch)
    if load.regime not in ("burst", "paced", "soak"):
        raise UsageError("no such regime", where=load.regime, fix="burst, paced or soak")
    if not pictures:
        raise DataError("there is no picture to time", where=bundle.directory)
    detector, name = detectors[0], bundle.card.name
    samplers = [
        _sampler(each, pictures, load.batch, bit_depth, first=place)
        for place, each in enumerate(detectors)
    ]
    memory, throttles, before = PeakMemory(), throttle_count(), health(gpu)
    first_ns = samplers[0]()["total"]
    warmup = _warm_up(samplers)

    stages: list[dict[str, int]] = []
    detector.runner.staged = True
    try:
        with _bar(progress, f"stages of {name}", load.samples) as tick:
            burst([lambda: stages.append(samplers[0]())], load.share(_STAGED), tick=tick)
    finally:
        detector.runner.staged = False

    uuid = None if gpu is None else gpu_uuid(gpu)
    energy, rails = meter([uuid] if uuid else [], cpu=gpu is None), Rails()
    total = None if load.regime == "soak" else load.samples
    with _bar(progress, f"{load.regime}, {name}", total) as moved:
        asked = perf_counter()

        def tick() -> None:
            nonlocal asked
            moved()
            if perf_counter() - asked > _ASKED_EVERY:  # its counters begin anew now and then
                energy.watt_hours()
                asked = perf_counter()

        if load.regime == "paced":
            timeline = paced(samplers, load.limits, load.rate / load.batch, tick=tick)
        else:
            timeline = burst(samplers, load.limits, tick=tick)
    watts, counted = rails.stop(), energy.watt_hours()
    if counted:
        watts = counted * 3600 / timeline.seconds

    after, slowed = health(gpu), throttle_count()
    done = len(timeline.times_ns)
    throughput = done * load.batch / timeline.seconds
    cpu_slowed = None if slowed is None or throttles is None else slowed > throttles
    told = [each for each in (throttled(before, after), cpu_slowed) if each is not None]
    return LatencyReport(
        bundle=name,
        bundle_sha256=bundle.sha256,
        manifest_sha256=manifest_sha256,
        backend=detector.backend,
        provider=detector.runner.provider,
        device=detector.runner.device,
        precision=bundle.card.precision,
        input_size=bundle.card.input.size,
        batch=load.batch,
        regime=load.regime,
        samples=done,
        warmup=len(warmup),
        settled=settled(warmup, _WINDOW, _TOLERANCE),
        stages={
            **{
                stage: spread([row[stage] for row in stages]) if stage in stages[0] else None
                for stage in STAGES[:-1]
            },
            "total": spread(timeline.times_ns, intervals=True),
        },
        too_few=too_few(done),
        throughput=throughput,
        memory_mb=memory.megabytes(),
        power_w=watts,
        throttled=any(told) if told else None,
        ap50=ap50,
        environment=environment(threads),
        streams=len(detectors),
        staged_samples=len(stages),
        load_ms=load_ms,
        first_ms=None if load_ms is None else first_ns / 1e6,
        floor=None if null is None else _floor(null, pictures, load, bit_depth),
        rate=load.rate if load.regime == "paced" else None,
        missed=_missed(timeline),
        drift=drift(timeline.starts_ns, timeline.times_ns) if load.regime == "soak" else None,
        energy_j=None if watts is None else watts / throughput,
        device_memory_mb=None if gpu is None else gpu_memory_mb(gpu),
        health={"before": before, "after": after},
        totals_ms=tuple(round(taken / 1e6, 4) for taken in timeline.times_ns),
        fits=detector.fits,
        build_s=bundle.card.conversion.get("build_s"),
        tiling=detector.tiling,
        elsewhere=None if (left := detector.runner.elsewhere) is None else tuple(left),
    )


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


def _sampler(
    detector: Detector,
    pictures: Sequence[Path],
    batch: int,
    bit_depth: int | None,
    *,
    first: int = 0,
) -> Callable[[], dict[str, int]]:
    """Takes the next batch and answers with its nanoseconds a stage; each stream begins at another
    picture, so that they don't all decode the same one."""
    stream = islice(cycle(pictures), first, None)

    def sample() -> dict[str, int]:
        start = perf_counter_ns()
        batched = [read_picture(path, bit_depth=bit_depth) for path in islice(stream, batch)]
        decoded = perf_counter_ns()
        results = detector.detect(batched)
        end = perf_counter_ns()
        stages = {"decode": decoded - start, "total": end - start}
        for stage in results[0].stages_ns:
            # a shared stage was divided by the batch, so the sum is the batch's own time
            stages[stage] = sum(result.stages_ns[stage] for result in results)
        return stages

    return sample


@contextmanager
def _bar(progress: Progress, label: str, total: int | None) -> Iterator[Callable[[], object]]:
    """A bar, and what moves it on."""

    def moving() -> Iterator[int]:
        yield from progress.track(count(), label, total)

    ticks: Any = moving()
    try:
        yield lambda: next(ticks)
    finally:
        ticks.close()


def _warm_up(samplers: Sequence[Callable[[], dict[str, int]]]) -> list[int]:
    """Totals of the runs it took; further streams only run once, their engines being the same."""
    times: list[int] = []
    end = perf_counter() + _WARMUP_SECONDS
    while not settled(times, _WINDOW, _TOLERANCE) and (perf_counter() < end or len(times) < 2):
        times.append(samplers[0]()["total"])
    for sample in samplers[1:]:
        sample()
    return times


def _floor(null: Detector, pictures: Sequence[Path], load: Load, bit_depth: int | None) -> Spread:
    sample = _sampler(null, pictures, load.batch, bit_depth)
    return spread(burst([sample], load.share(_FLOOR)).times_ns)


def _missed(timeline: Timeline) -> float | None:
    if timeline.missed is None or not timeline.arrived:
        return None
    return timeline.missed / timeline.arrived
