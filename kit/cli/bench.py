"""Time bundles on real pictures, from the files' bytes to boxes, beside their accuracy.

    kit bench runs/bccd/onnx runs/bccd/int8 bccd
    kit bench runs/bccd/onnx bccd --batch 8 --threads 2 --out latency.json

Times are milliseconds a batch. A percentile is left out where there are too few samples to tell it
(p90 needs 64, p95 130, p99 662). AP50 is scored on the same pictures by the same code, untimed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_engine, add_out, add_source

if TYPE_CHECKING:
    from kit.bench.latency import LatencyReport
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE", help="bundles to time")
    add_source(parser)
    parser.add_argument("--split", default="test", help="which pictures (default test)")
    parser.add_argument(
        "--regime", default="burst", choices=("burst",), help="burst: one batch after another"
    )
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="pictures a batch")
    parser.add_argument(
        "--seconds", type=float, default=30.0, metavar="T", help="longest time a row (default 30)"
    )
    add_engine(parser)
    add_out(parser, "write the rows here, as JSON", required=False)


def run(args: argparse.Namespace, out: Output) -> list[dict[str, Any]]:
    from kit import door
    from kit.bench.latency import bench, check_batch, save_reports
    from kit.binding import plain
    from kit.bundle import open_bundle
    from kit.cli.data import tell_notes
    from kit.data.source import open_source
    from kit.errors import UsageError
    from kit.evaluate.report import evaluate
    from kit.files import refuse_existing

    if args.seconds <= 0:
        raise UsageError("must be positive", where="--seconds")
    if args.out is not None:
        refuse_existing(args.out)
    bundles = [open_bundle(path) for path in args.bundles]
    for bundle in bundles:
        check_batch(bundle, args.batch)
    dataset = open_source(args.source, progress=out)
    tell_notes(dataset, out)
    pictures = [dataset.path(index) for index in dataset.split(args.split)]
    reports = []
    for bundle in bundles:
        detector = door.open(bundle, backend=args.backend, device=args.device, threads=args.threads)
        scored = evaluate(detector, bundle, dataset, args.split, progress=out)
        report = bench(
            detector,
            bundle,
            pictures,
            manifest_sha256=scored.manifest_sha256,
            regime=args.regime,
            batch=args.batch,
            threads=args.threads,
            bit_depth=dataset.bit_depth,
            ap50=scored.ap50,
            seconds=args.seconds,
            progress=out,
        )
        _show(report, bundle.directory, out)
        reports.append(report)
    if args.out is not None:
        save_reports(args.out, reports)
        out.print(f"report: {args.out}")
    return [plain(report) for report in reports]


def _show(report: LatencyReport, directory: Path, out: Output) -> None:
    machine = report.environment
    out.print(
        f"{report.backend} ({report.provider}) on {report.device}, {machine['threads']} threads, "
        f"load {machine['load_average']}"
    )
    columns = ("mean", "p50", "p90", "p95", "p99", "max")
    out.table(
        f"{directory}: {report.precision}, {report.input_size} px, batch {report.batch}, "
        f"{report.regime}, {report.samples} samples after {report.warmup} warm-up runs",
        ["ms", *columns],
        [
            [stage, *(_number(getattr(spread, column)) for column in columns)]
            for stage, spread in report.stages.items()
            if spread is not None
        ],
    )
    facts = [f"{report.throughput:.1f} pictures/s"]
    if report.memory_mb is not None:
        facts.append(f"peak memory of the process {report.memory_mb:.0f} MB")
    if report.ap50 is not None:
        facts.append(f"AP50 {report.ap50:.3f}")
    out.print(", ".join(facts))
    if not report.settled:
        out.note("warning: the times had not settled when the warm-up ended; is the machine busy?")
    if report.throttled:
        out.note("warning: the processor was slowed for heat during this row")
    if report.too_few:
        out.note(f"{', '.join(report.too_few)} left out: {report.samples} samples can't tell them")


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"
