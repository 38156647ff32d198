"""A page as Markdown, for reports that are kept in a repository: text, facts and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kit.report.page import Cell, Facts, Page, Pictures, Plot, Section, Table, Text, show

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def render_markdown(page: Page) -> str:
    """The page as Markdown tables. Plots and pictures are named by their captions only."""
    lines = [f"# {_plain(page.title)}", "", _plain(page.subtitle)]
    for section in page.sections:
        lines += ["", f"## {_plain(section.title)}", "", *_body(section)]
    return "\n".join(lines).rstrip() + "\n"


def _body(section: Section) -> Iterator[str]:
    if isinstance(section, Text):
        yield "\n\n".join(_plain(paragraph) for paragraph in section.paragraphs)
        if section.code is not None:
            yield from ("", *(f"    {line}" for line in section.code.splitlines()))
    elif isinstance(section, Facts):
        yield from _table(("", ""), (False, False), section.items)
    elif isinstance(section, Table):
        numbers = tuple(section.is_number(column) for column in range(len(section.header)))
        yield from _table(section.header, numbers, section.rows)
        if section.note:
            yield from ("", _plain(section.note))
    elif isinstance(section, Plot):
        yield f"*Plot: {_plain(section.caption or section.title)}*"
    elif isinstance(section, Pictures):
        if section.note:
            yield from (_plain(section.note), "")
        yield from (f"- *Picture: {_plain(figure.caption)}*" for figure in section.figures)


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
