"""What a detector gets wrong, as sections of a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from kit.data.dataset import Dataset
from kit.evaluate.breakdown import judge
from kit.report import anatomy as told
from kit.report.anatomy import ALARM, MISSED, RIGHT, WRONG, side_by_side, tell
from kit.report.html import render_html
from kit.report.page import Page, Pictures, Plot, Table, Text
from kit.types import Detections, Example, Picture

CLASSES = ("cat", "<b>dog")
SIDE = 500
POINTS = (0.25, 0.25)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two pictures: objects in three corners of the first, in one of the second."""
    boxes = [[[20, 20, 80, 80], [200, 20, 260, 80], [20, 200, 80, 260]], [[20, 20, 80, 80]]]
    examples = []
    for name, truth in zip(("a.png", "b.png"), boxes, strict=True):
        cv2.imwrite(str(tmp_path / name), np.full((SIDE, SIDE, 3), 128, np.uint8))
        labels = np.zeros(len(truth), int)
        none = np.zeros(len(truth), np.uint8)
        examples.append(
            Example(name, tmp_path / name, (SIDE, SIDE), Detections.truth(truth, labels), none, "w")
        )
    return Dataset.from_examples("set", tmp_path, CLASSES, examples, {})


FOUND = [
    Detections(
        [[20, 20, 80, 80], [200, 20, 260, 80], [300, 300, 360, 360]], [0.9, 0.8, 0.7], [0, 1, 0]
    ),
    Detections([[20, 20, 80, 80]], [0.9], [0]),
]


def test_all_sections_and_the_page_is_safe(dataset: Dataset) -> None:
    sections = tell(dataset, FOUND, POINTS)
    tables = {each.title: each for each in sections if isinstance(each, Table)}
    rows = {row[0]: row[2] for row in tables["What costs AP50"].rows}
    assert (rows["classification"], rows["background"], rows["missed"]) == (1, 1, 1)
    assert [row[:3] for row in tables["By class"].rows] == [
        ["all", 2, 4], ["cat", 2, 4], ["<b>dog", 0, 0]
    ]  # fmt: skip
    assert tables["What is taken for what"].rows == [
        ["cat", 4, 2, 1, 1], ["<b>dog", 0, 0, 0, 0], ["nothing", None, 1, 0, None]
    ]  # fmt: skip
    [sheet] = [each for each in sections if isinstance(each, Pictures)]
    assert [figure.caption for figure in sheet.figures] == [
        "a.png: 1 missed, 1 false alarm(s), 1 of the wrong class"
    ]
    html = render_html(Page("t", "s", sections))
    assert "<b>dog" not in html
    assert "nan" not in html.lower().replace("data:image", "")[:4000]


def test_the_table_says_from_which_scores_on(dataset: Dataset) -> None:
    def note(points: tuple[float, float]) -> str:
        return told.confusions(judge(dataset, FOUND, points), CLASSES, points).note or ""

    assert "scored 0.25 or more" in note(POINTS)
    assert "scored cat 0.25, <b>dog 0.85 or more" in note((0.25, 0.85))


def test_without_groups_and_with_nothing_detected(dataset: Dataset) -> None:
    sections = tell(replace(dataset, groups=None), [Detections.empty()] * 2, POINTS)
    plots = [each for each in sections if isinstance(each, Plot)]
    assert "100.0" in plots[0].svg  # all is missed
    [text] = [each for each in sections if isinstance(each, Text)]
    assert "Not measurable" in text.paragraphs[0]
    [sheet] = [each for each in sections if isinstance(each, Pictures)]
    assert len(sheet.figures) == 2


def test_a_perfect_detector_has_no_worst_picture(dataset: Dataset) -> None:
    sections = tell(dataset, [one.truth for one in dataset], POINTS)
    [sheet] = [each for each in sections if isinstance(each, Pictures)]
    assert (len(sheet.figures), sheet.note) == (0, "No picture has an error.")


def test_many_classes_are_told_by_their_confusions(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "SQUARE", 1)
    table = told.confusions(judge(dataset, FOUND, POINTS), CLASSES, POINTS)
    assert sorted(map(str, table.rows)) == sorted(
        map(str, [["cat", "<b>dog", 1, 4], ["cat", "missed", 1, 4], ["nothing", "cat", 1, None]])
    )


def test_labels_left_and_detections_right_in_the_colours_of_what_they_are(
    dataset: Dataset,
) -> None:
    grey: Picture = np.full((SIDE, SIDE, 3), 128, np.uint8)
    sheet = side_by_side(grey, judge(dataset, FOUND, POINTS)[0], CLASSES)
    right = sheet[:, SIDE + 8 :]

    def painted(part: Picture, colour: tuple[int, int, int], at: tuple[int, int]) -> bool:
        x, y = at
        around = part[y : y + 60, x : x + 60]
        return bool((around == np.array(colour[::-1])).all(axis=2).any())

    assert painted(sheet, RIGHT, (20, 20))
    assert painted(right, RIGHT, (20, 20))
    assert painted(sheet, WRONG, (200, 20))
    assert painted(right, WRONG, (200, 20))
    assert painted(sheet, MISSED, (20, 200))
    assert not painted(right, MISSED, (20, 200))
    assert painted(right, ALARM, (300, 300))
    assert not painted(sheet, ALARM, (300, 300))
    assert sheet.shape[1] == 2 * SIDE + 8
