"""What a stream costs beside its model: frames a second of `kit detect` with those of the graph.

The vendor's official YOLOv8n (COCO weights, KIT_WEIGHTS), exported by the kit, on a video of
COCO128 (KIT_DATA): a camera that moves over one picture after another, 640 x 480, MPEG-4. In each
turn, on the CPU and on as many threads: the graph alone, run after run on the same frames, fitted
before; then the video from its file to JSON lines; then to JSON lines and a drawn film. The last
two are what `kit detect` does once its model is loaded.

Promised: at least 0.9 of the frames a second that the graph alone runs, as lines and as a film, at
both sizes. Five minutes on two cores; the machine must do nothing else.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import Limit, alone, at_least, finish, paired_ratio, parser, write_report
from _predictors import MODEL, export_ours

if TYPE_CHECKING:
    from kit.report.page import Cell

DATA = "coco128"
SIZES = (416, 640)
WIDTH, HEIGHT, HELD, STEP = 640, 480, 5, 6
PROMISED = 0.9
SIDES = {"lines": False, "film": True}


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--frames", type=int, default=200, metavar="N", help="(200)")
    options.add_argument("--turns", type=int, default=7, metavar="N", help="(7)")
    options.add_argument("--threads", type=int, default=2, metavar="N", help="(2)")
    args = options.parse_args()
    at_least(args, frames=1, turns=1, threads=1)
    from kit.cards import ModelCard, load_card
    from kit.data.source import open_source
    from kit.report.page import Table
    from kit.weights import require

    weights = require(load_card(ModelCard, MODEL))
    dataset = open_source(DATA)
    pictures = [dataset.path(index) for index in range(min(len(dataset), -(-args.frames // HELD)))]
    rows: list[list[Cell]] = []
    limits, raw = [], {}
    with tempfile.TemporaryDirectory(prefix="kit-benchmark-") as folder:
        video = Path(folder) / "video.mp4"
        make_video(pictures, args.frames, video)
        for size in SIZES:
            bundle = alone(export_ours, weights, dataset.classes, size, Path(folder) / str(size))
            measured = alone(measure, bundle, video, args.turns, args.threads)
            raw[str(size)] = measured
            rate = args.frames / sorted(measured["alone"])[args.turns // 2]
            rows.append([f"{size} px", "the graph alone", rate, None, None, None])
            for side in SIDES:
                share = paired_ratio(measured["alone"], measured[side])
                rows.append(
                    [f"{size} px", side, rate * share.value, share.value, share.low, share.high]
                )
                limits.append(
                    Limit(
                        f"seconds over the graph's, {side}, {size} px",
                        1 / share.value,
                        1 / PROMISED,
                    )
                )
    note = (
        f"Medians of {args.turns} turns over {args.frames} frames. Lines: detections.jsonl alone; "
        "film: drawn.mp4 too. Share: of the graph's frames a second, with its 95 % interval over "
        f"turns. A share of at least {PROMISED:g} is a time of at most {1 / PROMISED:.3f}."
    )
    columns = ("size", "what", "frames a second", "share", "low", "high")
    return write_report(
        "stream",
        "What a stream costs beside its model",
        "From a video file to JSON lines and a drawn film, with the graph's runs alone.",
        [Table("Throughput", columns, rows, note=note)],
        limits,
        {"seconds": raw, "frames": args.frames},
        threads=args.threads,
        out=args.out,
    )


def make_video(pictures: Sequence[Path], frames: int, out: Path) -> None:
    """A camera that moves over the pictures, again from the first where they are too few."""
    import cv2
    import numpy as np

    from kit.pixels import read_picture
    from kit.report.film import VideoWriter

    room = HELD * STEP
    with closing(VideoWriter(out, 25.0)) as writer:
        for index in range(frames):
            turn, step = divmod(index, HELD)
            picture = read_picture(pictures[turn % len(pictures)])
            larger = cv2.resize(picture, (WIDTH + room, HEIGHT + room))
            at = step * STEP
            writer.write(np.asarray(larger[at : at + HEIGHT, at : at + WIDTH], np.uint8))


def measure(bundle: Path, video: Path, turns: int, threads: int) -> dict[str, list[float]]:
    """Seconds of each side in each turn."""
    import numpy as np

    from kit import door
    from kit.report.recording import record
    from kit.runtime.fit import Fit
    from kit.runtime.overlap import share
    from kit.runtime.stream import Video

    lanes, engine = share(threads)
    graph: Any = door.open(bundle, device="cpu", threads=threads)
    detector: Any = door.open(bundle, device="cpu", threads=engine)
    fit = Fit(graph.card.input)
    with closing(Video(video)) as stream:
        batches = [np.ascontiguousarray(fit.apply(f.picture)[0][None]) for f in stream]
    found: dict[str, list[float]] = {"alone": [], **{side: [] for side in SIDES}}
    for turn in range(turns + 1):  # the first warms up
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            for batch in batches[: None if turn else 10]:
                graph.runner.run(batch)
            times = {"alone": time.perf_counter() - start}
            for side, film in SIDES.items():
                start = time.perf_counter()
                with closing(Video(video)) as stream:
                    out = Path(folder) / side
                    done = record(detector, stream, out, film=film, lanes=lanes)
                times[side] = time.perf_counter() - start
                assert done.frames == len(batches)
        if turn:
            for side, seconds in times.items():
                found[side].append(seconds)
    return found


if __name__ == "__main__":
    finish(main)
