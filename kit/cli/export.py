"""Export a trained bundle to ONNX in some precision, behind the parity gate.

The gate runs what is exported and what comes out over the validation pictures the bundle was
trained with. If they disagree the command ends with exit code 3 and writes nothing. int8 is
calibrated on training pictures, and tried in more careful ways until one passes.

    kit export runs/bccd/best --precision fp32 --out runs/bccd/onnx
    kit export runs/bccd/onnx --precision int8 --out runs/bccd/int8
    kit export runs/bccd/onnx --to triton --out repository
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_out, add_threads, positive
from kit.cli.output import Output

if TYPE_CHECKING:
    from kit.bundle import Bundle, Precision
    from kit.export.export import Eight
    from kit.export.parity import Change, Parity, Tolerance


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bundle", type=Path, metavar="BUNDLE", help="a trained bundle, or its fp32 export"
    )
    parser.add_argument(
        "--precision",
        choices=["fp32", "fp16", "int8"],
        help="of the graph (default fp32)",
    )
    parser.add_argument(
        "--to",
        choices=["triton"],
        help="write a model repository for NVIDIA's Triton server, of an ONNX bundle as it is",
    )
    parser.add_argument(
        "--rest",
        choices=["fp16", "fp32"],
        help="what int8 leaves in float: fp32 (default), or fp16 for TensorRT",
    )
    parser.add_argument(
        "--data", metavar="SRC", help="dataset of the gate (default: the one trained on)"
    )
    parser.add_argument(
        "--calibrate",
        type=positive,
        metavar="N",
        help="training pictures that int8 is calibrated on at first (default 300)",
    )
    parser.add_argument(
        "--tolerance",
        type=_points,
        metavar="POINTS",
        help="of AP and AP50 the gate lets go (default: fp32 0.1, fp16 0.3, int8 1.0)",
    )
    add_threads(parser)
    add_out(parser, "directory of the new bundle")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.bundle import open_bundle
    from kit.export.data import gate_pictures
    from kit.files import refuse_existing

    refuse_existing(args.out)
    eight = _eight_asked(args)
    bundle = open_bundle(args.bundle)
    if args.to is not None:
        from kit.export.triton import to_triton

        model = to_triton(bundle, args.out)
        out.print(f"{bundle.card.precision} ONNX, {bundle.card.licence}, for Triton -> {model}")
        return {"model": str(model), "bundle_sha256": bundle.sha256}
    gate = gate_pictures(bundle, args.data, progress=out)
    from kit.export.export import export_onnx

    precision: Precision = args.precision or "fp32"
    made, parity = export_onnx(
        bundle,
        gate,
        args.out,
        precision=precision,
        eight=_eight(args, bundle, out) if eight else None,
        tolerance=_tolerance(precision, args.tolerance),
        threads=args.threads,
        progress=out,
    )
    if not parity.detections:
        out.note("warning: neither side finds anything: the gate compared no boxes")
    _print(parity, made, out)
    return {
        "bundle": str(made.directory),
        "bundle_sha256": made.sha256,
        "precision": made.card.precision,
        "operating_point": made.card.operating_point,
        "conversion": dict(made.card.conversion),
        "parity": dict(made.card.reports["parity"]),
    }


def _eight_asked(args: argparse.Namespace) -> bool:
    from kit.errors import UsageError

    if args.to is not None:
        others = ("precision", "rest", "data", "calibrate", "tolerance", "threads")
        given = [f"--{name}" for name in others if getattr(args, name) is not None]
        if given:
            raise UsageError(f"--to takes the graph as it is, without {', '.join(given)}")
    if args.precision != "int8" and (args.rest or args.calibrate):
        raise UsageError("--rest and --calibrate are for --precision int8")
    return bool(args.precision == "int8")


def _eight(args: argparse.Namespace, bundle: Bundle, out: Output) -> Eight:
    from kit.export.data import calibration_pictures
    from kit.export.export import Eight
    from kit.export.ladder import MORE, PICTURES

    first = args.calibrate or PICTURES
    chosen = calibration_pictures(bundle, args.data, max(MORE, first), progress=out)
    used = min(first, len(chosen.pictures))
    if used < PICTURES:
        out.note(
            f"warning: int8 is calibrated on {used} of {len(chosen.pictures)} training pictures; "
            f"{PICTURES} or more are better"
        )
    return Eight(chosen, used, args.rest or "fp32")


def _tolerance(precision: str, points: float | None) -> Tolerance | None:
    from dataclasses import replace

    from kit.export.parity import TOLERANCES

    return None if points is None else replace(TOLERANCES[precision], ap=points / 100)


def _print(parity: Parity, made: Bundle, out: Output) -> None:
    out.print(
        f"parity on {parity.pictures} valid pictures: {parity.matched:.2%} of "
        f"{parity.detections} detections alike, AP {_arrow(parity.ap)}, AP50 {_arrow(parity.ap50)}"
    )
    card = made.card
    if card.precision != "fp32":
        for name, each in parity.per_class.items():
            out.print(f"  {name}: AP {_arrow(each.ap)}, AP50 {_arrow(each.ap50)}")
        out.print(
            f"  sensitivity {_arrow(parity.sensitivity)} at {card.operating_point:.3f}, "
            "with no more false positives"
        )
    rest = card.conversion.get("rest")
    precision = f"{card.precision} with {rest}" if rest else card.precision
    out.print(f"{precision} ONNX, {card.licence} -> {made.directory}")


def _arrow(change: Change) -> str:
    if change.before is None or change.after is None:
        return "- (no object)"
    return f"{change.before:.4f} -> {change.after:.4f}"


def _points(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 100, it is {text}")
    return value
