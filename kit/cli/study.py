"""Run a grid of fine-tunings, and read it: tables, curves, ties, winners.

Each cell is a directory below OUT/cells that stands alone. A study that was stopped goes on where
it was with the same command; what is done is not done again. The report is written anew each time.

    kit study smoke --out runs/smoke --dry-run
    kit study studies/paper.yaml --out runs/paper --jobs 4
    kit study studies/paper.yaml --out /shared/paper --ray auto
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_out, add_threads, positive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kit.cli.output import Output
    from kit.finetune.engine import Machine
    from kit.study.cell import Cell
    from kit.study.results import Finished
    from kit.study.run import Failed
    from kit.study.study import Study
    from kit.study.tasks import Tasks


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="name of a study, or a YAML file")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run", action="store_true", help="say what would be run and what it would cost"
    )
    instead.add_argument(
        "--read", action="store_true", help="run nothing more: write the report of what is done"
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="cells at a time (default: one for each GPU, else one)",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="run on a Ray cluster: its address, or auto; OUT must be a folder all machines see",
    )
    parser.add_argument("--device", default="auto", metavar="D", help="auto (default), cpu or cuda")
    parser.add_argument(
        "--download", action="store_true", help="fetch the pretrained weights that are missing"
    )
    add_threads(parser)
    add_out(parser, "directory of the study")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.cards import load_card
    from kit.lock import locked
    from kit.study.study import Study

    study = load_card(Study, args.study)
    if args.dry_run:
        return _plan(args, study, out)[0]
    with locked(args.out):
        return _run(args, study, out)


def _plan(args: argparse.Namespace, study: Study, out: Output) -> tuple[dict[str, Any], Tasks]:
    """Say what is there, what is to do, and what it will cost."""
    from kit.study.cost import seconds
    from kit.study.tasks import sort

    tasks = sort(study, args.out, download=args.download, progress=out)
    machine, jobs = _machine(args)
    cost = seconds(tasks.to_do, tasks.done, machine, progress=out)
    out.print(f"{study.name}: {study.about}")
    rows: list[list[object]] = [
        [str(task.cell), task.passes, _duration(each)]
        for task, each in zip(tasks.to_do, cost, strict=True)
    ]
    if rows:
        out.table("to do", ["cell", "pictures x epochs", "about"], rows)
    for reason, cells in _by_reason(tasks.not_run).items():
        more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
        out.print(f"not run: {cells[0]}{more}\n  {reason}")
    out.print(
        f"{len(tasks.done)} cells done, {len(tasks.to_do)} to do, {len(tasks.not_run)} that can't "
        f"be run here; about {_duration(sum(cost) / jobs)} with {jobs} at a time"
    )
    facts = {
        "study": study.name,
        "out": str(args.out),
        "done": [each.result.cell.name for each in tasks.done],
        "to_do": [task.cell.name for task in tasks.to_do],
        "not_run": {cell.name: reason for cell, reason in tasks.not_run.items()},
        "seconds": sum(cost) / jobs,
    }
    return facts, tasks


def _run(args: argparse.Namespace, study: Study, out: Output) -> dict[str, Any]:
    from kit.errors import RunFailed
    from kit.study.latency import latencies
    from kit.study.page import write_report

    facts, tasks = _plan(args, study, out)
    done, failed = (tasks.done, {}) if args.read else _do(args, tasks, out)
    if not done:
        reasons = "\n  ".join(f"{cell}: {reason}" for cell, reason in failed.items())
        raise RunFailed(f"no cell came to a result\n  {reasons}", where=args.out)
    known, unknown = latencies(
        args.out, done, device=args.device, threads=args.threads, progress=out
    )
    for (model, size), reason in unknown.items():
        out.note(f"{model} at {size} px was not timed: {reason}")
    winners = write_report(
        args.out, study, done, not_run=tasks.not_run, failed=failed, latency=known
    )
    for line in winners:
        out.print(line)
    out.print(f"report: {(args.out / 'report.html').resolve().as_uri()}")
    if failed:
        raise RunFailed(
            f"{len(failed)} of {len(study.cells())} cells failed; the report says which, and why",
            where=args.out,
            fix="once the cause is mended, the same command runs them again",
        )
    return {
        **facts,
        "done": [each.result.cell.name for each in done],
        "to_do": facts["to_do"] if args.read else [],
        "winners": winners,
        "report": str(args.out / "report.html"),
    }


def _do(
    args: argparse.Namespace, tasks: Tasks, out: Output
) -> tuple[Sequence[Finished], Mapping[Cell, str]]:
    """Run what is to do; every finished cell, and why others failed."""
    from kit.study import run as local

    machine, jobs = _machine(args)
    ends: Iterable[Finished | Failed]
    if args.ray is not None:
        from kit.study.ray import run_on_ray

        ends = run_on_ray(tasks.to_do, machine, args.ray)
    else:
        from kit.finetune.engine import gpus

        ends = local.run(tasks.to_do, machine, jobs=jobs, gpus=gpus(args.device))
    done = list(tasks.done)
    failed: dict[Cell, str] = {}
    for end in out.track(ends, "cells", len(tasks.to_do)):
        if isinstance(end, local.Failed):
            failed[end.cell] = end.reason
            out.note(f"failed: {end.cell}: {end.reason}")
        else:
            done.append(end)
            result = end.result
            out.note(
                f"{result.cell}: valid AP50 {result.valid['ap50']:.3f}, "
                f"test AP50 {result.test.ap50:.3f}, {_duration(result.seconds)}"
            )
    return done, failed


def _machine(args: argparse.Namespace) -> tuple[Machine, int]:
    """What each cell is trained on, and how many at a time."""
    from kit.finetune.engine import Machine, gpus
    from kit.runtime.machine import cores

    if args.ray is not None:
        return Machine(args.device, 1, args.threads), args.jobs or 1
    jobs = args.jobs or gpus(args.device) or 1
    threads = args.threads or max(1, cores() // jobs)
    return Machine(args.device, 1, threads), jobs


def _by_reason(not_run: Mapping[Cell, str]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell, reason in not_run.items():
        found.setdefault(reason, []).append(cell)
    return found


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
