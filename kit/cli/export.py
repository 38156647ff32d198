"""Export a trained bundle to ONNX, behind the parity gate.

The gate runs checkpoint and graph over the validation pictures the bundle was trained with. If they
disagree the command ends with exit code 3 and writes nothing.

    kit export runs/bccd/best --precision fp32 --out runs/bccd/onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kit.cli.options import add_out, add_threads
from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a trained bundle")
    parser.add_argument("--precision", choices=["fp32"], default="fp32", help="of the graph")
    parser.add_argument(
        "--data", metavar="SRC", help="dataset of the gate (default: the one trained on)"
    )
    add_threads(parser)
    add_out(parser, "directory of the new bundle")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.bundle import open_bundle
    from kit.export.data import gate_pictures
    from kit.files import refuse_existing

    refuse_existing(args.out)
    bundle = open_bundle(args.bundle)
    dataset, manifest = gate_pictures(bundle, args.data, progress=out)
    from kit.export.export import export_onnx  # torch takes seconds to load

    made, parity = export_onnx(
        bundle, dataset, manifest, args.out, threads=args.threads, progress=out
    )
    if not parity.detections:
        out.note("warning: neither side finds anything: the gate compared no boxes")
    out.print(
        f"parity on {parity.pictures} valid pictures: {parity.matched:.2%} of "
        f"{parity.detections} detections alike, AP {parity.reference['ap']:.4f} -> "
        f"{parity.candidate['ap']:.4f}, AP50 {parity.reference['ap50']:.4f} -> "
        f"{parity.candidate['ap50']:.4f}"
    )
    out.print(f"{made.card.precision} ONNX, {made.card.licence} -> {made.directory}")
    return {
        "bundle": str(made.directory),
        "bundle_sha256": made.sha256,
        "parity": dict(made.card.reports["parity"]),
    }
