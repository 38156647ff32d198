"""Markdown of a page: every row has the columns of its header, whatever is in its cells."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from kit.report.markdown import render_markdown, write_markdown
from kit.report.page import Facts, Page, Plot, Table, Text
from kit.report.plots import svg


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


def test_plots_with_a_file_are_linked_and_equal_titles_kept_apart(tmp_path: Path) -> None:
    drawing = svg(lambda: Figure(figsize=(1, 1)))
    plots = [Plot("A (b)", drawing, "c", png=image) for image in (b"one", b"other")]
    write_markdown(tmp_path / "report.md", Page("t", "s", [*plots, Plot("d", drawing)]))
    links = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (tmp_path / "report.md").read_text())
    assert [(tmp_path / link).read_bytes() for link in links] == [b"one", b"other"]
    drawn = ET.fromstring((tmp_path / links[0]).with_suffix(".svg").read_text())
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert "background: #fff" in drawn.get("style", "")
