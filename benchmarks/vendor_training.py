"""Wall time of a training epoch: this kit beside the vendor's own trainer.

Both fine-tune YOLOv8n from the same COCO weights (KIT_WEIGHTS) on BCCD (KIT_DATA), 416 px, batch
16, with two CPU threads, one after the other, each in a process of its own; both read one and the
same folder in YOLO format. Each is given the schedule of a 30-epoch run and stopped after a few
epochs, so the epochs are such as make up most of that run: with mosaic on both sides.

An epoch is what the clock says between the ends of two epochs: training, the validation that each
side does by default, and saving its state. The first epoch, which holds the start-up (here counted
from the first line of the process: imports, checks of the data, building), is shown and left out of
the ratio. The rest is as the makers set it: the kit with the recipe `default`, the vendor with its
defaults but for plots=False, in its favour, and with every network access closed. Left alone the
vendor would use one thread less than there are cores; it is given as many as the kit.

Reported: median seconds of an epoch, ours over the vendor's. Promised: at most 1.

Expect three to five minutes a round on two cores. The machine must do nothing else.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from _common import Limit, alone, at_least, finish, parser, require_vendor, write_report

MODEL, DATA, SIZE, BATCH, SCHEDULE = "yolov8n", "bccd", 416, 16, 30
SIDES = ("kit", "vendor")


def main() -> int:
    options = parser(__doc__)
    options.add_argument(
        "--epochs", type=int, default=3, metavar="N", help="of each run, the first not counted (3)"
    )
    options.add_argument(
        "--rounds", type=int, default=1, metavar="N", help="runs of each side, order in turn (1)"
    )
    options.add_argument("--threads", type=int, default=2, metavar="N", help="on each side (2)")
    options.add_argument(
        "--limit", type=int, metavar="N", help="pictures of each split, for a quick try (all)"
    )
    args = options.parse_args()
    at_least(args, epochs=2, rounds=1, threads=1, limit=1)
    if args.epochs > SCHEDULE // 2:
        options.error(f"--epochs must be at most {SCHEDULE // 2}: later ones have no mosaic")
    require_vendor()
    weights = find_weights()
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="kit-benchmark-") as folder:
        data, pictures = write_data(Path(folder) / "bccd", args.limit)
        for turn in range(args.rounds):
            for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
                print(f"round {turn + 1}: {side}", file=sys.stderr, flush=True)
                work = train_ours if side == "kit" else train_vendor
                place = Path(folder) / f"{side}-{turn}"
                told = alone(work, data, weights, place, args.epochs, args.threads)
                runs.append({"side": side, "round": turn + 1, **told})
    return report(args, runs, pictures)


def report(args: Any, runs: list[dict[str, Any]], pictures: dict[str, int]) -> int:
    from kit.report.page import Table

    counted = {
        side: [s for run in runs if run["side"] == side for s in run["seconds"][1:]]
        for side in SIDES
    }
    medians = {side: statistics.median(seconds) for side, seconds in counted.items()}
    ratio = medians["kit"] / medians["vendor"]
    header = ("run", "round", "threads", *(f"epoch {n + 1}" for n in range(args.epochs)))
    rows = [
        [run["side"], run["round"], run["threads"], *(round(s, 2) for s in run["seconds"])]
        for run in runs
    ]
    summary = [
        [side, medians[side], min(counted[side]), max(counted[side]), len(counted[side])]
        for side in SIDES
    ]
    for side in SIDES:
        print(f"{side}: {medians[side]:.2f} s an epoch, median of {len(counted[side])}")
    return write_report(
        "vendor-training",
        "An epoch of training, beside the vendor's trainer",
        f"{MODEL} on {DATA}, {pictures['train']} pictures to train on and {pictures['valid']} to "
        f"validate on, {SIZE} px, batch {BATCH}, {args.threads} CPU threads on each side, one run "
        "after the other. The vendor's settings are its defaults, but without plots.",
        [
            Table("Seconds an epoch", ("side", "median", "least", "most", "epochs"), summary),
            Table(
                "In the order they ran",
                header,
                rows,
                note="Epoch 1 holds the start-up, and is not counted.",
            ),
        ],
        [Limit("seconds an epoch, kit / vendor", ratio, 1.0)],
        {"ratio": ratio, "pictures": pictures, "runs": runs},
        threads=args.threads,
        out=args.out,
    )


def find_weights() -> Path:
    """The pretrained weights, which both sides start from."""
    from kit.cards import ModelCard, load_card
    from kit.weights import require

    return require(load_card(ModelCard, MODEL))


def write_data(folder: Path, limit: int | None) -> tuple[Path, dict[str, int]]:
    """The dataset in YOLO format, which both sides read, and its pictures by split."""
    import numpy as np

    from kit.data.convert import convert
    from kit.data.dataset import SPLITS
    from kit.data.doctor import usable
    from kit.data.source import open_source

    dataset = usable(open_source(DATA))
    splits = [dataset.split(name)[:limit] for name in SPLITS]
    chosen = dataset.select(np.concatenate(splits))
    convert(chosen, "yolo", folder)
    return folder, {name: len(chosen.split(name)) for name in SPLITS}


class _Clock:
    """Marks the end of each epoch; the first begins when the clock is made."""

    def __init__(self, side: str) -> None:
        self._side, self._last = side, time.perf_counter()
        self.seconds: list[float] = []

    def mark(self) -> int:
        """How many epochs have ended."""
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now
        print(
            f"  {self._side}, epoch {len(self.seconds)}: {self.seconds[-1]:.1f} s",
            file=sys.stderr,
            flush=True,
        )
        return len(self.seconds)


class _Enough(Exception):  # not an error: the run is stopped on purpose
    pass


def train_ours(data: Path, weights: Path, out: Path, epochs: int, threads: int) -> dict[str, Any]:
    """Run in a process of its own."""
    clock = _Clock("kit")
    import torch

    from kit.finetune.engine import Machine
    from kit.finetune.prepare import prepare
    from kit.finetune.train import train

    rows: list[dict[str, Any]] = []

    def on_epoch(standing: Any) -> None:
        rows[:] = standing.history
        if clock.mark() >= epochs:
            raise _Enough

    job = prepare(MODEL, str(data), start=str(weights), size=SIZE, batch=BATCH, epochs=SCHEDULE)
    with suppress(_Enough):
        train(job, out, Machine("cpu", threads=threads), on_epoch=on_epoch)
    parts = [{name: row[name] for name in ("seconds", "valid_seconds")} for row in rows]
    return {"seconds": clock.seconds, "parts": parts, "threads": torch.get_num_threads()}


def train_vendor(data: Path, weights: Path, out: Path, epochs: int, threads: int) -> dict[str, Any]:
    """Run in a process of its own."""
    clock = _Clock("vendor")
    from _vendor import open_vendor, set_threads

    ultralytics = open_vendor(out / "vendor", threads)
    import torch

    seen: list[int] = []

    def begin(_trainer: Any) -> None:
        set_threads(threads)

    def end(trainer: Any) -> None:
        if len(seen) < epochs:  # it is called once more for the final validation
            seen.append(torch.get_num_threads())
            trainer.stop = clock.mark() >= epochs

    os.chdir(out)  # what it writes beside the run stays in the folder that is removed
    model = ultralytics.YOLO(str(weights))
    model.add_callback("on_train_epoch_start", begin)
    model.add_callback("on_fit_epoch_end", end)
    model.train(
        data=str(data / "data.yaml"),
        imgsz=SIZE,
        batch=BATCH,
        epochs=SCHEDULE,
        device="cpu",
        project=str(out),
        name="run",
        plots=False,
    )
    return {"seconds": clock.seconds, "threads": min(seen)}


if __name__ == "__main__":
    finish(main)
