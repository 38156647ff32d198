"""Check, convert, merge, split and fetch datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kit.cli.output import Output
    from kit.data.dataset import Dataset

_MANY = 20


def show_splits(dataset: Dataset, title: str, out: Output) -> dict[str, Any]:
    """Print pictures and objects of each split, and return them."""
    from kit.data.convert import summary

    rows = summary(dataset)
    total = rows["all"]["class_counts"]
    order = sorted(dataset.classes, key=lambda name: -total[name])
    shown = [name for name in order if total[name] or len(order) <= _MANY]
    lines = [[key, *(row[key] for row in rows.values())] for key in ("pictures", "objects")]
    lines += [[name, *(row["class_counts"][name] for row in rows.values())] for name in shown]
    out.table(title, ["", *rows], lines)
    if len(shown) < len(order):
        out.print(f"{len(order) - len(shown)} of {len(order)} classes have no object")
    return rows


def tell_notes(dataset: Dataset, out: Output) -> None:
    """Say what the reader passed over: a copy or a score won't have it. The verb goes on, so what
    would stop a training is a warning here."""
    from dataclasses import replace

    from kit.data.findings import noted

    for finding in noted(dataset.notes):
        out.note(str(replace(finding, severity="warning")))


def tell_lost(lost: Mapping[str, int], format: str, out: Output) -> None:
    """Say what a format had no place for."""
    if lost:
        held = ", ".join(f"{count} x {what}" for what, count in lost.items())
        out.print(
            f"{format} has no place for: {held}. Kept in kit.json, from where it is restored."
        )
