"""Say which of two benchmarks is faster, with an interval; under 5 % is a tie.

    kit bench runs/onnx bccd --out before.json
    kit bench runs/int8 bccd --out after.json
    kit compare before.json after.json

Both must have timed the same pictures under the same load. Rows are paired by bundle, precision,
batch, regime, streams and tiling; files of one row each are compared as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, metavar="REPORT", help="rows of kit bench")
    parser.add_argument("second", type=Path, metavar="REPORT", help="rows to hold against them")


def run(args: argparse.Namespace, out: Output) -> list[dict[str, Any]]:
    from kit.bench.compare import compare, pair
    from kit.bench.report import load_reports
    from kit.binding import plain

    found = [compare(*rows) for rows in pair(load_reports(args.first), load_reports(args.second))]
    for each in found:
        low, high = each.interval
        out.print(f"{each.second}\n  against {each.first}")
        out.print(f"  {each.verdict}: {each.ratio:.3f} of its median ({low:.3f} to {high:.3f})")
        if None not in each.ap50:
            out.print(f"  AP50 {each.ap50[0]:.3f} -> {each.ap50[1]:.3f}")
    return [plain(each) for each in found]
