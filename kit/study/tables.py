"""The tables of a study, as sections of a page: accuracy, classes, cost, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kit.report.page import Cell as Shown
from kit.report.page import Table, Text
from kit.study.cell import Cell
from kit.study.compared import Row, spoken
from kit.study.overfit import RISE, STRIP, overfitting
from kit.study.reading import Reading, mean
from kit.study.study import Grid
from kit.study.winner import Ruling


def accuracy(grid: Grid, rows: Sequence[Row]) -> Table:
    """A row a setting: AP50 on test with its spread, AP, and the published figure beside it."""
    published = any(row.published is not None for row in rows)
    header = [
        *_words(rows),
        "AP50",
        "deviation",
        "95 % interval",
        "AP",
        *(["published", "verdict"] if published else []),
        "to the best",
        "cells",
    ]
    body: list[list[Shown]] = []
    for row in rows:
        runs, ap = row.reading.ap50, row.reading.ap
        beside: list[Shown] = []
        if published:
            beside = [None if row.published is None else row.published.ap50, row.verdict]
        body.append(
            [
                *row.words.values(),
                None if runs is None else runs.mean,
                None if runs is None else runs.deviation,
                None if runs is None else f"{runs.interval[0]:.3f} to {runs.interval[1]:.3f}",
                None if ap is None else ap.mean,
                *beside,
                None if row.standing is None else str(row.standing),
                f"{len(row.reading.cells)} of {row.reading.asked}",
            ]
        )
    return Table(f"{grid.title} · accuracy on test", header, body, _note(grid, rows))


def by_class(grid: Grid, rows: Sequence[Row]) -> list[Table]:
    """AP50 of each class, a table a dataset, since each has classes of its own."""
    datasets: dict[str, list[Row]] = {}
    for row in rows:
        if row.reading.trials:
            datasets.setdefault(row.setting.parts()["dataset"], []).append(row)
    return [_by_class(grid, dataset, those) for dataset, those in datasets.items()]


def cost(grid: Grid, rows: Sequence[Row]) -> Table:
    """What each setting took, beside what it reached; means over its cells."""
    header = [
        *_words(rows),
        "pictures",
        "objects",
        "epochs",
        "best epoch",
        "seconds",
        "energy (Wh)",
        "AP50",
    ]
    body: list[list[Shown]] = []
    for row in rows:
        cells = [each.result for each in row.reading.cells]
        whole = [
            mean([each.pictures for each in cells]),
            mean([each.objects for each in cells]),
            mean([each.epochs for each in cells]),
            mean([each.best_epoch for each in cells]),
            mean([each.seconds for each in cells]),
        ]
        runs = row.reading.ap50
        body.append(
            [
                *row.words.values(),
                *(None if value is None else round(value) for value in whole),
                mean([each.energy_wh for each in cells]),
                None if runs is None else runs.mean,
            ]
        )
    note = (
        "Pictures and objects trained on; the best epoch on valid is kept; seconds of training "
        "and validation. Means over the finished cells."
    )
    return Table(f"{grid.title} · cost", header, body, note)


def overfitted(readings: Sequence[Reading]) -> Table | Text:
    """The cells whose learning curve overfits, or that there is none."""
    finished = [each for reading in readings for each in reading.cells]
    answers = [(each.result, overfitting(each.history())) for each in finished]
    judged = sum(answer.overfits is not None for _, answer in answers)
    body: list[list[Shown]] = [
        [
            str(result.cell),
            f"{100 * answer.rise:+.0f} %",
            answer.since,
            result.best_epoch,
            answer.lost,
        ]
        for result, answer in answers
        if answer.overfits and answer.rise is not None
    ]
    note = (
        f"{len(body)} of {judged} cells overfit: valid loss, averaged over {STRIP} epochs, ends "
        f"more than {100 * RISE:g} % above its lowest while train loss is lower than it was there "
        "(the generalization loss of Prechelt 1998)."
    )
    if judged < len(answers):
        few = len(answers) - judged
        note += f" {few} have fewer than {2 * STRIP} epochs, too few to tell."
    if not body:
        return Text("Overfitting", [note])
    note += " The best epoch on valid is kept, so what was lost after it is not shipped."
    header = ("cell", "valid loss rose", "since epoch", "best epoch", "AP lost after it")
    return Table("Overfitting", header, body, note)


def candidates(rulings: Sequence[Ruling]) -> Table:
    """Every setting the winners were chosen from, as the rule sees it."""
    body: list[list[Shown]] = []
    for ruling in rulings:
        for each in ruling.candidates:
            place = each.excluded
            if each in ruling.ties:
                place = "winner" if each is ruling.winner else "tie, but dearer"
            body.append(
                [
                    str(each.setting),
                    each.ap,
                    each.deviation,
                    each.seeds,
                    each.milliseconds,
                    round(each.seconds),
                    place,
                ]
            )
    header = ("setting", "AP on valid", "deviation", "seeds", "ms a picture", "training (s)", "")
    return Table("Candidates", header, body)


def left_out(title: str, reasons: Mapping[Cell, str]) -> Table:
    """Cells that have no result, and why."""
    body = [(str(cell), " ".join(reason.split())) for cell, reason in reasons.items()]
    return Table(title, ("cell", "reason"), body)


def _words(rows: Sequence[Row]) -> list[str]:
    return list(rows[0].words)


def _by_class(grid: Grid, dataset: str, rows: Sequence[Row]) -> Table:
    classes = list(rows[0].reading.per_class)
    objects = {k: s.objects for k, s in rows[0].reading.trials[0].scores.per_class.items()}
    words = [name for name in rows[0].words if name != "dataset"]
    body: list[list[Shown]] = [
        [*(row.words[name] for name in words), *(row.reading.per_class[name] for name in classes)]
        for row in rows
    ]
    counts = ", ".join(f"{objects[name]} {name}" for name in classes)
    note = f"Means over seeds. Test holds {counts}."
    zeros = {k: sum(row.reading.per_class[k] == 0 for row in rows) for k in classes}
    if any(zeros.values()):
        told = ", ".join(
            f"{k} in {count} of {len(rows)} rows" for k, count in zeros.items() if count
        )
        note += (
            f" Exactly 0, though there are objects to find: {told}. "
            "Look for a fault in labels or class names before calling it a finding."
        )
    title = f"{grid.title} · AP50 by class on {dataset}"
    return Table(title, [*words, *classes], body, note)


def _note(grid: Grid, rows: Sequence[Row]) -> str:
    """What all rows have in common, and what can't be read off the table."""
    same = spoken({k: v for k, v in rows[0].setting.parts().items() if k not in rows[0].words})
    said = [f"{name} {word}" for name, word in same.items()]
    lines = [f"In every row: {', '.join(said)}."] if said else []
    alone = [runs for row in rows if (runs := row.reading.ap50) and runs.usual is None]
    if any(len(runs.scores) == 1 for runs in alone):
        lines.append("With one seed the interval is over test pictures alone.")
    if any(row.standing is not None and row.standing.too_many for row in rows):
        lines.append(
            "There are too many rows on the same pictures: after Holm's correction the drawn "
            "pictures can't tell any difference, so every row would be a tie."
        )
    lines += [f"{row.label}: {gap}." for row in rows for gap in row.reading.gaps]
    sources = dict.fromkeys(each.source for each in grid.published)
    if sources:
        lines.append(f"Published: {'; '.join(sources)}.")
    nowhere = [
        f"{each.ap50:.3f} ({each.source})"
        for each in grid.published
        if not any(each.is_of(row.setting) for row in rows)
    ]
    if nowhere:
        lines.append(f"Published, but of no row here: {', '.join(nowhere)}.")
    return " ".join(lines)
