"""A report as plain data: what is on the page, not how it looks. HTML and Markdown render it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kit.types import Picture

Cell: TypeAlias = str | int | float | None
"""None is shown as a dash: not measured."""


@dataclass(frozen=True)
class Text:
    """Paragraphs of plain text; ``code`` is a command to paste, shown as it stands; what is
    ``loud`` must not be overlooked."""

    title: str
    paragraphs: Sequence[str] = ()
    code: str | None = None
    note: str | None = None
    loud: bool = False


@dataclass(frozen=True)
class Facts:
    """Keys and values: the headline figures, or the machine it was measured on."""

    title: str
    items: Sequence[tuple[str, Cell]]
    note: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows below a header; columns of numbers are aligned right.

    Raises:
        ValueError: a row has another length than the header.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"{len(self.header)} columns, but a row of {len(row)}: {row!r}")

    def is_number(self, column: int) -> bool:
        """Whether a column holds numbers only, and at least one."""
        cells = [row[column] for row in self.rows if row[column] is not None]
        return bool(cells) and all(isinstance(cell, (int, float)) for cell in cells)


@dataclass(frozen=True)
class Plot:
    """A drawing made by :mod:`kit.report.plots`; its SVG is put into an HTML page as it stands,
    its PNG, if it has one, beside a Markdown page."""

    title: str
    svg: str
    caption: str = ""
    png: bytes | None = None


@dataclass(frozen=True, eq=False)
class Figure:
    """One picture, ``(H, W, 3)`` BGR, with its caption."""

    picture: Picture
    caption: str = ""


@dataclass(frozen=True)
class Pictures:
    """A grid of captioned pictures."""

    title: str
    figures: Sequence[Figure]
    note: str | None = None


Section: TypeAlias = Text | Facts | Table | Plot | Pictures


@dataclass(frozen=True)
class Page:
    """A report."""

    title: str
    subtitle: str
    sections: Sequence[Section]


def show(cell: Cell) -> str:
    """A cell in words: shares to three places, other floats to four digits, None as a dash."""
    if cell is None:
        return "–"  # noqa: RUF001 - an en dash is the typographer's mark for no value
    if isinstance(cell, float):
        return format(cell, ".3f" if abs(cell) <= 1 else ".4g" if abs(cell) < 1000 else ".0f")
    return str(cell)
