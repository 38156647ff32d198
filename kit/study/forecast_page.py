"""Forecasts on a page: the answers, a plot for each, and what stands behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kit.binding import plain
from kit.files import write_json
from kit.report.html import write_html
from kit.report.markdown import write_markdown
from kit.report.page import Cell, Page, Plot, Section, Table, Text
from kit.report.plots import png, svg
from kit.study.forecast import BELOW, EVIDENCE, HORIZON, RISE, Estimate, Forecast
from kit.study.forecast_plot import forecast_plot
from kit.study.power_law import Curves
from kit.study.results import RESAMPLES
from kit.study.series import Series

Told = Sequence[tuple[Series, Forecast, Curves | None]]

HTML, MARKDOWN, RECORD = "forecast.html", "forecast.md", "forecast.json"


def write_forecasts(folder: Path, told: Told) -> None:
    """Write ``forecast.html``, ``forecast.md`` with ``plots/``, and ``forecast.json``."""
    page = tell(told)
    write_html(folder / HTML, page)
    write_markdown(folder / MARKDOWN, page)
    write_json(folder / RECORD, {"forecasts": [plain(each) for _, each, _ in told]})


def tell(told: Told) -> Page:
    """The page."""
    target = told[0][1].target
    sections: list[Section] = [
        Text("The answers", [f"{series}: {each.answer}" for series, each, _ in told])
    ]
    for series, each, curves in told:
        draw = forecast_plot(series, each, curves)
        sections.append(Plot(str(series), svg(draw), each.answer, png(draw)))
    sections += [_measured(told), *_laws(told)]
    if gaps := [gap for _, each, _ in told for gap in each.gaps]:
        sections.append(Text("What doesn't count", list(dict.fromkeys(gaps))))
    sections.append(Text("How to read this", _method()))
    return Page("Forecast", f"How many more labelled pictures until AP50 {target:g}?", sections)


def _measured(told: Told) -> Table:
    rows: list[list[Cell]] = [
        [str(series), size.pictures, size.objects, size.seeds, size.ap50, size.deviation]
        for series, each, _ in told
        for size in each.sizes
    ]
    header = ("", "pictures", "objects", "seeds", "AP50", "deviation")
    return Table("Measured", header, rows, "Means over seeds; AP50 on test.")


def _laws(told: Told) -> list[Table]:
    fits = [(str(series), each, each.fit) for series, each, _ in told if each.fit is not None]
    if not fits:
        return []
    law = Table(
        "The curves: AP50(n) = a - b n^-c",
        ("", "ceiling a", "b", "exponent c"),
        [[name, _three(f.ceiling), _three(f.scale), _three(f.exponent)] for name, _, f in fits],
        "Medians and 95 % intervals. One by one the three are poorly known; together less so.",
    )
    expected = Table(
        "Expected",
        ("", "pictures", "AP50 now", "at twice", "there", "never", "tests", "deviation"),
        [
            [
                name,
                each.pool,
                _three(f.now),
                _three(f.twice),
                f.share_reached,
                f.share_below,
                each.test_pictures,
                f.test_deviation,
            ]
            for name, each, f in fits
        ],
        "After learning from all the pictures, and from twice as many: medians and 95 % intervals. "
        "There, never: share of the curves that are at the target now, and that level off below "
        "it. The deviation is of AP50 by the choice of the test pictures alone; where it is most "
        "of an interval, more of these tell more than more training.",
    )
    return [expected, law]


def _three(estimate: Estimate) -> str:
    low, high = estimate.interval95
    return f"{estimate.median:.3g} ({low:.3g} to {high:.3g})"


def _method() -> list[str]:
    return [
        "Plots: dashes are seeds, a dot is the mean of a size. The median curve is dashed beyond "
        "what was measured; the bands hold 80 % and 95 % of the curves. On the target's line stand "
        "the pictures needed with both intervals, and an arrow where they go on.",
        "An inverse power law with a ceiling is fitted to the scores of all seeds and sizes "
        "(Figueroa et al. 2012, BMC Med Inform Decis Mak 12:8; Hestness et al. 2017, arXiv "
        "1712.00409). Not the best curve answers, but all that fit, by how well they do: draws "
        "from the posterior, with weak priors (kit/study/power_law.py).",
        "AP50 is what is expected on pictures like the test pictures. The intervals hold the "
        f"chance in these (drawn anew {RESAMPLES} times; all scores are of the same ones, so they "
        "err together), in the seeds of draw and training, and in the pool that samples are drawn "
        "from. They don't hold what no curve knows: that later pictures come from elsewhere, or "
        "that the law bends.",
        "Small errors of a curve are large ones of the pictures needed (Mahmood et al. 2022, "
        '"How much more data do I need?"): label in rounds, and forecast again after each.',
        "There is no forecast where there are fewer than three sizes, where AP50 doesn't rise by "
        f"{RISE:g} standard errors, where no power law comes near the points, or where the target "
        f"lies beyond {HORIZON:g} times the labelled pictures and it isn't known whether the curve "
        f"ever gets there: fewer than {100 * BELOW:g} % of the curves level off below, or that is "
        f"the prior's opinion (a Bayes factor below {EVIDENCE:g}).",
        "With balanced draws the seeds share more pictures than with random ones, and tell less of "
        "the chance in the pool.",
    ]
