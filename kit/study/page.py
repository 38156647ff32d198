"""The report of a study: one HTML page, the same as Markdown with its plots, and plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kit.evaluate.paired import LENT
from kit.files import write_json
from kit.progress import SILENT, Progress
from kit.report.html import write_html
from kit.report.markdown import PLOTS, write_markdown
from kit.report.page import Facts, Page, Pictures, Plot, Section, Text
from kit.report.plots import Draw, png, svg
from kit.study import tables
from kit.study.account import Account, account, record
from kit.study.cell import Cell
from kit.study.compared import ALPHA, Row
from kit.study.plots import dots, has_curves, learning_curves, sample_curves
from kit.study.results import RESAMPLES, Finished
from kit.study.samples import samples
from kit.study.study import Grid, Study
from kit.study.winner import ONE_SEED, Latencies

HTML, MARKDOWN, RECORD = "report.html", "report.md", "results.json"


def write_report(
    folder: Path,
    study: Study,
    finished: Sequence[Finished],
    *,
    not_run: Mapping[Cell, str] | None = None,
    failed: Mapping[Cell, str] | None = None,
    latency: Latencies | None = None,
    progress: Progress = SILENT,
) -> list[str]:
    """Write ``report.html``, ``report.md`` with ``plots/``, and ``results.json``.

    Args:
        folder: of the study; an older report in it is replaced.
        finished, not_run, failed, latency: see :class:`kit.study.account.Account`.

    Returns:
        For each dataset the winner in a sentence, and the command that exports it.

    Raises:
        DataError: what a cell left behind is damaged, or can't be compared with the others.
    """
    told = account(
        study,
        finished,
        not_run=not_run or {},
        failed=failed or {},
        latency=latency or {},
        progress=progress,
    )
    page = tell(told)
    for old in (*(folder / PLOTS).glob("*.png"), *(folder / PLOTS).glob("*.svg")):
        old.unlink()
    write_html(folder / HTML, page)
    write_markdown(folder / MARKDOWN, _without_pictures(page))
    write_json(folder / RECORD, record(told))
    return [
        str(ruling) if ruling.export is None else f"{ruling}\n  {ruling.export}"
        for ruling in told.rulings
    ]


def tell(told: Account) -> Page:
    """The page."""
    study = told.study
    sections: list[Section] = [
        Text("The question", [study.about]),
        _at_a_glance(told),
        _winners(told),
    ]
    for grid, rows in told.grids:
        sections += _grid(grid, rows)
    sections.append(tables.overfitted(told.readings))
    sections += samples(told.readings, told.reader)
    sections.append(tables.candidates(told.rulings))
    if told.failed:
        sections.append(tables.left_out("Failed", told.failed))
    if told.not_run:
        sections.append(tables.left_out("Not run", told.not_run))
    sections.append(Text("How to read this", _method(told)))
    licences = sorted({each.result.licence for each in told.finished})
    facts = [*told.environment.items(), ("licence of the bundles", ", ".join(licences))]
    sections.append(Facts("Made with", facts))
    done, asked = len(told.finished), len(study.cells())
    return Page(f"Study: {study.name}", f"{done} of {asked} fine-tunings", sections)


def _at_a_glance(told: Account) -> Facts:
    asked = len(told.study.cells())
    verdicts = Counter(row.verdict for _, rows in told.grids for row in rows if row.published)
    seconds = sum(each.result.seconds for each in told.finished)
    energy = [each.result.energy_wh for each in told.finished]
    known = [value for value in energy if value is not None]
    tests = [
        f"{each.trials[0].scores.images} ({each.setting.parts()['dataset']})"
        for each in told.readings
        if each.trials
    ]
    items: list[tuple[str, str | int | float | None]] = [
        ("Fine-tunings done", f"{len(told.finished)} of {asked}"),
        ("Failed", len(told.failed)),
        ("Can't be run here", len(told.not_run)),
        ("Test pictures", ", ".join(dict.fromkeys(tests))),
        (
            "Training time",
            f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.0f} min",
        ),
        ("Energy (Wh)", sum(known) if len(known) == len(energy) and known else None),
    ]
    if verdicts:
        items += [
            ("Published figures beaten", f"{verdicts['beaten']} of {sum(verdicts.values())}"),
            ("Only the mean above", verdicts["mean above"]),
            ("Below", verdicts["below"]),
            ("Not measured", verdicts[None]),
        ]
    return Facts("At a glance", items)


def _winners(told: Account) -> Text:
    lines = [f"{str(ruling)[0].upper()}{str(ruling)[1:]}." for ruling in told.rulings]
    exports = [ruling.export for ruling in told.rulings if ruling.export is not None]
    return Text("Winners", lines, "\n".join(exports) or None)


def _grid(grid: Grid, rows: Sequence[Row]) -> list[Section]:
    sections: list[Section] = [tables.accuracy(grid, rows)]
    measured = [row for row in rows if row.reading.cells]
    if has_curves(rows):
        caption = "Mean over seeds; the bands are 95 % intervals over seeds and test pictures."
        title = f"{grid.title} · AP50 against the training sample"
        sections.append(_plot(title, sample_curves(rows), caption))
    elif any(row.reading.trials for row in rows):
        caption = "Mean over seeds, and its 95 % interval over seeds and test pictures."
        sections.append(_plot(f"{grid.title} · AP50 side by side", dots(rows), caption))
    sections += tables.by_class(grid, rows)
    sections.append(tables.cost(grid, rows))
    if measured:
        caption = "A line a cell. A ring marks the lowest valid loss of one that overfits."
        title = f"{grid.title} · learning curves"
        sections.append(_plot(title, learning_curves(measured), caption))
    return sections


def _plot(title: str, draw: Draw, caption: str) -> Plot:
    return Plot(title, svg(draw), caption, png(draw))


def _method(told: Account) -> list[str]:
    budget = told.study.latency_ms
    within = "" if budget is None else f" of models that take {budget:g} ms a picture or less"
    lines = [
        "AP50 and AP are COCO's, on test pictures that neither training nor the choice of epochs "
        "and winners has seen. A mean is over seeds; the deviation is that of the seeds.",
        f"Intervals are 95 %. Test pictures are drawn anew {RESAMPLES} times, and the seeds' mean "
        "is moved by Student's t with their deviation. Since two or three seeds tell little about "
        "it, the usual deviation of the other settings on the same pictures counts like "
        f"{LENT} more seeds. Where no setting has a second seed, an interval is over pictures "
        "alone.",
        "To the best: the difference of mean AP50 to the best row measured on the same test "
        "pictures. It is called a tie where it isn't significant: paired over seeds and drawn "
        f"pictures, p above {ALPHA:g} after Holm's correction over the comparisons with that best.",
        "A published figure is beaten only where the lower end of our interval is above it. "
        "Published figures are of one run on pictures of their own.",
        "A dataset's winner is chosen without test: the best mean AP on valid" + within + ", or "
        "the cheapest of those within one standard error of it (over seeds, pooled; "
        f"{ONE_SEED:g} where there is one seed). Cheaper is less time a picture, then less "
        "training.",
    ]
    if any(reading.setting.folds for reading in told.readings):
        lines.append(
            "With folds, each picture is scored once a seed, by the detector that was not trained "
            "on it, and the detections on all folds are scored together. A seed counts when all "
            "its folds are done."
        )
    return lines


def _without_pictures(page: Page) -> Page:
    """For places that pictures of patients should not be copied to."""
    kept = [section for section in page.sections if not isinstance(section, Pictures)]
    if len(kept) < len(page.sections):
        kept.insert(-2, Text("Sample predictions", [f"They are in {HTML}, beside this file."]))
    return replace(page, sections=kept)
