"""What the verbs that make a bundle of a bundle share: the gate's tolerance, and what it saw."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit.bundle import BundleCard
    from kit.cli.output import Output
    from kit.export.parity import Change, Parity, Tolerance


def add_tolerance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tolerance",
        type=_points,
        metavar="POINTS",
        help="of AP and AP50 the gate lets go (default: fp32 0.1, fp16 0.3, int8 1.0)",
    )


def tolerance(precision: str, points: float | None) -> Tolerance | None:
    """What :func:`add_tolerance` asked for."""
    from dataclasses import replace

    from kit.export.parity import TOLERANCES

    return None if points is None else replace(TOLERANCES[precision], ap=points / 100)


def print_parity(parity: Parity, card: BundleCard, out: Output) -> None:
    """Tell what the gate saw of what passed it."""
    if not parity.detections:
        out.note("warning: neither side finds anything: the gate compared no boxes")
    out.print(
        f"parity on {parity.pictures} valid pictures: {parity.matched:.2%} of "
        f"{parity.detections} detections alike, AP {_arrow(parity.ap)}, AP50 {_arrow(parity.ap50)}"
    )
    if card.precision == "fp32":
        return
    for name, each in parity.per_class.items():
        out.print(f"  {name}: AP {_arrow(each.ap)}, AP50 {_arrow(each.ap50)}")
    out.print(
        f"  sensitivity {_arrow(parity.sensitivity)} at {card.operating_point:.3f}, "
        "with no more false positives"
    )


def _arrow(change: Change) -> str:
    if change.before is None or change.after is None:
        return "- (no object)"
    return f"{change.before:.4f} -> {change.after:.4f}"


def _points(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 100, it is {text}")
    return value
