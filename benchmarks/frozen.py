"""Time of a training epoch under plans that freeze: nothing, the backbone, all but the head.

Fine-tunes YOLOv8n from its COCO weights (KIT_WEIGHTS) on BCCD (KIT_DATA), 416 px, batch 16, on one
CPU thread, one run after the other, each in a process of its own. With the recipe `default` every
picture is drawn anew, so what is frozen is computed in each step, though nothing is passed back
through it. With the recipe `frozen` each picture is drawn in four ways: the first four epochs
compute its frozen features, the later ones take what was kept. Features of the validation pictures
are kept under both.

An epoch is what the clock says between the ends of two epochs: training, validation, saving. It is
told in seconds of the process's own CPU time, which other programs on the machine lengthen least,
and in seconds on the wall. The first epoch holds the start-up and is not counted.

Reported: median CPU seconds of an epoch over those of tuning everything. Promised: at most 0.8 for
a frozen backbone and 0.6 for the head alone; 0.65 and 0.5 with features that were kept.

Expect a quarter of an hour a round on one core.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from _common import Limit, alone, at_least, finish, parser, require_vendor, write_report

MODEL, DATA, SIZE, BATCH, SCHEDULE = "yolov8n", "bccd", 416, 16, 30
FILLING = 4
"""Epochs in which the recipe `frozen` meets each of its views for the first time."""

SIDES: dict[str, tuple[str | None, str]] = {
    "tune everything": (None, "default"),
    "freeze-backbone": ("freeze-backbone", "default"),
    "head-only": ("head-only", "default"),
    "freeze-backbone, kept": ("freeze-backbone", "frozen"),
    "head-only, kept": ("head-only", "frozen"),
}
PROMISED = dict(zip(list(SIDES)[1:], (0.8, 0.6, 0.65, 0.5), strict=True))


def main() -> int:
    options = parser(__doc__)
    options.add_argument(
        "--epochs", type=int, default=2, metavar="N", help="counted, of each run (2)"
    )
    options.add_argument(
        "--rounds", type=int, default=1, metavar="N", help="runs of each side, in turn (1)"
    )
    options.add_argument(
        "--limit", type=int, metavar="N", help="training pictures, for a quick try (all)"
    )
    args = options.parse_args()
    at_least(args, epochs=1, rounds=1, limit=1)
    if FILLING + args.epochs > SCHEDULE // 2:
        options.error(f"--epochs must be at most {SCHEDULE // 2 - FILLING}: later ones are plain")
    require_vendor()
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="kit-benchmark-") as folder:
        for turn in range(args.rounds):
            for side in list(SIDES) if turn % 2 == 0 else list(SIDES)[::-1]:
                print(f"round {turn + 1}: {side}", file=sys.stderr, flush=True)
                place = Path(folder) / f"{side}-{turn}"
                told = alone(train_side, *SIDES[side], place, args.epochs, args.limit)
                runs.append({"side": side, "round": turn + 1, **told})
    return report(args, runs)


def report(args: Any, runs: list[dict[str, Any]]) -> int:
    from kit.report.page import Table

    def median(side: str, clock: str, part: slice) -> float | None:
        seconds = [s for run in runs if run["side"] == side for s in run[clock][part]]
        return statistics.median(seconds) if seconds else None

    counted = slice(-args.epochs, None)
    cpu = {side: median(side, "cpu", counted) or 0.0 for side in SIDES}
    whole = cpu["tune everything"]
    rows = [
        [
            side,
            cpu[side],
            cpu[side] / whole,
            median(side, "wall", counted),
            median(side, "cpu", slice(1, FILLING)) if side.endswith("kept") else None,
        ]
        for side in SIDES
    ]
    for side in SIDES:
        print(f"{side}: {cpu[side]:.2f} s of CPU an epoch, {cpu[side] / whole:.2f} of tuning all")
    header = ("plan", "CPU s", "ratio", "wall s", "CPU s while filling")
    every = [
        [run["side"], run["round"], clock, *(round(s, 2) for s in run[clock])]
        for run in runs
        for clock in ("cpu", "wall")
    ]
    width = max(len(row) for row in every)
    return write_report(
        "frozen",
        "An epoch of training under plans that freeze",
        f"{MODEL} on {DATA}, {runs[0]['pictures']} pictures to train on and {runs[0]['valid']} to "
        f"validate on, {SIZE} px, batch {BATCH}, one CPU thread, one run after the other. Kept: "
        "recipe frozen, four views of each picture, whose frozen features were computed in the "
        f"first {FILLING} epochs; else recipe default, every picture drawn anew.",
        [
            Table("Seconds an epoch, medians", header, rows),
            Table(
                "In the order they ran",
                ("plan", "round", "clock", *(f"epoch {n + 1}" for n in range(width - 3))),
                [[*row, *[None] * (width - len(row))] for row in every],
                note=f"The last {args.epochs} of each run are counted.",
            ),
        ],
        [Limit(f"CPU s an epoch, {s} / tune everything", cpu[s] / whole, PROMISED[s])
         for s in PROMISED],
        {"median_cpu_seconds": cpu, "runs": runs},
        threads=1,
        out=args.out,
    )  # fmt: skip


class _Enough(Exception):  # not an error: the run is stopped on purpose
    pass


def train_side(
    plan: str | None, recipe: str, out: Path, counted: int, limit: int | None
) -> dict[str, Any]:
    """Run in a process of its own."""
    from kit.data.manifest import Manifest
    from kit.finetune.engine import Machine
    from kit.finetune.prepare import examined, prepare
    from kit.finetune.train import train

    dataset = examined(DATA)
    sample: Manifest | None = None
    if limit is not None:
        sample = dataset.manifest(dataset.split("train")[:limit], rule="the first")
    job = prepare(
        MODEL,
        dataset,
        sample=sample,
        recipe=recipe,
        plan=plan,
        size=SIZE,
        batch=BATCH,
        epochs=SCHEDULE,
    )
    epochs = counted + (FILLING if job.recipe.views else 1)
    ends = [(time.process_time(), time.perf_counter())]

    def on_epoch(_standing: Any) -> None:
        ends.append((time.process_time(), time.perf_counter()))
        if len(ends) > epochs:
            raise _Enough

    with suppress(_Enough):
        train(job, out, Machine("cpu", threads=1), on_epoch=on_epoch)
    cpu, wall = (
        [after - before for before, after in pairwise(clock)] for clock in zip(*ends, strict=True)
    )
    return {"cpu": cpu, "wall": wall, "pictures": len(job.train), "valid": len(job.valid)}


if __name__ == "__main__":
    finish(main)
