"""Test AP50 that ``kit quickstart`` ends with, over seeds and starts: where its floors are from.

A floor stands below the lowest of the seeds, and far above what a detector that learned nothing
reaches, so that the quick start fails when something is broken, and only then.

With KIT_WEIGHTS both starts are run, without it the random one only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _common import ROOT, Limit, finish, parser, write_report


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    args = made.parse_args()
    starts = ["random", "coco"] if os.environ.get("KIT_WEIGHTS") else ["random"]
    runs = {start: {seed: _run(start, seed) for seed in args.seeds} for start in starts}

    from kit.cli.quickstart import FLOOR
    from kit.report.page import Cell, Table

    rows: list[list[Cell]] = [
        [start, *(run["ap50"] for run in found.values()), FLOOR[start]]
        for start, found in runs.items()
    ]
    seconds: list[list[Cell]] = [
        [start, *(round(run["seconds"]) for run in found.values())] for start, found in runs.items()
    ]
    seeds = [f"seed {seed}" for seed in args.seeds]
    tables = [
        Table("Test AP50", ("start", *seeds, "floor"), rows),
        Table("Seconds, all of it", ("start", *seeds), seconds),
    ]
    limits = []
    for start, found in runs.items():
        lowest = min(run["ap50"] for run in found.values())
        limits.append(Limit(f"floor over lowest AP50, {start}", FLOOR[start] / lowest, 0.95))
    longest = max(run["seconds"] for found in runs.values() for run in found.values())
    limits.append(Limit("seconds of the longest", longest, 300))
    return write_report(
        "quickstart",
        "The quick start",
        "Test AP50 on the embedded set, by start and seed.",
        tables,
        limits,
        {"runs": runs},
        threads=None,
        out=args.out,
    )


def _run(start: str, seed: int) -> dict[str, Any]:
    from time import perf_counter

    environment = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="kit-floors-") as folder:
        if start == "random":
            environment.pop("KIT_WEIGHTS", None)
            environment["KIT_CACHE"] = folder
        told = Path(folder) / "told.json"
        words = ["quickstart", "--seed", str(seed), "--out", f"{folder}/out", "--json", str(told)]
        begun = perf_counter()
        subprocess.run(
            [sys.executable, "-m", "kit.cli.root", *words],
            check=True,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        seconds = perf_counter() - begun
        report = json.loads(told.read_text(encoding="utf-8"))
    classes = {name: score["ap50"] for name, score in report["onnx"]["per_class"].items()}
    print(f"{start}, seed {seed}: AP50 {report['onnx']['ap50']:.3f}, {seconds:.0f} s", flush=True)
    return {"ap50": report["onnx"]["ap50"], "per_class": classes, "seconds": seconds}


if __name__ == "__main__":
    finish(main)
