"""What batches and streams bring this kit, and what they bring the vendor's `predict`, on the CPU.

The vendor's official YOLOv8n (COCO weights, KIT_WEIGHTS), exported by each side's own export, the
vendor's with a dynamic batch. A turn is the same pictures of COCO128 (KIT_DATA), from files to
boxes: one at a time; in batches; and on several threads at once, each with a model of its own that
has its share of the engine's threads. Each way of each side is a process of its own; in each round
all take one turn, in an order that rotates, with a pause between.

A way's gain is its pictures a second over those of the same side one at a time. Promised: the kit's
gain is no smaller than the vendor's; a difference under 5 % is a tie, as everywhere here.

Five minutes on two cores; the machine must do nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import (
    Limit,
    alone,
    at_least,
    finish,
    paired_ratio,
    parser,
    require_vendor,
    write_report,
)
from _predictors import FLOOR, IOU, MODEL, export_ours, export_vendor, set_session_threads
from _side import Opened, Side
from _vendor import open_vendor, set_threads
from vendor_predict import take_turns

if TYPE_CHECKING:
    from kit.report.page import Cell

DATA = "coco128"
TIE = 1.05
ONE = "one at a time"
KIT, VENDOR = "kit", "vendor"


def main() -> int:
    options = parser(__doc__)
    options.add_argument(
        "--sizes", type=int, nargs="+", default=[416, 640], metavar="S", help="(416 640)"
    )
    options.add_argument("--rounds", type=int, default=9, metavar="N", help="(9)")
    options.add_argument("--pictures", type=int, default=32, metavar="N", help="a turn (32)")
    options.add_argument("--batch", type=int, default=8, metavar="N", help="(8)")
    options.add_argument("--streams", type=int, default=2, metavar="N", help="(2)")
    options.add_argument("--threads", type=int, default=2, metavar="N", help="on each side (2)")
    args = options.parse_args()
    at_least(args, rounds=1, pictures=1, batch=1, streams=1, threads=1)
    require_vendor()
    from kit.cards import ModelCard, load_card
    from kit.data.source import open_source
    from kit.report.page import Table
    from kit.weights import require

    weights = require(load_card(ModelCard, MODEL))
    dataset = open_source(DATA)
    pictures = [dataset.path(index) for index in range(min(len(dataset), args.pictures))]
    ways = {
        ONE: (1, 1),
        f"batches of {args.batch}": (args.batch, 1),
        f"{args.streams} streams": (1, args.streams),
    }
    rows: list[list[Cell]] = []
    limits, raw = [], {}
    for size in args.sizes:
        with tempfile.TemporaryDirectory(prefix="kit-benchmark-") as folder:
            bundle = alone(export_ours, weights, dataset.classes, size, Path(folder) / "kit")
            onnx = alone(export_vendor, weights, size, Path(folder) / "vendor", True)
            times = measure(bundle, onnx, size, pictures, ways, args)
        raw[str(size)] = times
        for way in ways:
            for side in (KIT, VENDOR):
                took = sorted(times[f"{side}, {way}"])[args.rounds // 2]
                gain = paired_ratio(times[f"{side}, {ONE}"], times[f"{side}, {way}"])
                rate = len(pictures) / took * 1e9
                rows.append([f"{size} px", side, way, rate, gain.value, gain.low, gain.high])
            if way != ONE:
                # the vendor's gain over the kit's, round by round
                worse = paired_ratio(
                    _product(times[f"{KIT}, {way}"], times[f"{VENDOR}, {ONE}"]),
                    _product(times[f"{KIT}, {ONE}"], times[f"{VENDOR}, {way}"]),
                )
                limits.append(Limit(f"vendor's gain / kit's, {way}, {size} px", worse.value, TIE))
    note = (
        f"Medians of {args.rounds} rounds over {len(pictures)} pictures. Gain: pictures a second "
        "over those of the same side one at a time, with its 95 % interval over rounds."
    )
    columns = ("size", "side", "way", "pictures a second", "gain", "low", "high")
    return write_report(
        "vendor-scaling",
        "Batches and streams beside the vendor's predict",
        "From JPEG files to boxes on the CPU: one at a time, in batches, in streams.",
        [Table("Throughput", columns, rows, note=note)],
        limits,
        {"times_ns": raw},
        threads=args.threads,
        out=args.out,
    )


def measure(
    bundle: Path,
    onnx: Path,
    size: int,
    pictures: Sequence[Path],
    ways: dict[str, tuple[int, int]],
    args: Any,
) -> dict[str, list[int]]:
    """Nanoseconds of each way of each side in each round; the first round warms up."""
    sides = []
    for way, (batch, streams) in ways.items():
        threads = max(1, args.threads // streams)
        sides += [
            Side(f"{KIT}, {way}", open_ours, bundle, threads, batch, streams),
            Side(f"{VENDOR}, {way}", open_vendors, onnx, size, threads, batch, streams),
        ]
    times: dict[str, list[int]] = {side.name: [] for side in sides}
    for turn in range(args.rounds + 1):
        for side, took in take_turns(sides, turn, pictures, 0, 0.3):
            if turn:
                times[side.name].append(took)
    for side in sides:
        side.close()
    return times


def open_ours(bundle: Path, threads: int, batch: int, streams: int) -> Opened:
    from kit import door
    from kit.pixels import read_picture

    detectors = [door.open(bundle, device="cpu", threads=threads) for _ in range(streams)]

    def look(place: int, paths: Sequence[Path]) -> None:
        for start in range(0, len(paths), batch):
            detectors[place].detect([read_picture(path) for path in paths[start : start + batch]])

    return _at_once(look, streams)


def open_vendors(onnx: Path, size: int, threads: int, batch: int, streams: int) -> Opened:
    ultralytics = open_vendor(onnx.parent, threads)
    set_session_threads(threads)
    models = [ultralytics.YOLO(str(onnx), task="detect") for _ in range(streams)]

    def look(place: int, paths: Sequence[Path]) -> None:
        models[place].predict(
            [str(path) for path in paths],
            batch=batch,
            imgsz=size,
            rect=False,
            conf=FLOOR,
            iou=IOU,
            verbose=False,
            save=False,
            device="cpu",
        )
        set_threads(threads)  # the vendor chooses its own with its device, in the first run

    return _at_once(look, streams)


def _at_once(look: Callable[[int, Sequence[Path]], None], streams: int) -> Opened:
    """Pictures shared out among threads, each with a model of its own."""
    from kit.types import Detections

    pool = ThreadPoolExecutor(streams)

    def run(paths: Any) -> None:
        shares = [paths[place::streams] for place in range(streams)]
        for done in [pool.submit(look, place, share) for place, share in enumerate(shares)]:
            done.result()

    return Opened(run, lambda _answer: Detections.empty(), dict)


def _product(one: Sequence[int], other: Sequence[int]) -> list[float]:
    return [a * b for a, b in zip(one, other, strict=True)]


if __name__ == "__main__":
    finish(main)
