"""The learning curve as it grows: after each epoch a line on the terminal and a page on disk."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from kit.cli.output import Output
from kit.report.html import write_html
from kit.report.page import Facts, Page, Plot, Table
from kit.report.plots import learning_curve

if TYPE_CHECKING:
    from kit.finetune.job import Job
    from kit.finetune.state import Standing

REDRAWN = 20.0
"""Seconds between two drawings of the page; the last epoch is always drawn."""

_COLUMNS = (
    ("train loss", "train_loss"),
    ("valid loss", "valid_loss"),
    ("train AP", "train_ap"),
    ("valid AP", "ap"),
    ("valid AP50", "ap50"),
)


class Live:
    """Called after each epoch.

    Args:
        directory: of the run; the page is its ``report.html``.
    """

    def __init__(self, out: Output, job: Job, directory: Path) -> None:
        self._out, self._job, self._page = out, job, directory / "report.html"
        self._begun, self._drawn = False, -REDRAWN

    def __call__(self, standing: Standing) -> None:
        epochs = self._job.recipe.epochs
        if not self._begun:
            self._print(["epoch", *(title for title, _ in _COLUMNS), "seconds"])
            self._begun = True
        row = standing.history[-1]
        values = ["-" if row[key] is None else f"{row[key]:.3f}" for _, key in _COLUMNS]
        seconds = f"{row['seconds'] + row['valid_seconds']:.1f}"
        best = "  best" if standing.best_epoch + 1 == row["epoch"] else ""
        self._print([f"{row['epoch']}/{epochs}", *values, seconds], best)
        if row["epoch"] == epochs or monotonic() - self._drawn > REDRAWN:
            write_html(self._page, curve_page(self._job, standing))
            self._drawn = monotonic()

    def _print(self, cells: list[str], mark: str = "") -> None:
        self._out.note("  ".join(f"{cell:>10}" for cell in cells) + mark)


def curve_page(job: Job, standing: Standing) -> Page:
    """The run so far, on one page."""
    recipe: Any = job.recipe
    rows = [[row["epoch"], *(row[key] for _, key in _COLUMNS)] for row in standing.history]
    facts = Facts(
        "The run",
        [
            ("Training pictures", len(job.train)),
            ("Valid pictures", len(job.valid)),
            ("Start", job.start),
            *([("Plan", str(job.plan))] if job.plan else []),
            ("Recipe", recipe.name),
            ("Input (px)", recipe.size),
            ("Seed", job.seed),
            ("Best epoch", standing.best_epoch + 1),
            ("Its AP on valid", standing.best),
            ("Licence", job.model.licence),
        ],
    )
    note = "AP on train is that of a few training pictures, without augmentation."
    return Page(
        f"{job.model.name} on {job.train.name}",
        f"epoch {standing.epoch} of {recipe.epochs}",
        [
            facts,
            Plot("Learning curve", learning_curve(standing.history), note),
            Table("By epoch", ("epoch", *(title for title, _ in _COLUMNS)), rows),
        ],
    )
