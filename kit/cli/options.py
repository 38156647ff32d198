"""Options that several verbs share, worded and checked once."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit.bundle import Bundle
    from kit.cli.output import Output
    from kit.types import Detector, Tiling


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, it is {number}")
    return number


def not_negative(text: str) -> int:
    """A whole number from 0 on."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, it is {number}")
    return number


def add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="dataset folder, or name of a dataset card")


def add_group_by(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--group-by",
        metavar="REGEX",
        help="its first (group), found in a picture's path, names the patient or slide",
    )


def add_out(parser: argparse.ArgumentParser, what: str, *, required: bool = True) -> None:
    parser.add_argument("--out", type=Path, required=required, metavar="PATH", help=what)


def add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn (default 0)")


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=positive,
        default=None,
        metavar="N",
        help="CPU threads (default: all cores)",
    )


def add_tiling(parser: argparse.ArgumentParser) -> None:
    """How large pictures are cut; ``args.tile`` is None or a :class:`kit.types.Tiling`."""
    parser.add_argument(
        "--tile",
        type=_tiling,
        default=None,
        metavar="SIDE[,OVERLAP]",
        help="for small objects in large pictures: look at tiles of so many pixels too, which "
        "share this part of their side (default 0.2); every tile costs a run",
    )


def _tiling(text: str) -> Tiling:
    from kit.types import Tiling

    side, comma, overlap = text.partition(",")
    try:
        values = (int(side), float(overlap)) if comma else (int(side),)
    except ValueError:
        message = f"must be SIDE or SIDE,OVERLAP, e.g. 640,0.2; it is {text!r}"
        raise argparse.ArgumentTypeError(message) from None
    try:
        return Tiling(*values)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def open_detector(
    args: argparse.Namespace,
    bundle: Bundle,
    out: Output,
    *,
    threads: int | None = None,
    tiling: Tiling | None = None,
    calibrated: bool = False,
) -> Detector:
    """Open a bundle with what :func:`add_engine` asked for, and tell what ``auto`` chose.

    Args:
        threads: in place of ``--threads``.
        tiling: what :func:`add_tiling` asked for.
        calibrated: scale scores as the card says.
    """
    from kit import door
    from kit.runtime.backends import choose

    if args.backend == "auto" and bundle.card.kind != "checkpoint":
        choice = choose(bundle.weights.suffix)
        out.note(f"backend {choice.name}; passed over {'; '.join(choice.passed_over)}")
    return door.open(
        bundle,
        backend=args.backend,
        device=args.device,
        threads=threads or args.threads,
        tiling=tiling,
        shrink=args.shrink,
        key=args.key,
        calibrated=calibrated,
    )


def add_key(parser: argparse.ArgumentParser) -> None:
    """Whose bundles are taken; ``args.key`` is None where anybody's are."""
    parser.add_argument(
        "--key",
        type=Path,
        default=os.environ.get("KIT_PUBLIC_KEY") or None,
        metavar="PEM",
        help="take only what was signed with this public key's private half (or KIT_PUBLIC_KEY)",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """What runs a bundle."""
    parser.add_argument(
        "--backend", default="auto", help="auto (default), or one of `kit list backends`"
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:1")
    parser.add_argument(
        "--shrink",
        action="store_true",
        help="where memory is too small for a batch, run it in smaller ones, not say what fits",
    )
    add_key(parser)
    add_threads(parser)
