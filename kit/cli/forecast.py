"""How many more labelled pictures until a target? The learning curves of a study, carried on.

    kit forecast runs/study --target 0.90

For every series of settings that differ in nothing but their draw, and every rule of drawing: the
pictures needed with 80 % and 95 % intervals, or that the target is not within reach at this model
size, or why the points don't support a forecast. It needs three sizes or more, e.g. fractions of
12.5, 25, 50 and 100 %; seeds make it sharper. A page with plots is written each time.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_out

if TYPE_CHECKING:
    from kit.cli.output import Output
    from kit.study.forecast import Forecast


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY_DIR", help="what `kit study` filled")
    parser.add_argument(
        "--target", type=float, required=True, metavar="AP50", help="on test, between 0 and 1"
    )
    add_out(parser, "directory of the page (default: STUDY_DIR/forecast-AP50)", required=False)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.binding import plain
    from kit.errors import DataError, UsageError
    from kit.files import new_directory, refuse_existing
    from kit.study.forecast import forecast
    from kit.study.forecast_page import HTML, write_forecasts
    from kit.study.results import load_all
    from kit.study.series import SIZES, read_series

    if not 0 < args.target < 1:
        raise UsageError(f"must lie between 0 and 1, it is {args.target:g}", where="--target")
    if args.out is not None:
        refuse_existing(args.out)
    found = read_series(load_all(args.study), out)
    if all(series.too_few for series in found):
        reasons = [f"{series}: {series.too_few}" for series in found]
        raise DataError(
            "\n  ".join([f"no curve has {SIZES} sizes", *reasons]),
            where=args.study,
            fix="draw more fractions: `draws:` of the study's YAML, then `kit study` again",
        )
    told = [(series, *forecast(series, args.target)) for series in out.track(found, "curves")]
    for series, each, _ in told:
        _show(str(series), each, out)
    if args.out is None:
        folder = args.study / f"forecast-{args.target:g}"
        write_forecasts(folder, told)
    else:
        folder = args.out
        with new_directory(folder) as beside:
            write_forecasts(beside, told)
    out.print(f"page: {(folder / HTML).resolve().as_uri()}")
    return {
        "study": str(args.study),
        "target": args.target,
        "forecasts": [plain(each) for _, each, _ in told],
        "page": str(folder / HTML),
    }


def _show(name: str, told: Forecast, out: Output) -> None:
    rows: list[list[object]] = [
        [f"{size.pictures:g}", size.seeds, f"{size.ap50:.3f}", _three(size.deviation)]
        for size in told.sizes
    ]
    if told.fit is not None:
        rows += [
            [f"expected at {told.pool}", None, *_expected(told.fit.now)],
            [f"expected at {2 * told.pool}", None, *_expected(told.fit.twice)],
        ]
    out.table(name, ["pictures", "seeds", "AP50", "deviation or 95 %"], rows)
    out.print(told.answer)
    for gap in told.gaps:
        out.note(f"left out: {gap}")
    out.print()


def _expected(estimate: Any) -> tuple[str, str]:
    low, high = estimate.interval95
    return f"{estimate.median:.3f}", f"{low:.3f} to {high:.3f}"


def _three(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
