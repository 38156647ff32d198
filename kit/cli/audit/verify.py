"""Check an audit log: that no line was changed, taken out, put in or moved.

    kit audit verify audit.jsonl
    kit audit verify audit.jsonl --head 5e1f...

Exit code 0 means a whole chain, 3 a broken one; the message names the first broken line and what is
wrong with it. Lines cut off at the end leave a whole chain, and so does a file that was made anew
from its first line: a chain can't show that by itself. So note the head that is printed, at times,
in another place (paper will do), and give it with --head: if no line has it, what was there then is
gone or was made anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.app.chain import Chain
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="what `kit serve --audit` wrote")
    parser.add_argument(
        "--head", metavar="HASH", help="a head that was noted before: one line must have it"
    )


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from dataclasses import asdict

    from kit.app.chain import RECOVERED, is_sha256, read_file
    from kit.errors import GateRefused, UsageError

    if args.head is not None and not is_sha256(args.head):
        raise UsageError("--head takes the 64 digits and letters that were printed as the head")
    try:
        found = read_file(args.file, args.head)
    except OSError as error:
        raise UsageError(f"can't be read ({error.strerror})", where=args.file) from error
    result = {
        "file": str(args.file),
        "intact": found.fault is None and (args.head is None or found.noted is not None),
        "entries": found.entries,
        "events": dict(found.events),
        "recovered": found.events.get(RECOVERED, 0),
        "head": found.head,
        "noted_head": None if args.head is None else {"sha256": args.head, "line": found.noted},
        "broken": None if found.fault is None else asdict(found.fault),
    }
    _tell(args, found, out)
    if result["intact"]:
        return result
    out.finish(result)
    if found.fault is not None:
        where = f"{args.file}, line {found.fault.line}"
        raise GateRefused(f"{found.fault.kind}: {found.fault.what}", where=where)
    raise GateRefused(
        "cut, or made anew: the head that was noted is no line's",
        where=args.file,
        fix="look for a copy of the file from the day the head was noted",
    )


def _tell(args: argparse.Namespace, found: Chain, out: Output) -> None:
    whole = "whole" if found.fault is None else "sound up to its first broken line"
    out.print(f"{args.file}: {found.entries} event(s), {whole}")
    for event, count in found.events.items():
        out.print(f"  {event}: {count}")
    if found.noted is not None:
        out.print(f"the head that was noted is line {found.noted}: nothing up to there is missing")
    if found.fault is None:
        out.print(f"head {found.head}")
        out.note("note the head in another place: lines cut off at the end show only against it")
