"""Find objects on a picture, a folder of pictures or a video file.

    kit detect runs/bccd/onnx smear.jpg
    kit detect runs/bccd/onnx ward/ --threshold 0.4 --save csv --out found
    kit detect runs/bccd/onnx unlabelled/ --save coco --out prelabels
    kit detect runs/bccd/onnx slides/ --tile 640

Writes the pictures with their boxes drawn, and beside them a table (json, csv) or a dataset (coco,
yolo) that an annotation tool opens. A picture that can't be read is named, and the rest goes on.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_engine, add_out, add_tiling, open_detector

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")
    parser.add_argument("input", type=Path, metavar="INPUT", help="picture, folder or video file")
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="T",
        help="lowest score of a box (default: the bundle's operating point)",
    )
    parser.add_argument(
        "--save",
        choices=("json", "csv", "coco", "yolo"),
        default="json",
        help="table or dataset to write beside the drawn pictures (default json)",
    )
    parser.add_argument(
        "--bit-depth", type=int, metavar="N", help="bits really used by 16-bit pictures"
    )
    add_tiling(parser)
    add_engine(parser)
    add_out(parser, "new directory (default: detections, detections-2, ...)", required=False)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.binding import plain
    from kit.bundle import open_bundle
    from kit.errors import UsageError
    from kit.files import free_path, new_directory
    from kit.report.annotate import annotate, as_plain

    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise UsageError("must lie in 0..1", where="--threshold")
    if args.bit_depth is not None and not 8 <= args.bit_depth <= 16:
        raise UsageError("must lie in 8..16", where="--bit-depth")
    bundle = open_bundle(args.bundle)
    target = args.out or free_path(Path("detections"))
    with new_directory(target) as beside:
        detector = open_detector(args, bundle, out, tiling=args.tile)
        result = annotate(
            detector,
            args.input,
            beside,
            floor=args.threshold,
            save=args.save,
            bit_depth=args.bit_depth,
            progress=out,
        )
    threshold = bundle.card.operating_point if args.threshold is None else args.threshold
    labels = [int(label) for item in result.found for label in item.detections.labels]
    counts = Counter(detector.classes[label] for label in labels)
    out.print(f"{detector.backend} ({detector.runner.provider}) on {detector.runner.device}")
    tiled = "" if args.tile is None else f", {args.tile}"
    out.table(
        f"{args.input}: {len(result.found)} picture(s), score at least {threshold:g}{tiled}",
        ["class", "found"],
        [[name, counts[name]] for name in detector.classes if counts[name]] or [["nothing", 0]],
    )
    out.print(f"drawn, and as {args.save}: {target}")
    for name, why in result.failed.items():
        out.note(f"warning: {name} was left out: {why}")
    return {
        "bundle": bundle.card.name,
        "bundle_sha256": bundle.sha256,
        "backend": detector.backend,
        "provider": detector.runner.provider,
        "device": detector.runner.device,
        "threshold": threshold,
        "tiling": None if args.tile is None else plain(args.tile),
        "out": str(target),
        "pictures": [as_plain(item, detector.classes) for item in result.found],
        "failed": [{"picture": name, "error": why} for name, why in result.failed.items()],
    }
