"""Fine-tune a detector on a labelled folder.

The run's directory holds the settings, the manifests, the learning curve (history.csv, .json and
report.html) and, when it is done, two bundles: best/ (by AP on valid) and last/. It can be stopped
with Ctrl-C and resumed, also after a crash.

    kit train yolov8n bccd --epochs 30 --size 416 --out runs/bccd
    kit train yolov8n bccd --plan freeze-backbone --out runs/frozen
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kit.cli.options import add_out, add_seed, add_source, add_threads, not_negative, positive
from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="name of a model card: see `kit list models`"
    )
    add_source(parser)
    parser.add_argument(
        "--sample", type=Path, metavar="MANIFEST", help="train on these pictures only"
    )
    parser.add_argument(
        "--recipe", default="default", metavar="NAME", help="see `kit list recipes`"
    )
    parser.add_argument(
        "--start",
        default="coco",
        metavar="START",
        help="coco, random, mean-var (pretrained scale, no features), or a checkpoint's path",
    )
    parser.add_argument(
        "--allow-partial",
        action="store_true",
        help="take a start that fills less than 90%% of what is to be copied",
    )
    parser.add_argument(
        "--plan",
        metavar="PLAN",
        help='what to freeze (F), tune (T) and re-initialise (R), e.g. "F1-4 T5-9 R10" over the '
        "stages that `kit show-stages MODEL` prints; or head-only, freeze-backbone, tune-all, "
        "paper (default: everything learns at the recipe's rate)",
    )
    parser.add_argument("--size", type=int, metavar="S", help="side of the input in pixels")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the training pictures")
    parser.add_argument(
        "--batch", type=int, metavar="N", help="pictures per step, over all devices"
    )
    parser.add_argument(
        "--workers", type=not_negative, metavar="N", help="processes that draw pictures ahead"
    )
    parser.add_argument(
        "--nodes", type=positive, default=1, metavar="N", help="machines (torchrun)"
    )
    parser.add_argument(
        "--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:1, or cuda:0,1 for two"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument(
        "--download", action="store_true", help="fetch the pretrained weights if they are missing"
    )
    add_threads(parser)
    add_seed(parser)
    add_out(parser, "directory of the run")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.cli.live import Live
    from kit.finetune.prepare import prepare

    job = prepare(
        args.model,
        args.source,
        sample=args.sample,
        recipe=args.recipe,
        start=args.start,
        plan=args.plan,
        partial=args.allow_partial,
        seed=args.seed,
        download=args.download,
        progress=out,
        size=args.size,
        epochs=args.epochs,
        batch=args.batch,
    )
    # torch takes seconds to load: what is wrong with the data or the options is told before
    from kit.finetune.engine import Machine
    from kit.finetune.train import train

    recipe = job.recipe
    out.print(
        f"{job.model.name} ({job.model.licence}) on {job.train.name}: {len(job.train)} pictures, "
        f"{job.train_manifest.objects} objects; {recipe.epochs} epochs of batch {recipe.batch} at "
        f"{recipe.size} px, seed {job.seed}"
    )
    machine = Machine(args.device, args.nodes, args.threads, args.workers)
    bundle = train(
        job, args.out, machine, resume=args.resume, progress=out, on_epoch=Live(out, job, args.out)
    )
    reached = bundle.card.reports["valid"]
    out.print(
        f"best: epoch {bundle.card.training['epoch']}, valid AP50 {reached['ap50']:.3f}, "
        f"AP {reached['ap']:.3f} -> {bundle.directory}"
    )
    return {
        "run": str(args.out),
        "bundle": str(bundle.directory),
        "bundle_sha256": bundle.sha256,
        "valid": dict(reached),
        "training": dict(bundle.card.training),
    }
