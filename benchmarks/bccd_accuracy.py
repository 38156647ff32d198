"""Test AP on BCCD after 30 epochs from the yolov8n COCO weights, over seeds, beside the vendor's.

Ours: ``kit train yolov8n bccd --size 416 --epochs 30`` with the default recipe; the best epoch by
AP on valid; ``kit evaluate`` on the 72 test pictures (COCO evaluation, 300 detections a picture).

The vendor's: ``yolo detect train imgsz=416 epochs=30 batch=16``, else its defaults, from the same
weights and the same split; the boxes of its best checkpoint (conf 0.001, IoU 0.7, 300 a picture)
under the same evaluation. That takes 25 minutes a seed, so its figures stand in this file: accuracy
is not the machine's, as time is.

Runs that are in --runs already are not trained again. Some nine minutes a seed on two cores.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

from _common import ROOT, Limit, finish, parser, write_report

VENDOR = {0: (0.909, 0.627), 1: (0.896, 0.620), 2: (0.915, 0.636)}
"""AP50 and AP on test by seed: ultralytics 8.4.190, torch 2.15, November 2026."""

EPOCHS, SIZE = 30, 416


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--seeds", type=int, nargs="+", default=sorted(VENDOR))
    made.add_argument("--runs", type=Path, default=ROOT / "runs", metavar="DIR")
    args = made.parse_args()
    reports = {seed: _report(args.runs / f"bccd-{seed}", seed) for seed in args.seeds}

    from kit.report.page import Cell, Table

    rows: list[list[Cell]] = []
    for seed, report in reports.items():
        vendor = VENDOR.get(seed, (None, None))
        rows.append([f"seed {seed}", report["ap50"], vendor[0], report["ap"], vendor[1]])
    ours = {key: mean(report[key] for report in reports.values()) for key in ("ap50", "ap")}
    theirs = {
        "ap50": mean(pair[0] for pair in VENDOR.values()),
        "ap": mean(pair[1] for pair in VENDOR.values()),
    }
    rows.append(["mean", ours["ap50"], theirs["ap50"], ours["ap"], theirs["ap"]])
    first = reports[args.seeds[0]]
    low, high = first["interval"]["ap50"]
    classes: list[list[Cell]] = []
    for name, score in first["per_class"].items():
        found = (report["per_class"][name]["ap50"] for report in reports.values())
        classes.append([name, score["objects"], *found])
    tables = [
        Table(
            "Test AP",
            ("", "AP50, kit", "AP50, vendor", "AP, kit", "AP, vendor"),
            rows,
            f"{first['images']} pictures, {first['objects']} objects. The 95 % interval of AP50 "
            f"over pictures at seed {args.seeds[0]} is {low:.3f} to {high:.3f}.",
        ),
        Table("AP50 by class", ("", "objects", *(f"seed {s}" for s in reports)), classes),
    ]
    limits = [
        Limit(f"mean {name} of the vendor over ours", theirs[key] / ours[key], 1.0)
        for name, key in (("AP50", "ap50"), ("AP", "ap"))
    ]
    return write_report(
        "bccd-accuracy",
        "Accuracy on BCCD",
        "yolov8n from COCO weights, 416 px, 30 epochs, batch 16, beside the vendor's trainer.",
        tables,
        limits,
        {"kit": reports, "vendor": VENDOR},
        threads=None,
        out=args.out,
    )


def _report(run: Path, seed: int) -> dict[str, Any]:
    """Train unless it is trained, and score."""
    import json

    if not (run / "best").is_dir():
        resume = ["--resume"] if (run / "run.json").is_file() else []
        options = ["--size", SIZE, "--epochs", EPOCHS, "--seed", seed, "--out", run, *resume]
        _kit("train", "yolov8n", "bccd", *options)
    told = run.with_suffix(".test.json")
    _kit("evaluate", run / "best", "bccd", "--json", told)
    report: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return report


def _kit(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "kit.cli.root", *map(str, words)], check=True, cwd=ROOT)


if __name__ == "__main__":
    finish(main)
