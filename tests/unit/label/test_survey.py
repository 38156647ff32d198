"""One look at each picture of a folder, and how unsure of it the detector is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kit.errors import DataError, RunFailed
from kit.label.survey import survey, uncertainty
from kit.types import Result

SCORES = arrays(np.float32, st.integers(0, 30), elements=st.floats(0, 1, width=32))


def test_a_box_counts_one_where_it_is_open_and_nothing_where_it_is_certain() -> None:
    for score, counts in ((0.5, 1.0), (0.0, 0.0), (1.0, 0.0), (0.25, 0.25), (0.75, 0.25)):
        assert uncertainty(np.array([score], np.float32)) == pytest.approx(counts)
    assert uncertainty(np.zeros(0, np.float32)) == 0


def test_hundreds_of_boxes_with_hardly_any_score_are_not_one_open_box() -> None:
    assert uncertainty(np.full(300, 0.005, np.float32)) < uncertainty(np.array([0.3], np.float32))


@given(SCORES, SCORES)
def test_it_is_a_sum_over_boxes_that_knows_no_side(
    some: np.ndarray[Any, Any], others: np.ndarray[Any, Any]
) -> None:
    both = uncertainty(np.concatenate([some, others]))
    assert both == pytest.approx(uncertainty(some) + uncertainty(others))
    assert 0 <= uncertainty(some) <= len(some)
    assert uncertainty(1 - some) == pytest.approx(uncertainty(some), abs=1e-5)


def test_every_picture_is_looked_at_once_and_labels_are_not_read(
    reader: Callable[..., Any], paint: Callable[..., Path]
) -> None:
    folder = paint({"b.png": (10, 20, 100), "a/c.png": (30, 40, 20), "a.png": (50, 60, 0)})
    (folder / "a.txt").write_text("0 0.5 0.5 nonsense")
    (folder / "a.xml").write_text("<annotation>")
    detector = reader()
    found = survey(detector, folder)
    assert [one.id for one in found.seen] == ["a/c.png", "a.png", "b.png"]
    assert detector.looked == 3
    assert not found.failed
    assert [one.uncertainty for one in found.seen] == pytest.approx([0.04, 0, 1.0])
    assert [len(one.found) for one in found.seen] == [0, 0, 1]  # what `kit detect` would show
    assert {one.size for one in found.seen} == {(80, 60)}
    np.testing.assert_array_equal(found.features, [[30, 40], [50, 60], [10, 20]])


def test_a_low_operating_point_is_not_looked_past(
    reader: Callable[..., Any], paint: Callable[..., Path]
) -> None:
    detector = reader()
    detector.card.thresholds = (0.25, 0.005)
    [one] = survey(detector, paint({"a.png": (0, 0, 1)})).seen
    assert len(one.found) == 1


def test_a_class_is_shown_from_its_own_threshold_on(
    reader: Callable[..., Any], paint: Callable[..., Path]
) -> None:
    """Boxes are of the second class, scored 0.3 and 0.7."""
    detector = reader()
    detector.card.thresholds = (0.1, 0.5)
    seen = survey(detector, paint({"a.png": (0, 0, 60), "b.png": (0, 0, 140)})).seen
    assert [len(one.found) for one in seen] == [0, 1]


def test_a_picture_that_cannot_be_read_is_named_and_the_rest_goes_on(
    reader: Callable[..., Any], paint: Callable[..., Path]
) -> None:
    folder = paint({"a.png": (0, 0, 0), "b.png": (0, 0, 0)})
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:60])
    (folder / "empty.jpg").touch()
    (folder / "odd\udcff.png").write_bytes((folder / "a.png").read_bytes())
    found = survey(reader(), folder)
    assert [one.id for one in found.seen] == ["a.png", "b.png"]
    assert sorted(found.failed) == ["cut.png", "empty.jpg", r"odd\udcff.png"]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda folder: None, "no such folder"),
        (lambda folder: folder.mkdir(), "no picture in this folder"),
        (lambda folder: folder.write_bytes(b""), "no such folder"),
        (lambda folder: (folder.mkdir(), (folder / "a.png").touch()), "none of the 1 picture"),
    ],
)
def test_a_folder_with_nothing_to_look_at(
    reader: Callable[..., Any], tmp_path: Path, make: Callable[[Path], Any], complaint: str
) -> None:
    make(tmp_path / "ward")
    with pytest.raises(DataError, match=complaint):
        survey(reader(), tmp_path / "ward")


def test_features_that_are_no_numbers_rank_nothing(
    reader: Callable[..., Any], paint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = reader()
    broken = Result(detector._answer(np.zeros((9, 9, 3)), 0.25).detections, {}, np.array([np.nan]))
    monkeypatch.setattr(detector, "_answer", lambda image, floor: broken)
    with pytest.raises(RunFailed, match="not finite"):
        survey(detector, paint({"a.png": (0, 0, 0)}))
