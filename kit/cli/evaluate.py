"""Score a bundle on a dataset: COCO AP, sensitivity and FROC with intervals, per class.

    kit evaluate runs/bccd/onnx bccd
    kit evaluate runs/bccd/onnx bccd --split valid --backend onnxruntime --out report.json
    kit evaluate runs/bccd/onnx slides --tile 640,0.3

    kit evaluate runs/bccd/onnx bccd --page report.html --match centre

AP counts up to 300 detections a picture, AR 100. A class that the pictures don't hold has no score.
Sensitivity and precision are at the thresholds of the bundle's card. Intervals are a 95 % bootstrap
over patients where the dataset names them, else pictures: where another draw of as many would fall,
as percentiles and bias-corrected (BCa). FROC is the sensitivity at 1/8 to 8 false positives per
picture. Two reports of the same pictures are compared by `kit compare`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_engine, add_out, add_source, add_tiling, open_detector

if TYPE_CHECKING:
    from kit.cli.output import Output
    from kit.evaluate.detail import Detail
    from kit.report.page import Cell


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")
    add_source(parser)
    parser.add_argument("--split", default="test", help="which pictures (default test)")
    add_tiling(parser)
    add_engine(parser)
    parser.add_argument(
        "--match",
        choices=("iou", "centre"),
        default="iou",
        help="what makes a detection right for FROC: an overlap of 0.5 (default), or its centre "
        "in the object's box",
    )
    add_out(parser, "write the report here, as JSON", required=False)
    parser.add_argument("--page", type=Path, metavar="PATH", help="write it as one HTML page too")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.binding import plain
    from kit.bundle import open_bundle
    from kit.cli.data import tell_notes
    from kit.data.source import open_source
    from kit.evaluate.report import measure
    from kit.files import refuse_existing
    from kit.report.scores import CLASS_HEADER, class_rows

    for path in (args.out, args.page):
        if path is not None:
            refuse_existing(path)
    bundle = open_bundle(args.bundle)
    dataset = open_source(args.source, progress=out)
    tell_notes(dataset, out)
    detector = open_detector(args, bundle, out, tiling=args.tile)
    measured = measure(detector, bundle, dataset, args.split, progress=out, match_by=args.match)
    report = measured.report
    out.print(f"{report.backend} ({report.provider}) on {report.device}")
    tiled = "" if report.tiling is None else f", {report.tiling}"
    title = f"{report.bundle} on {report.dataset} {report.split}, {report.images} pictures{tiled}"
    out.table(title, CLASS_HEADER, class_rows(report))
    out.print(f"AP75 {_score(report.ap75)}, AR at 100 detections {_score(report.ar100)}")
    if report.detail is not None:
        _tell(report.detail, out)
    if args.out is not None:
        report.save(args.out)
        out.print(f"report: {args.out}")
    if args.page is not None:
        from kit.data.doctor import usable
        from kit.report import anatomy
        from kit.report.evaluation import tell
        from kit.report.html import write_html

        whole = usable(dataset)
        chosen = whole.select(whole.split(args.split))
        errors = anatomy.tell(chosen, measured.found, bundle.card.thresholds)
        write_html(args.page, tell(report, errors))
        out.print(f"page: {args.page}")
    return plain(report)


def _tell(found: Detail, out: Output) -> None:
    from kit.evaluate.froc import RATES
    from kit.report.page import show
    from kit.report.scores import (
        FIGURE_HEADER,
        SHARE_HEADER,
        drawn_how,
        figure_rows,
        mean_rows,
        pooled_rate_rows,
        share_rows,
        spoken_thresholds,
    )

    def table(title: str, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        out.table(title, header, [[*map(show, row)] for row in rows])

    out.print(f"{drawn_how(found)}; of the classes, BCa")
    out.print(f"sensitivity and precision of boxes scored {spoken_thresholds(found.thresholds)}\n")
    table("all classes", FIGURE_HEADER, [row[1:] for row in figure_rows(found.figures)])
    table(f"of the {found.drawn_by}s", SHARE_HEADER, share_rows(found.shares))
    header = ("false positives per picture", "sensitivity", "95 % interval", "n")
    table("FROC, all classes", header, pooled_rate_rows(found.froc))
    header = ("class", "mean sensitivity", "95 % interval", "n")
    table("FROC, mean over these rates", header, mean_rows(found.froc))
    ends = found.froc.pooled.ends
    if ends < RATES[-1]:
        out.print(f"the curve ends at {ends:.3g} false positives per picture and keeps its value")


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
