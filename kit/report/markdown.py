"""A page as Markdown, for reports that are kept in a repository: text, facts, tables and plots."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kit.files import write_bytes, write_text
from kit.report.page import Cell, Facts, Page, Pictures, Plot, Section, Table, Text, show
from kit.report.plots import svg_file

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


PLOTS = "plots"
"""Folder beside a Markdown page for its plots."""


def write_markdown(path: Path, page: Page) -> None:
    """Write the page, and its plots as PNG and SVG beside it."""
    folder = path.parent / PLOTS
    for place, section in enumerate(page.sections):
        if isinstance(section, Plot) and section.png is not None:
            name = _name(place, section)
            write_bytes(folder / f"{name}.png", section.png)
            write_text(folder / f"{name}.svg", svg_file(section.svg))
    write_text(path, render_markdown(page))


def render_markdown(page: Page) -> str:
    """The page as Markdown tables. Plots that have a PNG are linked to, as :func:`write_markdown`
    writes them; others, and pictures, are named by their captions only."""
    lines = [f"# {_plain(page.title)}", "", _plain(page.subtitle)]
    for place, section in enumerate(page.sections):
        lines += ["", f"## {_plain(section.title)}", "", *_body(section, place)]
    return "\n".join(lines).rstrip() + "\n"


def _name(place: int, plot: Plot) -> str:
    """Of a plot's files; the place tells equal titles apart."""
    words = re.sub(r"[^a-z0-9]+", "-", plot.title.lower()).strip("-")
    return f"{place:02}-{words[:60]}".strip("-")


def _body(section: Section, place: int) -> Iterator[str]:
    if isinstance(section, Text):
        yield "\n\n".join(_plain(paragraph) for paragraph in section.paragraphs)
        if section.code is not None:
            yield from ("", *(f"    {line}" for line in section.code.splitlines()))
    elif isinstance(section, Facts):
        yield from _table(("", ""), (False, False), section.items)
    elif isinstance(section, Table):
        numbers = tuple(section.is_number(column) for column in range(len(section.header)))
        yield from _table(section.header, numbers, section.rows)
    elif isinstance(section, Plot):
        caption = _plain(section.caption or section.title)
        if section.png is None:
            yield f"*Plot: {caption}*"
        else:
            yield f"![{_plain(section.title)}]({PLOTS}/{_name(place, section)}.png)"
            yield from ("", f"*{caption}*")
    elif isinstance(section, Pictures):
        if section.note:
            yield from (_plain(section.note), "")
        yield from (f"- *Picture: {_plain(figure.caption)}*" for figure in section.figures)
    if isinstance(section, Text | Facts | Table) and section.note:
        yield from ("", _plain(section.note))


def _table(
    header: Sequence[str], numbers: Sequence[bool], rows: Sequence[Sequence[Cell]]
) -> Iterator[str]:
    yield _row(header)
    yield _row(["---:" if number else "---" for number in numbers], plain=True)
    yield from (_row(row) for row in rows)


def _row(cells: Sequence[Cell], *, plain: bool = False) -> str:
    return f"| {' | '.join(show(cell) if plain else _plain(show(cell)) for cell in cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
