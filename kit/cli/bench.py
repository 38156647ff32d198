"""Time bundles on real pictures, from the files' bytes to boxes, beside their accuracy.

    kit bench runs/bccd/onnx runs/bccd/int8 bccd
    kit bench runs/bccd/onnx bccd --batch 1,8 --threads 2 --out latency.json --page latency.html
    kit bench runs/bccd/onnx bccd --regime paced --rate 25
    kit bench runs/bccd/onnx bccd --regime soak --seconds 600
    kit bench runs/bccd/onnx slides --tile 640

Times are milliseconds a batch. A percentile is left out where there are too few samples to tell it
(p90 needs 64, p95 130, p99 662). AP50 is scored on the same pictures by the same code, untimed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import (
    add_engine,
    add_out,
    add_source,
    add_tiling,
    open_detector,
    positive,
)

if TYPE_CHECKING:
    from kit.bench.latency import Load
    from kit.bench.report import LatencyReport
    from kit.bundle import Bundle
    from kit.cli.output import Output
    from kit.data.dataset import Dataset
    from kit.types import Detector

REGIMES = ("burst", "paced", "soak")

_NAMED = 8  # operators in a warning


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE", help="bundles to time")
    add_source(parser)
    parser.add_argument("--split", default="test", help="which pictures (default test)")
    parser.add_argument(
        "--regime",
        type=_regimes,
        default=["burst"],
        metavar="R[,R...]",
        help="burst: one batch after another (default); paced: at a camera's rate; soak: minutes",
    )
    parser.add_argument(
        "--batch", type=_batches, default=[1], metavar="N[,N...]", help="pictures a batch"
    )
    parser.add_argument(
        "--streams", type=positive, default=1, metavar="N", help="at once, each with its own engine"
    )
    parser.add_argument(
        "--rate", type=float, default=30.0, metavar="FPS", help="of paced (default 30)"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="T", help="longest time a row (default 30; soak 600)"
    )
    add_tiling(parser)
    add_engine(parser)
    add_out(parser, "write the rows here, as JSON", required=False)
    parser.add_argument("--page", type=Path, metavar="PATH", help="write an HTML page of them here")


def run(args: argparse.Namespace, out: Output) -> list[dict[str, Any]]:
    from math import inf

    from kit.bench.latency import Load, check_batch
    from kit.bench.report import save_reports
    from kit.binding import plain
    from kit.bundle import open_bundle
    from kit.cli.data import tell_notes
    from kit.data.source import open_source
    from kit.errors import UsageError
    from kit.evaluate.report import require_classes
    from kit.files import refuse_existing

    for name in ("seconds", "rate"):
        value = getattr(args, name)
        if value is not None and not 0 < value < inf:
            raise UsageError("must be positive and finite", where=f"--{name}")
    for path in (args.out, args.page):
        if path is not None:
            refuse_existing(path)
    bundles = [open_bundle(path) for path in args.bundles]
    for bundle in bundles:
        for batch in args.batch:
            check_batch(bundle, batch)
    dataset = open_source(args.source, progress=out)
    tell_notes(dataset, out)
    loads = [
        Load(regime, batch, args.rate, seconds=args.seconds)
        for regime in args.regime
        for batch in args.batch
    ]
    for bundle in bundles:
        require_classes(bundle.card.classes, dataset)
    reports: list[LatencyReport] = []
    try:
        for bundle in bundles:
            reports.extend(_rows(args, bundle, dataset, loads, out))  # one by one
    finally:  # rows take minutes each: what there is when one fails, or with Ctrl-C, is kept
        if args.out is not None and reports:
            save_reports(args.out, reports)
            out.print(f"report: {args.out}")
    if args.page is not None:
        from kit.report.html import write_html
        from kit.report.latency import tell

        write_html(args.page, tell(reports))
        out.print(f"page: {args.page}")
    return [plain(report) for report in reports]


def _rows(
    args: argparse.Namespace, bundle: Bundle, dataset: Dataset, loads: list[Load], out: Output
) -> Iterator[LatencyReport]:
    """The rows of one bundle, printed as they come."""
    from time import perf_counter

    from kit import door
    from kit.bench.latency import bench
    from kit.evaluate.report import evaluate
    from kit.runtime.machine import cores

    threads = args.threads
    if threads is None and args.streams > 1:  # they share the cores
        threads = max(1, cores() // args.streams)

    pictures = [dataset.path(index) for index in dataset.split(args.split)]
    null = door.open(bundle, backend="null", tiling=args.tile)
    detector = open_detector(args, bundle, out, threads=threads, tiling=args.tile)
    scored, backend = (
        evaluate(detector, bundle, dataset, args.split, progress=out),
        detector.backend,
    )
    del detector  # its memory is not the timed ones'

    def opened() -> Detector:
        return door.open(
            bundle,
            backend=backend,
            device=args.device,
            threads=threads,
            tiling=args.tile,
            shrink=args.shrink,
            key=args.key,
        )

    begun = perf_counter()
    detectors = [opened()]
    load_ms: float | None = (perf_counter() - begun) * 1e3
    detectors += [opened() for _ in range(args.streams - 1)]
    for load in loads:
        report = bench(
            detectors,
            bundle,
            pictures,
            manifest_sha256=scored.manifest_sha256,
            load=load,
            null=null,
            threads=threads,
            bit_depth=dataset.bit_depth,
            ap50=scored.ap50,
            load_ms=load_ms,
            gpu=_gpu(detectors[0].runner.provider, args.device),
            progress=out,
        )
        load_ms = None  # the next rows find it warm
        _show(report, bundle.directory, out)
        yield report


def _gpu(provider: str, device: str) -> int | None:
    """Index of the GPU that a provider runs on."""
    if not any(word in provider.lower() for word in ("cuda", "tensorrt")):
        return None
    index = device.partition(":")[2]
    return int(index) if index.isdigit() else 0


def _show(report: LatencyReport, directory: Path, out: Output) -> None:
    machine = report.environment
    out.print(
        f"{report.backend} ({report.provider}) on {report.device}, {machine['threads']} threads, "
        f"load {machine['load_average']}"
    )
    load = f"batch {report.batch}, {report.regime}"
    if report.rate is not None:
        load += f" at {report.rate:g} pictures/s"
    if report.streams > 1:
        load += f", {report.streams} streams"
    if report.tiling is not None:
        load += f", {report.tiling}"
    columns = ("mean", "p50", "p90", "p95", "p99", "max")
    out.table(
        f"{directory}: {report.precision}, {report.input_size} px, {load}, "
        f"{report.samples} samples after {report.warmup} warm-up runs",
        ["ms", *columns],
        [
            [stage, *(_number(getattr(spread, column)) for column in columns)]
            for stage, spread in report.stages.items()
            if spread is not None
        ],
    )
    out.print(", ".join(_facts(report)))
    for note in _warnings(report):
        out.note(note)


def _facts(report: LatencyReport) -> list[str]:
    total, facts = report.stages["total"], []
    if total is not None and "p50" in total.interval:
        low, high = total.interval["p50"]
        facts.append(f"median {total.p50:.2f} ms (95 % {low:.2f} to {high:.2f})")
    facts.append(f"{report.throughput:.1f} pictures/s")
    if report.floor is not None:
        facts.append(f"without a graph {report.floor.p50:.2f} ms")
    if report.missed is not None:
        facts.append(f"{report.missed:.1%} of the pictures too late")
    if report.drift is not None:
        low, high = report.drift.interval
        facts.append(
            f"{report.drift.slope:+.3f} ms a minute ({low:+.3f} to {high:+.3f}) over "
            f"{report.drift.minutes:.1f} min"
        )
    if report.load_ms is not None and report.first_ms is not None:
        facts.append(f"loaded in {report.load_ms:.0f} ms, first batch {report.first_ms:.0f} ms")
    if report.build_s is not None:
        facts.append(f"engine built in {report.build_s:.0f} s")
    if report.memory_mb is not None:
        facts.append(f"peak memory of the process {report.memory_mb:.0f} MB")
    if report.device_memory_mb is not None:
        facts.append(f"GPU memory in use {report.device_memory_mb:.0f} MB")
    if report.power_w is None:
        facts.append("power not measured")
    else:
        facts.append(f"{report.power_w:.1f} W, {report.energy_j or 0:.3f} J a picture")
    if report.ap50 is not None:
        facts.append(f"AP50 {report.ap50:.3f}")
    return facts


def _warnings(report: LatencyReport) -> list[str]:
    found = []
    if not report.settled:
        found.append(
            "warning: the times had not settled when the warm-up ended; is the machine busy?"
        )
    if report.fits is not None:
        found.append(f"warning: memory had room for {report.fits} at once; a batch ran in parts")
    if report.throttled:
        found.append("warning: the processor was slowed for heat or power during this row")
    if report.elsewhere:
        named = ", ".join(report.elsewhere[:_NAMED])
        more = f" and {len(report.elsewhere) - _NAMED} more" if report.elsewhere[_NAMED:] else ""
        found.append(f"warning: not run by {report.provider}: {named}{more}")
    if report.too_few:
        found.append(f"{', '.join(report.too_few)} left out: {report.samples} samples are too few")
    return found


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _batches(text: str) -> list[int]:
    return [positive(word) for word in text.split(",")]


def _regimes(text: str) -> list[str]:
    regimes = text.split(",")
    for regime in regimes:
        if regime not in REGIMES:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(REGIMES)}, not {regime!r}")
    return regimes
