"""Look for faults in a dataset: leaks between splits, bad boxes, unreadable pictures.

Errors would make a detector or its score wrong without anybody noticing: they end this command with
exit code 2, and stop `kit train`. Warnings are only told.
"""

from __future__ import annotations

import argparse
from typing import Any

from kit.cli.options import add_group_by, add_source
from kit.cli.output import Output
from kit.errors import DataError


def arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    add_group_by(parser)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from dataclasses import asdict

    from kit.data.doctor import MEND, examine
    from kit.data.source import open_source

    dataset = open_source(args.source, progress=out)
    diagnosis = examine(dataset, group_by=args.group_by, progress=out)
    columns = list(diagnosis.pictures)
    rows: list[list[object]] = [["pictures", *diagnosis.pictures.values(), None]]
    for name in diagnosis.counts["all"]:
        low = diagnosis.perfect.get(name)
        rows.append([name, *(diagnosis.counts[column][name] for column in columns), low])
    header = ["", *columns, "test, all found"]
    shown = [[*row[:-1], None if row[-1] is None else f"{row[-1]:.3f} .. 1"] for row in rows]
    out.table(f"{diagnosis.name}: objects by class", header, shown)
    for finding in diagnosis.findings:
        out.print(str(finding))
    for flaw in dataset.flaws:
        out.print(f"its card says: {flaw}")
    if not diagnosis.findings:
        out.print("no faults found")
    result = {
        **asdict(diagnosis),
        "sound": not diagnosis.errors,
        "flaws": list(dataset.flaws),
    }
    if diagnosis.errors:
        out.finish(result)
        raise DataError(
            f"{len(diagnosis.errors)} kind(s) of error, told above",
            where=args.source,
            fix=MEND,
        )
    return result
