"""The contact sheet of pictures to label next."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from kit.data.manifest import Manifest
from kit.report import contact
from kit.report.contact import contact_sheet
from kit.report.draw import colour_of
from kit.report.html import render_html
from kit.report.page import Pictures
from kit.types import Detections

NAMES = ("ward/large.png", "<b>small.png")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    (tmp_path / "ward").mkdir()
    for name, size in zip(NAMES, ((960, 1280, 3), (60, 80, 3)), strict=True):
        cv2.imwrite(str(tmp_path / name), np.full(size, 128, np.uint8))
    return Manifest(
        ids=NAMES,
        pictures=("0" * 64, "1" * 64),
        truth="2" * 64,
        rule="next to label: a rule",
        seed=0,
        class_counts={"cell": 0, "dust": 0},
        facts={
            "bundle": "b",
            "bundle_sha256": "3" * 64,
            "folder": "ward",
            "pool": {"pictures": 9, "labelled": 2, "uncertainty": 1.5},
            "left_out": {"cut.png": "the picture is cut off"},
            "sample": {"pictures": 2, "uncertainty": 4.5, "found": {"cell": 0, "dust": 1}},
            "ranked": [
                {"rank": 1, "id": NAMES[0], "uncertainty": 7.25, "found": 1},
                {"rank": 2, "id": NAMES[1], "uncertainty": 1.75, "found": 0},
            ],
        },
    )


FOUND = [Detections([[200, 400, 800, 900]], [0.5], [1]), Detections.empty()]


def test_each_picture_with_rank_and_uncertainty_and_boxes_where_they_are(
    manifest: Manifest, tmp_path: Path
) -> None:
    page = contact_sheet(manifest, FOUND, tmp_path)
    [sheet] = [section for section in page.sections if isinstance(section, Pictures)]
    assert [figure.caption for figure in sheet.figures] == [
        "1. ward/large.png: uncertainty 7.25, 1 found",
        "2. <b>small.png: uncertainty 1.75, 0 found",
    ]
    drawn = sheet.figures[0].picture
    assert drawn.shape == (480, 640, 3)  # half as large, and so is the box
    colour = np.array(colour_of(1)[::-1])
    ys, xs = np.nonzero((drawn[204:] == colour).all(axis=2))
    assert (xs.min(), xs.max(), ys.max() + 204) == (100, 400, 450)
    assert sheet.note is None


def test_the_page_is_safe_and_tells_what_was_left_out(manifest: Manifest, tmp_path: Path) -> None:
    html = render_html(contact_sheet(manifest, FOUND, tmp_path))
    assert "&lt;b&gt;small.png" in html
    assert "<b>small" not in html
    assert "the picture is cut off" in html
    assert "Next to label: a rule." in html
    assert re.search(r"Chosen from</dt><dd>7<", html)
    without = replace(manifest, facts={**manifest.facts, "left_out": {}})
    assert "Left out" not in render_html(contact_sheet(without, FOUND, tmp_path))


def test_a_long_list_is_shown_in_part_and_says_so(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact, "SHOWN", 1)
    page = contact_sheet(manifest, FOUND, tmp_path)
    [sheet] = [section for section in page.sections if isinstance(section, Pictures)]
    assert len(sheet.figures) == 1
    assert sheet.note == "The first 1; the manifest lists all 2."
