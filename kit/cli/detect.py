"""Find objects on pictures, a video, a camera or a network stream.

    kit detect runs/bccd/onnx smear.jpg
    kit detect runs/bccd/onnx ward/ --threshold 0.4 --save csv --out found
    kit detect runs/bccd/onnx unlabelled/ --save coco --out prelabels
    kit detect runs/bccd/onnx slides/ --tile 640
    kit detect runs/bccd/onnx film.mp4 --no-draw
    kit detect runs/bccd/onnx 0 --seconds 60
    kit detect runs/bccd/onnx rtsp://user:password@microscope/live --save none

Writes the pictures with their boxes drawn, and beside them a table (json, csv) or a dataset (coco,
yolo) that an annotation tool opens. A picture that can't be read is named, and the rest goes on.

Of a video, a camera (its index or device file) and an rtsp, rtsps, http or https stream it writes
drawn.mp4 and, line by line as frames come, detections.jsonl (or .csv). No frame of a file is lost.
What is live goes on until Ctrl-C, which leaves a film that plays; only the latest frame is looked
at, and each line says how old it was (from its decoding on) and how many were dropped before it. A
live stream that dies is tried again. Passwords in an address are neither printed nor written.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_engine, add_out, add_tiling, open_detector

if TYPE_CHECKING:
    from kit.bundle import Bundle, BundleCard
    from kit.cli.output import Output
    from kit.types import Detector

_KINDS = ("json", "csv", "coco", "yolo", "none")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")
    parser.add_argument(
        "input", metavar="INPUT", help="picture, folder, video file, camera index or address"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="T",
        help="lowest score of a box, of every class (default: the bundle's operating point)",
    )
    parser.add_argument(
        "--calibrated",
        action="store_true",
        help="tell scores as chances, scaled as `kit calibrate --scores` found; which boxes are "
        "shown, and --threshold, stay by raw scores",
    )
    parser.add_argument(
        "--save",
        choices=_KINDS,
        default="json",
        help="table or dataset to write beside the drawn pictures (default json)",
    )
    parser.add_argument(
        "--no-draw", action="store_true", help="write no drawn pictures, and no film"
    )
    parser.add_argument(
        "--bit-depth", type=int, metavar="N", help="bits really used by 16-bit pictures"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="of a stream to look at (default: all of it)"
    )
    parser.add_argument(
        "--reconnect",
        type=float,
        metavar="S",
        help="seconds that a live stream which died is tried again (default 60)",
    )
    add_tiling(parser)
    add_engine(parser)
    add_out(parser, "new directory (default: detections, detections-2, ...)", required=False)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.bundle import open_bundle
    from kit.errors import UsageError
    from kit.files import free_path
    from kit.runtime.stream import is_stream

    streams = is_stream(args.input)
    for name, low, high in (
        ("threshold", 0, 1), ("bit_depth", 8, 16), ("seconds", 0, None), ("reconnect", 0, None),
    ):  # fmt: skip
        given, option = getattr(args, name), f"--{name.replace('_', '-')}"
        if given is None:
            continue
        if not (given >= low and (high is None or given <= high)):
            wanted = "not be negative" if high is None else f"lie in {low}..{high}"
            raise UsageError(f"must {wanted}", where=option)
        if name in ("seconds", "reconnect") and not streams:
            raise UsageError("is for videos, cameras and addresses", where=option)
    if args.no_draw and args.save == "none":
        raise UsageError("leaves nothing to write", where="--no-draw --save none")
    if streams and args.save in ("coco", "yolo"):
        raise UsageError(
            f"the frames of a stream are no picture files, which {args.save} labels need",
            where="--save",
            fix="--save json or --save csv",
        )
    bundle = open_bundle(args.bundle)
    target = args.out or free_path(Path("detections"))
    detect = _stream if streams else _pictures
    return detect(args, out, bundle, target)


def _pictures(
    args: argparse.Namespace, out: Output, bundle: Bundle, target: Path
) -> dict[str, Any]:
    from kit.files import new_directory
    from kit.report.annotate import annotate, as_plain

    with new_directory(target) as beside:
        detector = open_detector(args, bundle, out, tiling=args.tile, calibrated=args.calibrated)
        result = annotate(
            detector,
            Path(args.input),
            beside,
            floor=args.threshold,
            save=args.save,
            drawn=not args.no_draw,
            bit_depth=args.bit_depth,
            scores=_kind(args, bundle.card),
            progress=out,
        )
    found = Counter(int(label) for item in result.found for label in item.detections.labels)
    facts = _tell(args, out, detector, found, f"{args.input}: {len(result.found)} picture(s)")
    watched = [item.watched for item in result.found if item.watched is not None]
    if watched:
        _tell_unlike(sum(each.unlike for each in watched), len(watched), "picture", out)
    out.print(f"{_written(args)}: {target}")
    for name, why in result.failed.items():
        out.note(f"warning: {name} was left out: {why}")
    return {
        "bundle": bundle.card.name,
        "bundle_sha256": bundle.sha256,
        **facts,
        "out": str(target),
        "pictures": [as_plain(item, detector.classes) for item in result.found],
        "failed": [{"picture": name, "error": why} for name, why in result.failed.items()],
    }


def _stream(args: argparse.Namespace, out: Output, bundle: Bundle, target: Path) -> dict[str, Any]:
    from contextlib import closing

    from kit.errors import Stopped
    from kit.files import refuse_existing
    from kit.interrupt import Interrupt
    from kit.report.recording import record
    from kit.runtime.machine import cores
    from kit.runtime.overlap import share
    from kit.runtime.stream import PATIENCE, is_live, open_stream

    refuse_existing(target)
    patience = PATIENCE if args.reconnect is None else args.reconnect
    lanes, threads = 1, args.threads or cores()
    if bundle.card.kind != "checkpoint" and not is_live(args.input):  # what is live wants no queue
        lanes, threads = share(threads)
    detector = open_detector(
        args, bundle, out, threads=threads, tiling=args.tile, calibrated=args.calibrated
    )
    stream = open_stream(args.input, patience=patience, progress=out)
    with Interrupt() as interrupt, closing(stream):
        done = record(
            detector,
            stream,
            target,
            floor=args.threshold,
            save=args.save,
            film=not args.no_draw,
            seconds=args.seconds,
            lanes=lanes if detector.runner.at_once else 1,
            stop=lambda: interrupt.number is not None,
            progress=out,
        )
    rate = (done.frames - 1) / done.seconds if done.seconds else None
    title = f"{stream.name}: {done.frames} frame(s)"
    facts = _tell(args, out, detector, done.found, title)
    live = {}
    if stream.live and done.frames:
        mean, most = done.age_ms[0] / done.frames, done.age_ms[1]
        live = {
            "dropped": done.dropped,
            "reconnects": done.reconnects,
            "age_ms": {"mean": round(mean, 1), "max": round(most, 1)},
        }
        out.print(
            f"{done.dropped} dropped, {mean:.0f} ms old on average, {most:.0f} ms at most; "
            f"{done.reconnects} time(s) reconnected"
        )
    if done.unlike is not None:
        _tell_unlike(done.unlike, done.frames, "frame", out)
    if done.frames:
        out.print(f"{_written(args)}: {target}")
    result = {
        "bundle": bundle.card.name,
        "bundle_sha256": bundle.sha256,
        **facts,
        "out": str(target) if done.frames else None,
        "stream": stream.name,
        "frames": done.frames,
        "frames_a_second": None if rate is None else round(rate, 2),
        **live,
        **({} if done.unlike is None else {"unlike": done.unlike}),
        "found": {name: done.found[label] for label, name in enumerate(detector.classes)},
        "error": None if done.error is None else str(done.error),
    }
    if done.error is not None:
        out.finish(result)
        raise done.error
    if interrupt.number is not None:
        out.finish(result)
        kept = f"what was found is in {target}" if done.frames else "nothing was written"
        raise Stopped(f"stopped after {done.frames} frame(s); {kept}", number=interrupt.number)
    return result


def _tell(
    args: argparse.Namespace, out: Output, detector: Detector, found: Counter[int], what: str
) -> dict[str, Any]:
    """What ran, and what it found; the first as data too."""
    from kit.binding import plain

    card = detector.card
    threshold = card.operating_point if args.threshold is None else args.threshold
    own = dict(card.class_thresholds) if args.threshold is None else {}
    out.print(f"{detector.backend} ({detector.runner.provider}) on {detector.runner.device}")
    rows = [[name, found[label]] for label, name in enumerate(detector.classes) if found[label]]
    tiled = "" if args.tile is None else f", {args.tile}"
    by_class = ", or as much as its class asks for" if own else ""
    raw = "raw score" if args.calibrated else "score"
    title = f"{what}, {raw} at least {threshold:g}{by_class}{tiled}"
    out.table(title, ["class", "found"], rows or [["nothing", 0]])
    return {
        "backend": detector.backend,
        "provider": detector.runner.provider,
        "device": detector.runner.device,
        "threshold": threshold,
        "class_thresholds": own,
        "scores": _kind(args, card),
        "tiling": None if args.tile is None else plain(args.tile),
    }


def _tell_unlike(unlike: int, total: int, what: str, out: Output) -> None:
    out.print(f"{unlike} of {total} {what}(s) don't look like the training pictures")


def _kind(args: argparse.Namespace, card: BundleCard) -> str:
    """Of the scores: raw, or how they were scaled."""
    return card.scaling.method if args.calibrated and card.scaling is not None else "raw"


def _written(args: argparse.Namespace) -> str:
    kinds = [] if args.no_draw else ["drawn"]
    if args.save != "none":
        kinds.append(f"as {args.save}")
    return ", and ".join(kinds)
