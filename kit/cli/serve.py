"""Serve the page: pictures, cameras and films, and what the detector is worth.

    kit serve runs/bccd-onnx
    kit serve runs/fp32 runs/int8 --port 8080
    kit passwd users anna
    kit serve runs/bccd-onnx --host 0.0.0.0 --auth-file users --certfile cert.pem --keyfile key.pem

Without a bundle it serves the one that `make quickstart` made. It listens to this machine alone
(127.0.0.1) unless told otherwise, asks nobody outside, and keeps nothing: pictures stay in memory
and are forgotten half an hour after their last use.

With --feedback visitors can correct boxes and keep the picture. DIR is then a COCO dataset, as
`kit data check DIR` and `kit train` take it: one in five is a valid picture, the
others are for training, and look-alikes stay together. Beside the data that were there before:

    kit data merge bccd DIR --out both
    kit train yolov8n both --out runs/both
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_key, add_threads, positive

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bundles", nargs="*", type=Path, metavar="BUNDLE", help="directories of exported bundles"
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default 127.0.0.1)")
    parser.add_argument(
        "--port", type=_port, default=7860, metavar="N", help="default 7860; 0 takes a free one"
    )
    parser.add_argument(
        "--auth-file", type=Path, metavar="FILE", help="only its users may enter (see kit passwd)"
    )
    parser.add_argument("--certfile", type=Path, metavar="PEM", help="for https, with --keyfile")
    parser.add_argument("--keyfile", type=Path, metavar="PEM", help="its private key")
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="name that visitors call this machine by, where it isn't its own and nobody logs in",
    )
    parser.add_argument(
        "--proxy",
        metavar="ADDRESS",
        help="of the proxy in front: it is believed who asks (X-Forwarded-For, -Proto)",
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="take passwords from the network without https, e.g. where a proxy adds it",
    )
    parser.add_argument(
        "--picture-mb", type=positive, default=40, metavar="N", help="largest picture (default 40)"
    )
    parser.add_argument(
        "--clip-mb", type=positive, default=200, metavar="N", help="largest video (default 200)"
    )
    parser.add_argument(
        "--clip-seconds", type=positive, default=120, metavar="N", help="longest (default 120)"
    )
    parser.add_argument(
        "--feedback", type=Path, metavar="DIR", help="keep what visitors correct, as a COCO dataset"
    )
    parser.add_argument(
        "--audit", type=Path, metavar="FILE", help="log every look, see `kit audit verify`"
    )
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        metavar="SOURCE",
        help="of this machine, for visitors to watch: 0, /dev/video0, rtsp://...; again for more",
    )
    parser.add_argument(
        "--visitors", type=positive, default=16, metavar="N", help="live cameras at once (16)"
    )
    parser.add_argument("--backend", default="auto", help="one of `kit list backends`")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:1")
    add_key(parser)
    add_threads(parser)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.app.server import serve
    from kit.app.settings import Settings

    settings = Settings(
        bundles=tuple(args.bundles),
        host=args.host,
        port=args.port,
        backend=args.backend,
        device=args.device,
        threads=args.threads,
        key=args.key,
        auth_file=args.auth_file,
        insecure=args.insecure,
        certfile=args.certfile,
        keyfile=args.keyfile,
        feedback=args.feedback,
        audit=args.audit,
        picture_mb=args.picture_mb,
        clip_mb=args.clip_mb,
        clip_seconds=args.clip_seconds,
        cameras=tuple(args.camera),
        visitors=args.visitors,
        names=tuple(args.name),
        proxy=args.proxy,
    )
    serve(settings, out)
    return {}


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"must be from 0 to 65535, it is {port}")
    return port
