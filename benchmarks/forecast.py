"""Are forecasts to be trusted? Learning curves on half of the labels, held against all of them.

On the three sets: `studies/forecast.yaml` trains yolov8n on an eighth, a quarter, half and all of
BCCD, Mask Wearing and Vehicles. The curve is fitted to the first three sizes, and forecasts what
the fourth scores on the same test pictures: the error, beside that of forecasting no change, and
whether the intervals hold it. Where --study is not there the study is run first, which takes
KIT_DATA, KIT_WEIGHTS and more than an hour without a GPU (--train runs what is missing of one that
is there); else what is finished counts, and what is missing is listed.

With --simulate N no detector is trained: N studies are drawn from each of several known curves,
with the chance of seeds, pools and test pictures in them. So the intervals' coverage can be told to
a few per cent, also of what no study can measure: the truth behind the test pictures, twice the
pictures, and the pictures needed for a target. A second a study on one core.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from _common import ROOT, Limit, at_least, finish, parser, write_report

if TYPE_CHECKING:
    from kit.report.page import Cell
    from kit.study.hindcast import Hindcast

STUDY = "forecast"
HALF = 0.5
MISSED = 0.34
"""Share of the sets whose 95 % interval may miss: one of three."""

MISSES = {"80 %": 0.25, "95 %": 0.10}
"""Share of simulated intervals that may miss the truth: nominal would be 0.20 and 0.05."""


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--study", type=Path, default=ROOT / "runs" / STUDY, metavar="DIR")
    made.add_argument("--train", action="store_true", help="run what is missing of the study")
    made.add_argument("--simulate", type=int, metavar="N", help="simulated studies of each curve")
    args = made.parse_args()
    at_least(args, simulate=1)
    return simulated(args.simulate, args.out) if args.simulate else real(args)


def real(args: Any) -> int:
    """Hold forecasts of the whole against the whole."""
    if args.train or not args.study.is_dir():
        words = ["study", STUDY, "--out", str(args.study)]
        subprocess.run([sys.executable, "-m", "kit.cli.root", *words], check=True, cwd=ROOT)

    from kit.binding import plain
    from kit.cards import load_card
    from kit.errors import DataError
    from kit.report.page import Table
    from kit.study.hindcast import hindcast
    from kit.study.results import load_all
    from kit.study.series import read_series
    from kit.study.study import Study

    finished = load_all(args.study)
    there = {each.result.cell for each in finished}
    missing = [str(cell) for cell in load_card(Study, STUDY).cells() if cell not in there]
    held: dict[str, Hindcast] = {}
    notes = [f"not finished: {name}" for name in missing]
    for series in read_series(finished):
        try:
            held[str(series)] = hindcast(series, HALF)
        except DataError as error:
            notes.append(str(error))
    for note in notes:
        print(note)
    if not held:
        raise DataError("no curve has enough finished cells to be held against", where=args.study)
    rows: list[list[Cell]] = []
    for name, each in held.items():
        (low80, high80), (low95, high95) = each.expected.interval80, each.expected.interval95
        rows.append(
            [
                name,
                ", ".join(f"{size.pictures:g}" for size in each.fitted),
                f"{each.pictures:g}",
                each.expected.median,
                f"{low80:.3f} to {high80:.3f}",
                f"{low95:.3f} to {high95:.3f}",
                each.measured,
                each.error,
                each.carried,
                "yes" if each.inside80 else "no",
                "yes" if each.inside95 else "no",
            ]
        )
    header = ["", "fitted to", "forecast", "AP50", "80 %", "95 %", "measured", "error"]
    header += ["error of no change", "in 80 %", "in 95 %"]
    note = "AP50 on the same test pictures, the mean over the seeds that were measured."
    tables: list[Any] = [Table("Half of the labels forecast all of them", header, rows, note)]
    if notes:
        tables.append(Table("What is missing", ("",), [[note] for note in notes]))
    misses = sum(not each.inside95 for each in held.values()) / len(held)
    return write_report(
        "forecast",
        "Forecasts held against what came",
        f"An inverse power law on up to half of the labels; {len(held)} curve(s).",
        tables,
        [Limit("95 % intervals that miss", misses, MISSED)],
        {"hindcasts": [plain(each) for each in held.values()], "missing": missing},
        threads=None,
        out=args.out,
    )


def simulated(count: int, out: Path) -> int:
    """Coverage on studies drawn from known curves."""
    import numpy as np
    from _curves import TRUTHS, trial

    from kit.report.page import Table
    from kit.study.forecast import HORIZON

    records: dict[str, list[dict[str, Any]]] = {}
    for number, truth in enumerate(TRUTHS):
        rng = np.random.default_rng(number)
        records[truth.name] = [trial(truth, rng) for _ in range(count)]
        print(f"{truth.name}: {count} studies")
    every = [record for rows in records.values() for record in rows]
    tables: list[Any] = [
        Table(
            title,
            ("", "studies", "in 80 %", "in 95 %", "median error", "width of 95 %"),
            [_coverage(name, rows, what) for name, rows in [*records.items(), ("all", every)]],
            note,
        )
        for what, title, note in (
            ("now", "Expected at the pool", "Fitted to all four sizes. The truth is the curve's."),
            ("twice", "Expected at twice the pool", "Fitted to all four sizes."),
            (
                "measured",
                "Half of the labels forecast all of them",
                "Fitted to three sizes; the truth is the mean that the seeds score with all of the "
                "pictures on the same test pictures.",
            ),
        )
    ]
    tables.append(
        Table(
            "Pictures needed, as shares of the truth",
            ("", "studies", "in 80 %", "in 95 %", "median", "95 % goes on beyond the horizon"),
            [
                [
                    name,
                    len(rows),
                    *(_share(rows, "needed", level) for level in MISSES),
                    median(row["needed"]["median"] for row in rows),
                    sum(row["needed"]["interval95"][1] >= HORIZON / 2 for row in rows) / len(rows),
                ]
                for name, rows in [*records.items(), ("all", every)]
            ],
            "Fitted to all four sizes. The target is the truth at twice the pool.",
        )
    )
    verdicts = ("reached", "within reach", "not within reach", "no forecast")
    for key, title in (
        ("near", "Verdicts on a target that is reached at twice the pool"),
        ("beyond", "Verdicts on a target halfway from the ceiling to 1"),
    ):
        tables.append(
            Table(
                title,
                ("", *verdicts),
                [
                    [name, *(sum(row[key] == verdict for row in rows) for verdict in verdicts)]
                    for name, rows in [*records.items(), ("all", every)]
                ],
            )
        )
    truths = [list(asdict(truth).values()) for truth in TRUTHS]
    tables.append(Table("The curves", list(asdict(TRUTHS[0])), truths))
    limits = [
        Limit(f"{level} intervals that miss, {what}", 1 - _share(every, what, level), most)
        for level, most in MISSES.items()
        for what in ("now", "twice", "measured", "needed")
    ]
    return write_report(
        "forecast-simulated",
        "Forecasts on simulated studies",
        f"{count} studies from each of {len(TRUTHS)} known curves: do the intervals hold what they "
        "promise? Scores and their chance are as the model supposes, but for the two curves that "
        "are no power law; what else may be different in practice, this can't tell.",
        tables,
        limits,
        {"curves": [asdict(truth) for truth in TRUTHS], "studies": _raw(records)},
        threads=None,
        out=out,
    )


def _raw(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """By curve and figure, a row a study: truth, median, ends of the 80 % and 95 % intervals."""
    keys = ("now", "twice", "measured", "needed")
    return {
        name: {
            **{
                key: [
                    " ".join(f"{value:.4f}" for value in _flat(row[key].values())) for row in rows
                ]
                for key in keys
            },
            "verdicts": [f"{row['near']}; {row['beyond']}" for row in rows],
        }
        for name, rows in records.items()
    }


def _flat(values: Iterable[Any]) -> Iterator[float]:
    for value in values:
        yield from value if isinstance(value, tuple) else (value,)


def _inside(rows: Sequence[Mapping[str, Any]], what: str, level: str) -> Iterator[bool]:
    for row in rows:
        low, high = row[what][f"interval{level.partition(' ')[0]}"]
        yield low <= row[what]["truth"] <= high


def _share(rows: Sequence[Mapping[str, Any]], what: str, level: str) -> float:
    return sum(_inside(rows, what, level)) / len(rows)


def _coverage(name: str, rows: Sequence[Mapping[str, Any]], what: str) -> list[Cell]:
    ends = [row[what]["interval95"] for row in rows]
    return [
        name,
        len(rows),
        _share(rows, what, "80 %"),
        _share(rows, what, "95 %"),
        median(row[what]["median"] - row[what]["truth"] for row in rows),
        median(high - low for low, high in ends),
    ]


if __name__ == "__main__":
    finish(main)
