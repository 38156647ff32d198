"""Sign a bundle, so that others can tell who made it.

    openssl genpkey -algorithm ed25519 -out private.pem
    openssl pkey -in private.pem -pubout -out public.pem
    kit sign runs/bccd/onnx --key private.pem
    kit verify runs/bccd/onnx --key public.pem

Writes card.sig beside the card; nothing else is touched. Keep the private key off the device.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="PEM", help="private Ed25519 key"
    )


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.bundle import open_bundle
    from kit.signature import SIGNATURE, sign

    bundle = open_bundle(args.bundle)
    name = sign(bundle, args.key)
    out.print(f"{bundle.sha256} signed by {name}: {bundle.directory / SIGNATURE}")
    return {"bundle_sha256": bundle.sha256, "key": name}
