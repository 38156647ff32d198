"""Markdown of a page: every row has the columns of its header, whatever is in its cells."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from kit.report.markdown import render_markdown
from kit.report.page import Facts, Page, Plot, Table, Text


def test_a_page_in_full() -> None:
    page = Page(
        "Results",
        "72 pictures",
        [
            Text("How", ["As follows."], code="kit evaluate a b\nkit bench a b"),
            Facts("In short", [("AP50", 0.9), ("power", None)]),
            Table("By class", ["class", "AP"], [["a|b", 0.5], ["c_d", None]], note="COCO."),
            Plot("Curve", "<svg></svg>", "By epoch."),
        ],
    )
    text = render_markdown(page)
    assert text.startswith("# Results\n\n72 pictures\n\n## How\n\nAs follows.\n\n    kit evaluate")
    assert "| --- | ---: |\n| a\\|b | 0.500 |\n| c\\_d |" in text
    assert "<svg" not in text


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_no_cell_breaks_its_table(cells: list[tuple[str, str]]) -> None:
    text = render_markdown(Page("t", "s", [Table("x", ["a", "b"], cells)]))
    table = [line for line in text.split("\n") if line.startswith("|")]
    assert len(table) == len(cells) + 2
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table} == {3}
