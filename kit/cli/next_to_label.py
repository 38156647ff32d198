"""The part of ``kit sample`` that ranks unlabelled pictures: ``--next N --bundle B``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_engine

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that go with ``--next``."""
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="B",
        help="with --next: directory of the bundle that is to learn from them",
    )
    parser.add_argument(
        "--labelled",
        type=Path,
        action="append",
        default=[],
        metavar="MANIFEST",
        help="with --next: pictures that are labelled already, e.g. train.json of the bundle's "
        "run; may be given several times",
    )
    parser.add_argument(
        "--bit-depth", type=int, metavar="N", help="with --next: bits used by 16-bit pictures"
    )
    add_engine(parser)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    """Rank, and write the manifest and, beside it, the contact sheet."""
    from kit import door
    from kit.binding import plain
    from kit.bundle import open_bundle
    from kit.data.manifest import Manifest
    from kit.errors import UsageError
    from kit.files import refuse_existing
    from kit.label.ranking import choose, require_enough
    from kit.label.survey import survey
    from kit.pixels import find_pictures
    from kit.report.contact import contact_sheet
    from kit.report.html import write_html

    refuse_existing(args.out)
    folder, sheet = Path(args.source), args.out.with_suffix(".html")
    if sheet == args.out:
        raise UsageError("the contact sheet has this name", where=args.out, fix="end it in .json")
    if args.bit_depth is not None and not 8 <= args.bit_depth <= 16:
        raise UsageError("must lie in 8..16", where="--bit-depth")
    refuse_existing(sheet)
    require_enough(args.next, len(find_pictures(folder)), folder)
    labelled = {digest for path in args.labelled for digest in Manifest.load(path).pictures}
    bundle = open_bundle(args.bundle)
    detector = door.open(bundle, backend=args.backend, device=args.device, threads=args.threads)
    seen = survey(detector, folder, bit_depth=args.bit_depth, progress=out)
    for name, why in seen.failed.items():
        out.note(f"warning: {name} was left out: {why}")
    if seen.features is None:
        out.note("note: the bundle has no features, so pictures are ranked by uncertainty alone")
    choice = choose(seen, bundle, args.next, labelled=labelled, seed=args.seed)
    manifest, facts = choice.manifest, choice.manifest.facts
    found = [picture.found for picture in choice.pictures]
    write_html(sheet, contact_sheet(manifest, found, folder, bit_depth=args.bit_depth))
    manifest.save(args.out)
    out.table(
        f"{manifest.rule}, seed {manifest.seed}",
        ["picture", "uncertainty", "boxes found"],
        [[row["id"], f"{row['uncertainty']:.2f}", row["found"]] for row in facts["ranked"]],
    )
    pool, sample = facts["pool"], facts["sample"]
    out.print(
        f"{args.next} of {pool['pictures'] - pool['labelled']} pictures"
        + (f" ({pool['labelled']} more are labelled already)" if labelled else "")
        + f"; mean uncertainty {sample['uncertainty']:.2f}, of all {pool['uncertainty']:.2f}"
    )
    out.print(f"wrote {args.out} and its contact sheet {sheet}")
    return {**plain(manifest), "sha256": manifest.sha256}
