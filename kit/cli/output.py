"""What a verb prints: text and tables for people, progress on standard error, one JSON result."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence, Sized
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from kit.files import write_text
from kit.progress import Label

T = TypeVar("T")

TOLD_EVERY = 30.0
"""Seconds between lines of progress where there is no terminal to draw a bar on."""


class Output:
    """A :class:`kit.progress.Progress` that draws on the terminal.

    Text goes to standard output, unless the JSON does; bars and notes go to standard error.
    """

    def __init__(self, json_path: str | None = None) -> None:
        self._json = json_path
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._out = self._err if json_path == "-" else Console(highlight=False, soft_wrap=True)

    def print(self, text: str = "") -> None:
        """Print a line; no markup is read, so a path with brackets stays as it is."""
        self._out.print(text, markup=False)

    def table(self, title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table; every column but the first is right-aligned."""
        # as text: what stands in brackets would be read as markup, and vanish
        shown = Text(title, "italic") if title else None
        table = Table(title=shown, title_justify="left", header_style="bold")
        for place, name in enumerate(header):
            table.add_column(name, justify="right" if place else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text("-" if cell is None else str(cell)) for cell in row))
        self._out.print(table)

    def note(self, text: str) -> None:
        """Print a warning or remark on standard error."""
        self._err.print(text, markup=False)

    def track(self, items: Iterable[T], label: Label, total: int | None = None) -> Iterator[T]:
        """Yield the items while a bar moves; the bar disappears when it is done.

        Where nobody watches a terminal, long work says a line now and then instead.
        """
        if total is None and isinstance(items, Sized):
            total = len(items)
        if not self._err.is_interactive:
            yield from self._tell(items, label, total)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        bars = Progress(
            *columns,
            console=self._err,
            transient=True,
            redirect_stdout=self._out.is_terminal,  # else what goes to a file would end up here
        )
        with bars:
            task = bars.add_task(_spoken(label), total=total)
            for item in items:
                yield item
                bars.update(task, advance=1, description=_spoken(label))

    def _tell(self, items: Iterable[T], label: Label, total: int | None) -> Iterator[T]:
        due = monotonic() + TOLD_EVERY
        for count, item in enumerate(items, 1):
            yield item
            if monotonic() >= due:
                self.note(f"{_spoken(label)}: {count}" + ("" if total is None else f" of {total}"))
                due = monotonic() + TOLD_EVERY

    def finish(self, result: Any) -> None:
        """Write the result where ``--json`` says."""
        if self._json is None:
            return
        text = json.dumps(result, indent=2, allow_nan=False) + "\n"
        if self._json == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            write_text(Path(self._json), text)


def _spoken(label: Label) -> str:
    return label if isinstance(label, str) else label()
