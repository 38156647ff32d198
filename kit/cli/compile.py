"""Compile an ONNX bundle for this machine's GPU, behind the parity gate.

An engine fits one GPU and one version of TensorRT, and it is a program: build it where it will run,
never take one from elsewhere. The gate runs the graph on the CPU and the engine on the GPU over the
validation pictures; if they disagree the command ends with exit code 3 and writes nothing. A watch
and a scaling of scores go on where they still hold on these pictures.

    kit compile runs/bccd/onnx --backend tensorrt --out runs/bccd/engine
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_out, add_threads, positive
from kit.cli.parity import add_tolerance, print_parity, tolerance

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="an ONNX bundle")
    parser.add_argument("--backend", default="tensorrt", help="that compiles (default tensorrt)")
    parser.add_argument("--device", default="auto", help="auto (default), cuda or cuda:1")
    parser.add_argument(
        "--max-batch",
        type=positive,
        default=16,
        metavar="N",
        help="most pictures at once (default 16, or as many as the graph takes)",
    )
    parser.add_argument(
        "--likely-batch",
        type=positive,
        default=1,
        metavar="N",
        help="batch it is made quickest for (default 1)",
    )
    parser.add_argument(
        "--level",
        type=int,
        choices=range(6),
        default=3,
        help="how long to look for quick kernels, 0 to 5 (default 3)",
    )
    parser.add_argument(
        "--workspace", type=positive, metavar="MB", help="most memory one kernel may use"
    )
    parser.add_argument(
        "--data", metavar="SRC", help="dataset of the gate (default: the one trained on)"
    )
    add_tolerance(parser)
    add_threads(parser)
    add_out(parser, "directory of the new bundle")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.bundle import open_bundle
    from kit.export.compile import compile_bundle, require_compiler
    from kit.export.data import gate_pictures
    from kit.files import refuse_existing
    from kit.runtime.backends import CompileOptions

    refuse_existing(args.out)
    bundle = open_bundle(args.bundle)
    require_compiler(bundle, args.backend)
    made, parity = compile_bundle(
        bundle,
        gate_pictures(bundle, args.data, progress=out),
        args.out,
        backend=args.backend,
        options=CompileOptions(args.max_batch, args.likely_batch, args.level, args.workspace),
        tolerance=tolerance(bundle.card.precision, args.tolerance),
        device=args.device,
        threads=args.threads,
        progress=out,
    )
    print_parity(parity, made.card, out)
    layers = made.card.conversion["layers"]
    shown = ", ".join(f"{count} in {name}" for name, count in layers.items() if count)
    out.print(
        f"built in {made.card.conversion['build_s']:.0f} s; layers: {shown}; "
        f"up to {made.card.max_batch} pictures at once"
    )
    out.print(f"{made.card.precision} engine, {made.card.licence} -> {made.directory}")
    return {
        "bundle": str(made.directory),
        "bundle_sha256": made.sha256,
        "precision": made.card.precision,
        "max_batch": made.card.max_batch,
        "operating_point": made.card.operating_point,
        "layers": dict(layers),
        "build_s": made.card.conversion["build_s"],
        "parity": dict(made.card.reports["parity"]),
    }
