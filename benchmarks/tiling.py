"""What tiles bring to small objects, and what they cost.

The vendor's official YOLOv8n (COCO weights, KIT_WEIGHTS), exported by the kit for several inputs,
on real pictures (KIT_DATA): COCO128, 640 px wide, and valid and test of Vehicles, 416 px, whose
classes are renamed to COCO's (pictures with an ambulance, which COCO doesn't have, are left out).
No set here has pictures of thousands of pixels: inputs smaller than the picture stand for them.
Small, medium and large are COCO's, by the area of the box: below 32 x 32 px, below 96 x 96, and
from there on; AP of a size is pycocotools', of 300 detections a picture.

Beside the kit's way stand two others: cut boxes kept, so that suppression alone has to tell pieces
from objects, and tiles without the whole picture. Times are of detecting at the operating point on
the CPU, whole and tiled in turn on each picture. Nothing is promised. Some ten minutes.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from _common import alone, at_least, finish, paired_ratio, parser, write_report
from _predictors import MODEL, export_ours

if TYPE_CHECKING:
    from kit.data.dataset import Dataset
    from kit.evaluate.matches import Matches
    from kit.report.page import Cell
    from kit.types import Detections, Result, Tiling

SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
WHOLE, TILED, CUT, ONLY = "whole", "tiled", "cut boxes kept", "tiles without the whole"
TITLES = {"ap": "AP", "ap50": "AP50", **{name: f"AP, {name}" for name in SIZES}}
RENAMED = {"Car": "car", "Motorcycle": "motorcycle", "Bus": "bus", "Truck": "truck"}
WARM_UP = 3


@dataclass(frozen=True)
class Case:
    """A dataset, the side of the graph's input, and that of the tiles."""

    data: str
    size: int
    side: int

    def __str__(self) -> str:
        return f"{self.data}, input {self.size}, tiles of {self.side} px"


CASES = (
    Case("coco128", 160, 160),
    Case("coco128", 320, 320),
    Case("coco128", 640, 320),
    Case("vehicles-openimages", 320, 320),
)


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--overlap", type=float, default=0.2, metavar="SHARE", help="(0.2)")
    options.add_argument("--pictures", type=int, metavar="N", help="of each set (all)")
    options.add_argument("--timed", type=int, default=40, metavar="N", help="pictures (40)")
    options.add_argument("--threads", type=int, default=2, metavar="N", help="(2)")
    args = options.parse_args()
    at_least(args, pictures=1, timed=3, threads=1)
    from kit.cards import ModelCard, load_card
    from kit.data.source import open_source
    from kit.report.page import Table
    from kit.types import Tiling
    from kit.weights import require

    weights = require(load_card(ModelCard, MODEL))
    classes = open_source("coco128").classes
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kit-benchmark-") as folder:
        bundles = {
            size: alone(export_ours, weights, classes, size, Path(folder) / str(size))
            for size in sorted({case.size for case in CASES})
        }
        for case in CASES:
            tiling = Tiling(case.side, args.overlap)
            dataset = _pictures(case.data, classes, args.pictures)
            measured[str(case)] = alone(
                measure, bundles[case.size], dataset, tiling, args.timed, args.threads
            )
            print(f"{case}: {measured[str(case)]['difference']['ap']}", flush=True)
    accuracy = [
        [case, way, *(row[name] for name in TITLES)]
        for case, found in measured.items()
        for way, row in found["scores"].items()
    ]
    gains = [
        [case, TITLES.get(name, name), gain["mean"], *gain["interval"]]
        for case, found in measured.items()
        for name, gain in found["difference"].items()
    ]
    costs: list[list[Cell]] = [
        [case, found["pictures"], found["views"], *found["median_ms"], *found["ratio"].values()]
        for case, found in measured.items()
    ]
    return write_report(
        "tiling",
        "Tiles for small objects",
        f"{MODEL} with its COCO weights, ONNX on the CPU, {args.threads} threads; tiles overlap by "
        f"{args.overlap:g} of their side, and the whole picture is looked at too.",
        [
            Table(
                "Tiled less whole",
                ("case", "figure", "difference", "95 % from", "to"),
                gains,
                note="Paired over pictures: 1000 draws, each of the same pictures for both.",
            ),
            Table(
                "What it costs",
                ("case", "pictures", "views", "whole, ms", "tiled, ms", "ratio", "from", "to"),
                costs,
                note="Views: the whole and its tiles, mean of a picture. Median milliseconds a "
                "picture, without reading the file, in turn; ratio of medians with 95 %. A load "
                "average above the threads tells of other work on the machine.",
            ),
            Table("Ways", ("case", "way", *TITLES.values()), accuracy, note=_NOTE),
        ],
        [],
        {"cases": measured},
        threads=args.threads,
        out=args.out,
    )


_NOTE = (
    "The pictures of coco128 are training pictures of these weights, which saw them whole: its AP "
    "is no accuracy, and what tiles bring there may be less than elsewhere. Nothing was trained on "
    "Vehicles. The way of merging was chosen on coco128 with 320 and 640 px."
)


def _pictures(name: str, classes: tuple[str, ...], most: int | None) -> Dataset:
    """Pictures of a set, with COCO's classes."""
    import numpy as np

    from kit.data.doctor import usable
    from kit.data.source import open_source

    dataset = usable(open_source(name))
    if dataset.classes == classes:
        return dataset.select(np.arange(len(dataset))[:most])
    other = [k for k, each in enumerate(dataset.classes) if each not in RENAMED]
    unseen = np.concatenate([dataset.split("valid"), dataset.split("test")])
    without = np.setdiff1d(unseen, dataset.picture_of[np.isin(dataset.labels, other)])
    dataset = dataset.select(without[:most])
    new = np.array([classes.index(RENAMED.get(each, classes[0])) for each in dataset.classes])
    return replace(dataset, classes=classes, labels=new[dataset.labels])


def measure(
    bundle: Path, dataset: Dataset, tiling: Tiling, timed: int, threads: int
) -> dict[str, Any]:
    """Scores of every way, tiled less whole, and times."""
    import statistics

    from kit import door
    from kit.evaluate.paired import Repeated, compare
    from kit.pixels import read_picture
    from kit.runtime.detector import EVALUATION_FLOOR, GraphDetector
    from kit.runtime.tiles import TiledDetector

    opened: Any = door.open(bundle, device="cpu", threads=threads)
    seen: list[Detections] = []

    class Watched(GraphDetector):
        """Keeps what it said of each view."""

        def detect(self, *args: Any, **kwargs: Any) -> list[Result]:
            results = super().detect(*args, **kwargs)
            seen.extend(result.detections for result in results)
            return results

    whole = Watched(opened.card, opened.runner, opened.backend)
    ways: dict[str, Any] = {WHOLE: whole, TILED: TiledDetector(whole, tiling)}
    found: dict[str, list[Detections]] = {WHOLE: [], TILED: [], CUT: [], ONLY: []}
    times: tuple[list[int], list[int]] = ([], [])
    views = []
    for place, example in enumerate(dataset):
        picture = read_picture(example.path)
        for way, detector in ways.items():
            seen.clear()
            [result] = detector.detect([picture], floor=EVALUATION_FLOOR)
            found[way].append(result.detections)
        views.append(len(seen))
        kept, only = _otherwise(seen, example.size, tiling, cap=opened.card.cap)
        found[CUT].append(kept)
        found[ONLY].append(only)
        if place < WARM_UP + timed:
            for column, detector in zip(times, ways.values(), strict=True):
                begun = perf_counter_ns()
                detector(picture)
                if place >= WARM_UP:
                    column.append(perf_counter_ns() - begun)
    scores, draws = {}, {}
    for way, predictions in found.items():
        scores[way], draws[way] = _scored(dataset, predictions, drawn=way in (WHOLE, TILED))
    difference = {}
    for name, score in scores[WHOLE].items():
        if score is None:  # no object of this size
            continue
        one, other = (
            Repeated(way, "", {0: scores[way][name] or 0.0}, {0: draws[way][name]})
            for way in (TILED, WHOLE)
        )
        gain = compare(one, other)
        difference[name] = {"mean": gain.mean, "interval": gain.interval, "p": gain.p}
    return {
        "pictures": len(dataset),
        "views": statistics.mean(views),
        "scores": scores,
        "difference": difference,
        "median_ms": [statistics.median(column) / 1e6 for column in times],
        "ratio": vars(paired_ratio(times[1], times[0])),
        "times_ns": {WHOLE: times[0], TILED: times[1]},
    }


def _otherwise(
    seen: Sequence[Detections], size: tuple[int, int], tiling: Tiling, *, cap: int
) -> tuple[Detections, Detections]:
    """Of the whole picture and its tiles: every box, merged by suppression alone; and what tiles
    say without the whole picture."""
    from kit.runtime.suppress import merge
    from kit.runtime.tiles import MERGE_IOU, whole, windows

    sound = [
        part[whole(part.xyxy, window, *size)]
        for part, window in zip(seen[1:], windows(*size, tiling), strict=False)
    ]
    return merge(seen, iou=MERGE_IOU, cap=cap), merge(sound or seen, iou=MERGE_IOU, cap=cap)


def _scored(
    dataset: Dataset, found: Sequence[Detections], *, drawn: bool
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """AP, AP50 and AP by size, and each on pictures drawn anew, where asked for."""
    from kit.evaluate.coco import run, summarize
    from kit.evaluate.intervals import resample
    from kit.evaluate.matches import match

    evaluator = run(dataset, found)
    all_sizes = summarize(evaluator, dataset)
    scores: dict[str, float | None] = {"ap": all_sizes.ap, "ap50": all_sizes.ap50}
    draws = dict(vars(resample(match(evaluator, dataset), all_sizes))) if drawn else {}
    for name, span in SIZES.items():
        scores[name], mean50, matches = _of_size(evaluator, dataset, span)
        if drawn:
            of_size = replace(all_sizes, ap=scores[name], ap50=mean50)
            draws[name] = resample(matches, of_size).ap
    return scores, draws


def _of_size(
    evaluator: Any, dataset: Dataset, span: tuple[float, float]
) -> tuple[float | None, float | None, dict[str, Matches]]:
    """AP and AP50 of the objects whose area lies in a span, and the matches behind them, all of
    pycocotools: the kit's evaluator keeps its own to itself."""
    import numpy as np
    from pycocotools.cocoeval import COCOeval

    from kit.evaluate.matches import Matches

    with contextlib.redirect_stdout(io.StringIO()):  # it tells of every step
        reference = COCOeval(evaluator.cocoGt, evaluator.cocoDt, "bbox")
        reference.params.maxDets = evaluator.params.maxDets
        reference.params.areaRng, reference.params.areaRngLbl = [list(span)], ["span"]
        reference.evaluate()
        reference.accumulate()
    precision = reference.eval["precision"][..., 0, -1]
    mean, mean50 = (
        float(values[values > -1].mean()) if (values > -1).any() else None
        for values in (precision, precision[0])
    )
    matches, count = {}, len(dataset)
    for k, name in enumerate(dataset.classes):
        rows = reference.evalImgs[k * count : (k + 1) * count]
        known = [(p, row) for p, row in enumerate(rows) if row is not None]
        objects = np.zeros(count, np.int64)
        if not known:
            continue
        for p, row in known:
            objects[p] = np.count_nonzero(np.asarray(row["gtIgnore"]) == 0)
        score = np.concatenate([np.asarray(row["dtScores"], np.float64) for _, row in known])
        order = np.argsort(-score, kind="stable")
        ignored = np.concatenate([row["dtIgnore"] for _, row in known], axis=1).astype(bool)
        hit = np.concatenate([row["dtMatches"] for _, row in known], axis=1) > 0
        picture = np.repeat([p for p, _ in known], [len(row["dtScores"]) for _, row in known])
        matches[name] = Matches(
            score[order], picture[order], (hit & ~ignored)[:, order], ignored[:, order], objects
        )
    return mean, mean50, matches


if __name__ == "__main__":
    finish(main)
