"""The page asks nothing of anybody, and shows what it is given, not what that would do."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kit.report import plots
from kit.report.html import LONGEST_SIDE, data_uri, render_html
from kit.report.page import Facts, Figure, Page, Pictures, Plot, Table, Text, show

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\" onmouseover='x' & $x$"
STAGES = {"decode": {"p50": 3.0}, "run": {"p50": 40.0}, "copy_in": None}


class Outline(HTMLParser):
    """Elements with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def full_page(name: str) -> Page:
    picture = np.full((48, 64, 3), 200, np.uint8)
    return Page(
        name,
        name,
        [
            Text(name, [name], code=name),
            Facts(name, [(name, name), ("AP", 0.5)]),
            Table(name, [name, "AP"], [[name, 0.5], ["x", None]], note=name),
            Plot(name, plots.class_bars({name: 3}, {name: 1, "b": 2}), name),
            Plot(name, plots.latency_bars([{"label": name, "stages": STAGES}])),
            Plot(name, plots.learning_curve([{"epoch": 1, "ap": 0.1, "train_loss": 2.0}])),
            Pictures(name, [Figure(picture, name)], note=name),
        ],
    )


def test_it_reaches_for_nothing_outside_itself() -> None:
    page = render_html(full_page("RBC"))
    assert not re.findall(r"(?:https?|ftp|file):", page)
    assert "@import" not in page
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", page)
    addresses = {
        value
        for _, attributes in Outline(page).elements
        for key, value in attributes.items()
        if key in ("src", "href", "srcset", "data", "action", "poster")
    }
    assert addresses
    assert all(str(value).startswith(("data:image/jpeg;base64,", "#")) for value in addresses)
    assert "default-src 'none'" in page


def test_hostile_names_are_shown_and_do_nothing() -> None:
    page = render_html(full_page(HOSTILE))
    outline = Outline(page)
    tags = {tag for tag, _ in outline.elements}
    assert "script" not in tags
    assert not [key for _, attributes in outline.elements for key in attributes if key[:2] == "on"]
    assert sum(tag == "img" for tag, _ in outline.elements) == 1
    assert HOSTILE in "".join(outline.words)


def lines(text: str) -> str:
    """Line ends as a browser reads them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@given(st.text())
@example("\r")
def test_any_text_is_shown_as_it_stands(text: str) -> None:
    outline = Outline(render_html(Page("t", "s", [Text("x", [text])])))
    assert lines(text) in lines("".join(outline.words))


def test_a_picture_keeps_its_colours_and_its_shape_but_not_its_size() -> None:
    picture = np.zeros((600, 2400, 3), np.uint8)
    picture[:] = (200, 40, 10)
    data = base64.b64decode(data_uri(picture).partition(",")[2])
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (LONGEST_SIDE // 4, LONGEST_SIDE, 3)
    assert np.abs(decoded.astype(int) - (200, 40, 10)).max() <= 4


def test_columns_of_numbers_are_aligned_right() -> None:
    table = Table("t", ["class", "AP", "empty"], [["a", 0.5, None], ["b", None, None]])
    assert [table.is_number(column) for column in range(3)] == [False, True, False]
    with pytest.raises(ValueError, match="2 columns, but a row of 1"):
        Table("t", ["a", "b"], [["x"]])


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (0.90712, "0.907"),
        (1.0, "1.000"),
        (42.61, "42.61"),
        (1234.5, "1234"),
        (12, "12"),
        ("a", "a"),
    ],
)
def test_cells_in_words(cell: float | str, shown: str) -> None:
    assert show(cell) == shown
    assert show(None) not in ("0", "")
