"""Score a bundle on a dataset: COCO AP with intervals, per class.

    kit evaluate runs/bccd/onnx bccd
    kit evaluate runs/bccd/onnx bccd --split valid --backend onnxruntime --out report.json
    kit evaluate runs/bccd/onnx slides --tile 640,0.3

AP counts up to 300 detections a picture, AR 100. A class that the pictures don't hold has no score.
The interval is a 95 % bootstrap over pictures: where another draw of as many pictures would fall.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_engine, add_out, add_source, add_tiling, open_detector

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")
    add_source(parser)
    parser.add_argument("--split", default="test", help="which pictures (default test)")
    add_tiling(parser)
    add_engine(parser)
    add_out(parser, "write the report here, as JSON", required=False)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.binding import plain
    from kit.bundle import open_bundle
    from kit.cli.data import tell_notes
    from kit.data.source import open_source
    from kit.evaluate.report import evaluate
    from kit.files import refuse_existing

    if args.out is not None:
        refuse_existing(args.out)
    bundle = open_bundle(args.bundle)
    dataset = open_source(args.source, progress=out)
    tell_notes(dataset, out)
    detector = open_detector(args, bundle, out, tiling=args.tile)
    report = evaluate(detector, bundle, dataset, args.split, progress=out)
    rows = [["all", report.objects, *map(_score, (report.ap50, report.ap))]]
    rows += [
        [name, s.objects, _score(s.ap50), _score(s.ap)] for name, s in report.per_class.items()
    ]
    out.print(f"{report.backend} ({report.provider}) on {report.device}")
    tiled = "" if report.tiling is None else f", {report.tiling}"
    out.table(
        f"{report.bundle} on {report.dataset} {report.split}, {report.images} pictures{tiled}",
        ["class", "objects", "AP50", "AP"],
        rows,
    )
    out.print(f"AP75 {_score(report.ap75)}, AR at 100 detections {_score(report.ar100)}")
    for name, (low, high) in report.interval.items():
        out.print(f"{name.upper()} 95 % interval over pictures: {low:.3f} to {high:.3f}")
    if args.out is not None:
        report.save(args.out)
        out.print(f"report: {args.out}")
    return plain(report)


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
