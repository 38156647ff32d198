"""What the kit itself costs beside the graph: everything from the file to the boxes but `run`.

The vendor's official YOLOv8n (COCO weights, KIT_WEIGHTS), exported by the kit, on the pictures of
COCO128 (KIT_DATA), on the CPU. A picture's overhead is its total less its run: reading, decoding,
fitting, suppression, and the calls between them. Apart from that, suppression alone at the floor of
evaluation (0.001), where a picture has most candidates: 8400 rows of 80 classes at 640 px, of which
the model card lets the best so many through.

Promised, in medians: an overhead of at most 10 % of the run and of 3 ms, at both sizes; 5 ms for
suppression. Two minutes on two cores; the machine must do nothing else.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import Limit, alone, at_least, finish, parser, write_report
from _predictors import MODEL, export_ours

if TYPE_CHECKING:
    from kit.report.page import Cell

DATA = "coco128"
SIZES = (416, 640)
WARM_UP = 10


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--pictures", type=int, default=128, metavar="N", help="(128)")
    options.add_argument("--threads", type=int, default=2, metavar="N", help="(2)")
    args = options.parse_args()
    at_least(args, pictures=1, threads=1)
    from kit.bench.statistics import spread
    from kit.cards import ModelCard, load_card
    from kit.data.source import open_source
    from kit.report.page import Table
    from kit.weights import require

    card = load_card(ModelCard, MODEL)
    weights = require(card)
    dataset = open_source(DATA)
    pictures = [dataset.path(index) for index in range(min(len(dataset), args.pictures))]
    rows: list[list[Cell]] = []
    limits, raw = [], {}
    with tempfile.TemporaryDirectory(prefix="kit-benchmark-") as folder:
        for size in SIZES:
            bundle = alone(export_ours, weights, dataset.classes, size, Path(folder) / str(size))
            measured = alone(measure, bundle, pictures, args.threads)
            raw[str(size)] = measured
            for name in ("run", "overhead", "suppression"):
                times = spread(measured[name])
                rows.append([f"{size} px", name, times.p50, times.p90, times.max])
            median = {name: spread(measured[name]).p50 for name in ("run", "overhead")}
            limits += [
                Limit(f"overhead / run, {size} px", median["overhead"] / median["run"], 0.1),
                Limit(f"overhead, ms, {size} px", median["overhead"], 3),
            ]
            if size == SIZES[-1]:
                suppression = spread(measured["suppression"]).p50
                limits.append(Limit(f"suppression at 0.001, ms, {size} px", suppression, 5))
    assert card.suppress is not None  # this model's head needs it
    note = (
        f"Milliseconds a picture over {len(pictures)} pictures. Suppression is at a floor of 0.001 "
        f"and looks at the best {card.suppress.candidates} candidates; of two of a class that "
        f"overlap by more than {card.suppress.iou} the better one stays."
    )
    return write_report(
        "overhead",
        "What the kit costs beside the graph",
        "From the file on disk to boxes, less the graph's own run; and suppression alone.",
        [Table("Times", ("size", "what", "median", "p90", "max"), rows, note=note)],
        limits,
        {"times_ns": raw},
        threads=args.threads,
        out=args.out,
    )


def measure(bundle: Path, pictures: Sequence[Path], threads: int) -> dict[str, list[int]]:
    """Nanoseconds of each picture."""
    import numpy as np

    from kit import door
    from kit.pixels import read_picture
    from kit.runtime.detector import EVALUATION_FLOOR
    from kit.runtime.fit import Fit
    from kit.runtime.suppress import decode

    detector: Any = door.open(bundle, device="cpu", threads=threads)
    card = detector.card
    found: dict[str, list[int]] = {"run": [], "overhead": [], "suppression": []}
    for turn, path in enumerate([*pictures[:WARM_UP], *pictures]):
        start = time.perf_counter_ns()
        [result] = detector.detect([read_picture(path)])
        total = time.perf_counter_ns() - start
        if turn >= WARM_UP:
            found["run"].append(result.stages_ns["run"])
            found["overhead"].append(total - result.stages_ns["run"])
    for path in pictures:
        fitted = Fit(card.input).apply(read_picture(path))[0]
        raw = detector.runner.run(np.ascontiguousarray(fitted[None]))
        start = time.perf_counter_ns()
        decode(
            raw.boxes[0],
            raw.scores[0],
            floor=EVALUATION_FLOOR,
            cap=card.cap,
            suppress=card.suppress,
        )
        found["suppression"].append(time.perf_counter_ns() - start)
    return found


if __name__ == "__main__":
    finish(main)
