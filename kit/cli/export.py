"""Export a trained bundle to ONNX in some precision, behind the parity gate.

The gate runs what is exported and what comes out over the validation pictures the bundle was
trained with. If they disagree the command ends with exit code 3 and writes nothing. int8 is
calibrated on training pictures, and tried in more careful ways until one passes. A watch and a
scaling of scores go on where they still hold on the validation pictures.

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
from kit.cli.parity import add_tolerance, print_parity, tolerance

if TYPE_CHECKING:
    from kit.bundle import Bundle, Precision
    from kit.export.export import Eight
    from kit.export.parity import Parity


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
    add_tolerance(parser)
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
        tolerance=tolerance(precision, args.tolerance),
        threads=args.threads,
        progress=out,
    )
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


def _print(parity: Parity, made: Bundle, out: Output) -> None:
    print_parity(parity, made.card, out)
    rest = made.card.conversion.get("rest")
    precision = f"{made.card.precision} with {rest}" if rest else made.card.precision
    out.print(f"{precision} ONNX, {made.card.licence} -> {made.directory}")
