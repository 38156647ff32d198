"""What becomes of work that is disturbed: killed, out of room, out of memory, out of time.

Training, export, a study and the keeping of corrected pictures are killed with SIGKILL at seeded
random moments, half of them while something is being written, and gone on with by the same command
(`kit train` with --resume). After every kill each file under a final name must be whole: cards fit
their files, JSON, pages, pictures and archives can be read. At the end everything must be what it
is where nothing was disturbed, bit for bit, but for what tells of the time; and nothing
half-written may be left.

Then disks that are full at several sizes, disks that become read-only, a data worker that is killed
or gets no memory, a clock that jumps by a day, and two processes in one folder: each must end with
one message, and lose nothing. Disks are small file systems in memory, which only root can mount;
elsewhere these rows say so.

The data are 12 drawn smears, the network yolov8n from random weights at 64 px. A quarter of an
hour, or half of one.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import Limit, at_least, finish, parser, write_report

if TYPE_CHECKING:
    from _disturbing import Row
    from _killing import End, Kill

    from kit.report.page import Cell

SHARES = {"train": 18, "export": 10, "study": 10, "feedback": 12}
"""Of fifty kills."""


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=50, metavar="N", help="(50)")
    options.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (0)")
    options.add_argument("--only-kills", action="store_true", help="leave the other faults out")
    options.add_argument("--only-others", action="store_true", help="leave the kills out")
    args = options.parse_args()
    at_least(args, kills=4, seed=0)
    from dataclasses import asdict

    from _disturbing import rows
    from _killing import campaign, leave_in_peace
    from _workshop import Workshop

    rng = random.Random(args.seed)
    kills: list[Kill] = []
    ends: list[End] = []
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="kit-benchmark-") as folder:
        shop = Workshop(Path(folder))
        shop.furnish()
        for work in SHARES:
            leave_in_peace(shop, work)
        for work, count in shares(0 if args.only_others else args.kills).items():
            some, ended = campaign(shop, work, count, rng)
            kills, ends = [*kills, *some], [*ends, *ended]
            print(f"{work}: killed {len(some)} times, {len(ended)} ends", flush=True)
        for row in [] if args.only_kills else rows(shop):
            found.append(row)
            print(f"{row.fault}, {row.work}: {row.code} {row.note}", flush=True)
        temporary = len(list((shop.root / "tmp").iterdir()))
    raw = {"kills": [*map(asdict, kills)], "ends": [*map(asdict, ends)]}
    raw["others"] = [*map(asdict, found)]
    return report(args, kills, ends, found, {**raw, "left_in_tmp": temporary})


def shares(kills: int) -> dict[str, int]:
    """The kills of each work."""
    parts = {work: kills * share // 50 for work, share in SHARES.items()}
    parts["train"] += kills - sum(parts.values())
    return parts


def report(
    args: Any, kills: Sequence[Kill], ends: Sequence[End], found: Sequence[Row], raw: dict[str, Any]
) -> int:
    """Tables, promises and every number."""
    limits = [
        Limit("kills after which half a file was seen", sum(bool(x.halves) for x in kills), 0),
        Limit("works that ended otherwise", sum(bool(x.code or x.differs) for x in ends), 0),
        Limit("half-written things left at the end", sum(x.left for x in ends), 0),
        Limit("other faults told by anything but one message", sum(not x.told for x in found), 0),
        Limit("other faults after which something was lost", sum(not x.kept for x in found), 0),
    ]
    return write_report(
        "faults",
        "What becomes of work that is disturbed",
        f"{len(kills)} kills at random moments (seed {args.seed}), and {len(found)} other faults.",
        tables(kills, ends, found),
        limits,
        raw,
        threads=1,
        out=args.out,
    )


def tables(kills: Sequence[Kill], ends: Sequence[End], found: Sequence[Row]) -> list[Any]:
    """A row for each kind of work, and one for each other fault."""
    from kit.report.page import Table

    by_work: list[list[Cell]] = [
        [
            work,
            len(mine := [each for each in kills if each.work == work]),
            sum(each.writing > 0 for each in mine),
            sum(each.whom == "first" for each in mine),
            sum(bool(each.halves) for each in mine),
            len(over := [each for each in ends if each.work == work]),
            sum(not (each.code or each.differs) for each in over),
            sum(each.left for each in over),
        ]
        for work in SHARES
    ]
    header = ("work", "kills", "while writing", "children left alone", "half a file seen", "ends",
              "the same", "left behind")  # fmt: skip
    others: list[list[Cell]] = [
        [each.fault, each.work, each.code, each.message.replace("\n", " "),
         "yes" if each.told else "no", "yes" if each.kept else "no", each.note]
        for each in found
    ]  # fmt: skip
    head = ("fault", "work", "exit code", "what it said", "as it should", "nothing lost", "note")
    return [
        *([Table("Killed", header, by_work)] if kills else []),
        *([Table("Otherwise disturbed", head, others)] if found else []),
    ]


if __name__ == "__main__":
    finish(main)
