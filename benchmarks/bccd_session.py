"""The README's session on BCCD, command by command, and what each of them answered.

Draws the balanced half, exports the checkpoint behind the parity gate, scores the graph on test and
times it on the test pictures, all by ``kit`` itself; what stands in the report is what the commands
answer to ``--json``. A run that is in --run already is not trained again; training takes some nine
minutes on two cores. The machine must do nothing else while it is timed, which takes half a minute.

Promised: at most 1 % of the detections differ between checkpoint and graph.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _common import ROOT, Limit, finish, kit_answers, parser, write_report

STAGES = ("decode", "fit", "run", "post", "total")


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--run", type=Path, default=ROOT / "runs" / "bccd-0", metavar="DIR")
    args = made.parse_args()
    from kit.report.page import Cell, Facts, Table

    if not (args.run / "best").is_dir():
        words = ["train", "yolov8n", "bccd", "--epochs", "30", "--size", "416", "--seed", "0"]
        kit_answers(*words, "--out", str(args.run))
    with tempfile.TemporaryDirectory() as folder:
        graph = str(Path(folder) / "onnx")
        sample = str(Path(folder) / "half.json")
        half = kit_answers("sample", "bccd", "--fraction", "0.5", "--balanced", "--out", sample)
        exported = kit_answers(
            "export", str(args.run / "best"), "--precision", "fp32", "--out", graph
        )
        scored = kit_answers("evaluate", graph, "bccd")
        [timed] = kit_answers("bench", graph, "bccd")
    parity, (low, high) = exported["parity"], scored["interval"]["ap50"]
    rows: list[list[Cell]] = [
        [stage, *(timed["stages"][stage][key] for key in ("mean", "p50", "p90", "p99", "max"))]
        for stage in STAGES
    ]
    classes: list[list[Cell]] = [
        [name, score["objects"], score["ap50"], score["ap"]]
        for name, score in scored["per_class"].items()
    ]
    tables = [
        Facts(
            "Balanced half",
            [
                ("pictures", len(half["ids"])),
                *((name, count) for name, count in half["class_counts"].items()),
            ],
        ),
        Facts(
            "Parity of graph and checkpoint on valid",
            [
                ("pictures", parity["pictures"]),
                ("detections", parity["detections"]),
                ("alike", parity["matched"]),
                ("AP50, checkpoint", parity["ap50"]["before"]),
                ("AP50, graph", parity["ap50"]["after"]),
            ],
        ),
        Facts(
            "The graph on test",
            [
                ("pictures", scored["images"]),
                ("objects", scored["objects"]),
                ("AP50", scored["ap50"]),
                ("AP50, 95 % interval over pictures", f"{low:.3f} to {high:.3f}"),
                ("AP", scored["ap"]),
            ],
        ),
        Table("By class", ("", "objects", "AP50", "AP"), classes),
        Table(
            "Milliseconds a picture",
            ("stage", "mean", "p50", "p90", "p99", "max"),
            rows,
            f"{timed['samples']} samples after {timed['warmup']} warm-up runs.",
        ),
    ]
    return write_report(
        "bccd-session",
        "The README's session on BCCD",
        "The checkpoint of seed 0, exported, scored and timed.",
        tables,
        [Limit("detections that differ between graph and checkpoint", 1 - parity["matched"], 0.01)],
        {"sample": half, "export": exported, "evaluate": scored, "bench": timed},
        threads=None,
        out=args.out,
    )


if __name__ == "__main__":
    finish(main)
