"""The page and the sheet of labels that are likely wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kit.data.dataset import Dataset
from kit.label.mistakes import Mistake
from kit.report.html import render_html
from kit.report.mistakes import GIVEN, SUGGESTED, caption, closeups, mistakes_page, montage
from kit.types import Detections, Example, Picture

BOX = (700.0, 500.0, 760.0, 560.0)
MISSED = Mistake("in/a.png", "missed", 0.9, None, None, None, "<b>dog", BOX, rank=1)
WRONG = Mistake("in/a.png", "class", 0.8, 0, "cat", BOX, "<b>dog", (705, 500, 760, 560), rank=2)
BAD = Mistake("in/a.png", "box", 0.7, 0, "cat", BOX, "cat", (730, 500, 790, 560), rank=3)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/a.png"), np.full((600, 800, 3), 90, np.uint8))
    truth = Detections.truth([BOX], [0])
    example = Example("in/a.png", tmp_path / "in/a.png", (800, 600), truth, np.zeros(1, np.uint8))
    return Dataset.from_examples("set", tmp_path, ("cat", "<b>dog"), [example], {})


def painted(picture: Picture, colour: tuple[int, int, int]) -> bool:
    return bool((picture == np.array(colour[::-1])).all(axis=2).any())


def test_each_is_shown_with_its_surroundings(dataset: Dataset) -> None:
    """A square three times as large, moved into the picture where it would lead out of it."""
    figures = closeups(dataset, [MISSED, WRONG, BAD])
    assert [figure.picture.shape[:2] for figure in figures] == [(480, 480)] * 3  # 180, enlarged
    assert [painted(figure.picture, SUGGESTED) for figure in figures] == [True] * 3
    assert [painted(figure.picture, GIVEN) for figure in figures] == [False, True, True]
    only = (figures[0].picture == np.array(SUGGESTED[::-1])).all(axis=2)
    ys, xs = np.nonzero(only[:, 200:])
    # the box begins 80 px into the part that is shown, from 620 to 800, enlarged 480 / 180
    assert xs.min() + 200 == pytest.approx(80 * 480 / 180, abs=2)
    assert ys.max() == pytest.approx((560 - 420) * 480 / 180, abs=2)


def test_captions() -> None:
    assert [caption(one) for one in (MISSED, WRONG, BAD)] == [
        "1. missed <b>dog (0.90), a.png",
        "2. cat, or <b>dog? (0.80), a.png",
        "3. box of cat (0.70), a.png",
    ]


def test_the_page_is_safe_and_lists_all(dataset: Dataset) -> None:
    found = [MISSED, WRONG, BAD]
    html = render_html(mistakes_page(found, closeups(dataset, found), [("Pictures", 1)]))
    assert "<b>dog" not in html
    assert html.count("in/a.png") == 3
    assert "trained on" in html


def test_one_sheet_of_all(dataset: Dataset) -> None:
    figures = closeups(dataset, [MISSED, WRONG, BAD])
    assert montage(figures[:1]).shape[1] == 300
    sheet = montage([*figures, *figures])  # two rows of four, and the legend
    assert sheet.shape[1] == 1200
    assert 2 * 322 < sheet.shape[0] < 2 * 322 + 60
    with pytest.raises(ValueError, match="needs a figure"):
        montage([])
